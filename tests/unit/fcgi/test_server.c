#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include <event2/event.h>
#include <fastcgi.h>
#include <cmocka.h>

#include "base/clock.h"
#include "serving.h"

static const char *const params[] = { "REQUEST_METHOD=POST",
	"DOCUMENT_URI=/tasks/thumbnail", "EMPTY=", "HTTP_COOKIE=a=b", NULL };

static struct records r;
static struct serving s;

static int
begin(void **state)
{
	(void)state;
	s = (struct serving){ .manner = ANSWERS };
	r.len = 0;
	return 0;
}

static int
end(void **state)
{
	(void)state;
	serving_stop(&s);
	return 0;
}

static void
send_all(int fd)
{
	serving_send(&s, fd, r.data, r.len);
	r.len = 0;
}

/* What was told since the last time. */
static const char *
told(void)
{
	s.told[s.told_len] = '\0';
	s.told_len = 0;
	return s.told;
}

static void
add_begin(unsigned id, unsigned role, unsigned flags)
{
	FCGI_BeginRequestBody body = { .roleB0 = (unsigned char)role,
		.flags = (unsigned char)flags };

	records_add(&r, FCGI_BEGIN_REQUEST, id, &body, sizeof(body), 0);
}

/* A request and its answer on a kept connection: is all well with it? */
static void
assert_serves(int fd)
{
	records_request(&r, FCGI_KEEP_CONN, params, "well", 4);
	send_all(fd);
	assert_string_equal(serving_got(&s, fd), serving_answer(1, "well", 4));
}

/* Until there are n connections; a busy machine has 5 s. */
static void
wait_for_connections(size_t n)
{
	int i;

	for (i = 0; i < 1000 && ol_server_connections(s.server) != n; i++)
		serving_wait(&s, 5);
	assert_int_equal(ol_server_connections(s.server), n);
}

/* --- requests, whole and in pieces --- */

static void
test_split_everywhere(void **state)
{
	static struct records whole;
	static char first[4096], now[4096];
	size_t piece, at, n;
	int fd;

	(void)state;
	serving_start(&s);
	records_add(&whole, FCGI_GET_VALUES, 0, "\016\0FCGI_MAX_CONNS", 16, 5);
	records_add(&whole, 77, 0, "abc", 3, 1);
	records_begin(&whole, FCGI_KEEP_CONN);
	records_add(&whole, FCGI_PARAMS, 1, "\004\003NAM", 5, 3);
	records_add(&whole, FCGI_PARAMS, 1, "Eval\200", 5, 0);
	records_add(&whole, FCGI_PARAMS, 1, "\0\0\001\0x", 5, 250);
	records_add(&whole, FCGI_PARAMS, 1, NULL, 0, 8);
	records_add(&whole, FCGI_STDIN, 1, "hello", 5, 255);
	records_add(&whole, FCGI_STDIN, 1, "=world", 6, 2);
	records_add(&whole, FCGI_STDIN, 1, NULL, 0, 7);
	/* Of a request that is over: says nothing. */
	records_add(&whole, FCGI_STDIN, 1, "late", 4, 0);
	records_add(&whole, FCGI_GET_VALUES, 0, "", 0, 0);
	fd = serving_connect(&s);
	serving_send(&s, fd, whole.data, whole.len);
	strlcpy(first, serving_got(&s, fd), sizeof(first));
	strlcat(first, told(), sizeof(first));
	assert_non_null(strstr(first, "unknown:77"));
	assert_non_null(strstr(first, serving_answer(1, "hello=world", 11)));
	assert_non_null(strstr(first, "request 4=3:"));
	assert_non_null(strstr(first, "length -1\nbody 0 11\n"));
	for (piece = 1; piece < 2 * whole.len; piece++) {
		/* Pieces of that size; behind it, two of every size. */
		for (at = 0; at < whole.len; at += n) {
			n = piece < whole.len ? piece : piece - whole.len;
			if (n == 0 || (piece > whole.len && at > 0))
				n = whole.len;
			if (n > whole.len - at)
				n = whole.len - at;
			serving_send(&s, fd, whole.data + at, n);
		}
		strlcpy(now, serving_got(&s, fd), sizeof(now));
		strlcat(now, told(), sizeof(now));
		assert_string_equal(now, first);
	}
	close(fd);
}

static void
test_parameters(void **state)
{
	static char name[300], value[70000];
	unsigned char lengths[8] = { 0x80, 0, 1, 0x2b, 0x80, 1, 0x11, 0x6f };
	const struct ol_pair *pairs;
	size_t n;
	int fd;

	(void)state;
	s.manner = HOLDS;
	serving_start(&s);
	memset(name, 'n', 299);
	memset(value, 'v', 69999);
	records_begin(&r, 0);
	records_add(
	    &r, FCGI_PARAMS, 1, "\003\002FOO\0b\0\0\003\001FOOc", 15, 0);
	records_add(&r, FCGI_PARAMS, 1, lengths, 8, 0);
	records_add(&r, FCGI_PARAMS, 1, name, 299, 0);
	records_add(&r, FCGI_PARAMS, 1, value, 60000, 0);
	records_add(&r, FCGI_PARAMS, 1, value, 9999, 0);
	records_add(&r, FCGI_PARAMS, 1, NULL, 0, 0);
	fd = serving_connect(&s);
	send_all(fd);
	assert_non_null(s.held);
	pairs = ol_request_params(s.held, &n);
	assert_int_equal(n, 4);
	assert_string_equal(pairs[0].name, "FOO");
	assert_int_equal(pairs[0].value_len, 2);
	assert_memory_equal(pairs[0].value, "\0b", 3);
	assert_int_equal(pairs[1].name_len, 0);
	assert_string_equal(pairs[1].value, "");
	assert_string_equal(pairs[2].value, "c");
	assert_string_equal(pairs[3].name, name);
	assert_string_equal(pairs[3].value, value);
	assert_ptr_equal(ol_request_param(s.held, "FOO"), pairs[0].value);
	assert_null(ol_request_param(s.held, "FO"));
	close(fd);
	serving_turn(&s);
}

