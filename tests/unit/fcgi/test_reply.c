#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fcgi/reply.h"

struct outcome {
	enum ol_reply_taken taken;
	size_t used; /* in all; not with BAD, which may be known sooner */
	char text[256 * 1024];
};

/*
 * Take data, piece bytes at a time, each in memory of its own, so that a
 * sanitizer sees who reads too far.
 */
static void
play(struct outcome *out, const char *data, size_t len, size_t piece)
{
	struct ol_reply reply;
	const char *why = NULL;
	size_t at, n, used, i;
	int end;

	ol_reply_init(&reply);
	out->taken = OL_REPLY_MORE;
	out->used = 0;
	out->text[0] = '\0';
	for (at = 0; at < len && out->taken == OL_REPLY_MORE; at += n) {
		char *copy;

		n = len - at < piece ? len - at : piece;
		copy = malloc(n);
		memcpy(copy, data + at, n);
		out->taken = ol_reply_take(&reply, copy, n, &used, &why);
		free(copy);
		out->used += used;
		assert_true(used <= n);
		if (out->taken == OL_REPLY_MORE)
			assert_int_equal(used, n);
	}
	if (out->taken == OL_REPLY_BAD) {
		assert_non_null(why);
		strlcpy(out->text, why, sizeof(out->text));
		out->used = 0;
	} else if (out->taken == OL_REPLY_HEAD) {
		end =
		    snprintf(out->text, sizeof(out->text), "%d", reply.status);
		for (i = 0; i < reply.nheaders; i++)
			end += snprintf(out->text + end,
			    sizeof(out->text) - (size_t)end, "|%s=%s",
			    reply.headers[i].name, reply.headers[i].value);
	}
	ol_reply_fini(&reply);
}

/* However it is cut, what comes of it is the same; *out is that. */
static void
play_all(struct outcome *out, const char *data, size_t len)
{
	static struct outcome other;
	size_t piece, most = len < 200 ? len : 3;

	play(out, data, len, len + 1);
	for (piece = 1; piece <= most; piece++) {
		play(&other, data, len, piece);
		assert_int_equal(out->taken, other.taken);
		assert_int_equal(out->used, other.used);
		assert_string_equal(out->text, other.text);
	}
}

static void
test_heads(void **state)
{
	static const struct {
		const char *data, *text, *rest;
	} cases[] = {
		{ "Content-Type: text/html\r\n\r\n<p>",
		    "200|Content-Type=text/html", "<p>" },
		{ "Content-Type: text/html\n\n<p>",
		    "200|Content-Type=text/html", "<p>" },
		{ "A: 1\r\nB: 2\n\r\n", "200|A=1|B=2", "" },
		{ "A: 1\nA: 2\n\nA: 3\n\n", "200|A=1|A=2", "A: 3\n\n" },
		{ "\r\nx", "200", "x" },
		{ "\n\nx", "200", "\nx" },
		{ "Status: 404 Not Found\r\nX: y\r\n\r\n", "404|X=y", "" },
		{ "X: y\r\nstatus:503\r\n\r\n", "503|X=y", "" },
		{ "STATUS: \t 200\tOK \r\n\r\n", "200", "" },
		{ "Status: 599\n\n", "599", "" },
		{ "Location: /x\r\n\r\n", "302|Location=/x", "" },
		{ "lOCATION: /x\r\n\r\n", "302|lOCATION=/x", "" },
		{ "Location: /x\r\nStatus: 201\r\n\r\n", "201|Location=/x",
		    "" },
		{ "HTTP/1.1 404 Not Found\r\nX: y\r\n\r\n", "404|X=y", "" },
		{ "HTTP/2 500\n\n", "500", "" },
		{ "HTTP/1.0  302 \r\nLocation: a\r\nStatus: 303\r\n\r\n",
		    "303|Location=a", "" },
		{ "Statusx: 7\r\nStatu: 8\r\n\r\n", "200|Statusx=7|Statu=8",
		    "" },
		{ "A: \t b c \t \r\n\r\n", "200|A=b c", "" },
		{ "Empty:\r\nBlank: \t \r\nTwo:a:b\r\n\r\n",
		    "200|Empty=|Blank=|Two=a:b", "" },
		{ "!#$%&'*+-.^_`|~09az: \xc3\xa4\xff\t.\r\n\r\n",
		    "200|!#$%&'*+-.^_`|~09az=\xc3\xa4\xff\t.", "" },
	};
	static struct outcome out;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].data);

		play_all(&out, cases[i].data, len);
		assert_int_equal(out.taken, OL_REPLY_HEAD);
		assert_string_equal(out.text, cases[i].text);
		assert_string_equal(cases[i].data + out.used, cases[i].rest);
	}
}

