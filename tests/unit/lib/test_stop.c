/*
 * The way out, each case in a process of its own: the child runs an
 * application and ends with ol_app_run()'s result; what it saw comes back in
 * memory that both share.
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <event2/event.h>
#include <fastcgi.h>
#include <cmocka.h>

#include <outlast/outlast.h>

#include "base/clock.h"
#include "peer.h"

/* ThreadSanitizer sleeps a second when a process ends with threads in it. */
#ifdef __SANITIZE_THREAD__
#define EXIT_SLACK OL_SEC(2)
#else
#define EXIT_SLACK 0
#endif

static char dir[] = "/tmp/outlast-test-XXXXXX";
static char path[64];

/* Written by the child, read by the test. */
static struct seen {
	atomic_int started, ended, stopped_calls, freed, sync;
	atomic_int failed, unfinished, dropped, lost;
	atomic_int late_queue, queue_while_retiring, queue_while_stopping;
	atomic_int stop_fd_readable, stopping;
	atomic_int outside; /* threads of the application's own */
	_Atomic int64_t seconds_left, seconds_later;
	_Atomic long granted;
} * seen;

static void
on_error(struct ol_app *app, const struct ol_error *error, void *arg)
{
	(void)app;
	(void)arg;
	switch (error->kind) {
	case OL_ERROR_ITEM_FAILED:
		atomic_fetch_add(&seen->failed, 1);
		break;
	case OL_ERROR_ITEM_UNFINISHED:
		atomic_fetch_add(&seen->unfinished, 1);
		break;
	case OL_ERROR_ITEM_DROPPED:
		atomic_fetch_add(&seen->dropped, 1);
		break;
	case OL_ERROR_ITEM_LOST:
		atomic_fetch_add(&seen->lost, 1);
		break;
	case OL_ERROR_REQUEST:
	case OL_ERROR_PROCESS:
		fprintf(stderr, "%s\n", error->message);
		break;
	}
}

static void
count_free(void *data)
{
	(void)data;
	atomic_fetch_add(&seen->freed, 1);
}

static int64_t
seconds_left(struct ol_work *work)
{
	int64_t deadline = ol_work_deadline(work);

	/* Rounded to the next whole second: the child needs a moment. */
	return deadline == INT64_MAX
		   ? -1
		   : (deadline - ol_clock_now() + OL_MSEC(500)) / OL_SEC(1);
}

/* Waits for the stop on the descriptor, then ends well. */
static enum ol_outcome
wait_for_stop(struct ol_work *work, void *data)
{
	struct pollfd pfd = { .fd = ol_work_stop_fd(work), .events = POLLIN };

	(void)data;
	atomic_fetch_add(&seen->started, 1);
	atomic_store(&seen->stop_fd_readable, poll(&pfd, 1, 10000));
	atomic_store(&seen->stopping, ol_work_stopping(work));
	atomic_store(&seen->seconds_left, seconds_left(work));
	usleep(100000);
	atomic_fetch_add(&seen->ended, 1);
	return OL_OK;
}

/* Never ends by itself. */
static enum ol_outcome
never_end(struct ol_work *work, void *data)
{
	(void)data;
	atomic_fetch_add(&seen->started, 1);
	ol_work_progress(work, 50, "half");
	for (;;)
		pause();
	return OL_OK;
}

static void
never_end_async(struct ol_work *work, struct event_base *base, void *data)
{
	(void)work;
	(void)base;
	(void)data;
	atomic_fetch_add(&seen->started, 1);
}

static enum ol_outcome
do_nothing(struct ol_work *work, void *data)
{
	(void)work;
	(void)data;
	atomic_fetch_add(&seen->ended, 1);
	return OL_OK;
}

static void
on_stop_end(struct ol_work *work, void *arg)
{
	(void)arg;
	atomic_fetch_add(&seen->stopped_calls, 1);
	ol_work_done(work, OL_FAIL, "interrupted");
}

static void
on_stop_count(struct ol_work *work, void *arg)
{
	(void)arg;
	if (atomic_fetch_add(&seen->stopped_calls, 1) == 0)
		atomic_store(&seen->seconds_left, seconds_left(work));
	else
		atomic_store(&seen->seconds_later, seconds_left(work));
}

static void
end_by_stop(struct ol_work *work, struct event_base *base, void *data)
{
	(void)base;
	(void)data;
	atomic_fetch_add(&seen->started, 1);
	ol_work_on_stop(work, on_stop_end, NULL);
}