/* --- bodies --- */

static void
test_bodies_of_every_length(void **state)
{
	static const size_t ranges[][2] = { { 0, 260 }, { 32700, 32800 },
		{ 65480, 65610 }, { 98290, 98320 }, { 131040, 131110 } };
	static unsigned char body[140000];
	size_t i, len;
	int fd;

	(void)state;
	serving_start(&s);
	for (i = 0; i < sizeof(body); i++)
		body[i] = (unsigned char)(i * 7 + i / 251);
	fd = serving_connect(&s);
	for (i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		for (len = ranges[i][0]; len < ranges[i][1]; len++) {
			records_request(&r, FCGI_KEEP_CONN, params, body, len);
			send_all(fd);
			assert_string_equal(
			    serving_got(&s, fd), serving_answer(1, body, len));
			/* In records as large as they can be. */
			records_begin(&r, FCGI_KEEP_CONN);
			records_params(&r, params);
			if (len > 65535)
				records_add(
				    &r, FCGI_STDIN, 1, body, 65535, 255);
			if (len > 0)
				records_add(&r, FCGI_STDIN, 1,
				    body + (len > 65535 ? 65535 : 0),
				    len > 65535 ? len - 65535 : len, 1);
			if (len <= 131070) {
				records_stdin(&r, NULL, 0);
				send_all(fd);
				assert_string_equal(serving_got(&s, fd),
				    serving_answer(1, body, len));
			}
			r.len = 0;
			told();
			if (len > 131070)
				break;
		}
	close(fd);
}

static void
test_body_in_memory_or_in_a_file(void **state)
{
	static unsigned char body[OL_REQUEST_MEMORY + 1];
	int fd, file;

	(void)state;
	s.manner = HOLDS;
	serving_start(&s);
	fd = serving_connect(&s);
	memset(body, 'b', sizeof(body));
	records_request(&r, FCGI_KEEP_CONN, params, body, OL_REQUEST_MEMORY);
	send_all(fd);
	assert_memory_equal(ol_request_body(s.held), body, OL_REQUEST_MEMORY);
	assert_int_equal(ol_request_take_body(s.held), -1);
	ol_request_forget(s.held);
	ol_request_finish(s.held);
	records_request(&r, FCGI_KEEP_CONN, params, body, sizeof(body));
	send_all(fd);
	assert_null(ol_request_body(s.held));
	assert_int_equal(ol_request_body_length(s.held), sizeof(body));
	file = ol_request_take_body(s.held);
	assert_true(file != -1);
	assert_int_equal(lseek(file, 0, SEEK_CUR), sizeof(body));
	close(file);
	ol_request_finish(s.held);
	close(fd);
}

static void
test_too_large(void **state)
{
	static unsigned char body[100000];
	static const char *const declared[] = { "CONTENT_LENGTH=5001", NULL };
	int fd;

	(void)state;
	s.options.max_body = 5000;
	s.options.max_ignored = 150000;
	serving_start(&s);
	fd = serving_connect(&s);
	/* The rest is drained, and the connection stays. */
	records_request(&r, FCGI_KEEP_CONN, params, body, 5001);
	send_all(fd);
	assert_non_null(strstr(told(), "body 1 0\n"));
	assert_non_null(strstr(serving_got(&s, fd), "Status: 413"));
	records_request(&r, FCGI_KEEP_CONN, params, body, sizeof(body));
	send_all(fd);
	assert_non_null(strstr(serving_got(&s, fd), "Status: 413"));
	assert_serves(fd);
	records_request(&r, FCGI_KEEP_CONN, params, body, 5000);
	send_all(fd);
	assert_string_equal(serving_got(&s, fd), serving_answer(1, body, 5000));
	told();
	/* Told by CONTENT_LENGTH, before anything of it has come. */
	records_begin(&r, FCGI_KEEP_CONN);
	records_params(&r, declared);
	send_all(fd);
	assert_non_null(strstr(told(), "body 1 0\n"));
	assert_non_null(strstr(serving_got(&s, fd), "Status: 413"));
	/* But not for ever. */
	records_stdin(&r, body, sizeof(body));
	r.len -= 8;
	records_stdin(&r, body, 60000);
	send_all(fd);
	assert_non_null(strstr(serving_got(&s, fd), "eof"));
	assert_int_equal(ol_server_connections(s.server), 0);
	close(fd);
}

/* The owner, too, has to do with the drained rest: it is not answered yet. */
static void
test_too_large_and_held(void **state)
{
	static unsigned char body[100000];
	int fd;

	(void)state;
	s.manner = HOLDS;
	s.options.max_body = 1;
	s.options.max_ignored = 50000;
	serving_start(&s);
	fd = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, body, sizeof(body));
	send_all(fd);
	assert_non_null(strstr(told(), "body 1 0\ngone 3\n"));
	assert_null(s.held);
	close(fd);
}

