#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <event2/event.h>
#include <cmocka.h>

#include <outlast/outlast.h>

#include "base/clock.h"

/* What the items and the error handler left behind. */
static struct {
	atomic_int ran, freed, errors;
	enum ol_error_kind kind;
	char item[64], message[128], progress[64];
	int percent;
	atomic_int order[64];
} seen;

static void
on_error(struct ol_app *app, const struct ol_error *error, void *arg)
{
	(void)app;
	(void)arg;
	assert_int_equal(error->size, sizeof(*error));
	seen.kind = error->kind;
	seen.percent = error->percent;
	snprintf(seen.item, sizeof(seen.item), "%s",
	    error->item != NULL ? error->item : "");
	snprintf(seen.message, sizeof(seen.message), "%s", error->message);
	snprintf(seen.progress, sizeof(seen.progress), "%s",
	    error->progress != NULL ? error->progress : "");
	atomic_fetch_add(&seen.errors, 1);
}

static struct ol_app *
new_app(const struct ol_app_options *options)
{
	struct ol_app *app = ol_app_new(options);

	assert_non_null(app);
	memset(&seen, 0, sizeof(seen));
	ol_app_on_error(app, on_error, NULL);
	return app;
}

static void
count_free(void *data)
{
	(void)data;
	atomic_fetch_add(&seen.freed, 1);
}

static enum ol_outcome
note(struct ol_work *work, void *data)
{
	(void)work;
	seen.order[atomic_fetch_add(&seen.ran, 1) % 64] = (int)(intptr_t)data;
	return OL_OK;
}

static void
note_async(struct ol_work *work, struct event_base *base, void *data)
{
	assert_non_null(base);
	note(work, data);
	ol_work_done(work, OL_OK, NULL);
}

static void
test_both_flavours_run_in_order(void **state)
{
	struct ol_app *app = new_app(OL_APP_OPTIONS(.background_threads = 1));
	int i;

	(void)state;
	for (i = 0; i < 40; i++)
		assert_int_equal(
		    ol_queue_async(app, note_async, (void *)(intptr_t)i,
			OL_WORK_OPTIONS(.free_data = count_free)),
		    0);
	assert_int_equal(ol_app_items(app), 40);
	assert_int_equal(ol_test_drain(app, 5000), 0);
	for (i = 0; i < 40; i++)
		assert_int_equal(seen.order[i], i);
	seen.ran = 0;
	for (i = 0; i < 40; i++)
		assert_int_equal(
		    ol_queue_blocking(app, note, (void *)(intptr_t)i,
			OL_WORK_OPTIONS(.free_data = count_free)),
		    0);
	assert_int_equal(ol_test_drain(app, 5000), 0);
	for (i = 0; i < 40; i++)
		assert_int_equal(seen.order[i], i);
	assert_int_equal(seen.freed, 80);
	assert_int_equal(seen.errors, 0);
	assert_int_equal(ol_app_items(app), 0);
	ol_app_free(app);
}

static void
test_delay(void **state)
{
	struct ol_app *app = new_app(OL_APP_OPTIONS(.background_threads = 1));
	int64_t began = ol_clock_now();

	(void)state;
	ol_queue_blocking(
	    app, note, (void *)3, OL_WORK_OPTIONS(.delay_ms = 90));
	ol_queue_blocking(
	    app, note, (void *)2, OL_WORK_OPTIONS(.delay_ms = 40));
	ol_queue_async(app, note_async, (void *)1, NULL);
	assert_int_equal(ol_test_drain(app, 5000), 0);
	assert_true(ol_clock_now() - began >= OL_MSEC(90));
	assert_int_equal(seen.order[0], 1);
	assert_int_equal(seen.order[1], 2);
	assert_int_equal(seen.order[2], 3);
	ol_app_free(app);
}

static void
test_full_and_arguments(void **state)
{
	struct ol_app *app = new_app(OL_APP_OPTIONS(.max_waiting = 2));
	int64_t began;

	(void)state;
	assert_int_equal(ol_queue_async(app, NULL, NULL, NULL), OL_EINVAL);
	assert_int_equal(
	    ol_queue_async(NULL, note_async, NULL, NULL), OL_EINVAL);
	assert_int_equal(ol_queue_async(app, note_async, NULL,
			     OL_WORK_OPTIONS(.delay_ms = -1)),
	    OL_EINVAL);
	assert_int_equal(ol_queue_async(app, note_async, NULL, NULL), 0);
	assert_int_equal(
	    ol_queue_blocking(app, note, NULL, OL_WORK_OPTIONS(.delay_ms = 10)),
	    0);
	began = ol_clock_now();
	assert_int_equal(ol_queue_blocking(app, note, NULL,
			     OL_WORK_OPTIONS(.free_data = count_free)),
	    OL_EFULL);
	assert_int_equal(
	    ol_queue_blocking(app, note, NULL, OL_WORK_OPTIONS(.wait_ms = 50)),
	    OL_EFULL);
	assert_true(ol_clock_now() - began >= OL_MSEC(50));
	/* What was refused is still the caller's. */
	assert_int_equal(seen.freed, 0);
	assert_int_equal(ol_test_drain(app, 5000), 0);
	assert_int_equal(seen.ran, 2);
	ol_app_free(app);
}

