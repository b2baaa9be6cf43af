#include <sys/socket.h>
#include <sys/un.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <event2/event.h>
#include <fastcgi.h>
#include <cmocka.h>

#include "fcgi/frame.h"
#include "fcgi/record.h"
#include "backend.h"
#include "records.h"

enum { STDOUT = OL_RECORD_STDOUT, STDERR = OL_RECORD_STDERR };

static struct backend b;
static struct records r;
static unsigned char got[8 * 1024 * 1024];

static size_t
descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static int
begin(void **state)
{
	(void)state;
	backend_start(&b);
	r.len = 0;
	return 0;
}

static int
end(void **state)
{
	(void)state;
	backend_stop(&b);
	return 0;
}

/* --- what is sent --- */

static struct ol_pair
pair(const char *name, const char *value, size_t len)
{
	return (struct ol_pair){ .name = name,
		.name_len = (uint32_t)strlen(name),
		.value = value,
		.value_len = (uint32_t)len };
}

static void
reply_ok(int fd)
{
	r.len = 0;
	records_add(&r, STDOUT, 1, "Status: 200\n\nok", 15, 0);
	records_add(&r, STDOUT, 1, NULL, 0, 0);
	records_add(&r, OL_RECORD_END, 1, "\0\0\0\0\0\0\0\0", 8, 0);
	assert_true(backend_send(&b, fd, r.data, r.len));
}

/* The content of all records of a type, one behind the other; *most is the
 * longest. */
static size_t
stream_of(unsigned type, size_t len, unsigned char *out, size_t *most)
{
	size_t at, n = 0;

	*most = 0;
	for (at = 0; at < len; at += ol_record_length(got + at)) {
		size_t content = ol_record_content(got + at);

		if (ol_record_type(got + at) != type)
			continue;
		memcpy(out + n, got + at + OL_RECORD_HEADER, content);
		n += content;
		if (content > *most)
			*most = content;
	}
	return n;
}

static char *
pattern(size_t len)
{
	char *data = malloc(len + 1);
	size_t i;

	for (i = 0; i < len; i++)
		data[i] = (char)(i * 131 + (i >> 8) * 17 + len);
	return data;
}

static struct ol_body *
in_file(const void *data, size_t len)
{
	char path[] = "/tmp/outlast-body.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd != -1);
	unlink(path);
	assert_int_equal(write(fd, data, len), len);
	return ol_body_file(fd, (int64_t)len);
}

/* A request with that body comes, as a whole one and nothing else. */
static void
ask_with_body(struct ol_body *body, const void *data, size_t len)
{
	static unsigned char content[4 * 1024 * 1024];
	struct ol_pair p = pair("REQUEST_METHOD", "POST", 4);
	const struct ol_client_request request = { &p, 1, body };
	struct ol_frame frame;
	size_t n, most;
	int fd;

	backend_ask(&b, &request);
	ol_body_free(body);
	fd = backend_accept(&b);
	n = backend_read(&b, fd, got, sizeof(got));
	ol_frame_look(&frame, got, n);
	assert_int_equal(frame.verdict, OL_FRAME_WHOLE);
	assert_false(frame.keep);
	assert_int_equal(frame.body, len);
	assert_int_equal(stream_of(OL_RECORD_STDIN, n, content, &most), len);
	assert_memory_equal(content, data, len);
	reply_ok(fd);
	assert_true(backend_ended(&b, 20));
	assert_string_equal(b.told, "connected head:200 content:ok end:0() ");
	assert_int_equal(recv(fd, got, 1, 0), 0);
	close(fd);
}

static void
test_bodies(void **state)
{
	static const size_t sizes[] = { 0, 1, 7, 8, 65526, 65527, 65528, 65529,
		65534, 65535, 65536, 65544, 131056, 131057, 1000000 };
	size_t i;
	char *data;

	(void)state;
	ask_with_body(NULL, "", 0);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		data = pattern(sizes[i]);
		ask_with_body(ol_body_new(data, sizes[i]), data, sizes[i]);
		ask_with_body(in_file(data, sizes[i]), data, sizes[i]);
		free(data);
	}
}

