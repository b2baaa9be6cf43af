/* Requests and connections, with the application serving in a thread. */
#include <sys/socket.h>
#include <sys/un.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fastcgi.h>
#include <cmocka.h>

#include <outlast/outlast.h>

#include "base/clock.h"
#include "peer.h"

static char dir[] = "/tmp/outlast-test-XXXXXX";
static char path[64];
static int server_number;

static struct {
	atomic_int errors, sleeping;
	char message[256];
	pthread_mutex_t lock;
} seen = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void
on_error(struct ol_app *app, const struct ol_error *error, void *arg)
{
	(void)app;
	(void)arg;
	pthread_mutex_lock(&seen.lock);
	snprintf(seen.message, sizeof(seen.message), "%s", error->message);
	pthread_mutex_unlock(&seen.lock);
	atomic_fetch_add(&seen.errors, 1);
}

/* Wait for the n-th error and compare its words. */
static void
assert_error(int n, const char *part)
{
	char message[sizeof(seen.message)];
	int i;

	for (i = 0; i < 500 && atomic_load(&seen.errors) < n; i++)
		usleep(10000);
	pthread_mutex_lock(&seen.lock);
	memcpy(message, seen.message, sizeof(message));
	pthread_mutex_unlock(&seen.lock);
	if (strstr(message, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, message);
	assert_int_equal(atomic_load(&seen.errors), n);
}

static void
on_request(struct ol_app *app, FCGX_Request *request, void *arg)
{
	const char *uri = FCGX_GetParam("DOCUMENT_URI", request->envp);
	char buf[4096];
	size_t sum = 0;
	int n, i;

	(void)app;
	(void)arg;
	if (uri == NULL)
		uri = "";
	FCGX_FPrintF(request->out, "Status: 200 OK\r\n\r\n");
	if (strcmp(uri, "/read") == 0) {
		while ((n = FCGX_GetStr(buf, sizeof(buf), request->in)) > 0)
			for (i = 0; i < n; i++)
				sum += (unsigned char)buf[i];
		FCGX_FPrintF(request->out, "sum %lu\n", (unsigned long)sum);
	} else if (strcmp(uri, "/sleep") == 0) {
		atomic_store(&seen.sleeping, 1);
		usleep(400000);
	} else if (strcmp(uri, "/finish") == 0) {
		FCGX_Finish_r(request);
	} else if (strcmp(uri, "/long") == 0) {
		for (i = 0; i < 1000; i++) {
			memset(buf, 'x', sizeof(buf));
			if (FCGX_PutStr(buf, sizeof(buf), request->out) == -1)
				break;
		}
	} else
		FCGX_FPrintF(request->out, "uri %s\n", uri);
}

struct server {
	struct ol_app *app;
	pthread_t thread;
	atomic_int rc; /* -1: it runs */
};

static void *
run(void *arg)
{
	struct server *server = arg;

	server->rc = ol_app_run(server->app);
	return NULL;
}

static void
start(struct server *server, const struct ol_app_options *options)
{
	char listen[80], program[] = "test", option[] = "--listen";
	char *argv[] = { program, option, listen, NULL };
	int argc = 3;

	/* A path for each: a test that failed leaves its server behind. */
	snprintf(path, sizeof(path), "%s/%d", dir, server_number++);
	snprintf(listen, sizeof(listen), "unix:%s", path);
	atomic_store(&seen.errors, 0);
	atomic_store(&server->rc, -1);
	server->app = ol_app_new(options);
	assert_non_null(server->app);
	assert_int_equal(ol_app_args(server->app, &argc, argv), 0);
	assert_int_equal(argc, 1);
	ol_app_on_request(server->app, on_request, NULL);
	ol_app_on_error(server->app, on_error, NULL);
	assert_int_equal(pthread_create(&server->thread, NULL, run, server), 0);
}

static void
stop(struct server *server)
{
	ol_app_stop(server->app, 5000);
	pthread_join(server->thread, NULL);
	assert_int_equal(server->rc, 0);
	ol_app_free(server->app);
	unlink(path);
}

/* A POST whose parameters say length. */
static void
post(struct records *r, const char *uri, unsigned flags, const char *length,
    const void *body, size_t len)
{
	char document[64], content_length[64];
	const char *params[] = { "REQUEST_METHOD=POST", document,
		content_length, NULL };

	snprintf(document, sizeof(document), "DOCUMENT_URI=%s", uri);
	snprintf(content_length, sizeof(content_length), "CONTENT_LENGTH=%s",
	    length);
	r->len = 0;
	records_request(r, flags, params, body, len);
}

static struct records r;
static struct reply reply;

static void
test_kept_connection(void **state)
{
	struct server server;
	int fd, i;

	(void)state;
	start(&server, NULL);
	fd = peer_connect(path);
	for (i = 0; i < 50; i++) {
		peer_get(fd, "/kept", FCGI_KEEP_CONN, &reply);
		assert_true(reply.ended);
		assert_false(reply.closed);
		assert_string_equal(
		    reply.text, "Status: 200 OK\r\n\r\nuri /kept\n");
	}
	/* The last one asks for no more. */
	peer_get(fd, "/last", 0, &reply);
	assert_true(reply.ended);
	assert_true(peer_readable(fd, 2000));
	peer_read(fd, &reply, 0);
	assert_true(reply.closed);
	close(fd);
	fd = peer_connect(path);
	peer_get(fd, "/once", 0, &reply);
	assert_true(reply.ended);
	close(fd);
	assert_int_equal(seen.errors, 0);
	stop(&server);
}

/* A body that nobody reads is no request, on a kept connection. */
static void
test_undrained_body(void **state)
{
	static struct records forged;
	struct server server;
	char length[24];
	int fd;

	(void)state;
	start(&server, NULL);
	fd = peer_connect(path);
	forged.len = 0;
	while (forged.len < 20000) {
		static const char *const params[] = { "DOCUMENT_URI=/forged",
			NULL };

		records_request(&forged, FCGI_KEEP_CONN, params, "", 0);
	}
	snprintf(length, sizeof(length), "%zu", forged.len);
	post(&r, "/ignore", FCGI_KEEP_CONN, length, forged.data, forged.len);
	assert_true(peer_send(fd, &r));
	peer_read(fd, &reply, 200);
	assert_true(reply.ended);
	assert_null(strstr(reply.text, "forged"));
	peer_get(fd, "/next", FCGI_KEEP_CONN, &reply);
	assert_non_null(strstr(reply.text, "uri /next"));
	close(fd);
	stop(&server);
}

static void
test_get_values_is_refused(void **state)
{
	static const char name[] = "\x0e\x00"
				   "FCGI_MAX_CONNS";
	unsigned char values[64];
	struct server server;
	int fd, i;

	(void)state;
	start(&server, NULL);
	for (i = 0; i < 4; i++)
		memcpy(values + i * 16, name, 16);
	fd = peer_connect(path);
	r.len = 0;
	records_add(&r, FCGI_GET_VALUES, 0, values, sizeof(values), 0);
	assert_true(peer_send(fd, &r));
	peer_read(fd, &reply, 0);
	assert_true(reply.closed);
	assert_error(1, "a management record");
	close(fd);
	/* Others are served as before. */
	fd = peer_connect(path);
	peer_get(fd, "/alive", 0, &reply);
	assert_non_null(strstr(reply.text, "uri /alive"));
	close(fd);
	stop(&server);
}

static void
test_body_of_another_length(void **state)
{
	struct server server;
	int fd;

	(void)state;
	start(&server, NULL);
	fd = peer_connect(path);
	post(&r, "/read", FCGI_KEEP_CONN, "12", "hello=world", 11);
	peer_send(fd, &r);
	peer_read(fd, &reply, 0);
	assert_non_null(strstr(reply.text, "Status: 400"));
	assert_error(1, "POST /read: answered 400");
	/* The connection is as good as before. */
	peer_get(fd, "/next", FCGI_KEEP_CONN, &reply);
	assert_non_null(strstr(reply.text, "uri /next"));
	close(fd);
	stop(&server);
}

/* Of every size around a record's and the window's, whole and in one piece. */
static void
test_bodies(void **state)
{
	static const size_t sizes[] = { 1, 8183, 8184, 8185, 32767, 32768,
		32769, 65534, 65535, 65536, 98304, 131071, 131072, 131073,
		200000, 262144 };
	static char body[262144];
	struct server server;
	char length[24], expected[64];
	size_t i, j;
	int fd;

	(void)state;
	start(&server, OL_APP_OPTIONS(.max_body = 262144, .threads = 2));
	fd = peer_connect(path);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t sum = 0;

		for (j = 0; j < sizes[i]; j++) {
			body[j] = (char)(j % 127);
			sum += j % 127;
		}
		snprintf(length, sizeof(length), "%zu", sizes[i]);
		post(&r, "/read", FCGI_KEEP_CONN, length, body, sizes[i]);
		assert_true(peer_send(fd, &r));
		peer_read(fd, &reply, 0);
		snprintf(expected, sizeof(expected), "sum %zu\n", sum);
		assert_true(reply.ended);
		assert_non_null(strstr(reply.text, expected));
	}
	close(fd);
	assert_int_equal(seen.errors, 0);
	stop(&server);
}

