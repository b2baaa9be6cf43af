/* What a child tells on $NOTIFY_SOCKET; the test holds the other end. */
#include <sys/socket.h>
#include <sys/wait.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fastcgi.h>
#include <cmocka.h>

#include <outlast/outlast.h>

#include "base/clock.h"
#include "base/notify.h"
#include "peer.h"

static char dir[] = "/tmp/outlast-test-XXXXXX";
static char path[64], notify_path[64];

static enum ol_outcome
work(struct ol_work *item, void *data)
{
	(void)data;
	while (!ol_work_stopping(item))
		usleep(1000);
	ol_work_extend(item, 40);
	usleep(300000);
	ol_work_error(item, "out of paper");
	return OL_FAIL;
}

static void
hang_async(struct ol_work *item, struct event_base *base, void *data)
{
	(void)item;
	(void)base;
	(void)data;
	for (;;)
		pause();
}

static void
on_request(struct ol_app *app, FCGX_Request *request, void *arg)
{
	const char *uri = FCGX_GetParam("DOCUMENT_URI", request->envp);

	(void)arg;
	FCGX_FPrintF(request->out, "Status: 200 OK\r\n\r\n");
	if (strcmp(uri, "/work") == 0)
		ol_queue_blocking(
		    app, work, NULL, OL_WORK_OPTIONS(.name = "printer"));
	else if (strcmp(uri, "/hang") == 0)
		ol_queue_async(app, hang_async, NULL, NULL);
}

/* A child under a supervisor that listens on *fd. */
static pid_t
start(int *fd)
{
	char listen[80], program[] = "test", option[] = "--listen";
	char *argv[] = { program, option, listen, NULL };
	struct ol_app *app;
	int argc = 3;
	pid_t pid;

	*fd = ol_notify_bind(notify_path, (unsigned)-1);
	assert_int_not_equal(*fd, -1);
	if ((pid = fork()) != 0)
		return pid;
	alarm(30);
	setenv("NOTIFY_SOCKET", notify_path, 1);
	setenv("OUTLAST_SHUTDOWN_DELAY_MAX", "60", 1);
	snprintf(listen, sizeof(listen), "unix:%s", path);
	app = ol_app_new(NULL);
	if (getenv("NOTIFY_SOCKET") != NULL)
		_exit(2);
	ol_app_args(app, &argc, argv);
	ol_app_on_request(app, on_request, NULL);
	_exit(ol_app_run(app));
}

/* The next datagram within ms; false: none came. */
static bool
receive(int fd, struct ol_notify *n, int ms)
{
	char buf[1024];
	ssize_t len;

	if (!peer_readable(fd, ms))
		return false;
	len = recv(fd, buf, sizeof(buf), 0);
	assert_true(len > 0);
	assert_int_equal(ol_notify_parse(n, buf, (size_t)len), 0);
	return true;
}

static void
get(const char *uri)
{
	struct reply *reply = calloc(1, sizeof(*reply));
	int fd = peer_connect(path);

	peer_get(fd, uri, 0, reply);
	assert_true(reply->ended);
	close(fd);
	free(reply);
}

static void
test_a_life(void **state)
{
	union sigval value = { .sival_int = 20 };
	bool stopping = false, status = false;
	int64_t extend = -1;
	struct ol_notify n;
	int fd, wstatus;
	pid_t pid = start(&fd);

	(void)state;
	assert_true(receive(fd, &n, 5000));
	assert_true(n.ready);
	/* Idle: not a word. */
	assert_false(receive(fd, &n, 300));
	get("/work");
	assert_true(receive(fd, &n, 3000));
	assert_int_equal(n.tasks, 1);
	while (n.requests != 1)
		assert_true(receive(fd, &n, 3000));
	assert_int_equal(sigqueue(pid, SIGTERM, value), 0);
	while (receive(fd, &n, 1000)) {
		stopping = stopping || n.stopping;
		if (n.extend_usec != -1)
			extend = n.extend_usec;
		if (strcmp(n.status, "printer: out of paper") == 0)
			status = true;
	}
	assert_true(stopping);
	assert_in_range(extend, 39000000, 40000000);
	assert_true(status);
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	assert_int_equal(wstatus, 0);
	close(fd);
}