/* Options of a caller that knows fewer fields than we do, or more. */
static void
test_options_of_other_sizes(void **state)
{
	struct {
		struct ol_work_options known;
		char unknown[16];
	} options;
	struct ol_app *app = new_app(NULL);

	(void)state;
	memset(&options, 0xff, sizeof(options));
	options.known = (struct ol_work_options){
		.size = offsetof(struct ol_work_options, delay_ms),
		.delay_ms = -1,
		.wait_ms = -1,
	};
	assert_int_equal(ol_queue_blocking(app, note, NULL, &options.known), 0);
	options.known = (struct ol_work_options){ .size = sizeof(options) };
	assert_int_equal(ol_queue_blocking(app, note, NULL, &options.known), 0);
	options.known.wait_ms = -1;
	assert_int_equal(
	    ol_queue_blocking(app, note, NULL, &options.known), OL_EINVAL);
	assert_int_equal(ol_test_drain(app, 5000), 0);
	assert_int_equal(seen.ran, 2);
	ol_app_free(app);
}

static void
count_message(int severity, const char *message)
{
	(void)severity;
	(void)message;
	atomic_fetch_add(&seen.errors, 1);
}

static void
on_nothing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

/* Where libevent's messages go is the application's affair. */
static void
test_libevents_log_is_left_alone(void **state)
{
	struct event_base *base = event_base_new();
	struct event *event;
	struct ol_app *app;

	(void)state;
	event_set_log_callback(count_message);
	app = new_app(NULL);
	/* libevent warns of the two flags. */
	event = event_new(base, 1, EV_SIGNAL | EV_READ, on_nothing, NULL);
	assert_null(event);
	assert_int_equal(seen.errors, 1);
	event_set_log_callback(NULL);
	ol_app_free(app);
	event_base_free(base);
}

static enum ol_outcome
nap(struct ol_work *work, void *data)
{
	(void)work;
	(void)data;
	usleep(60000);
	return OL_OK;
}

static void
test_wait_for_room(void **state)
{
	struct ol_app *app =
	    new_app(OL_APP_OPTIONS(.max_waiting = 1, .background_threads = 1));
	int i;

	(void)state;
	ol_test_drain(app, 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(ol_queue_blocking(app, nap, NULL,
				     OL_WORK_OPTIONS(.wait_ms = 5000)),
		    0);
	assert_int_equal(ol_test_drain(app, 5000), 0);
	ol_app_free(app);
}

static enum ol_outcome
fail_blocking(struct ol_work *work, void *data)
{
	(void)data;
	assert_string_equal(ol_work_name(work), "report 17");
	assert_int_equal(ol_work_stopping(work), 0);
	assert_true(ol_work_deadline(work) == INT64_MAX);
	assert_int_equal(ol_work_extend(work, 10), -1);
	ol_work_progress(work, 30, "page 1");
	ol_work_progress(work, 145, "page 2\nrest");
	ol_work_error(work, "printer %d is on fire", 3);
	return OL_FAIL;
}

static void
fail_async(struct ol_work *work, struct event_base *base, void *data)
{
	(void)base;
	(void)data;
	ol_work_done(work, OL_FAIL, "mail server says no");
}

static void
test_failures_reach_the_handler(void **state)
{
	struct ol_app *app = new_app(NULL);

	(void)state;
	ol_queue_blocking(
	    app, fail_blocking, NULL, OL_WORK_OPTIONS(.name = "report 17"));
	assert_int_equal(ol_test_drain(app, 5000), 0);
	assert_int_equal(seen.errors, 1);
	assert_int_equal(seen.kind, OL_ERROR_ITEM_FAILED);
	assert_string_equal(seen.item, "report 17");
	assert_string_equal(seen.message, "printer 3 is on fire");
	assert_int_equal(seen.percent, 100);
	assert_string_equal(seen.progress, "page 2");
	ol_queue_async(app, fail_async, NULL, NULL);
	assert_int_equal(ol_test_drain(app, 5000), 0);
	assert_int_equal(seen.errors, 2);
	assert_string_equal(seen.item, "unnamed");
	assert_string_equal(seen.message, "mail server says no");
	assert_int_equal(seen.percent, -1);
	ol_app_free(app);
}

static void *
finish_elsewhere(void *arg)
{
	usleep(20000);
	ol_work_done(arg, OL_OK, NULL);
	return NULL;
}

static void
start_elsewhere(struct ol_work *work, struct event_base *base, void *data)
{
	pthread_t thread;

	(void)base;
	(void)data;
	assert_int_equal(
	    pthread_create(&thread, NULL, finish_elsewhere, work), 0);
	pthread_detach(thread);
}

static void
test_done_in_another_thread(void **state)
{
	struct ol_app *app = new_app(NULL);
	int i;

	(void)state;
	for (i = 0; i < 20; i++)
		ol_queue_async(app, start_elsewhere, NULL,
		    OL_WORK_OPTIONS(.free_data = count_free));
	assert_int_equal(ol_test_drain(app, 5000), 0);
	assert_int_equal(seen.freed, 20);
	ol_app_free(app);
}

static void
on_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	ol_work_done(arg, OL_OK, NULL);
}