static void
test_wrong_length(void **state)
{
	static const char *const four[] = { "CONTENT_LENGTH=4", NULL };
	static const char *const none[] = { "CONTENT_LENGTH=", NULL };
	int fd;

	(void)state;
	serving_start(&s);
	fd = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, four, "abc", 3);
	send_all(fd);
	assert_non_null(strstr(serving_got(&s, fd), "Status: 400"));
	records_request(&r, FCGI_KEEP_CONN, four, "abcde", 5);
	send_all(fd);
	assert_non_null(strstr(serving_got(&s, fd), "Status: 400"));
	records_request(&r, FCGI_KEEP_CONN, four, "abcd", 4);
	send_all(fd);
	assert_non_null(strstr(serving_got(&s, fd), "Status: 200"));
	records_request(&r, FCGI_KEEP_CONN, none, "abcd", 4);
	send_all(fd);
	assert_non_null(strstr(serving_got(&s, fd), "Status: 200"));
	close(fd);
}

static void
test_no_room(void **state)
{
	static unsigned char body[OL_REQUEST_MEMORY + 1];
	int fd;

	(void)state;
	s.options.folder = -1;
	serving_start(&s);
	fd = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, body, sizeof(body));
	send_all(fd);
	assert_non_null(strstr(serving_got(&s, fd), "Status: 503"));
	assert_serves(fd);
	close(fd);
}

/* --- what a web server seldom sends --- */

static void
test_several_requests_at_once(void **state)
{
	int fd;

	(void)state;
	serving_start(&s);
	fd = serving_connect(&s);
	records_begin(&r, FCGI_KEEP_CONN);
	add_begin(2, FCGI_RESPONDER, FCGI_KEEP_CONN);
	records_add(&r, FCGI_PARAMS, 2, "\001\001ab", 4, 0);
	records_params(&r, params);
	records_add(&r, FCGI_STDIN, 2, "theirs", 6, 0);
	records_add(&r, FCGI_STDIN, 1, "ours", 4, 0);
	add_begin(65535, FCGI_RESPONDER, 0);
	records_add(&r, FCGI_STDIN, 2, NULL, 0, 0);
	send_all(fd);
	assert_string_equal(serving_got(&s, fd), "end2:1 end65535:1 ");
	records_add(&r, FCGI_STDIN, 1, NULL, 0, 0);
	send_all(fd);
	assert_string_equal(serving_got(&s, fd), serving_answer(1, "ours", 4));
	assert_serves(fd);
	close(fd);
}

static void
test_get_values(void **state)
{
	unsigned char names[60000];
	size_t len = 0;
	int fd, i;

	(void)state;
	s.manner = HOLDS;
	s.options.max_connections = 512;
	serving_start(&s);
	fd = serving_connect(&s);
	for (i = 0; i < 1000; i++) {
		memcpy(names + len, "\016\0FCGI_MAX_CONNS", 16);
		memcpy(names + len + 16, "\017\0FCGI_MPXS_CONNS", 17);
		memcpy(names + len + 33, "\005\003OTHERabc", 10);
		len += 43;
	}
	records_add(&r, FCGI_GET_VALUES, 0, names, len, 0);
	send_all(fd);
	assert_string_equal(serving_got(&s, fd),
	    "values:\016\003FCGI_MAX_CONNS512"
	    "\017\001FCGI_MPXS_CONNS0 ");
	records_add(&r, FCGI_GET_VALUES, 0, "\015\0FCGI_MAX_REQS", 15, 0);
	send_all(fd);
	assert_string_equal(
	    serving_got(&s, fd), "values:\015\003FCGI_MAX_REQS512 ");
	records_add(&r, FCGI_GET_VALUES, 0, NULL, 0, 0);
	send_all(fd);
	assert_string_equal(serving_got(&s, fd), "values: ");
	/* In the middle of a request, and while it waits. */
	records_begin(&r, FCGI_KEEP_CONN);
	records_add(&r, FCGI_GET_VALUES, 0, NULL, 0, 0);
	records_params(&r, params);
	records_add(&r, 200, 0, "x", 1, 0);
	records_stdin(&r, NULL, 0);
	records_add(&r, FCGI_BEGIN_REQUEST, 0, "12345678", 8, 0);
	send_all(fd);
	assert_string_equal(
	    serving_got(&s, fd), "values: unknown:200 unknown:1 ");
	assert_non_null(s.held);
	ol_request_finish(s.held);
	assert_string_equal(serving_got(&s, fd), "end1:0 ");
	close(fd);
}

static void
test_unknown_role(void **state)
{
	int fd;

	(void)state;
	serving_start(&s);
	fd = serving_connect(&s);
	add_begin(1, FCGI_AUTHORIZER, FCGI_KEEP_CONN);
	records_params(&r, params);
	send_all(fd);
	assert_string_equal(serving_got(&s, fd), "end1:3 ");
	assert_serves(fd);
	add_begin(1, 7, 0);
	records_params(&r, params);
	records_stdin(&r, "abc", 3);
	send_all(fd);
	assert_string_equal(serving_got(&s, fd), "end1:3 eof ");
	assert_null(strstr(told(), "gone"));
	close(fd);
}

/* --- what nobody may send --- */

static void
assert_refused(bool was_told)
{
	const char *what;
	int fd = serving_connect(&s);

	told();
	send_all(fd);
	assert_string_equal(serving_got(&s, fd), "eof ");
	what = told();
	if (was_told)
		assert_non_null(strstr(what, "gone 3\n"));
	else
		assert_string_equal(what, "");
	assert_int_equal(ol_server_connections(s.server), 0);
	assert_int_equal(ol_server_requests(s.server), 0);
	close(fd);
}

