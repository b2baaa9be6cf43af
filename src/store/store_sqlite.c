#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <bsd/sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "loop/loop.h"
#include "store/request.h"
#include "store/sqlite_owner.h"
#include "store/store.h"

/*
 * One thread owns the database. It takes what has queued, commits all writings
 * of it at once, answers, then reads. What comes in the meantime queues: the
 * longer a flush takes, the more share the next one. What the loop asks for in
 * one round comes together: the first of it does not go alone.
 */
enum {
	BATCH_MOST = 1024,	       /* requests */
	BATCH_BYTES = 8 * 1024 * 1024, /* of bodies: they go through the log */
};

struct backend {
	struct ol_store_options options; /* its folder is not used any more */
	struct ol_wake *wake;
	pthread_t thread;
	struct ol_sqlite_owner owner; /* the thread's alone while it runs */

	/* What this round of the loop asks for: handed over as one. */
	struct ol_store_requests gathered;
	struct ol_later *round;
	bool is_late; /* behind what others do at the end of the round, too */

	pthread_mutex_t lock;
	pthread_cond_t asked_or_closing;
	/* Under lock. */
	struct ol_store_requests asked;
	struct ol_store_requests done;
	struct ol_store_counts counts;
	bool closing;
};

/* The end of a round. */
static void
hand_over(void *arg)
{
	struct backend *b = arg;

	b->is_late = !b->is_late;
	if (b->is_late) {
		ol_later_do(b->round);
		return;
	}
	pthread_mutex_lock(&b->lock);
	STAILQ_CONCAT(&b->asked, &b->gathered);
	pthread_cond_signal(&b->asked_or_closing);
	pthread_mutex_unlock(&b->lock);
}

static void
on_wake(void *arg)
{
	struct backend *b = arg;
	struct ol_store_requests done = STAILQ_HEAD_INITIALIZER(done);
	struct ol_store_request *request;

	pthread_mutex_lock(&b->lock);
	STAILQ_CONCAT(&done, &b->done);
	pthread_mutex_unlock(&b->lock);
	while ((request = STAILQ_FIRST(&done)) != NULL) {
		STAILQ_REMOVE_HEAD(&done, link);
		ol_store_request_deliver(request, &b->options);
	}
}

/* Give answered requests, and news, back to the loop. */
static void
give_back(void *arg, struct ol_store_requests *requests)
{
	struct backend *b = arg;

	if (STAILQ_EMPTY(requests))
		return;
	pthread_mutex_lock(&b->lock);
	STAILQ_CONCAT(&b->done, requests);
	b->counts = b->owner.counts;
	pthread_mutex_unlock(&b->lock);
	ol_wake_up(b->wake);
}

/* Under lock: what is done at once of what was asked for. */
static void
take_batch(struct backend *b, struct ol_store_requests *writes,
    struct ol_store_requests *reads)
{
	struct ol_store_request *request;
	int64_t bytes = 0;
	int n = 0;

	while (n++ < BATCH_MOST && bytes < BATCH_BYTES &&
	       (request = STAILQ_FIRST(&b->asked)) != NULL) {
		STAILQ_REMOVE_HEAD(&b->asked, link);
		if (request->body != NULL)
			bytes += request->body->size;
		if (ol_store_request_writes(request))
			STAILQ_INSERT_TAIL(writes, request, link);
		else
			STAILQ_INSERT_TAIL(reads, request, link);
	}
}

/* Under lock: until there is something to do. */
static void
wait_for_work(struct backend *b)
{
	int64_t until = ol_sqlite_owner_due(&b->owner);
	struct timespec ts;

	ts = (struct timespec){ until / OL_SEC(1), until % OL_SEC(1) };
	while (STAILQ_EMPTY(&b->asked) && !b->closing) {
		if (until == OL_NEVER)
			pthread_cond_wait(&b->asked_or_closing, &b->lock);
		else if (pthread_cond_timedwait(
			     &b->asked_or_closing, &b->lock, &ts) == ETIMEDOUT)
			break;
	}
}

