/*
 * Kill -9 at any moment: a child runs the engine and tells over a pipe what it
 * acknowledged and started; the next one finds all of it. SEED replays the
 * choices, TRIALS makes more of them. And many tasks at once.
 */
#include <sys/wait.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "loop/loop.h"
#include "world.h"

enum { BOOK = 100000, AT_ONCE = 20, SUBMITS = 300 /* in a life */ };

struct note {
	char what; /* 'a': acknowledged, 's': started, 'c': a cancel was, 'd':
		      all is done */
	uint32_t attempt;
	struct ol_id id;
};

struct entry {
	struct ol_id id;
	uint32_t attempt;
	bool acked, cancelled;
};

struct book {
	struct entry *entries;
	size_t n, acked, cancelled;
	bool done;
};

struct life {
	struct world world;
	const struct book *book;
	int pipe;
	int pending, cancels;
	uint64_t random;
};

static uint32_t
below(uint64_t *random, uint32_t n)
{
	uint64_t z = *random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return (uint32_t)(((z >> 32) * n) >> 32);
}

static void
tell(struct life *life, char what, const struct ol_id *id, uint32_t attempt)
{
	struct note note = { .what = what, .attempt = attempt };

	if (id != NULL)
		note.id = *id;
	if (write(life->pipe, &note, sizeof(note)) != sizeof(note))
		abort();
}

static void
on_start(struct world *w, struct attempt *attempt)
{
	tell(w->user, 's', &attempt->id, attempt->number);
}

static void
on_submitted(void *arg, const struct ol_engine_result *r)
{
	struct life *life = arg;

	life->pending--;
	if (r->answer == OL_ENGINE_OK)
		tell(life, 'a', &r->object->id, 0);
}

static void
on_cancelled(void *arg, const struct ol_engine_result *r)
{
	struct life *life = arg;

	life->cancels--;
	/* One that succeeded meanwhile is not cancelled, and will not run. */
	if (r->answer == OL_ENGINE_OK)
		tell(life, 'c', &r->object->id, 0);
}

static void
cancel_some(struct life *life)
{
	const struct attempt *attempt =
	    TAILQ_LAST(&life->world.attempts, attempts);

	if (attempt == NULL || life->cancels > 0 || below(&life->random, 4) > 0)
		return;
	life->cancels++;
	ol_engine_cancel(life->world.engine, &attempt->id, on_cancelled, life);
}

static void
end_some(struct life *life)
{
	struct attempt *attempt = TAILQ_FIRST(&life->world.attempts);

	/* What was told to stop takes its time. */
	if (attempt != NULL && attempt->stops[0] != '\0' &&
	    below(&life->random, 30) > 0)
		attempt = TAILQ_NEXT(attempt, link);
	if (attempt == NULL || below(&life->random, 3) == 0)
		return;
	if (below(&life->random, 6) == 0)
		world_fail(attempt, OL_OUTCOME_RETRY, "exit", "exit 1");
	else
		world_succeed(attempt, "result");
}

/* End attempts as fast as they begin, until none has begun for a while. */
static void
work_off(struct life *life)
{
	struct world *w = &life->world;
	int64_t begun = ol_clock_now();
	int i;

	while (ol_clock_now() < begun + OL_MSEC(500)) {
		if (!TAILQ_EMPTY(&w->attempts))
			begun = ol_clock_now();
		for (i = 0; i < AT_ONCE; i++)
			end_some(life);
		world_run(w, 0);
	}
}

static void
count_ok(void *arg, const struct ol_engine_result *r)
{
	assert_int_equal(r->answer, OL_ENGINE_OK);
	(*(int *)arg)++;
}

/* The child: what was acknowledged before is there; then work until killed. */
static void
live(struct life *life, bool last)
{
	const struct ol_engine_submit submit = { .type = "cut" };
	struct world *w = &life->world;
	int asked = 0, found = 0, left = SUBMITS;
	size_t i;

	world_open(w);
	for (i = 0; i < life->book->n; i++)
		if (life->book->entries[i].acked) {
			asked++;
			ol_engine_get(w->engine, &life->book->entries[i].id,
			    count_ok, &found);
		}
	world_until(w, &found, asked);
	while (!last) {
		while (life->pending < AT_ONCE && left-- > 0) {
			life->pending++;
			ol_engine_submit(
			    w->engine, &submit, on_submitted, life);
		}
		cancel_some(life);
		end_some(life);
		world_run(w, 0);
	}
	work_off(life);
	for (i = 0; i < life->book->n; i++) {
		if (!life->book->entries[i].acked)
			continue;
		while (!world_get(w, &life->book->entries[i].id).object.ended)
			end_some(life);
	}
	tell(life, 'd', NULL, 0);
}