static enum ol_outcome
extend(struct ol_work *work, void *data)
{
	atomic_fetch_add(&seen->started, 1);
	while (!ol_work_stopping(work))
		usleep(1000);
	atomic_store(
	    &seen->granted, ol_work_extend(work, (long)(intptr_t)data));
	atomic_store(&seen->seconds_later, seconds_left(work));
	return OL_OK;
}

static void
on_request(struct ol_app *app, FCGX_Request *request, void *arg)
{
	const char *uri = FCGX_GetParam("DOCUMENT_URI", request->envp);

	(void)arg;
	FCGX_FPrintF(request->out, "Status: 200 OK\r\n\r\n%s\n", uri);
	if (strcmp(uri, "/queue-late") != 0)
		return;
	/* The request began before the stop and queues after it. */
	atomic_fetch_add(&seen->sync, 1);
	usleep(500000);
	atomic_store(
	    &seen->late_queue, ol_queue_blocking(app, do_nothing, NULL, NULL));
}

typedef void setup_fn(struct ol_app *app);

/* A helper without exec(), as it is ended when it takes too long. */
static enum ol_outcome
fork_and_end(struct ol_work *work, void *data)
{
	int status = 0;
	pid_t pid;

	(void)data;
	/* It has the signal mask of the thread that runs the item. */
	if ((pid = fork()) == 0) {
		sleep(5);
		_exit(0);
	}
	usleep(100000);
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	usleep(100000);
	atomic_store(&seen->stopping, ol_work_stopping(work));
	atomic_store(&seen->ended, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	atomic_fetch_add(&seen->started, 1);
	return OL_OK;
}

/* A child that serves at path with what setup queued. */
static pid_t
start(setup_fn *setup, const struct ol_app_options *options)
{
	char listen[80], program[] = "test", option[] = "--listen";
	char *argv[] = { program, option, listen, NULL };
	struct ol_app *app;
	int argc = 3, rc;
	pid_t pid;

	memset(seen, 0, sizeof(*seen));
	if ((pid = fork()) != 0)
		return pid;
	alarm(30);
	snprintf(listen, sizeof(listen), "unix:%s", path);
	app = ol_app_new(options);
	ol_app_args(app, &argc, argv);
	ol_app_on_request(app, on_request, NULL);
	ol_app_on_error(app, on_error, NULL);
	if (setup != NULL)
		setup(app);
	rc = ol_app_run(app);
	ol_app_free(app);
	while (atomic_load(&seen->outside) > 0)
		usleep(1000);
	_exit(rc);
}

static void
wait_started(int n)
{
	int i;

	for (i = 0; i < 1000 && atomic_load(&seen->started) < n; i++)
		usleep(10000);
	assert_int_equal(atomic_load(&seen->started), n);
}

static void
send_seconds(pid_t pid, int seconds)
{
	union sigval value = { .sival_int = seconds };

	assert_int_equal(sigqueue(pid, SIGTERM, value), 0);
}

/* The child's exit status; took is how long the end took. */
static int
wait_end(pid_t pid, int64_t *took)
{
	int64_t began = ol_clock_now();
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (took != NULL)
		*took = ol_clock_now() - began;
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
setup_wait(struct ol_app *app)
{
	ol_queue_blocking(
	    app, wait_for_stop, NULL, OL_WORK_OPTIONS(.free_data = count_free));
}

static void
test_the_flag_the_descriptor_and_the_deadline(void **state)
{
	pid_t pid = start(setup_wait, NULL);
	int64_t took;

	(void)state;
	wait_started(1);
	send_seconds(pid, 20);
	assert_int_equal(wait_end(pid, &took), 0);
	assert_true(took < OL_SEC(2));
	assert_int_equal(seen->stop_fd_readable, 1);
	assert_int_equal(seen->stopping, 1);
	assert_int_equal(seen->seconds_left, 20);
	assert_int_equal(seen->ended, 1);
	assert_int_equal(seen->freed, 1);
}

static void
test_no_limit(void **state)
{
	pid_t pid = start(setup_wait, NULL);

	(void)state;
	wait_started(1);
	send_seconds(pid, -1);
	assert_int_equal(wait_end(pid, NULL), 0);
	assert_int_equal(seen->seconds_left, -1);
}

static void
test_plain_term_means_the_environments_delay(void **state)
{
	pid_t pid;

	(void)state;
	setenv("OUTLAST_SHUTDOWN_DELAY", "33", 1);
	pid = start(setup_wait, NULL);
	unsetenv("OUTLAST_SHUTDOWN_DELAY");
	wait_started(1);
	kill(pid, SIGTERM);
	assert_int_equal(wait_end(pid, NULL), 0);
	assert_int_equal(seen->seconds_left, 33);
}

static void
test_idle_process_ends_at_once(void **state)
{
	pid_t pid = start(NULL, NULL);
	struct reply *reply = calloc(1, sizeof(*reply));
	int64_t took;
	int fd;

	(void)state;
	fd = peer_connect(path);
	peer_get(fd, "/", 0, reply);
	close(fd);
	kill(pid, SIGINT);
	assert_int_equal(wait_end(pid, &took), 0);
	assert_true(took < OL_SEC(1));
	free(reply);
}

static void
setup_fork(struct ol_app *app)
{
	ol_queue_blocking(app, fork_and_end, NULL, NULL);
}

static void
test_a_forked_childs_signals_are_its_own(void **state)
{
	pid_t pid;

	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* it keeps a signal from a child of a thread */
#endif
	pid = start(setup_fork, NULL);
	wait_started(1);
	assert_int_equal(seen->ended, SIGTERM);
	assert_int_equal(seen->stopping, 0);
	kill(pid, SIGTERM);
	assert_int_equal(wait_end(pid, NULL), 0);
}

/* What the application had set on its main thread is there again. */
static void
test_the_main_threads_signal_stack(void **state)
{
	static char stack[64 * 1024];
	stack_t own = { .ss_sp = stack, .ss_size = sizeof(stack) };
	stack_t saved, after;
	char listen[80], program[] = "test";
	char *argv[] = { program, listen, NULL };
	struct ol_app *app = ol_app_new(NULL);
	int argc = 2;

	(void)state;
	sigaltstack(&own, &saved);
	snprintf(listen, sizeof(listen), "--listen=unix:%s", path);
	assert_int_equal(ol_app_args(app, &argc, argv), 0);
	ol_app_on_request(app, on_request, NULL);
	ol_app_stop(app, 0);
	assert_int_equal(ol_app_run(app), 0);
	ol_app_free(app);
	sigaltstack(&saved, &after);
	assert_ptr_equal(after.ss_sp, stack);
}

static void
setup_stuck(struct ol_app *app)
{
	ol_queue_blocking(app, never_end, NULL,
	    OL_WORK_OPTIONS(.name = "stuck", .free_data = count_free));
	ol_queue_blocking(app, do_nothing, NULL,
	    OL_WORK_OPTIONS(.name = "behind", .free_data = count_free));
}

/* Past the deadline: what runs is lost, what waits is dropped, both named. */
static void
test_deadline(void **state)
{
	pid_t pid = start(setup_stuck, OL_APP_OPTIONS(.background_threads = 1));
	int64_t took;

	(void)state;
	wait_started(1);
	send_seconds(pid, 2);
	assert_int_equal(wait_end(pid, &took), 1);
	assert_true(took > OL_MSEC(1900) && took < OL_MSEC(2900) + EXIT_SLACK);
	assert_int_equal(seen->unfinished, 1);
	assert_int_equal(seen->lost, 1);
	assert_int_equal(seen->dropped, 1);
	/* The data of what still runs is not pulled from under it. */
	assert_int_equal(seen->freed, 1);
	assert_int_equal(seen->ended, 0);
}

static void
setup_async_stuck(struct ol_app *app)
{
	ol_queue_async(app, never_end_async, NULL,
	    OL_WORK_OPTIONS(.free_data = count_free));
}

static void
test_deadline_of_an_async_item(void **state)
{
	pid_t pid = start(setup_async_stuck, NULL);

	(void)state;
	wait_started(1);
	send_seconds(pid, 1);
	assert_int_equal(wait_end(pid, NULL), 1);
	assert_int_equal(seen->lost, 1);
	assert_int_equal(seen->freed, 0);
}

static void *
end_after_the_deadline(void *work)
{
	usleep(1600000);
	ol_work_done(work, OL_OK, NULL);
	atomic_fetch_sub(&seen->outside, 1);
	return NULL;
}

static void
hand_outside(struct ol_work *work, struct event_base *base, void *data)
{
	pthread_t thread;

	(void)base;
	(void)data;
	atomic_fetch_add(&seen->outside, 1);
	pthread_create(&thread, NULL, end_after_the_deadline, work);
	pthread_detach(thread);
	atomic_fetch_add(&seen->started, 1);
}

static void
setup_outside(struct ol_app *app)
{
	ol_queue_async(
	    app, hand_outside, NULL, OL_WORK_OPTIONS(.free_data = count_free));
}

/* It is lost, but the thread that has it does not know. */
static void
test_an_async_item_ended_after_the_deadline(void **state)
{
	pid_t pid = start(setup_outside, NULL);

	(void)state;
	wait_started(1);
	send_seconds(pid, 1);
	assert_int_equal(wait_end(pid, NULL), 1);
	assert_int_equal(seen->lost, 1);
	assert_int_equal(seen->freed, 1);
}

static void
test_second_term_means_now(void **state)
{
	pid_t pid = start(setup_stuck, OL_APP_OPTIONS(.background_threads = 1));
	int64_t took;

	(void)state;
	wait_started(1);
	kill(pid, SIGTERM);
	usleep(200000);
	kill(pid, SIGTERM);
	assert_int_equal(wait_end(pid, &took), 1);
	assert_true(took < OL_SEC(2));
}

static void
setup_callbacks(struct ol_app *app)
{
	ol_queue_async(
	    app, end_by_stop, NULL, OL_WORK_OPTIONS(.free_data = count_free));
	ol_queue_blocking(app, wait_for_stop, NULL,
	    OL_WORK_OPTIONS(.on_stop = on_stop_count, .free_data = count_free));
}

/* Both flavours hear; an async item may end within its callback. */
static void
test_stop_callbacks(void **state)
{
	pid_t pid = start(setup_callbacks, NULL);

	(void)state;
	wait_started(2);
	send_seconds(pid, 20);
	assert_int_equal(wait_end(pid, NULL), 0);
	assert_int_equal(seen->stopped_calls, 2);
	assert_int_equal(seen->failed, 1);
	assert_int_equal(seen->freed, 2);
}

static void
setup_moving(struct ol_app *app)
{
	ol_queue_blocking(
	    app, never_end, NULL, OL_WORK_OPTIONS(.on_stop = on_stop_count));
}

static void
test_a_moved_deadline_is_told(void **state)
{
	pid_t pid = start(setup_moving, NULL);
	int i;

	(void)state;
	wait_started(1);
	send_seconds(pid, 60);
	for (i = 0; i < 500 && atomic_load(&seen->stopped_calls) < 1; i++)
		usleep(10000);
	send_seconds(pid, 1);
	assert_int_equal(wait_end(pid, NULL), 1);
	assert_int_equal(seen->stopped_calls, 2);
	assert_int_equal(seen->seconds_left, 60);
	assert_int_equal(seen->seconds_later, 1);
}

static void
setup_extend(struct ol_app *app)
{
	ol_queue_blocking(app, extend, (void *)(intptr_t)20, NULL);
}

static void
test_extension_is_clamped(void **state)
{
	pid_t pid;

	(void)state;
	/* Without a maximum there is nothing beyond the budget. */
	pid = start(setup_extend, OL_APP_OPTIONS(.shutdown_delay_ms = 5000));
	wait_started(1);
	send_seconds(pid, 5);
	assert_int_equal(wait_end(pid, NULL), 0);
	assert_in_range(seen->granted, 4, 5);
	setenv("OUTLAST_SHUTDOWN_DELAY_MAX", "12", 1);
	pid = start(setup_extend, NULL);
	wait_started(1);
	send_seconds(pid, 5);
	assert_int_equal(wait_end(pid, NULL), 0);
	assert_in_range(seen->granted, 11, 12);
	setenv("OUTLAST_SHUTDOWN_DELAY_MAX", "60", 1);
	pid = start(setup_extend, NULL);
	wait_started(1);
	send_seconds(pid, 5);
	assert_int_equal(wait_end(pid, NULL), 0);
	assert_in_range(seen->granted, 19, 20);
	assert_int_equal(seen->seconds_later, 20);
	unsetenv("OUTLAST_SHUTDOWN_DELAY_MAX");
}

/* RETIRING still accepts: a request that it holds may queue its mail. */
static void
test_a_held_request_may_queue(void **state)
{
	pid_t pid = start(NULL, NULL);
	struct reply *reply = calloc(1, sizeof(*reply));
	struct records *r = calloc(1, sizeof(*r));
	const char *params[] = { "DOCUMENT_URI=/queue-late", NULL };
	int fd, i;

	(void)state;
	fd = peer_connect(path);
	records_request(r, FCGI_KEEP_CONN, params, "", 0);
	assert_true(peer_send(fd, r));
	for (i = 0; i < 500 && atomic_load(&seen->sync) < 1; i++)
		usleep(10000);
	send_seconds(pid, 20);
	peer_read(fd, reply, 2000);
	assert_true(reply->ended);
	assert_true(reply->nothing);
	close(fd);
	assert_int_equal(wait_end(pid, NULL), 0);
	assert_int_equal(seen->late_queue, 0);
	assert_int_equal(seen->ended, 1);
	free(reply);
	free(r);
}

static enum ol_outcome
queue_when_stopping(struct ol_work *work, void *data)
{
	int i;

	(void)data;
	atomic_fetch_add(&seen->started, 1);
	while (!ol_work_stopping(work))
		usleep(1000);
	/* No connection is held: the process refuses, soon and loudly. */
	for (i = 0; i < 500; i++) {
		int rc = ol_queue_blocking(
		    ol_work_app(work), do_nothing, NULL, NULL);

		atomic_store(&seen->queue_while_stopping, rc);
		if (rc != 0)
			break;
		usleep(1000);
	}
	return OL_OK;
}

static void
setup_queue_when_stopping(struct ol_app *app)
{
	ol_queue_blocking(app, queue_when_stopping, NULL, NULL);
	ol_queue_blocking(app, do_nothing, NULL,
	    OL_WORK_OPTIONS(.name = "much later", .delay_ms = 3600000,
		.free_data = count_free));
}

/* STOPPING refuses; what is due after the end is dropped at once. */
static void
test_stopping_refuses(void **state)
{
	pid_t pid = start(setup_queue_when_stopping, NULL);
	int64_t took;

	(void)state;
	wait_started(1);
	send_seconds(pid, 20);
	/* 1: not everything was done. */
	assert_int_equal(wait_end(pid, &took), 1);
	assert_true(took < OL_SEC(3));
	assert_int_equal(seen->queue_while_stopping, OL_ESTOPPING);
	assert_int_equal(seen->dropped, 1);
	assert_int_equal(seen->freed, 1);
}

static void *
queue_when_there_is_room(void *app)
{
	atomic_fetch_add(&seen->started, 1);
	ol_queue_blocking(
	    app, do_nothing, NULL, OL_WORK_OPTIONS(.wait_ms = 15000));
	atomic_fetch_sub(&seen->outside, 1);
	return NULL;
}

static void
setup_no_room(struct ol_app *app)
{
	pthread_t thread;

	ol_queue_blocking(
	    app, do_nothing, NULL, OL_WORK_OPTIONS(.delay_ms = 3600000));
	atomic_fetch_add(&seen->outside, 1);
	pthread_create(&thread, NULL, queue_when_there_is_room, app);
	pthread_detach(thread);
}

/* What is dropped when the stop begins leaves room for those that wait. */
static void
test_a_drop_makes_room(void **state)
{
	pid_t pid = start(setup_no_room, OL_APP_OPTIONS(.max_waiting = 1));
	struct reply *reply = calloc(1, sizeof(*reply));
	int fd = peer_connect(path), i;

	(void)state;
	/* A connection that is not given up holds the process in RETIRING. */
	peer_get(fd, "/", FCGI_KEEP_CONN, reply);
	wait_started(1);
	usleep(100000);
	send_seconds(pid, 10);
	for (i = 0; i < 300 && seen->ended == 0; i++)
		usleep(10000);
	assert_int_equal(seen->ended, 1);
	close(fd);
	assert_int_equal(wait_end(pid, NULL), 1);
	free(reply);
}

/* 0 after a stop began: the last call, which names but does not end. */
static void
test_last_call(void **state)
{
	pid_t pid = start(setup_stuck, OL_APP_OPTIONS(.background_threads = 1));
	int i;

	(void)state;
	wait_started(1);
	setenv("OUTLAST_INSTANCE", "x", 1);
	send_seconds(pid, 30);
	usleep(100000);
	assert_int_equal(seen->unfinished, 0);
	send_seconds(pid, 0);
	for (i = 0; i < 300 && atomic_load(&seen->unfinished) < 1; i++)
		usleep(10000);
	assert_int_equal(seen->unfinished, 1);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unsetenv("OUTLAST_INSTANCE");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_flag_the_descriptor_and_the_deadline),
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_plain_term_means_the_environments_delay),
		cmocka_unit_test(test_idle_process_ends_at_once),
		cmocka_unit_test(test_a_forked_childs_signals_are_its_own),
		cmocka_unit_test(test_the_main_threads_signal_stack),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_deadline_of_an_async_item),
		cmocka_unit_test(test_an_async_item_ended_after_the_deadline),
		cmocka_unit_test(test_second_term_means_now),
		cmocka_unit_test(test_stop_callbacks),
		cmocka_unit_test(test_a_moved_deadline_is_told),
		cmocka_unit_test(test_extension_is_clamped),
		cmocka_unit_test(test_a_held_request_may_queue),
		cmocka_unit_test(test_stopping_refuses),
		cmocka_unit_test(test_a_drop_makes_room),
		cmocka_unit_test(test_last_call),
	};
	int rc;

	alarm(120);
	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED || mkdtemp(dir) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/s", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(dir);
	return rc;
}