static void
test_malformed(void **state)
{
	static char big[65535];
	static const char *const bad_lengths[] = { "CONTENT_LENGTH=-1",
		"CONTENT_LENGTH=1x", "CONTENT_LENGTH=9999999999999999999" };
	size_t i;

	(void)state;
	s.manner = HOLDS;
	serving_start(&s);
	records_begin(&r, 0);
	r.data[0] = 2;
	assert_refused(false);
	memcpy(r.data, "GET / HTTP/1.1\r\n\r\n", r.len = 18);
	assert_refused(false);
	records_add(&r, FCGI_BEGIN_REQUEST, 1, "1234567", 7, 0);
	assert_refused(false);
	records_add(&r, FCGI_BEGIN_REQUEST, 1, "123456789", 9, 0);
	assert_refused(false);
	records_begin(&r, 0);
	records_begin(&r, 0);
	assert_refused(false);
	records_begin(&r, 0);
	records_stdin(&r, "early", 5);
	assert_refused(false);
	records_begin(&r, 0);
	records_add(&r, FCGI_DATA, 1, NULL, 0, 0);
	assert_refused(false);
	records_begin(&r, 0);
	records_add(&r, 99, 1, NULL, 0, 0);
	assert_refused(false);
	records_begin(&r, 0);
	records_params(&r, params);
	records_params(&r, params);
	assert_refused(true);
	records_request(&r, 0, params, "abc", 3);
	records_stdin(&r, "more", 4);
	assert_refused(true);
	records_request(&r, 0, params, "abc", 3);
	records_begin(&r, 0);
	assert_refused(true);
	for (i = 0; i < 3; i++) {
		const char *const one[] = { bad_lengths[i], NULL };

		records_request(&r, 0, one, NULL, 0);
		assert_refused(false);
	}
	/* A pair cut short, at every byte of it; and lengths of 2^31 - 1. */
	for (i = 1; i < 15; i++) {
		records_begin(&r, 0);
		records_add(&r, FCGI_PARAMS, 1,
		    "\200\0\0\003\200\0\0\004abc1234", i, 0);
		records_add(&r, FCGI_PARAMS, 1, NULL, 0, 0);
		assert_refused(false);
	}
	records_begin(&r, 0);
	records_add(
	    &r, FCGI_PARAMS, 1, "\377\377\377\377\377\377\377\377ab", 10, 0);
	records_add(&r, FCGI_PARAMS, 1, NULL, 0, 0);
	assert_refused(false);
	/* More parameters than are taken: by bytes, by number. */
	records_begin(&r, 0);
	records_add(&r, FCGI_PARAMS, 1, big, sizeof(big), 0);
	records_add(&r, FCGI_PARAMS, 1, big, sizeof(big), 0);
	assert_refused(false);
	records_begin(&r, 0);
	records_add(&r, FCGI_PARAMS, 1, big, 2 * 4097, 0);
	records_add(&r, FCGI_PARAMS, 1, NULL, 0, 0);
	assert_refused(false);
	records_add(&r, FCGI_GET_VALUES, 0, "\005\0ab", 4, 0);
	assert_refused(false);
}

/* Bytes that belong to no request are borne up to a bound. */
static void
test_endless_noise(void **state)
{
	static char noise[10000];
	int fd, i;

	(void)state;
	s.options.max_ignored = 100000;
	serving_start(&s);
	fd = serving_connect(&s);
	for (i = 0; i < 9; i++)
		records_add(&r, FCGI_STDIN, 3, noise, sizeof(noise), 0);
	send_all(fd);
	assert_serves(fd);
	for (i = 0; i < 11; i++)
		records_add(&r, FCGI_STDIN, 3, noise, sizeof(noise), 0);
	send_all(fd);
	assert_string_equal(serving_got(&s, fd), "eof ");
	close(fd);
}

static void
test_requests_without_reading(void **state)
{
	static char body[20000];
	int fd, i;

	(void)state;
	s.manner = HOLDS;
	serving_start(&s);
	fd = serving_connect(&s);
	for (i = 0; i < 100 && ol_server_connections(s.server) == 1; i++) {
		records_request(&r, FCGI_KEEP_CONN, params, NULL, 0);
		send_all(fd);
		if (s.held == NULL)
			continue;
		ol_request_write(s.held, body, sizeof(body));
		ol_request_finish(s.held);
		s.held = NULL;
	}
	assert_int_equal(ol_server_connections(s.server), 0);
	assert_true(i < 100);
	close(fd);
}

/* --- those who leave --- */

static void
test_abort_at_each_state(void **state)
{
	const char *what;
	int stage, fd;

	(void)state;
	serving_start(&s);
	fd = serving_connect(&s);
	for (stage = 0; stage < 5; stage++) {
		s.manner = stage == 4 ? BEGINS : HOLDS;
		records_add(&r, FCGI_ABORT_REQUEST, 1, NULL, 0, 0);
		records_begin(&r, FCGI_KEEP_CONN);
		if (stage > 0)
			records_params(&r, params);
		if (stage == 2)
			records_add(&r, FCGI_STDIN, 1, "abc", 3, 0);
		if (stage > 2)
			records_stdin(&r, "abc", 3);
		records_add(&r, FCGI_ABORT_REQUEST, 1, NULL, 0, 0);
		send_all(fd);
		assert_string_equal(serving_got(&s, fd),
		    stage == 4 ? "out1:Status: 200 OK\r\n\r\n end1:0 "
			       : "end1:0 ");
		what = told();
		assert_true((strstr(what, "gone 1\n") != NULL) == (stage > 0));
		assert_null(s.held);
		/* What is still on its way, and the next request. */
		records_add(&r, FCGI_STDIN, 1, "abc", 3, 0);
		s.manner = ANSWERS;
		assert_serves(fd);
		told();
	}
	close(fd);
}