static void
test_body_too_large(void **state)
{
	static char body[200000];
	struct server server;
	int fd;

	(void)state;
	start(&server, OL_APP_OPTIONS(.max_body = 1000));
	fd = peer_connect(path);
	post(&r, "/read", FCGI_KEEP_CONN, "1001", body, 1001);
	peer_send(fd, &r);
	peer_read(fd, &reply, 0);
	assert_non_null(strstr(reply.text, "Status: 413"));
	post(&r, "/read", FCGI_KEEP_CONN, "200000", body, 200000);
	assert_true(peer_send(fd, &r));
	peer_read(fd, &reply, 0);
	assert_non_null(strstr(reply.text, "Status: 413"));
	post(&r, "/read", FCGI_KEEP_CONN, "1000", body, 1000);
	peer_send(fd, &r);
	peer_read(fd, &reply, 0);
	assert_non_null(strstr(reply.text, "sum 0"));
	close(fd);
	stop(&server);
}

/* A slow peer gets its time, then its end; a slow body costs no other. */
static void
test_slow_requests(void **state)
{
	struct server server;
	struct records start_only;
	int slow, cut, fd;

	(void)state;
	start(
	    &server, OL_APP_OPTIONS(.request_timeout_ms = 1500, .threads = 2));
	slow = peer_connect(path);
	post(&r, "/read", FCGI_KEEP_CONN, "11", "hello=world", 11);
	start_only = r;
	start_only.len = 30;
	assert_true(peer_send(slow, &start_only));
	cut = peer_connect(path);
	start_only.len = r.len - 12;
	assert_true(peer_send(cut, &start_only));
	fd = peer_connect(path);
	peer_get(fd, "/quick", 0, &reply);
	assert_non_null(strstr(reply.text, "uri /quick"));
	close(fd);
	/* The rest of the body comes late, but in time. */
	usleep(800000);
	memmove(r.data, r.data + r.len - 12, 12);
	r.len = 12;
	assert_true(peer_send(cut, &r));
	peer_read(cut, &reply, 0);
	assert_non_null(strstr(reply.text, "sum 1145"));
	close(cut);
	peer_read(slow, &reply, 0);
	assert_true(reply.closed);
	assert_false(reply.ended);
	assert_error(1, "its request did not come in 1500 ms");
	close(slow);
	stop(&server);
}