static void
test_no_heads(void **state)
{
	static const struct {
		const char *data, *why;
	} cases[] = {
		{ "hello\n\n", "no colon" },
		{ "A: b\r\n<html>\r\n\r\n", "no name may hold" },
		{ "A: b\r\n folded\r\n\r\n", "folded" },
		{ "A: b\r\n\tfolded\r\n\r\n", "folded" },
		{ " A: b\r\n\r\n", "folded" },
		{ ": b\r\n\r\n", "no name may hold" },
		{ "A b: c\r\n\r\n", "no name may hold" },
		{ "A : c\r\n\r\n", "no name may hold" },
		{ "A\xc3\xa4: c\r\n\r\n", "no name may hold" },
		{ "A: b\rc\r\n\r\n", "control character" },
		{ "A: b\r\r\n\r\n", "control character" },
		{ "A: \x01\r\n\r\n", "control character" },
		{ "A: \x7f\r\n\r\n", "control character" },
		{ "A\x1b: b\r\n\r\n", "control character" },
		{ "Status: 4040\r\n\r\n", "three digits" },
		{ "Status: 40\r\n\r\n", "three digits" },
		{ "Status: OK\r\n\r\n", "three digits" },
		{ "Status:\r\n\r\n", "three digits" },
		{ "Status: -20\r\n\r\n", "three digits" },
		{ "Status: 100 Continue\r\n\r\n", "200 to 599" },
		{ "Status: 000\r\n\r\n", "200 to 599" },
		{ "Status: 600\r\n\r\n", "200 to 599" },
		{ "HTTP/1.1\r\n\r\n", "three digits" },
		{ "HTTP/1.1 abc\r\n\r\n", "three digits" },
		{ "HTTP/1.1 100 Continue\r\n\r\n", "200 to 599" },
		{ "A: b\r\nHTTP/1.1 200 OK\r\n\r\n", "no name may hold" },
	};
	static struct outcome out;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		play_all(&out, cases[i].data, strlen(cases[i].data));
		assert_int_equal(out.taken, OL_REPLY_BAD);
		assert_non_null(strstr(out.text, cases[i].why));
	}
	play_all(&out, "A: \0\r\n\r\n", 8);
	assert_int_equal(out.taken, OL_REPLY_BAD);
	play_all(&out, "A\0B: c\r\n\r\n", 10);
	assert_int_equal(out.taken, OL_REPLY_BAD);
}

static void
test_the_head_goes_on(void **state)
{
	static const char *const cases[] = { "", "A", "A: b", "A: b\r",
		"A: b\r\n", "A: b\r\n\r", "\r", "Status: 200\n",
		"HTTP/1.1 200 OK\r\n" };
	static struct outcome out;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		play_all(&out, cases[i], strlen(cases[i]));
		assert_int_equal(out.taken, OL_REPLY_MORE);
	}
}

/* A head of len bytes: lines of at most line bytes. */
static char *
long_head(size_t len, size_t line)
{
	char *head = malloc(len + 1);
	size_t at = 0, n;

	while (len - at > 2) {
		n = len - at - 2 < line ? len - at - 2 : line;
		/* Nothing too short for a line may be left. */
		if (len - at - 2 - n < 5 && len - at - 2 != n)
			n = len - at - 2 - 5;
		memset(head + at, 'v', n);
		memcpy(head + at, "A:", 2);
		memcpy(head + at + n - 2, "\r\n", 2);
		at += n;
	}
	memcpy(head + at, "\r\nx", 3);
	return head;
}

static void
test_the_longest_head(void **state)
{
	static const size_t lines[] = { 5, 11, 1000, OL_REPLY_HEAD_MAX };
	static struct outcome out;
	size_t i;
	char *head;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		head = long_head(OL_REPLY_HEAD_MAX, lines[i]);
		play_all(&out, head, OL_REPLY_HEAD_MAX + 1);
		assert_int_equal(out.taken, OL_REPLY_HEAD);
		assert_int_equal(out.used, OL_REPLY_HEAD_MAX);
		free(head);
		head = long_head(OL_REPLY_HEAD_MAX + 1, lines[i]);
		play_all(&out, head, OL_REPLY_HEAD_MAX + 2);
		assert_int_equal(out.taken, OL_REPLY_BAD);
		assert_non_null(strstr(out.text, "longer than 64 KiB"));
		free(head);
	}
}

static void
test_header_is_found(void **state)
{
	static const char text[] = "A: 1\nx-y: 2\nX-Y: 3\n\n";
	struct ol_reply reply;
	const char *why;
	size_t used;

	(void)state;
	ol_reply_init(&reply);
	assert_int_equal(
	    ol_reply_take(&reply, text, sizeof(text) - 1, &used, &why),
	    OL_REPLY_HEAD);
	assert_string_equal(ol_reply_header(&reply, "X-Y"), "2");
	assert_string_equal(ol_reply_header(&reply, "a"), "1");
	assert_null(ol_reply_header(&reply, "X"));
	assert_null(ol_reply_header(&reply, "X-Y-Z"));
	ol_reply_fini(&reply);
	ol_reply_fini(&reply);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_no_heads),
		cmocka_unit_test(test_the_head_goes_on),
		cmocka_unit_test(test_the_longest_head),
		cmocka_unit_test(test_header_is_found),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