/* Nothing more is awaited of an aborted body. */
static void
test_abort_is_an_end(void **state)
{
	int fd;

	(void)state;
	s.manner = HOLDS;
	s.options.body_timeout_ms = 20;
	serving_start(&s);
	fd = serving_connect(&s);
	records_begin(&r, FCGI_KEEP_CONN);
	records_params(&r, params);
	records_add(&r, FCGI_STDIN, 1, "abc", 3, 0);
	records_add(&r, FCGI_ABORT_REQUEST, 1, NULL, 0, 0);
	send_all(fd);
	serving_wait(&s, 60);
	s.manner = ANSWERS;
	assert_string_equal(serving_got(&s, fd), "end1:0 ");
	assert_serves(fd);
	records_begin(&r, 0);
	records_params(&r, params);
	records_add(&r, FCGI_ABORT_REQUEST, 1, NULL, 0, 0);
	send_all(fd);
	assert_string_equal(serving_got(&s, fd), "end1:0 eof ");
	close(fd);
}

static void
test_leaving_at_every_byte(void **state)
{
	static struct records whole;
	size_t at, head, manner;
	const char *what;
	int fd;

	(void)state;
	serving_start(&s);
	records_begin(&whole, FCGI_KEEP_CONN);
	records_params(&whole, params);
	head = whole.len;
	records_stdin(&whole, "abc", 3);
	for (manner = 0; manner < 2; manner++)
		for (at = 0; at <= whole.len; at++) {
			s.manner = manner == 0 ? HOLDS : BEGINS;
			fd = serving_connect(&s);
			told();
			serving_send(&s, fd, whole.data, at);
			assert_true((s.held != NULL) == (at >= head));
			close(fd);
			serving_turn(&s);
			what = told();
			assert_true(
			    (strstr(what, "gone 0\n") != NULL) == (at >= head));
			assert_null(s.held);
			assert_int_equal(ol_server_connections(s.server), 0);
			assert_int_equal(ol_server_requests(s.server), 0);
		}
}

/* The owner may answer before the loop has seen that nobody is there. */
static void
test_answer_to_nobody(void **state)
{
	int fd, finished;

	(void)state;
	s.manner = HOLDS;
	serving_start(&s);
	for (finished = 0; finished < 2; finished++) {
		fd = serving_connect(&s);
		records_request(&r, FCGI_KEEP_CONN, params, "abc", 3);
		send_all(fd);
		told();
		close(fd);
		ol_request_status(s.held, 200);
		ol_request_flush(s.held);
		assert_false(ol_request_write(s.held, "more", 4));
		if (finished)
			ol_request_finish(s.held);
		/* Nothing is told out of a call of the owner's. */
		assert_string_equal(told(), "");
		serving_turn(&s);
		assert_string_equal(told(), finished ? "" : "gone 0\n");
		assert_int_equal(ol_server_connections(s.server), 0);
		assert_int_equal(ol_server_requests(s.server), 0);
	}
}

/* Within a record that is being collected, and without parameters. */
static void
test_leaving_within_get_values(void **state)
{
	static const char *const none[] = { NULL };
	int fd;

	(void)state;
	serving_start(&s);
	fd = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, none, "abc", 3);
	send_all(fd);
	assert_string_equal(serving_got(&s, fd), serving_answer(1, "abc", 3));
	records_add(&r, FCGI_GET_VALUES, 0, "\016\0FCGI_MAX_CONNS", 16, 5);
	r.len -= 10;
	send_all(fd);
	close(fd);
	serving_turn(&s);
	assert_int_equal(ol_server_connections(s.server), 0);
}

static void
test_half_closed(void **state)
{
	int fd;

	(void)state;
	s.manner = HOLDS;
	serving_start(&s);
	fd = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, "abc", 3);
	send_all(fd);
	shutdown(fd, SHUT_WR);
	serving_turn(&s);
	assert_non_null(s.held);
	ol_request_status(s.held, 204);
	ol_request_finish(s.held);
	assert_string_equal(serving_got(&s, fd),
	    "out1:Status: 204 No Content\r\n\r\n end1:0 eof ");
	close(fd);
	/* It goes in two steps. */
	fd = serving_connect(&s);
	records_request(&r, 0, params, "abc", 3);
	send_all(fd);
	shutdown(fd, SHUT_WR);
	serving_turn(&s);
	assert_non_null(s.held);
	told();
	close(fd);
	serving_turn(&s);
	assert_string_equal(told(), "gone 0\n");
	assert_int_equal(ol_server_connections(s.server), 0);
}

/* A half-closed peer that reads slowly gets everything. */
static void
test_half_closed_and_slow(void **state)
{
	static char body[1000000];
	int fd;

	(void)state;
	s.manner = HOLDS;
	serving_start(&s);
	fd = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, "abc", 3);
	send_all(fd);
	memset(body, 'x', sizeof(body));
	assert_false(ol_request_write(s.held, body, sizeof(body)));
	shutdown(fd, SHUT_WR);
	serving_turn(&s);
	assert_non_null(s.held);
	ol_request_finish(s.held);
	assert_non_null(strstr(serving_got(&s, fd), "end1:0 eof "));
	assert_int_equal(ol_server_connections(s.server), 0);
	close(fd);
}

/* --- answers --- */

static void
test_answer_before_the_body(void **state)
{
	static char body[50000];
	int fd;

	(void)state;
	s.manner = ANSWERS_EARLY;
	serving_start(&s);
	fd = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, body, sizeof(body));
	send_all(fd);
	assert_non_null(strstr(serving_got(&s, fd), "end1:0 "));
	assert_null(strstr(told(), "body"));
	close(fd);
}