/* Of any size, in their order; more than one record, and longer than one. */
static void
test_params(void **state)
{
	static unsigned char content[4 * 1024 * 1024];
	char *value = pattern(70000);
	static const size_t sizes[] = { 0, 127, 128, 30000, 35521, 35522, 35523,
		65527, 65528, 65529, 65530, 65531, 70000, 10 };
	struct ol_pair params[64], split[64];
	struct ol_client_request request = { .params = params };
	size_t i, n, most;
	char *copy;
	int fd;

	(void)state;
	params[0] = pair("", "", 0);
	for (i = 0; i < 14; i++)
		params[1 + i] = pair(i % 2 ? "NAME" : "N", value, sizes[i]);
	for (; i < 40; i++)
		params[1 + i] = pair("MORE", value, 9000);
	request.nparams = 1 + i;
	backend_ask(&b, &request);
	/* They need not outlive the call. */
	copy = malloc(70000);
	memcpy(copy, value, 70000);
	memset(value, 'x', 70000);
	fd = backend_accept(&b);
	memcpy(value, copy, 70000);
	free(copy);
	n = backend_read(&b, fd, got, sizeof(got));
	n = stream_of(OL_RECORD_PARAMS, n, content, &most);
	assert_int_equal(ol_pairs_count(content, n), request.nparams);
	ol_pairs_split(content, n, split);
	for (i = 0; i < request.nparams; i++) {
		assert_int_equal(split[i].name_len, params[i].name_len);
		assert_int_equal(split[i].value_len, params[i].value_len);
		assert_string_equal(split[i].name, params[i].name);
		assert_memory_equal(
		    split[i].value, params[i].value, params[i].value_len);
	}
	reply_ok(fd);
	assert_true(backend_ended(&b, 20));
	assert_int_equal(b.how, OL_CLIENT_WHOLE);
	close(fd);
	free(value);
}

/* What php-fpm would not read: a pair that fits a record is in one. */
static void
test_no_pair_straddles(void **state)
{
	static const size_t sizes[] = { 1, 100, 127, 128, 5000, 21838, 65520,
		65529 };
	char *value = pattern(70000);
	struct ol_pair params[200];
	struct ol_client_request request = { .params = params };
	size_t i, k, n, at;
	int fd;

	(void)state;
	for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		request.nparams = sizes[k] > 20000 ? 7 : 200;
		for (i = 0; i < request.nparams; i++)
			params[i] = pair("P", value, sizes[k]);
		backend_ask(&b, &request);
		fd = backend_accept(&b);
		n = backend_read(&b, fd, got, sizeof(got));
		for (at = i = 0; at < n; at += ol_record_length(got + at)) {
			int count;

			if (ol_record_type(got + at) != OL_RECORD_PARAMS)
				continue;
			count = ol_pairs_count(got + at + OL_RECORD_HEADER,
			    ol_record_content(got + at));
			assert_true(count >= 0);
			i += (size_t)count;
		}
		assert_int_equal(i, request.nparams);
		reply_ok(fd);
		assert_true(backend_ended(&b, 20));
		assert_int_equal(b.how, OL_CLIENT_WHOLE);
		close(fd);
	}
	free(value);
}

/* --- what is received --- */

struct part {
	unsigned type, id, padding;
	const char *text; /* NULL: the end of the list */
	size_t len;	  /* 0: that of text */
};

/* Play the first len bytes of r, piece at a time, and then close; what was
 * told. */
static const char *
play(size_t len, size_t piece)
{
	size_t at, n;
	int fd;

	backend_ask(&b, NULL);
	fd = backend_accept(&b);
	for (at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		if (!backend_send(&b, fd, r.data + at, n))
			break;
	}
	/* What it has not read would make it a reset. */
	backend_read(&b, fd, got, sizeof(got));
	close(fd);
	assert_true(backend_ended(&b, 20));
	return b.told;
}