/* Stalled bodies hold no thread: the one that there is serves the others. */
static void
test_stalled_bodies(void **state)
{
	struct server server;
	int stalled[100], fd;
	int64_t began;
	size_t i;

	(void)state;
	start(&server, NULL);
	post(&r, "/read", FCGI_KEEP_CONN, "200000", "hello=world", 11);
	r.len -= 8;
	for (i = 0; i < 100; i++) {
		stalled[i] = peer_connect(path);
		assert_true(peer_send(stalled[i], &r));
	}
	usleep(700000);
	fd = peer_connect(path);
	began = ol_clock_now();
	for (i = 0; i < 20; i++)
		peer_get(fd, "/quick", FCGI_KEEP_CONN, &reply);
	assert_true(ol_clock_now() - began < OL_SEC(1));
	assert_non_null(strstr(reply.text, "uri /quick"));
	close(fd);
	for (i = 0; i < 100; i++)
		close(stalled[i]);
	stop(&server);
	assert_int_equal(seen.errors, 100);
}

/* A byte now and then is no upload. */
static void
test_trickled_body(void **state)
{
	static const char zeros[2000];
	struct server server;
	int64_t began = ol_clock_now();
	int fd;

	(void)state;
	start(&server, OL_APP_OPTIONS(.request_timeout_ms = 600));
	fd = peer_connect(path);
	post(&r, "/read", FCGI_KEEP_CONN, "2000", "", 0);
	r.len -= 8;
	records_add(&r, FCGI_STDIN, 1, zeros, 2000, 0);
	r.len -= 2000;
	assert_true(peer_send(fd, &r));
	r.len = 1;
	while (peer_send(fd, &r) && ol_clock_now() - began < OL_SEC(5))
		usleep(50000);
	assert_true(ol_clock_now() - began < OL_SEC(3));
	assert_error(1, "comes too slowly");
	close(fd);
	stop(&server);
}