static void
start_timer(struct ol_work *work, struct event_base *base, void *data)
{
	struct timeval tv = { .tv_usec = 20000 };

	(void)data;
	assert_int_equal(
	    event_base_once(base, -1, EV_TIMEOUT, on_timeout, work, &tv), 0);
}

static void
test_events_on_the_background_loop(void **state)
{
	struct ol_app *app = new_app(NULL);

	(void)state;
	ol_queue_async(
	    app, start_timer, NULL, OL_WORK_OPTIONS(.free_data = count_free));
	assert_int_equal(ol_test_drain(app, 5000), 0);
	assert_int_equal(seen.freed, 1);
	ol_app_free(app);
}

static void *
queue_many(void *arg)
{
	int i;

	for (i = 0; i < 2000; i++) {
		assert_int_equal(ol_queue_async(arg, note_async, NULL,
				     OL_WORK_OPTIONS(.free_data = count_free,
					 .wait_ms = 10000)),
		    0);
		assert_int_equal(ol_queue_blocking(arg, note, NULL,
				     OL_WORK_OPTIONS(.free_data = count_free,
					 .wait_ms = 10000, .delay_ms = i % 3)),
		    0);
	}
	return NULL;
}

static void
test_many_threads(void **state)
{
	struct ol_app *app = new_app(OL_APP_OPTIONS(.max_waiting = 100));
	pthread_t threads[8];
	int i;

	(void)state;
	ol_test_drain(app, 0);
	for (i = 0; i < 8; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, queue_many, app), 0);
	for (i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(ol_test_drain(app, 20000), 0);
	assert_int_equal(seen.ran, 8 * 4000);
	assert_int_equal(seen.freed, 8 * 4000);
	ol_app_free(app);
}

static void
test_free_drops_what_waits(void **state)
{
	struct ol_app *app = new_app(NULL);

	(void)state;
	ol_queue_blocking(app, note, NULL,
	    OL_WORK_OPTIONS(.name = "never", .free_data = count_free));
	ol_queue_async(app, note_async, NULL,
	    OL_WORK_OPTIONS(.free_data = count_free, .delay_ms = 60000));
	ol_app_free(app);
	assert_int_equal(seen.ran, 0);
	assert_int_equal(seen.freed, 2);
	assert_int_equal(seen.errors, 2);
	assert_int_equal(seen.kind, OL_ERROR_ITEM_DROPPED);
}

static void
queue_from_handler(struct ol_app *app, const struct ol_error *error, void *arg)
{
	(void)error;
	(void)arg;
	ol_queue_blocking(app, note, NULL, NULL);
}

static void
test_the_error_handler_may_queue(void **state)
{
	struct ol_app *app = new_app(NULL);

	(void)state;
	ol_app_on_error(app, queue_from_handler, NULL);
	ol_queue_async(app, fail_async, NULL, NULL);
	assert_int_equal(ol_test_drain(app, 5000), 0);
	assert_int_equal(seen.ran, 1);
	ol_app_free(app);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_flavours_run_in_order),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_full_and_arguments),
		cmocka_unit_test(test_options_of_other_sizes),
		cmocka_unit_test(test_libevents_log_is_left_alone),
		cmocka_unit_test(test_wait_for_room),
		cmocka_unit_test(test_failures_reach_the_handler),
		cmocka_unit_test(test_done_in_another_thread),
		cmocka_unit_test(test_events_on_the_background_loop),
		cmocka_unit_test(test_many_threads),
		cmocka_unit_test(test_free_drops_what_waits),
		cmocka_unit_test(test_the_error_handler_may_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