static void
read_note(struct book *book, const struct note *note)
{
	size_t i;

	if (note->what == 'd') {
		book->done = true;
		return;
	}
	for (i = book->n; i-- > 0;)
		if (ol_id_compare(&book->entries[i].id, &note->id) == 0)
			break;
	if (i == (size_t)-1) {
		assert_true(book->n < BOOK);
		i = book->n++;
		book->entries[i] = (struct entry){ .id = note->id };
	}
	if (note->what == 'a') {
		book->entries[i].acked = true;
		book->acked++;
		return;
	}
	if (note->what == 'c') {
		book->entries[i].cancelled = true;
		book->cancelled++;
		return;
	}
	assert_false(book->entries[i].cancelled);
	/* The fence rises through all lives. */
	assert_true(note->attempt > book->entries[i].attempt);
	book->entries[i].attempt = note->attempt;
}

/* One life, killed after so many milliseconds; 0: it may end. */
static void
one_life(struct life *life, struct book *book, uint32_t ms)
{
	int ends[2], status;
	struct note note;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	life->book = book;
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		close(ends[0]);
		/* Not back into the runner of the tests. */
		setenv("CMOCKA_TEST_ABORT", "1", 1);
		life->pipe = ends[1];
		life->world.loop = ol_must(ol_loop_new());
		life->world.user = life;
		life->world.on_start = on_start;
		live(life, ms == 0);
		_exit(0);
	}
	close(ends[1]);
	if (ms > 0) {
		usleep(ms * 1000);
		kill(pid, SIGKILL);
	}
	while ((n = read(ends[0], &note, sizeof(note))) != 0) {
		assert_int_equal(n, sizeof(note));
		read_note(book, &note);
	}
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		assert_int_equal(WTERMSIG(status), SIGKILL);
	else
		assert_int_equal(WEXITSTATUS(status), 0);
}

static void
test_kill_at_any_moment(void **state)
{
	const char *trials = getenv("TRIALS"), *seed = getenv("SEED");
	int i, lives = 12 * (trials != NULL ? atoi(trials) : 1);
	struct life life = { .random = seed != NULL ? strtoull(seed, NULL, 10)
						    : (uint64_t)time(NULL) };
	struct book book = { .entries =
				 ol_must(calloc(BOOK, sizeof(*book.entries))) };

	(void)state;
	alarm(600);
	print_message("SEED=%llu\n", (unsigned long long)life.random);
	world_init(&life.world);
	ol_loop_free(life.world.loop);
	world_type(&life.world, "cut")->retries = 1000;
	life.world.types[0].backoff = OL_MSEC(1);
	for (i = 0; i < lives; i++)
		one_life(&life, &book, 5 + below(&life.random, 150));
	/* On a busy machine those were too short for a commit, perhaps. */
	for (i = 0; i < 50 && (book.acked == 0 || book.cancelled == 0); i++)
		one_life(&life, &book, 200 + 40 * i);
	one_life(&life, &book, 0);
	assert_true(book.done);
	print_message("%d lives, %zu tasks acknowledged, %zu cancelled\n",
	    lives, book.acked, book.cancelled);
	assert_true(book.acked > 0 && book.cancelled > 0);
	life.world.loop = ol_must(ol_loop_new());
	world_fini(&life.world);
	free(book.entries);
}

/* --- Many. --- */

static void
test_many(void **state)
{
	const char *trials = getenv("TRIALS");
	int i, n = 10000 * (trials != NULL ? atoi(trials) : 1), acked = 0;
	struct ol_engine_submit submit = { .type = "cut" };
	struct world w;
	int64_t began;

	(void)state;
	alarm(600);
	world_init(&w);
	world_type(&w, "cut")->max_waiting = n;
	world_open(&w);
	began = ol_clock_now();
	for (i = 0; i < n; i++) {
		ol_engine_submit(w.engine, &submit, count_ok, &acked);
		if (i % 500 == 499)
			world_until(&w, &acked, i - 400);
	}
	world_until(&w, &acked, n);
	print_message("%d tasks acknowledged in %lld ms\n", n,
	    (long long)(ol_clock_now() - began) / 1000000);
	world_close(&w);
	began = ol_clock_now();
	world_open(&w);
	print_message("read again in %lld ms\n",
	    (long long)(ol_clock_now() - began) / 1000000);
	/* 2 s for 100 000; what runs under a sanitizer has more. */
	assert_true(ol_clock_now() - began < OL_SEC(10));
	w.types[0].concurrency = 100;
	ol_engine_configure(w.engine, &w.conf);
	began = ol_clock_now();
	while (w.started < 10000 && ol_clock_now() < began + OL_SEC(60)) {
		while (w.running > 0)
			world_succeed(TAILQ_FIRST(&w.attempts), NULL);
		world_run(&w, 0);
	}
	print_message("10000 attempts in %lld ms\n",
	    (long long)(ol_clock_now() - began) / 1000000);
	assert_true(w.started >= 10000);
	world_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill_at_any_moment),
		cmocka_unit_test(test_many),
	};
	static const struct ol_log_sink quiet = { .target = OL_LOG_FILE,
		.path = "/dev/null" };

	if (getenv("LOUD") == NULL)
		ol_log_open(&quiet, 1, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