/* A request and the end of its sender in one go. */
static void
test_half_closed(void **state)
{
	struct server server;
	int fd, i;

	(void)state;
	start(&server, NULL);
	for (i = 0; i < 50; i++) {
		fd = peer_connect(path);
		/* Twice kept: it is watched by then. */
		peer_get(fd, "/one", FCGI_KEEP_CONN, &reply);
		post(&r, "/two", FCGI_KEEP_CONN, "0", "", 0);
		assert_true(peer_send(fd, &r));
		shutdown(fd, SHUT_WR);
		peer_read(fd, &reply, 2000);
		assert_non_null(strstr(reply.text, "uri /two"));
		assert_true(reply.closed);
		close(fd);
	}
	stop(&server);
}

/* Byte by byte, as no web server does. */
static void
test_bytes(void **state)
{
	struct server server;
	struct records whole;
	size_t i;
	int fd;

	(void)state;
	start(&server, NULL);
	fd = peer_connect(path);
	post(&whole, "/read", FCGI_KEEP_CONN, "11", "hello=world", 11);
	for (i = 0; i < whole.len; i++) {
		r.len = 1;
		r.data[0] = whole.data[i];
		assert_true(peer_send(fd, &r));
		if (i % 16 == 0)
			usleep(1000);
	}
	peer_read(fd, &reply, 0);
	assert_non_null(strstr(reply.text, "sum 1145"));
	close(fd);
	stop(&server);
}

static void
test_peer_leaves(void **state)
{
	struct server server;
	int fd;

	(void)state;
	start(&server, NULL);
	fd = peer_connect(path);
	post(&r, "/read", FCGI_KEEP_CONN, "11", "hello=world", 11);
	r.len -= 12;
	peer_send(fd, &r);
	usleep(50000);
	close(fd);
	assert_error(1, "left in the middle of");
	/* During a reply that does not fit the socket. */
	fd = peer_connect(path);
	post(&r, "/long", FCGI_KEEP_CONN, "0", "", 0);
	peer_send(fd, &r);
	usleep(50000);
	close(fd);
	assert_error(2, "/long: the client left");
	fd = peer_connect(path);
	peer_get(fd, "/alive", 0, &reply);
	assert_non_null(strstr(reply.text, "uri /alive"));
	close(fd);
	stop(&server);
}