/* Counts come at most once a second, however busy the process is. */
static void
test_counts_are_paced(void **state)
{
	struct ol_notify n;
	int fd, counts = 0, i;
	pid_t pid = start(&fd);

	(void)state;
	assert_true(receive(fd, &n, 5000));
	for (i = 0; i < 200; i++) {
		get("/");
		usleep(5000);
	}
	while (receive(fd, &n, 1500))
		counts++;
	assert_int_equal(n.requests, 200);
	assert_in_range(counts, 2, 6);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
}

/* The first item is told at once, though counts were sent a moment ago. */
static void
test_becoming_busy_is_told_at_once(void **state)
{
	struct ol_notify n;
	int64_t began;
	int fd;
	pid_t pid = start(&fd);

	(void)state;
	assert_true(receive(fd, &n, 5000));
	get("/");
	do
		assert_true(receive(fd, &n, 3000));
	while (n.requests != 1);
	began = ol_clock_now();
	get("/work");
	do
		assert_true(receive(fd, &n, 3000));
	while (n.tasks != 1);
	assert_true(ol_clock_now() - began < OL_MSEC(600));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
}

/* READY is repeated until the supervisor's queue has room for it. */
static void
test_ready_is_repeated(void **state)
{
	struct ol_notify n = { 0 };
	int fd, sender;
	pid_t pid;

	(void)state;
	fd = ol_notify_bind(notify_path, (unsigned)-1);
	sender = ol_notify_connect(notify_path);
	while (ol_notify_send(sender, "STATUS=flood") == 0)
		;
	/* The child connects to the same, full socket. */
	if ((pid = fork()) == 0) {
		char listen[80], program[] = "test", option[] = "--listen";
		char *argv[] = { program, option, listen, NULL };
		struct ol_app *app;
		int argc = 3;

		alarm(30);
		setenv("NOTIFY_SOCKET", notify_path, 1);
		snprintf(listen, sizeof(listen), "unix:%s", path);
		app = ol_app_new(NULL);
		ol_app_args(app, &argc, argv);
		ol_app_on_request(app, on_request, NULL);
		_exit(ol_app_run(app));
	}
	get("/");
	while (receive(fd, &n, 2000) && !n.ready)
		;
	assert_true(n.ready);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(sender);
	close(fd);
}

/* Signs of life come while both loops turn, and stop when one hangs. */
static void
test_watchdog(void **state)
{
	struct ol_notify n;
	int fd, signs = 0;
	int64_t until;
	pid_t pid;

	(void)state;
	setenv("WATCHDOG_USEC", "200000", 1);
	pid = start(&fd);
	unsetenv("WATCHDOG_USEC");
	until = ol_clock_now() + OL_SEC(1);
	while (ol_clock_now() < until)
		if (receive(fd, &n, 100) && n.watchdog)
			signs++;
	assert_in_range(signs, 5, 12);
	get("/hang");
	usleep(500000);
	while (receive(fd, &n, 0))
		;
	signs = 0;
	until = ol_clock_now() + OL_SEC(1);
	while (ol_clock_now() < until)
		if (receive(fd, &n, 100) && n.watchdog)
			signs++;
	assert_int_equal(signs, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_life),
		cmocka_unit_test(test_counts_are_paced),
		cmocka_unit_test(test_becoming_busy_is_told_at_once),
		cmocka_unit_test(test_ready_is_repeated),
		cmocka_unit_test(test_watchdog),
	};
	int rc;

	alarm(120);
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(notify_path, sizeof(notify_path), "%s/n", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	unlink(notify_path);
	rmdir(dir);
	return rc;
}