/* The same whole, byte by byte and cut once at each byte; then closed. */
static const char *
play_all(void)
{
	static char first[sizeof(b.told)];
	size_t cut;

	strlcpy(first, play(r.len, r.len), sizeof(first));
	assert_string_equal(first, play(r.len, 1));
	for (cut = 2; cut < r.len; cut++)
		assert_string_equal(first, play(r.len, cut));
	return first;
}

static void
add_parts(const struct part *part)
{
	for (r.len = 0; part->text != NULL; part++)
		records_add(&r, part->type, part->id, part->text,
		    part->len ? part->len : strlen(part->text), part->padding);
}

#define END \
	{ \
		OL_RECORD_END, 1, 0, "\0\0\0\0\0\0\0", 8 \
	}
#define END_AS(status) \
	{ \
		OL_RECORD_END, 1, 0, "\0\0\0\0" status "\0\0", 8 \
	}
/* Records that are expected; the head's may be any. */
static const struct {
	struct part parts[9]; /* the last is empty */
	const char *told;     /* without the address */
} replies[] = {
	{ { { STDOUT, 1, 0, "A: b\r\n\r\ntext" }, { STDOUT, 1, 0, "" }, END },
	    "connected head:200[A=b] content:text end:0() " },
	/* As php-fpm sends it: no end of STDOUT; padding. */
	{ { { STDOUT, 1, 3, "A: b\r\n\r\ntext" }, END },
	    "connected head:200[A=b] content:text end:0() " },
	{ { { STDOUT, 1, 255, "Status: 404\n" }, { STDOUT, 1, 1, "\na" },
	      { STDOUT, 1, 0, "b" }, { STDOUT, 1, 9, "" }, END },
	    "connected head:404 content:ab end:0() " },
	{ { { STDERR, 1, 0, "one " }, { STDERR, 1, 7, "two" },
	      { STDOUT, 1, 0, "\n" }, { STDERR, 1, 0, "" },
	      { STDERR, 1, 0, "three" }, { STDOUT, 1, 0, "" },
	      { STDERR, 1, 0, "four" }, END },
	    "connected error:one two head:200 error:threefour end:0() " },
	{ { { STDOUT, 1, 0, "\nx" }, { STDOUT, 1, 0, "" }, { STDOUT, 1, 0, "" },
	      END },
	    "connected head:200 content:x end:0() " },
	/* appStatus is the application's affair. */
	{ { { STDOUT, 1, 0, "\nx" },
	      { OL_RECORD_END, 1, 5, "\1\2\3\4\0\0\0", 8 } },
	    "connected head:200 content:x end:0() " },
	/* Behind the end nobody looks. */
	{ { { STDOUT, 1, 0, "\nx" }, END, END, { 77, 3, 0, "?" } },
	    "connected head:200 content:x end:0() " },
	/* The end of STDOUT and of the connection. */
	{ { { STDOUT, 1, 0, "\nx" }, { STDOUT, 1, 0, "" } },
	    "connected head:200 content:x end:0() " },

	{ { { STDOUT, 1, 0, "" } },
	    "connected end:3(its output ended before its headers did) " },
	{ { { STDOUT, 1, 0, "A: b\n" }, { STDOUT, 1, 0, "" }, END },
	    "connected end:3(its output ended before its headers did) " },
	{ { END }, "connected end:3(it ended the request without whole "
		   "headers) " },
	{ { { STDOUT, 1, 0, "A: b\n" }, END },
	    "connected end:3(it ended the request without whole headers) " },
	{ { { STDERR, 1, 0, "why" }, END },
	    "connected error:why end:3(it ended the request without whole "
	    "headers) " },
	{ { { STDOUT, 1, 0, "text without headers\n" } },
	    "connected end:3(the name of a header holds what no name may "
	    "hold) " },
	{ { { STDOUT, 1, 0, "\nx" }, { STDOUT, 1, 0, "" },
	      { STDOUT, 1, 0, "y" } },
	    "connected head:200 content:x end:3(its output went on behind its "
	    "end) " },
	{ { { STDOUT, 2, 0, "\nx" } },
	    "connected end:3(it sent a record of a request that it was not "
	    "asked) " },
	{ { { OL_RECORD_GET_VALUES_RESULT, 0, 0, "" } },
	    "connected end:3(it sent a record of a request that it was not "
	    "asked) " },
	{ { { STDOUT, 1, 0, "\nx" }, { OL_RECORD_STDIN, 1, 0, "x" } },
	    "connected head:200 content:x end:3(it sent a record of a type "
	    "that no application sends) " },
	{ { { 0, 1, 0, "x" } }, "connected end:3(it sent a record of a type "
				"that no application sends) " },
	{ { { STDOUT, 1, 0, "\nx" },
	      { OL_RECORD_END, 1, 0, "\0\0\0\0\0\0", 7 } },
	    "connected head:200 content:x end:3(its END_REQUEST record has a "
	    "wrong length) " },
	{ { { STDOUT, 1, 0, "\nx" },
	      { OL_RECORD_END, 1, 0, "\0\0\0\0\0\0\0\0", 9 } },
	    "connected head:200 content:x end:3(its END_REQUEST record has a "
	    "wrong length) " },

	{ { END_AS("\2") }, "connected end:1(it is overloaded) " },
	{ { { STDERR, 1, 0, "full" }, END_AS("\2") },
	    "connected error:full end:1(it is overloaded) " },
	/* That one has been asked. */
	{ { { STDOUT, 1, 0, "A: b\n" }, END_AS("\2") },
	    "connected end:3(it ended the request with protocol status 2) " },
	{ { { STDOUT, 1, 0, "\n" }, END_AS("\2") },
	    "connected head:200 end:3(it ended the request with protocol "
	    "status 2) " },
	{ { END_AS("\1") },
	    "connected end:3(it says that it has a request already) " },
	{ { END_AS("\3") },
	    "connected end:3(it does not know the role of a responder) " },
	{ { END_AS("\4") },
	    "connected end:3(it ended the request with protocol status 4) " },
};