static void
test_peer_does_not_read(void **state)
{
	struct server server;
	int fd;

	(void)state;
	start(&server, OL_APP_OPTIONS(.reply_timeout_ms = 300));
	fd = peer_connect(path);
	post(&r, "/long", FCGI_KEEP_CONN, "0", "", 0);
	peer_send(fd, &r);
	assert_error(1, "did not take the reply in time");
	close(fd);
	stop(&server);
}

static void
test_handler_finishes_itself(void **state)
{
	struct server server;
	int fd;

	(void)state;
	start(&server, NULL);
	fd = peer_connect(path);
	peer_get(fd, "/finish", FCGI_KEEP_CONN, &reply);
	assert_error(1, "called FCGX_Finish_r");
	close(fd);
	fd = peer_connect(path);
	peer_get(fd, "/finish", 0, &reply);
	assert_error(2, "called FCGX_Finish_r");
	close(fd);
	fd = peer_connect(path);
	peer_get(fd, "/alive", 0, &reply);
	assert_non_null(strstr(reply.text, "uri /alive"));
	close(fd);
	stop(&server);
}

/* An idle kept connection hears nothing, then an empty FCGI_STDERR. */
static void
test_retiring_record(void **state)
{
	struct server server;
	unsigned char record[8], expected[8] = { 1, FCGI_STDERR, 0, 1 };
	int idle, fresh;

	(void)state;
	start(&server, NULL);
	idle = peer_connect(path);
	peer_get(idle, "/one", FCGI_KEEP_CONN, &reply);
	fresh = peer_connect(path);
	peer_get(fresh, "/two", FCGI_KEEP_CONN, &reply);
	assert_false(peer_readable(idle, 100));
	ol_app_stop(server.app, 5000);
	assert_true(peer_readable(idle, 2000));
	assert_int_equal(read(idle, record, sizeof(record)), 8);
	assert_memory_equal(record, expected, 8);
	/* A web server that has just used it again is answered, and told. */
	assert_true(peer_readable(fresh, 2000));
	assert_int_equal(read(fresh, record, sizeof(record)), 8);
	post(&r, "/straddle", FCGI_KEEP_CONN, "0", "", 0);
	assert_true(peer_send(fresh, &r));
	peer_read(fresh, &reply, 2000);
	assert_non_null(strstr(reply.text, "uri /straddle"));
	assert_true(reply.nothing);
	/* It ends when the web server has closed them all. */
	usleep(100000);
	assert_int_equal(atomic_load(&server.rc), -1);
	close(idle);
	close(fresh);
	stop(&server);
}

/*
 * A request is answered just after the deadline, when nobody looks at its
 * connection any more, and the next one is there already.
 */
static void
test_connection_returned_after_the_deadline(void **state)
{
	const char *params[] = { "REQUEST_METHOD=GET", "DOCUMENT_URI=/sleep",
		"CONTENT_LENGTH=", NULL };
	struct server server;
	int fd, i;

	(void)state;
	r.len = 0;
	records_request(&r, FCGI_KEEP_CONN, params, "", 0);
	start(&server, NULL);
	fd = peer_connect(path);
	assert_true(peer_send(fd, &r));
	for (i = 0; i < 500 && !atomic_load(&seen.sleeping); i++)
		usleep(10000);
	assert_true(peer_send(fd, &r));
	ol_app_stop(server.app, 300);
	pthread_join(server.thread, NULL);
	ol_app_free(server.app);
	/* What there is of a reply, and then the end, not silence. */
	while (recv(fd, reply.text, sizeof(reply.text), MSG_DONTWAIT) > 0)
		;
	assert_true(peer_readable(fd, 1000));
	close(fd);
	unlink(path);
}