/* Not kept: nginx passes the answer on when it sees the end of it. */
static void
test_answer_before_the_body_unkept(void **state)
{
	static char body[1000];
	int fd;

	(void)state;
	s.manner = ANSWERS_EARLY;
	serving_start(&s);
	fd = serving_connect(&s);
	records_begin(&r, 0);
	records_params(&r, params);
	records_add(&r, FCGI_STDIN, 1, body, sizeof(body), 0);
	send_all(fd);
	assert_non_null(strstr(serving_got(&s, fd), "end1:0 eof "));
	/* What comes of the body is still taken. */
	assert_int_equal(ol_server_connections(s.server), 1);
	records_add(&r, FCGI_STDIN, 1, body, sizeof(body), 0);
	send_all(fd);
	assert_int_equal(ol_server_connections(s.server), 1);
	records_add(&r, FCGI_STDIN, 1, NULL, 0, 0);
	send_all(fd);
	assert_int_equal(ol_server_connections(s.server), 0);
	close(fd);
}

static void
test_cancel(void **state)
{
	int fd;

	(void)state;
	s.manner = CANCELS;
	serving_start(&s);
	fd = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, "abc", 3);
	send_all(fd);
	assert_string_equal(serving_got(&s, fd), "end1:2 ");
	s.manner = HOLDS;
	records_request(&r, FCGI_KEEP_CONN, params, "abc", 3);
	send_all(fd);
	told();
	ol_request_cancel(s.held);
	assert_string_equal(serving_got(&s, fd), "end1:2 ");
	s.manner = BEGINS;
	records_request(&r, FCGI_KEEP_CONN, params, "abc", 3);
	send_all(fd);
	told();
	ol_request_cancel(s.held);
	assert_string_equal(
	    serving_got(&s, fd), "out1:Status: 200 OK\r\n\r\n eof ");
	assert_string_equal(told(), "");
	assert_int_equal(ol_server_requests(s.server), 0);
	close(fd);
}

static void
test_headers(void **state)
{
	int fd;

	(void)state;
	s.manner = HOLDS;
	serving_start(&s);
	fd = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, NULL, 0);
	send_all(fd);
	ol_request_status(s.held, 202);
	assert_int_equal(ol_request_header(s.held, "Location", "/t/1"), 0);
	assert_int_equal(
	    ol_request_header(s.held, "X", "a\r\nSet-Cookie: b"), -1);
	assert_int_equal(ol_request_header(s.held, "X", "a\n"), -1);
	assert_int_equal(ol_request_header(s.held, "X: a", "b"), -1);
	assert_int_equal(ol_request_header(s.held, "", "b"), -1);
	assert_int_equal(ol_request_header(s.held, "X\r", "b"), -1);
	ol_request_finish(s.held);
	assert_string_equal(serving_got(&s, fd),
	    "out1:Status: 202 Accepted\r\nLocation: /t/1\r\n\r\n end1:0 ");
	close(fd);
}

static void
test_stream(void **state)
{
	int fd;

	(void)state;
	s.manner = HOLDS;
	serving_start(&s);
	fd = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, NULL, 0);
	send_all(fd);
	ol_request_forget(s.held);
	ol_request_status(s.held, 200);
	ol_request_flush(s.held);
	assert_string_equal(
	    serving_got(&s, fd), "out1:Status: 200 OK\r\n\r\n ");
	ol_request_write(s.held, "one", 3);
	assert_string_equal(serving_got(&s, fd), "");
	ol_request_write(s.held, "two", 3);
	ol_request_flush(s.held);
	assert_string_equal(serving_got(&s, fd), "out1:onetwo ");
	ol_request_finish(s.held);
	assert_string_equal(serving_got(&s, fd), "out1: end1:0 ");
	close(fd);
}

/* Backpressure: what waits is bounded, and nothing is lost. */
static void
test_slow_reader(void **state)
{
	enum { TOTAL = 6 * 1024 * 1024, PIECE = 10000 };
	static unsigned char piece[PIECE], got[TOTAL + 65536], want[TOTAL];
	size_t sent = 0, have = 0, content = 0, at;
	unsigned stops = 0, drained;
	ssize_t n;
	int fd;

	(void)state;
	s.manner = HOLDS;
	serving_start(&s);
	fd = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, NULL, 0);
	send_all(fd);
	drained = s.drained;
	for (at = 0; at < TOTAL; at++)
		want[at] = (unsigned char)(at * 31 + at / 997);
	while (sent < TOTAL) {
		size_t len = TOTAL - sent < PIECE ? TOTAL - sent : PIECE;

		memcpy(piece, want + sent, len);
		sent += len;
		if (ol_request_write(s.held, piece, len))
			continue;
		stops++;
		while (s.drained == drained) {
			n = recv(fd, got + have, 3000, 0);
			if (n > 0)
				have += (size_t)n;
			serving_turn(&s);
		}
		drained = s.drained;
	}
	assert_true(stops > 20);
	ol_request_finish(s.held);
	do {
		serving_turn(&s);
		n = recv(fd, got + have, sizeof(got) - have, 0);
		if (n > 0)
			have += (size_t)n;
	} while (n > 0);
	for (at = 0; at + 8 <= have && got[at + 1] == FCGI_STDOUT;) {
		size_t len = (size_t)got[at + 4] << 8 | got[at + 5];

		assert_true(content + len <= TOTAL);
		assert_memory_equal(got + at + 8, want + content, len);
		content += len;
		at += 8 + len + got[at + 6];
	}
	assert_int_equal(content, TOTAL);
	assert_int_equal(got[at + 1], FCGI_END_REQUEST);
	assert_int_equal(at + 16, have);
	close(fd);
}