/* told without the address in it. */
static const char *
anonymous(const char *told)
{
	static char out[sizeof(b.told)];
	char text[OL_ADDR_TEXT + 2], *at;
	size_t n;

	ol_addr_text(&b.addr, text, sizeof(text));
	strlcat(text, ": ", sizeof(text));
	n = strlen(text);
	strlcpy(out, told, sizeof(out));
	while ((at = strstr(out, text)) != NULL)
		memmove(at, at + n, strlen(at + n) + 1);
	return out;
}

static void
test_replies(void **state)
{
	size_t i, before = descriptors();
	const char *told;

	(void)state;
	for (i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		add_parts(replies[i].parts);
		told = play_all();
		assert_string_equal(anonymous(told), replies[i].told);
	}
	assert_int_equal(descriptors(), before);
}

static void
test_other_versions(void **state)
{
	static const struct part parts[] = { { STDOUT, 1, 0, "\nx" }, END,
		{ 0, 0, 0, NULL, 0 } };
	unsigned version;

	(void)state;
	for (version = 0; version < 256; version += 1 + version / 3) {
		add_parts(parts);
		r.data[0] = (unsigned char)version;
		assert_string_equal(anonymous(play(r.len, r.len)),
		    version == 1
			? "connected head:200 content:x end:0() "
			: "connected end:3(what it sent is not FastCGI version "
			  "1) ");
	}
	r.len = (size_t)snprintf(
	    (char *)r.data, sizeof(r.data), "HTTP/1.1 400 Bad Request\r\n\r\n");
	assert_string_equal(anonymous(play_all()),
	    "connected end:3(what it sent is not FastCGI version 1) ");
}

/* Closed behind each byte of a reply. */
static void
test_closed_early(void **state)
{
	static const struct part parts[] = { { STDOUT, 1, 2, "A: b\n\nx" },
		{ STDOUT, 1, 0, "" }, END, { 0, 0, 0, NULL, 0 } };
	const size_t first = OL_RECORD_HEADER, head = first + 6,
		     record = head + 1 + 2;
	size_t at;

	(void)state;
	add_parts(parts);
	for (at = 0; at <= r.len; at++) {
		const char *told = anonymous(play(at, r.len));

		if (at <= first)
			assert_string_equal(told,
			    "connected end:2(it closed the connection without "
			    "a reply) ");
		else if (at < head)
			assert_string_equal(told,
			    "connected end:2(it closed the connection within "
			    "its headers) ");
		else if (at == head)
			assert_string_equal(told,
			    "connected head:200[A=b] end:2(it closed the "
			    "connection before the end of its reply) ");
		else if (at < record + OL_RECORD_HEADER)
			assert_string_equal(told,
			    "connected head:200[A=b] content:x end:2(it closed "
			    "the connection before the end of its reply) ");
		else
			assert_string_equal(
			    told, "connected head:200[A=b] content:x end:0() ");
	}
}

