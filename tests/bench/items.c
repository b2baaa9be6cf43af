/*
 * What a work item costs. The application runs for real, without requests; a
 * driver thread queues, waits, and stops it.
 *
 *     items rate    blocking|async N   N empty items from 8 threads
 *     items bytes   blocking|async N   memory of N waiting items
 *     items latency blocking|async N   queue to start, at 1000/s, N items
 *
 * Prints one RESULT line of NAME=NUMBER.
 */
#include <sys/types.h>
#include <err.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <outlast/outlast.h>

#include "base/clock.h"
#include "hist.h"

#define THREADS 8

struct bench {
	struct ol_app *app;
	const char *what;
	bool async;
	long n;
	long per_thread;
	atomic_long started;
	sem_t gate; /* what keeps the runners busy waits here */
	struct hist hist;
};

/* For latency: one item. */
struct stamp {
	struct bench *bench;
	int64_t queued;
};

static enum ol_outcome
run_empty(struct ol_work *work, void *data)
{
	struct bench *bench = data;

	(void)work;
	atomic_fetch_add(&bench->started, 1);
	return (OL_OK);
}

static void
start_empty(struct ol_work *work, struct event_base *base, void *data)
{
	(void)base;
	ol_work_done(work, run_empty(work, data), NULL);
}

static enum ol_outcome
run_stamp(struct ol_work *work, void *data)
{
	const struct stamp *stamp = data;

	(void)work;
	/* One runner, so nobody else writes to the histogram. */
	hist_add(
	    &stamp->bench->hist, (uint64_t)(ol_clock_now() - stamp->queued));
	atomic_fetch_add(&stamp->bench->started, 1);
	return (OL_OK);
}

static void
start_stamp(struct ol_work *work, struct event_base *base, void *data)
{
	(void)base;
	ol_work_done(work, run_stamp(work, data), NULL);
}

static enum ol_outcome
run_gate(struct ol_work *work, void *data)
{
	struct bench *bench = data;

	(void)work;
	sem_wait(&bench->gate);
	return (OL_OK);
}

static void
start_gate(struct ol_work *work, struct event_base *base, void *data)
{
	(void)base;
	ol_work_done(work, run_gate(work, data), NULL);
}

static void
queue(struct bench *bench, ol_blocking_fn *blocking, ol_async_fn *async,
    void *data)
{
	int rc;

	rc = bench->async ? ol_queue_async(bench->app, async, data, NULL)
			  : ol_queue_blocking(bench->app, blocking, data, NULL);
	if (rc != 0)
		errx(1, "queue: %s", ol_strerror(rc));
}

static void *
push(void *arg)
{
	struct bench *bench = arg;
	long i;

	for (i = 0; i < bench->per_thread; i++)
		queue(bench, run_empty, start_empty, bench);
	return (NULL);
}

static void
wait_started(struct bench *bench, long n)
{
	const struct timespec ms = { 0, 200000 };
	int64_t end = ol_clock_now() + OL_SEC(60);

	while (atomic_load(&bench->started) < n) {
		if (ol_clock_now() > end)
			errx(1, "%ld of %ld items started in 60 s",
			    atomic_load(&bench->started), n);
		nanosleep(&ms, NULL);
	}
}

static void
measure_rate(struct bench *bench)
{
	pthread_t threads[THREADS];
	int64_t start = ol_clock_now(), queued, took;
	int i;

	bench->per_thread = bench->n / THREADS;
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, push, bench) != 0)
			errx(71, "pthread_create");
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	queued = ol_clock_now() - start;
	wait_started(bench, bench->per_thread * THREADS);
	took = ol_clock_now() - start;
	printf("RESULT items=%ld rate=%.0f queue_ns=%.0f\n",
	    bench->per_thread * THREADS,
	    (double)(bench->per_thread * THREADS) * 1e9 / (double)took,
	    (double)queued / (double)(bench->per_thread * THREADS));
}