/* Once it retires nobody listens: a successor by hand can have the path. */
static void
test_the_listener_is_closed_at_once(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct server server;
	int idle, fd;

	(void)state;
	start(&server, NULL);
	idle = peer_connect(path);
	peer_get(idle, "/one", FCGI_KEEP_CONN, &reply);
	ol_app_stop(server.app, 10000);
	assert_true(peer_readable(idle, 2000));
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
	close(idle);
	stop(&server);
}

static void
test_test_request(void **state)
{
	static const char *const params[] = { "REQUEST_METHOD=POST",
		"DOCUMENT_URI=/read", NULL };
	static char body[300000];
	struct ol_app *app = ol_app_new(NULL);
	size_t size;
	char *text;

	(void)state;
	atomic_store(&seen.errors, 0);
	ol_app_on_request(app, on_request, NULL);
	ol_app_on_error(app, on_error, NULL);
	memset(body, 1, sizeof(body));
	text = ol_test_request(app, params, body, sizeof(body), &size);
	assert_non_null(text);
	assert_string_equal(text, "Status: 200 OK\r\n\r\nsum 300000\n");
	assert_int_equal(size, strlen(text));
	free(text);
	text = ol_test_request(app, NULL, NULL, 0, NULL);
	assert_string_equal(text, "Status: 200 OK\r\n\r\nuri \n");
	free(text);
	assert_int_equal(seen.errors, 0);
	ol_app_free(app);
}

static void
test_arguments(void **state)
{
	char program[] = "x", option[] = "--listen=bogus",
	     other[] = "--verbose", dash[] = "--", last[] = "--listen";
	char *argv[] = { program, other, option, NULL };
	char *rest[] = { program, other, dash, last, NULL };
	char *cut[] = { program, last, NULL };
	struct ol_app *app = ol_app_new(NULL);
	int argc = 3;

	(void)state;
	atomic_store(&seen.errors, 0);
	ol_app_on_error(app, on_error, NULL);
	assert_int_equal(ol_app_args(app, &argc, argv), OL_EINVAL);
	assert_error(1, "--listen bogus: an address is unix:PATH or HOST:PORT");
	argc = 2;
	assert_int_equal(ol_app_args(app, &argc, cut), OL_EINVAL);
	assert_error(2, "wants an address");
	argc = 4;
	assert_int_equal(ol_app_args(app, &argc, rest), 0);
	assert_int_equal(argc, 4);
	assert_string_equal(rest[3], "--listen");
	/* No handler, then no listener. */
	assert_int_equal(ol_app_run(app), 64);
	assert_error(3, "no request handler");
	ol_app_on_request(app, on_request, NULL);
	/* An argument that was bad is still bad, whoever listens by then. */
	assert_int_equal(ol_app_run(app), 64);
	assert_error(4, "--listen: wants an address");
	ol_app_free(app);
	app = ol_app_new(NULL);
	ol_app_on_request(app, on_request, NULL);
	ol_app_on_error(app, on_error, NULL);
	close(0);
	assert_int_equal(ol_app_run(app), 64);
	assert_error(5, "nowhere to listen");
	ol_app_free(app);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept_connection),
		cmocka_unit_test(test_undrained_body),
		cmocka_unit_test(test_get_values_is_refused),
		cmocka_unit_test(test_body_of_another_length),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_body_too_large),
		cmocka_unit_test(test_slow_requests),
		cmocka_unit_test(test_stalled_bodies),
		cmocka_unit_test(test_trickled_body),
		cmocka_unit_test(test_half_closed),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_peer_leaves),
		cmocka_unit_test(test_peer_does_not_read),
		cmocka_unit_test(test_handler_finishes_itself),
		cmocka_unit_test(test_retiring_record),
		cmocka_unit_test(test_connection_returned_after_the_deadline),
		cmocka_unit_test(test_the_listener_is_closed_at_once),
		cmocka_unit_test(test_test_request),
		cmocka_unit_test(test_arguments),
	};
	int rc;

	/* A test that hangs shall not hang the rest. */
	alarm(120);
	if (mkdtemp(dir) == NULL)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return rc;
}