/* A reset is told from an end: it has not read what we sent. */
static void
test_reset(void **state)
{
	int fd;

	(void)state;
	backend_ask(&b, NULL);
	fd = backend_accept(&b);
	close(fd);
	assert_true(backend_ended(&b, 20));
	assert_string_equal(anonymous(b.told),
	    "connected end:2(Connection reset by peer without a reply) ");
}

/* A large reply of small and of full records. */
static void
test_large_reply(void **state)
{
	static char content[OL_RECORD_MAX];
	size_t sent = 0;
	int fd, i;

	(void)state;
	memset(content, 'c', sizeof(content));
	backend_ask(&b, NULL);
	fd = backend_accept(&b);
	records_add(&r, STDOUT, 1, "\n", 1, 0);
	for (i = 0; i < 200; i++) {
		size_t n = i % 3 == 0 ? 1 : i % 3 == 1 ? 65535 : 32768;

		records_add(&r, STDOUT, 1, content, n, (unsigned)i);
		assert_true(backend_send(&b, fd, r.data, r.len));
		r.len = 0;
		sent += n;
	}
	records_add(&r, OL_RECORD_END, 1, "\0\0\0\0\0\0\0\0", 8, 0);
	assert_true(backend_send(&b, fd, r.data, r.len));
	assert_true(backend_ended(&b, 20));
	assert_int_equal(b.how, OL_CLIENT_WHOLE);
	assert_int_equal(b.content, sent);
	close(fd);
}

/* --- both at the same moment --- */

static struct ol_body *
large_body(void)
{
	char *data = pattern(4 * 1024 * 1024);
	struct ol_body *body = ol_body_new(data, 4 * 1024 * 1024);

	free(data);
	return body;
}

static void
ask_large(struct ol_body *body)
{
	const struct ol_client_request request = { .body = body };

	backend_ask(&b, &request);
	ol_body_free(body);
}

/* A backend that replies at length before it reads. */
static void
test_reply_before_body(void **state)
{
	static char content[60000];
	int fd, i;

	(void)state;
	ask_large(large_body());
	fd = backend_accept(&b);
	records_add(&r, STDOUT, 1, "\n", 1, 0);
	for (i = 0; i < 50; i++) {
		records_add(&r, STDOUT, 1, content, sizeof(content), 0);
		assert_true(backend_send(&b, fd, r.data, r.len));
		r.len = 0;
	}
	assert_int_equal(b.content, 50 * sizeof(content));
	assert_true(backend_read(&b, fd, got, sizeof(got)) > 4 * 1024 * 1024);
	reply_ok(fd);
	assert_true(backend_ended(&b, 20));
	assert_int_equal(b.how, OL_CLIENT_WHOLE);
	close(fd);
}

/* A whole reply ends it, read or not. */
static void
test_reply_without_reading(void **state)
{
	int fd;

	(void)state;
	ask_large(large_body());
	fd = backend_accept(&b);
	reply_ok(fd);
	assert_true(backend_ended(&b, 20));
	assert_string_equal(b.told, "connected head:200 content:ok end:0() ");
	close(fd);
}

/* It takes no more, and goes on replying. */
static void
test_reading_side_closed(void **state)
{
	int fd;

	(void)state;
	ask_large(large_body());
	fd = backend_accept(&b);
	assert_int_equal(shutdown(fd, SHUT_RD), 0);
	backend_turn(&b);
	assert_int_equal(b.how, -1);
	reply_ok(fd);
	assert_true(backend_ended(&b, 20));
	assert_string_equal(b.told, "connected head:200 content:ok end:0() ");
	close(fd);
}