/* A mark below what is sent by itself works, too. */
static void
test_small_high_water(void **state)
{
	static char body[300000];
	int fd;

	(void)state;
	s.manner = HOLDS;
	s.options.high_water = 1000;
	serving_start(&s);
	fd = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, NULL, 0);
	send_all(fd);
	assert_true(ol_request_write(s.held, body, 999));
	assert_true(ol_request_write(s.held, body, 1000));
	assert_false(ol_request_write(s.held, body, sizeof(body)));
	assert_false(ol_request_write(s.held, body, 1000));
	assert_int_equal(s.drained, 0);
	serving_got(&s, fd);
	assert_int_equal(s.drained, 1);
	ol_request_finish(s.held);
	close(fd);
}

/* Told once, however much more is read before the owner writes again. */
static void
test_drained_once(void **state)
{
	static char body[2000000], got[5000];
	int fd, i;

	(void)state;
	s.manner = HOLDS;
	s.options.high_water = 1700000;
	s.options.low_water = 1650000;
	serving_start(&s);
	fd = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, NULL, 0);
	send_all(fd);
	assert_false(ol_request_write(s.held, body, sizeof(body)));
	for (i = 0; i < 140; i++) {
		assert_true(recv(fd, got, sizeof(got), 0) > 0);
		serving_turn(&s);
	}
	assert_int_equal(s.drained, 1);
	ol_request_finish(s.held);
	close(fd);
}

/*
 * However fast a connection reads: others have their turn, and what is written
 * for one that is gone has an end.
 */
static void
test_turns(void **state)
{
	static char body[32 * 1024], got[128 * 1024];
	int fd, i, n;

	(void)state;
	s.manner = HOLDS;
	serving_start(&s);
	fd = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, NULL, 0);
	send_all(fd);
	for (i = 0; i < 3; i++) {
		for (n = 1; ol_request_write(s.held, body, sizeof(body)); n++) {
			assert_true(recv(fd, got, sizeof(got), 0) > 0);
			assert_true(n < 8);
		}
		assert_int_equal(n, 8);
		assert_int_equal(s.drained, i);
		while (recv(fd, got, sizeof(got), 0) > 0)
			continue;
		serving_turn(&s);
		assert_int_equal(s.drained, i + 1);
	}
	/* Small ones count as well. */
	for (n = 1; ol_request_write(s.held, body, 1000); n++)
		assert_true(n < 263);
	assert_int_equal(n, 263);
	while (recv(fd, got, sizeof(got), 0) > 0)
		continue;
	serving_turn(&s);
	assert_int_equal(s.drained, 4);
	close(fd);
	for (n = 0; ol_request_write(s.held, body, sizeof(body)); n++)
		assert_true(n < 2);
	assert_false(ol_request_write(s.held, body, sizeof(body)));
	serving_turn(&s);
	assert_null(s.held);
	assert_int_equal(s.drained, 4);
}

/* --- time --- */

static void
test_late(void **state)
{
	static char body[1000000];
	const char *what;
	int calm, none, head, content, reply, parked, trickle;

	(void)state;
	s.manner = ANSWERS;
	s.options.head_timeout_ms = 200;
	s.options.body_timeout_ms = 500;
	s.options.reply_timeout_ms = 1000;
	serving_start(&s);
	calm = serving_connect(&s);
	assert_serves(calm);
	s.manner = HOLDS;
	parked = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, NULL, 0);
	send_all(parked);
	reply = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, NULL, 0);
	send_all(reply);
	ol_request_write(s.held, body, sizeof(body));
	none = serving_connect(&s);
	head = serving_connect(&s);
	records_begin(&r, 0);
	send_all(head);
	content = serving_connect(&s);
	records_begin(&r, 0);
	records_params(&r, params);
	send_all(content);
	trickle = serving_connect(&s);
	records_begin(&r, 0);
	records_params(&r, params);
	send_all(trickle);
	told();
	assert_int_equal(ol_server_connections(s.server), 7);
	/* More of a head does not help, enough of a body does. */
	serving_wait(&s, 150);
	serving_send(&s, head, "\001", 1);
	records_add(&r, FCGI_STDIN, 1, "a", 1, 0);
	send_all(trickle);
	records_add(&r, FCGI_STDIN, 1, body, 600, 0);
	send_all(content);
	wait_for_connections(5);
	assert_string_equal(serving_got(&s, none), "eof ");
	assert_string_equal(serving_got(&s, head), "eof ");
	wait_for_connections(4);
	assert_string_equal(serving_got(&s, trickle), "eof ");
	wait_for_connections(3);
	assert_string_equal(serving_got(&s, content), "eof ");
	wait_for_connections(2);
	what = told();
	assert_string_equal(what, "gone 2\ngone 2\ngone 2\n");
	/* Those that wait for us, and those that wait for nothing, stay. */
	serving_wait(&s, 300);
	s.manner = ANSWERS;
	assert_serves(calm);
	assert_int_equal(ol_server_connections(s.server), 2);
	close(none);
	close(head);
	close(content);
	close(trickle);
	close(reply);
	close(parked);
	close(calm);
}

/* --- descriptors --- */

