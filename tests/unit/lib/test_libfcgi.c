/*
 * What liboutlast relies on in libfcgi beyond its documentation. When one of
 * these fails with a new libfcgi, src/lib/request.c has to be read again.
 */
#include <sys/socket.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <fastcgi.h>
#include <fcgiapp.h>
#include <cmocka.h>

#include <outlast/outlast.h>

#include "base/clock.h"
#include "records.h"

static const char *const params[] = { "REQUEST_METHOD=POST", NULL };

static int
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

/* A request on a socket pair; fds[1] is the application's end. */
static void
send_request(int fds[2], unsigned flags, const void *body, size_t len)
{
	static struct records r;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	r.len = 0;
	records_request(&r, flags, params, body, len);
	assert_int_equal(write(fds[0], r.data, r.len), r.len);
}

static void
test_preset_needs_keep_connection(void **state)
{
	FCGX_Request request;
	int fds[2];

	(void)state;
	send_request(fds, FCGI_KEEP_CONN, "", 0);
	FCGX_InitRequest(&request, -1, 0);
	request.ipcFd = fds[1];
	/* Without keepConnection libfcgi closes it before it reads. */
	request.detached = 1;
	assert_int_equal(FCGX_Accept_r(&request), -EBADF);
	assert_false(is_open(fds[1]));
	close(fds[0]);
}

static void
test_preset_is_served_and_stays_ours(void **state)
{
	FCGX_Request request;
	char body[16] = { 0 };
	int fds[2];

	(void)state;
	send_request(fds, 0, "hello", 5);
	FCGX_InitRequest(&request, -1, 0);
	request.ipcFd = fds[1];
	request.keepConnection = 1;
	request.detached = 1;
	assert_int_equal(FCGX_Accept_r(&request), 0);
	/* From here on it is the value of BEGIN_REQUEST. */
	assert_int_equal(request.keepConnection, 0);
	assert_string_equal(
	    FCGX_GetParam("REQUEST_METHOD", request.envp), "POST");
	assert_int_equal(FCGX_GetStr(body, sizeof(body), request.in), 5);
	assert_string_equal(body, "hello");
	assert_int_equal(FCGX_FClose(request.err), 0);
	assert_int_equal(FCGX_FClose(request.out), 0);
	request.ipcFd = -1;
	FCGX_Free(&request, 0);
	assert_true(is_open(fds[1]));
	close(fds[0]);
	close(fds[1]);
}

/* detached: closing does not linger until the peer closes, too. */
static void
test_detached_does_not_linger(void **state)
{
	static const unsigned char rubbish[16] = { 9 };
	FCGX_Request request;
	int64_t began;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(write(fds[0], rubbish, 16), 16);
	FCGX_InitRequest(&request, -1, 0);
	request.ipcFd = fds[1];
	request.keepConnection = 1;
	request.detached = 1;
	began = ol_clock_now();
	assert_true(FCGX_Accept_r(&request) < 0);
	assert_true(ol_clock_now() - began < OL_SEC(1));
	assert_false(is_open(fds[1]));
	close(fds[0]);
}

/* A reader's fields are public, and a function of ours may feed it. */
static void
end_of_body(FCGX_Stream *in)
{
	in->isClosed = 1;
}

static void
test_a_stream_reads_from_memory(void **state)
{
	static unsigned char other[] = "from memory";
	FCGX_Request request;
	char body[32] = { 0 };
	int fds[2];

	(void)state;
	send_request(fds, 0, "wire", 4);
	FCGX_InitRequest(&request, -1, 0);
	request.ipcFd = fds[1];
	request.keepConnection = 1;
	assert_int_equal(FCGX_Accept_r(&request), 0);
	assert_int_equal(FCGX_GetStr(body, sizeof(body), request.in), 4);
	assert_int_equal(FCGX_GetChar(request.in), EOF);
	request.in->rdNext = request.in->stopUnget = other;
	request.in->stop = other + 11;
	request.in->isClosed = 0;
	request.in->fillBuffProc = end_of_body;
	assert_int_equal(FCGX_GetChar(request.in), 'f');
	assert_int_equal(FCGX_UnGetChar('f', request.in), 'f');
	assert_int_equal(FCGX_GetStr(body, sizeof(body), request.in), 11);
	assert_string_equal(body, "from memory");
	assert_int_equal(FCGX_GetChar(request.in), EOF);
	assert_int_equal(FCGX_HasSeenEOF(request.in), EOF);
	assert_int_equal(FCGX_GetError(request.in), 0);
	request.ipcFd = -1;
	FCGX_Free(&request, 0);
	close(fds[0]);
	close(fds[1]);
}

/* FCGX_Init() overrides even ignored signals; ol_app_new() puts them back. */
static void
test_signal_handlers_are_left_alone(void **state)
{
	struct sigaction sa;
	struct ol_app *app;

	(void)state;
	signal(SIGUSR1, SIG_IGN);
	app = ol_app_new(NULL);
	assert_non_null(app);
	sigaction(SIGUSR1, NULL, &sa);
	assert_true(sa.sa_handler == SIG_IGN);
	sigaction(SIGTERM, NULL, &sa);
	assert_true(sa.sa_handler == SIG_DFL);
	sigaction(SIGPIPE, NULL, &sa);
	assert_true(sa.sa_handler == SIG_DFL);
	ol_app_free(app);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: it is who calls FCGX_Init(). */
		cmocka_unit_test(test_signal_handlers_are_left_alone),
		cmocka_unit_test(test_preset_needs_keep_connection),
		cmocka_unit_test(test_preset_is_served_and_stays_ours),
		cmocka_unit_test(test_detached_does_not_linger),
		cmocka_unit_test(test_a_stream_reads_from_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