static void
one_turn(void)
{
	event_base_loop(ol_loop_base(b.loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* A backend that floods: nobody's turn is longer for it. */
static void
test_flood_takes_turns(void **state)
{
	static char content[60000];
	int fd;

	(void)state;
	backend_ask(&b, NULL);
	fd = backend_accept(&b);
	records_add(&r, STDOUT, 1, "\n", 1, 0);
	records_add(&r, STDOUT, 1, content, sizeof(content), 0);
	records_add(&r, STDOUT, 1, content, sizeof(content), 0);
	assert_int_equal(send(fd, r.data, r.len, 0), r.len);
	one_turn();
	assert_in_range(b.content, 1, 64 * 1024);
	one_turn();
	assert_int_equal(b.content, 2 * sizeof(content));
	close(fd);
	assert_true(backend_ended(&b, 20));
}

/* A fast reader of a large body gets a piece each turn, too. */
static void
test_body_takes_turns(void **state)
{
	static unsigned char piece[256 * 1024];
	int fd;

	(void)state;
	ask_large(large_body());
	fd = backend_accept(&b);
	while (recv(fd, piece, sizeof(piece), 0) > 0)
		;
	one_turn();
	assert_in_range(recv(fd, piece, sizeof(piece), 0), 1, 2 * 64 * 1024);
	close(fd);
	assert_true(backend_ended(&b, 20));
	assert_int_equal(b.how, OL_CLIENT_CLOSED);
}

static void
test_body_is_cut_short(void **state)
{
	char path[] = "/tmp/outlast-body.XXXXXX";
	int fd = mkstemp(path), conn;

	(void)state;
	unlink(path);
	assert_int_equal(ftruncate(fd, 300000), 0);
	ask_large(ol_body_file(fd, 300001));
	conn = backend_accept(&b);
	while (b.how == -1)
		backend_read(&b, conn, got, sizeof(got));
	assert_string_equal(anonymous(b.told),
	    "connected end:4(the body of the request cannot be read: No data "
	    "available) ");
	close(conn);
}

/* --- no connection --- */

static const char *
refused(void)
{
	backend_ask(&b, NULL);
	assert_true(backend_ended(&b, 20));
	return b.told;
}

static void
assert_unreachable(const char *why)
{
	char want[512], name[OL_ADDR_TEXT];

	snprintf(want, sizeof(want), "end:1(%s: %s) ",
	    ol_addr_text(&b.addr, name, sizeof(name)), why);
	assert_string_equal(refused(), want);
}

static void
test_unreachable(void **state)
{
	size_t before = descriptors() - 1;
	char path[128];
	socklen_t len;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s", ol_addr_path(&b.addr));
	close(b.listener);
	b.listener = -1;
	assert_unreachable("Connection refused");
	unlink(path);
	assert_unreachable("No such file or directory");

	fd = socket(AF_INET, SOCK_STREAM, 0);
	memset(&b.addr, 0, sizeof(b.addr));
	b.addr.len = len = sizeof(b.addr.u.in);
	b.addr.u.in.sin_family = AF_INET;
	b.addr.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, &b.addr.u.sa, len), 0);
	assert_int_equal(getsockname(fd, &b.addr.u.sa, &len), 0);
	assert_unreachable("Connection refused");
	close(fd);
	assert_int_equal(descriptors(), before);
}

static void
test_full_backlog(void **state)
{
	char text[160];
	int fd[64];
	size_t n = 0;

	(void)state;
	close(b.listener);
	snprintf(text, sizeof(text), "unix:%s/s", b.dir);
	b.listener = ol_addr_listen(&b.addr, 1, 0600);
	do {
		assert_in_range(n, 0, 60);
		fd[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	} while (connect(fd[n++], &b.addr.u.sa, b.addr.len) == 0);
	assert_int_equal(errno, EAGAIN);
	assert_unreachable("its backlog is full");
	while (n-- > 0)
		close(fd[n]);
}

static void
closed_at_once_with(unsigned type, const char *text, const char *told)
{
	int fd;

	r.len = 0;
	records_add(&r, type, 1, text, strlen(text), 0);
	records_add(&r, type, 1, NULL, 0, 0);
	for (b.cancel_in = CANCEL_NEVER; b.cancel_in <= CANCEL_CONNECTED;
	     b.cancel_in++) {
		backend_ask(&b, NULL);
		fd = accept(b.listener, NULL, NULL);
		assert_int_equal(send(fd, r.data, r.len, 0), r.len);
		close(fd);
		backend_turn(&b);
		assert_null(b.client);
		if (b.cancel_in == CANCEL_NEVER)
			assert_memory_equal(b.told, told, strlen(told));
		else
			assert_string_equal(b.told, "connected ");
	}
}

/* Connected, but closed before a byte of the request was sent. */
static void
test_closed_at_once(void **state)
{
	int fd = -1;

	(void)state;
	backend_ask(&b, NULL);
	fd = accept(b.listener, NULL, NULL);
	assert_true(fd != -1);
	close(fd);
	assert_true(backend_ended(&b, 20));
	assert_string_equal(anonymous(b.told),
	    "end:1(it closed the connection before the request was sent) ");

	/* The same, with a word of farewell. */
	backend_ask(&b, NULL);
	fd = accept(b.listener, NULL, NULL);
	records_add(&r, OL_RECORD_END, 1, "\0\0\0\0\2\0\0\0", 8, 0);
	assert_int_equal(send(fd, r.data, r.len, 0), r.len);
	close(fd);
	assert_true(backend_ended(&b, 20));
	assert_string_equal(anonymous(b.told), "end:1(it is overloaded) ");

	/* And with a reply, to an owner who may not want it any more. */
	closed_at_once_with(
	    STDOUT, "\nx", "connected head:200 content:x end:0() ");
	closed_at_once_with(STDERR, "why", "connected error:why end:2(");
}

static void
listen_on_tcp(void)
{
	socklen_t len = sizeof(b.addr.u.in);

	close(b.listener);
	unlink(ol_addr_path(&b.addr));
	b.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	memset(&b.addr, 0, sizeof(b.addr));
	b.addr.len = len;
	b.addr.u.in.sin_family = AF_INET;
	b.addr.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(b.listener, &b.addr.u.sa, len), 0);
	assert_int_equal(listen(b.listener, 5), 0);
	assert_int_equal(getsockname(b.listener, &b.addr.u.sa, &len), 0);
}

static void
test_tcp(void **state)
{
	int fd;

	(void)state;
	listen_on_tcp();
	ask_large(large_body());
	fd = backend_accept(&b);
	while (b.told_len == 0)
		backend_turn(&b);
	while (backend_read(&b, fd, got, sizeof(got)) > 0)
		;
	reply_ok(fd);
	assert_true(backend_ended(&b, 20));
	assert_string_equal(b.told, "connected head:200 content:ok end:0() ");
	close(fd);
}

/* --- nobody wants it any more --- */

static void
test_cancel_in_callbacks(void **state)
{
	static const struct {
		enum cancel_in where;
		const char *told;
	} cases[] = {
		{ CANCEL_CONNECTED, "connected " },
		{ CANCEL_ERROR_TEXT, "connected error:why" },
		{ CANCEL_HEAD, "connected error:why head:200 " },
		{ CANCEL_CONTENT, "connected error:why head:200 content:x" },
		{ CANCEL_END,
		    "connected error:why head:200 content:xy end:0() " },
	};
	static const struct part parts[] = { { STDERR, 1, 0, "why" },
		{ STDOUT, 1, 0, "\nx" }, { STDERR, 1, 0, "" },
		{ STDOUT, 1, 0, "y" }, END, { 0, 0, 0, NULL, 0 } };
	size_t i, before = descriptors();
	int fd;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		b.cancel_in = cases[i].where;
		backend_ask(&b, NULL);
		fd = backend_accept(&b);
		add_parts(parts);
		backend_send(&b, fd, r.data, r.len);
		backend_turn(&b);
		assert_null(b.client);
		assert_string_equal(b.told, cases[i].told);
		close(fd);
	}
	assert_int_equal(descriptors(), before);
}