static double
cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int
listen_somewhere(struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* Without a path: an address that the kernel makes up. */
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(un->sun_path + 1, sizeof(un->sun_path) - 1, "outlast-%ld",
	    (long)getpid());
	assert_int_equal(bind(fd, (struct sockaddr *)un, sizeof(*un)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static int
connect_to(const struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd != -1);
	assert_int_equal(
	    connect(fd, (const struct sockaddr *)un, sizeof(*un)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void
test_out_of_descriptors(void **state)
{
	struct rlimit old, tight;
	struct sockaddr_un un;
	int fds[20], i, listener = listen_somewhere(&un);
	struct timeval tv = { 0, 300000 };
	double before;

	(void)state;
	s.options.listener = listener;
	s.options.max_connections = 1000;
	serving_start(&s);
	for (i = 0; i < 20; i++)
		fds[i] = connect_to(&un);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	tight = old;
	/* Ten of them are accepted. */
	tight.rlim_cur = (rlim_t)fds[19] + 11;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	serving_turn(&s);
	assert_int_equal(ol_server_connections(s.server), 10);
	assert_serves(fds[0]);
	/* It waits without turning round and round. */
	before = cpu_seconds();
	event_base_loopexit(ol_loop_base(s.loop), &tv);
	event_base_dispatch(ol_loop_base(s.loop));
	assert_true(cpu_seconds() - before < 0.05);
	/* One that ends makes room for one, at once. */
	close(fds[0]);
	serving_turn(&s);
	/* Its two ends were two descriptors. */
	wait_for_connections(11);
	/* And it comes back by itself. */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	wait_for_connections(19);
	for (i = 1; i < 20; i++) {
		assert_serves(fds[i]);
		close(fds[i]);
	}
	ol_server_retire(s.server);
	close(listener);
}

static void
test_limit_of_connections(void **state)
{
	struct sockaddr_un un;
	int fds[4], i, listener = listen_somewhere(&un);

	(void)state;
	s.options.listener = listener;
	s.options.max_connections = 2;
	serving_start(&s);
	for (i = 0; i < 4; i++)
		fds[i] = connect_to(&un);
	serving_turn(&s);
	assert_int_equal(ol_server_connections(s.server), 2);
	for (i = 0; i < 4; i++) {
		assert_serves(fds[i]);
		close(fds[i]);
		serving_turn(&s);
		wait_for_connections(i < 2 ? 2 : (size_t)(3 - i));
	}
	ol_server_retire(s.server);
	close(listener);
}

/* --- TCP, where a peer that is gone looks like a half-closed one --- */

static int
connect_tcp(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd,
	    taken;

	assert_int_equal(bind(listener, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&in, &len);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	taken = accept(listener, NULL, NULL);
	assert_int_equal(ol_server_adopt(s.server, taken), 0);
	close(listener);
	return fd;
}

static void
test_tcp(void **state)
{
	int fd;

	(void)state;
	s.manner = HOLDS;
	serving_start(&s);
	fd = connect_tcp();
	records_request(&r, 0, params, "abc", 3);
	send_all(fd);
	shutdown(fd, SHUT_WR);
	serving_wait(&s, 50);
	assert_non_null(s.held);
	ol_request_finish(s.held);
	serving_wait(&s, 50);
	assert_string_equal(serving_got(&s, fd), "err1: end1:0 eof ");
	close(fd);
	fd = connect_tcp();
	records_request(&r, 0, params, "abc", 3);
	send_all(fd);
	serving_wait(&s, 50);
	assert_non_null(s.held);
	told();
	close(fd);
	wait_for_connections(0);
	assert_string_equal(told(), "gone 0\n");
	assert_int_equal(ol_server_connections(s.server), 0);
}

/* --- retiring --- */

static void
test_retire(void **state)
{
	struct ol_request *held;
	int idle, busy, fresh;

	(void)state;
	serving_start(&s);
	idle = serving_connect(&s);
	assert_serves(idle);
	s.manner = HOLDS;
	busy = serving_connect(&s);
	records_request(&r, FCGI_KEEP_CONN, params, "abc", 3);
	send_all(busy);
	held = s.held;
	fresh = serving_connect(&s);
	ol_server_retire(s.server);
	serving_turn(&s);
	assert_string_equal(serving_got(&s, idle), "err1: ");
	assert_string_equal(serving_got(&s, fresh), "err1: ");
	assert_string_equal(serving_got(&s, busy), "");
	/* The racing request is answered, and then the word is given again. */
	s.manner = ANSWERS;
	records_request(&r, FCGI_KEEP_CONN, params, "abc", 3);
	send_all(idle);
	assert_non_null(strstr(serving_got(&s, idle), " end1:0 err1: "));
	ol_request_finish(held);
	assert_string_equal(serving_got(&s, busy), "end1:0 err1: ");
	serving_wait(&s, 20);
	assert_null(strstr(told(), "retired"));
	close(idle);
	close(busy);
	serving_turn(&s);
	assert_string_equal(told(), "");
	close(fresh);
	serving_turn(&s);
	while (s.told_len == 0)
		serving_wait(&s, 5);
	assert_string_equal(told(), "retired\n");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_split_everywhere),
		TEST(test_parameters),
		TEST(test_bodies_of_every_length),
		TEST(test_body_in_memory_or_in_a_file),
		TEST(test_too_large),
		TEST(test_too_large_and_held),
		TEST(test_wrong_length),
		TEST(test_no_room),
		TEST(test_several_requests_at_once),
		TEST(test_get_values),
		TEST(test_unknown_role),
		TEST(test_malformed),
		TEST(test_endless_noise),
		TEST(test_requests_without_reading),
		TEST(test_abort_at_each_state),
		TEST(test_abort_is_an_end),
		TEST(test_leaving_at_every_byte),
		TEST(test_answer_to_nobody),
		TEST(test_leaving_within_get_values),
		TEST(test_half_closed),
		TEST(test_half_closed_and_slow),
		TEST(test_answer_before_the_body),
		TEST(test_answer_before_the_body_unkept),
		TEST(test_cancel),
		TEST(test_headers),
		TEST(test_stream),
		TEST(test_slow_reader),
		TEST(test_small_high_water),
		TEST(test_drained_once),
		TEST(test_turns),
		TEST(test_late),
		TEST(test_out_of_descriptors),
		TEST(test_limit_of_connections),
		TEST(test_tcp),
		TEST(test_retire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