static void
measure_bytes(struct bench *bench)
{
	size_t before, after;
	long i;

	/* The only runner of this flavour is kept busy: the rest waits. */
	queue(bench, run_gate, start_gate, bench);
	usleep(200000);
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	for (i = 0; i < bench->n; i++)
		queue(bench, run_empty, start_empty, bench);
	after = mallinfo2().uordblks + mallinfo2().hblkhd;
	printf("RESULT items=%ld bytes_each=%.1f waiting=%zu\n", bench->n,
	    (double)(after - before) / (double)bench->n,
	    ol_app_items(bench->app));
	sem_post(&bench->gate);
	wait_started(bench, bench->n);
}

static void
measure_latency(struct bench *bench)
{
	struct stamp *stamps = calloc((size_t)bench->n, sizeof(*stamps));
	int64_t due = ol_clock_now();
	struct timespec ts;
	long i;

	if (stamps == NULL)
		err(71, NULL);
	for (i = 0; i < bench->n; i++) {
		due += OL_MSEC(1);
		ts.tv_sec = due / OL_SEC(1);
		ts.tv_nsec = due % OL_SEC(1);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		stamps[i].bench = bench;
		stamps[i].queued = ol_clock_now();
		queue(bench, run_stamp, start_stamp, &stamps[i]);
	}
	wait_started(bench, bench->n);
	printf("RESULT items=%ld p50_us=%.1f p99_us=%.1f max_us=%.1f\n",
	    bench->n, (double)hist_quantile(&bench->hist, .5) / 1000,
	    (double)hist_quantile(&bench->hist, .99) / 1000,
	    (double)bench->hist.max / 1000);
	free(stamps);
}

static void *
drive(void *arg)
{
	struct bench *bench = arg;

	usleep(100000); /* so that the loops stand */
	if (strcmp(bench->what, "rate") == 0)
		measure_rate(bench);
	else if (strcmp(bench->what, "bytes") == 0)
		measure_bytes(bench);
	else
		measure_latency(bench);
	fflush(stdout);
	ol_app_stop(bench->app, -1);
	return (NULL);
}

static void
on_request(struct ol_app *app, FCGX_Request *request, void *arg)
{
	(void)app;
	(void)arg;
	FCGX_PutS("Status: 204 No Content\r\n\r\n", request->out);
}

int
main(int argc, char **argv)
{
	struct bench bench = { .app = NULL };
	char dir[] = "/tmp/outlast-items.XXXXXX", address[64];
	char flag[] = "--listen";
	char *words[] = { argv[0], flag, address, NULL };
	pthread_t driver;
	int n = 3, rc;

	if (argc != 4 || (bench.n = atol(argv[3])) < THREADS)
		errx(64, "usage: items rate|bytes|latency blocking|async N");
	bench.what = argv[1];
	bench.async = strcmp(argv[2], "async") == 0;
	sem_init(&bench.gate, 0, 0);
	/* One arena: mallinfo2 sees no other. */
	if (strcmp(bench.what, "bytes") == 0)
		mallopt(M_ARENA_MAX, 1);
	if (mkdtemp(dir) == NULL)
		err(71, "%s", dir);
	snprintf(address, sizeof(address), "unix:%s/s", dir);
	bench.app = ol_app_new(OL_APP_OPTIONS(.max_waiting = 10000000,
	    .background_threads = strcmp(bench.what, "rate") == 0 ? 0 : 1));
	if (bench.app == NULL)
		err(71, "ol_app_new");
	ol_app_on_error(bench.app, ol_error_to_stderr, NULL);
	ol_app_on_request(bench.app, on_request, NULL);
	if (ol_app_args(bench.app, &n, words) != 0)
		return (64);
	if (pthread_create(&driver, NULL, drive, &bench) != 0)
		errx(71, "pthread_create");
	rc = ol_app_run(bench.app);
	pthread_join(driver, NULL);
	ol_app_free(bench.app);
	unlink(address + 5);
	rmdir(dir);
	return (rc);
}