static void
test_cancel_between(void **state)
{
	size_t before = descriptors(), n;
	int fd;

	(void)state;
	/* Before the loop knew of it. */
	backend_ask(&b, NULL);
	ol_client_cancel(b.client);
	b.client = NULL;
	fd = backend_accept(&b);
	assert_int_equal(recv(fd, got, 1, 0), 0);
	close(fd);
	assert_string_equal(b.told, "");

	/* When all is sent: the backend is told. */
	backend_ask(&b, NULL);
	fd = backend_accept(&b);
	n = backend_read(&b, fd, got, sizeof(got));
	ol_client_cancel(b.client);
	b.client = NULL;
	assert_int_equal(recv(fd, got + n, 100, 0), OL_RECORD_HEADER);
	assert_int_equal(ol_record_type(got + n), OL_RECORD_ABORT);
	assert_int_equal(ol_record_id(got + n), 1);
	assert_int_equal(ol_record_length(got + n), OL_RECORD_HEADER);
	assert_int_equal(recv(fd, got, 1, 0), 0);
	close(fd);

	/* Nobody there, and the loop has not said so yet. */
	close(b.listener);
	b.listener = -1;
	backend_ask(&b, NULL);
	ol_client_cancel(b.client);
	b.client = NULL;
	backend_turn(&b);
	assert_string_equal(b.told, "");
	assert_int_equal(descriptors(), before - 1);
}