static void *
run(void *arg)
{
	struct backend *b = arg;
	struct ol_store_requests writes, reads;
	bool ended = false;

	while (!ended) {
		STAILQ_INIT(&writes);
		STAILQ_INIT(&reads);
		pthread_mutex_lock(&b->lock);
		wait_for_work(b);
		take_batch(b, &writes, &reads);
		ended = b->closing && STAILQ_EMPTY(&b->asked);
		pthread_mutex_unlock(&b->lock);

		ol_sqlite_owner_recover(&b->owner);
		if (!STAILQ_EMPTY(&writes))
			ol_sqlite_owner_write(&b->owner, &writes);
		ol_sqlite_owner_read(&b->owner, &reads);
		ol_sqlite_owner_tidy(&b->owner);
	}
	return NULL;
}

static int
start_thread(struct backend *b)
{
	pthread_condattr_t attr;
	sigset_t block, saved;
	int error;

	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->asked_or_closing, &attr);
	pthread_condattr_destroy(&attr);
	/* Signals belong to the loop's thread. */
	sigfillset(&block);
	pthread_sigmask(SIG_BLOCK, &block, &saved);
	error = pthread_create(&b->thread, NULL, run, b);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	if (error == 0)
		return 0;
	ol_log_error(
	    NULL, "store: cannot start its thread: %s", strerror(error));
	pthread_cond_destroy(&b->asked_or_closing);
	pthread_mutex_destroy(&b->lock);
	return -1;
}

static void *
sqlite_open(const struct ol_store_options *options)
{
	struct backend *b = ol_must(calloc(1, sizeof(*b)));

	b->options = *options;
	b->options.folder = NULL;
	STAILQ_INIT(&b->gathered);
	STAILQ_INIT(&b->asked);
	STAILQ_INIT(&b->done);
	b->owner.give = give_back;
	b->owner.arg = b;
	b->owner.log_pages = options->log_pages;
	if (ol_sqlite_owner_open(&b->owner, options->folder) == -1)
		goto err1;
	if ((b->wake = ol_wake_new(options->loop, on_wake, b)) == NULL) {
		ol_log_error(NULL, "store: %s", strerror(errno));
		goto err2;
	}
	if ((b->round = ol_later_new(options->loop, hand_over, b)) == NULL) {
		ol_log_error(NULL, "store: %s", strerror(errno));
		goto err3;
	}
	if (start_thread(b) == -1)
		goto err4;
	return b;

err4:
	ol_later_free(b->round);
err3:
	ol_wake_free(b->wake);
err2:
	ol_sqlite_owner_close(&b->owner);
err1:
	free(b);
	return NULL;
}

static void
sqlite_ask(void *backend, struct ol_store_request *request)
{
	struct backend *b = backend;

	if (STAILQ_EMPTY(&b->gathered))
		ol_later_do(b->round);
	STAILQ_INSERT_TAIL(&b->gathered, request, link);
}

static void
sqlite_counts(void *backend, struct ol_store_counts *counts)
{
	struct backend *b = backend;

	pthread_mutex_lock(&b->lock);
	*counts = b->counts;
	pthread_mutex_unlock(&b->lock);
}

static void
sqlite_close(void *backend)
{
	struct backend *b = backend;
	struct ol_store_request *request;

	pthread_mutex_lock(&b->lock);
	STAILQ_CONCAT(&b->asked, &b->gathered);
	b->closing = true;
	pthread_cond_signal(&b->asked_or_closing);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	on_wake(b);
	/* A callback may have asked for more: it is told that it is late. */
	while (!STAILQ_EMPTY(&b->gathered)) {
		STAILQ_FOREACH (request, &b->gathered, link)
			request->answer.failed = OL_STORE_NOT_DONE;
		STAILQ_CONCAT(&b->done, &b->gathered);
		on_wake(b);
	}
	ol_later_free(b->round);
	ol_wake_free(b->wake);
	ol_sqlite_owner_close(&b->owner);
	pthread_cond_destroy(&b->asked_or_closing);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

const struct ol_store_ops ol_store_sqlite = {
	.name = "sqlite",
	.durable = true,
	.open = sqlite_open,
	.ask = sqlite_ask,
	.counts = sqlite_counts,
	.close = sqlite_close,
};