/* Within a record there is no place for another: it would be taken for some of
 * the body. */
static void
test_cancel_within_a_record(void **state)
{
	int fd, within = 0, small = 4096;
	size_t at, n, k;

	(void)state;
	listen_on_tcp();
	setsockopt(b.listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (k = 0; k < 40 || within == 0; k++) {
		assert_in_range(k, 0, 4000);
		ask_large(large_body());
		fd = backend_accept(&b);
		n = backend_read(&b, fd, got, 1 + k * 9973 % 1000000);
		ol_client_cancel(b.client);
		b.client = NULL;
		n += backend_read(&b, fd, got + n, sizeof(got) - n);
		for (at = 0; n - at >= OL_RECORD_HEADER &&
			     n - at >= ol_record_length(got + at);
		     at += ol_record_length(got + at))
			if (ol_record_type(got + at) == OL_RECORD_ABORT)
				assert_int_equal(at + OL_RECORD_HEADER, n);
		if (at < n) {
			within++;
			assert_memory_not_equal(got + n - OL_RECORD_HEADER,
			    "\1\2\0\1\0\0\0\0", OL_RECORD_HEADER);
		}
		close(fd);
	}
}

static void
test_without_descriptors(void **state)
{
	struct ol_client_request request = { 0 };
	static const struct ol_client_events none = { 0 };
	size_t before = descriptors(), n = 0;
	static int fd[100000];

	(void)state;
	while (n < 100000 && (fd[n] = open("/dev/null", O_RDONLY)) != -1)
		n++;
	if (n < 100000) {
		assert_null(
		    ol_client_new(b.loop, &b.addr, &request, &none, NULL));
		assert_int_equal(errno, EMFILE);
	}
	while (n-- > 0)
		close(fd[n]);
	assert_int_equal(descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bodies),
		TEST(test_params),
		TEST(test_no_pair_straddles),
		TEST(test_replies),
		TEST(test_other_versions),
		TEST(test_closed_early),
		TEST(test_reset),
		TEST(test_large_reply),
		TEST(test_reply_before_body),
		TEST(test_reply_without_reading),
		TEST(test_reading_side_closed),
		TEST(test_flood_takes_turns),
		TEST(test_body_takes_turns),
		TEST(test_body_is_cut_short),
		TEST(test_unreachable),
		TEST(test_full_backlog),
		TEST(test_closed_at_once),
		TEST(test_tcp),
		TEST(test_cancel_in_callbacks),
		TEST(test_cancel_between),
		TEST(test_cancel_within_a_record),
		TEST(test_without_descriptors),
	};

	alarm(110);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
