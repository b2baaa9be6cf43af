/*
 * The store alone: what it can do in a second, and a writer with a ledger for
 * tests that kill it.
 *
 *   bench_store speed FOLDER TASKS SUBMITTERS   submits/s and their latency
 *   bench_store fill FOLDER TASKS               waiting tasks of 200 bytes
 *   bench_store load FOLDER                     open, and read all unfinished
 *   bench_store write FOLDER LEDGER [-n TASKS] [-c SUBMITTERS] [-p PAGES]
 *                     [-e] [-t] [-l] [-f]
 *       submit, start and finish tasks, each again until it is acknowledged;
 *       for ever, or TASKS. The ledger gets "S n" before a submit, "A n" when
 *       it is acknowledged and "F n" when the end is. The log is shortened
 *       from PAGES on. Ways to lie, for controls: -e writes "A" and "F" before
 *       the commit, -t takes every answer for a yes, -l asks for lazy commits,
 *       -f says of each flush that it was done.
 *   bench_store verify FOLDER LEDGER            exit 1: something is lost
 *   bench_store memory TASKS                    the store in memory: speed, and
 *                                               what a waiting task takes
 *   bench_store full FOLDER BALLAST [-t]        fill the disk, remove BALLAST,
 *                                               go on
 *   bench_store cut FOLDER                      power loss, for the ext4 that
 *                                               FOLDER is on: what has not been
 *                                               flushed never will be
 *
 * Size and bytes of a payload follow from the task's number.
 */
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <err.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "loop/loop.h"
#include "hist.h"
#include "stored.h"

enum step { SUBMIT, START, FINISH, STEPS };

struct submitter;

struct writer {
	struct stored s;
	struct submitter *submitters;
	struct hist *latency; /* NULL: not asked for */
	int ledger;	      /* -1: none */
	bool early, trusts, finishes, lazy;
	size_t size;   /* of a payload; 0: by number */
	unsigned next; /* the next task's number */
	unsigned last; /* no task from that number on */
	unsigned acked, running;
};

struct submitter {
	struct writer *writer;
	struct ol_timer *again;
	unsigned number;
	enum step step;
	int64_t began;
};

static void go(struct submitter *);

/* SQLite's calls, too: a program's functions go before a library's. */
static bool never_flushes;

int
fdatasync(int fd)
{
	return never_flushes ? 0 : (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	return never_flushes ? 0 : (int)syscall(SYS_fsync, fd);
}

static size_t
size_of(unsigned number)
{
	/* Most are small; each 8th is in a file. */
	return number % 8 == 7 ? 33000 + number % 50000 : number % 5000;
}

static struct ol_body *
body_of(unsigned number, size_t size)
{
	char *data = ol_must(malloc(size + 1));
	struct ol_body *body;

	memset(data, (int)(number & 0xff), size);
	body = ol_must(ol_body_new(data, size));
	free(data);
	return body;
}

static void
note(struct writer *w, char what, unsigned number)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "%c %u\n", what, number);

	/* O_DSYNC: on disk when it returns, in one piece. */
	if (w->ledger != -1 && write(w->ledger, line, (size_t)n) != n)
		err(1, "ledger");
}

static void
note_done(struct submitter *u)
{
	if (u->step == SUBMIT)
		note(u->writer, 'A', u->number);
	else if (u->step == FINISH)
		note(u->writer, 'F', u->number);
}

/* The next task, or none. */
static void
begin(struct submitter *u)
{
	struct writer *w = u->writer;

	if (w->next >= w->last) {
		if (--w->running == 0)
			ol_loop_stop(w->s.loop);
		return;
	}
	u->number = w->next++;
	u->step = SUBMIT;
	note(w, 'S', u->number);
	go(u);
}

static void
on_answer(void *arg, const struct ol_answer *answer)
{
	struct submitter *u = arg;
	struct writer *w = u->writer;

	if (answer->failed != OL_STORE_DONE && w->trusts) {
		note_done(u);
		w->acked++;
		begin(u);
		return;
	}
	if (answer->failed != OL_STORE_DONE) {
		ol_timer_at(u->again, ol_clock_now() + OL_MSEC(20));
		return;
	}
	if (answer->status != OL_STORE_OK && answer->status != OL_STORE_EXISTS)
		errx(1, "task %u, step %d: status %d", u->number, (int)u->step,
		    (int)answer->status);
	if (!w->early)
		note_done(u);
	if (u->step == SUBMIT && w->latency != NULL)
		hist_add(w->latency, (uint64_t)(ol_clock_now() - u->began));
	if (++u->step < STEPS && w->finishes) {
		go(u);
		return;
	}
	w->acked++;
	begin(u);
}

static void
on_again(void *arg)
{
	go(arg);
}

static void
go(struct submitter *u)
{
	struct writer *w = u->writer;
	struct ol_row row = stored_row(u->number);
	struct ol_body *body = NULL;
	struct ol_move move;

	u->began = ol_clock_now();
	if (u->step == SUBMIT) {
		body = body_of(
		    u->number, w->size != 0 ? w->size : size_of(u->number));
		ol_store_submit(w->s.store, &row, body, w->lazy, on_answer, u);
	} else if (u->step == START) {
		move = stored_start(u->number, 0);
		ol_store_move(w->s.store, &move, w->lazy, on_answer, u);
	} else {
		body = body_of(u->number, size_of(u->number + 3));
		move = stored_end(u->number, 1, OL_ROW_SUCCEEDED);
		move.result = body;
		ol_store_move(w->s.store, &move, w->lazy, on_answer, u);
	}
	ol_body_free(body);
	if (w->early)
		note_done(u);
}

static void
open_store(struct stored *s, const char *folder)
{
	if (stored_open(s, &ol_store_sqlite, folder) == -1)
		errx(1, "%s: the store was refused", folder);
}

/* Let n submitters work until the last task. */
static void
run(struct writer *w, unsigned n)
{
	unsigned i;

	w->submitters = ol_must(calloc(n, sizeof(*w->submitters)));
	w->running = n;
	for (i = 0; i < n; i++) {
		w->submitters[i].writer = w;
		w->submitters[i].again = ol_must(
		    ol_timer_new(w->s.loop, on_again, &w->submitters[i]));
		begin(&w->submitters[i]);
	}
	while (w->running > 0)
		ol_loop_run(w->s.loop);
	for (i = 0; i < n; i++)
		ol_timer_free(w->submitters[i].again);
	free(w->submitters);
}

static int
speed(const char *folder, unsigned tasks, unsigned submitters, bool print)
{
	struct writer w = { .ledger = -1, .size = 200, .last = tasks };
	struct ol_store_counts counts;
	struct hist latency = { 0 };
	int64_t began;
	double seconds;

	open_store(&w.s, folder);
	w.latency = &latency;
	began = ol_clock_now();
	run(&w, submitters);
	seconds = (double)(ol_clock_now() - began) / 1e9;
	ol_store_get_counts(w.s.store, &counts);
	if (print)
		printf("RESULT submitters=%u tasks_s=%.0f commits_s=%.0f "
		       "p50_us=%.0f p99_us=%.0f\n",
		    submitters, tasks / seconds,
		    (double)counts.commits / seconds,
		    (double)hist_quantile(&latency, 0.50) / 1e3,
		    (double)hist_quantile(&latency, 0.99) / 1e3);
	stored_close(&w.s);
	return 0;
}

static void
on_memory(void *arg, const struct ol_answer *answer)
{
	struct stored *s = arg;

	if (answer->failed != OL_STORE_DONE || answer->status != OL_STORE_OK)
		errx(1, "status %d", (int)answer->status);
	if (--s->waiting == 0)
		ol_loop_stop(s->loop);
}

/* Empty payloads, as many at a time as a busy loop brings. */
static int
memory(unsigned tasks)
{
	size_t before, after;
	struct ol_row row;
	struct stored s;
	int64_t began;
	double seconds;
	unsigned i;

	if (stored_open(&s, &ol_store_memory, "") == -1)
		errx(1, "the store was refused");
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	began = ol_clock_now();
	for (i = 0; i < tasks; i++) {
		row = stored_row(i);
		s.waiting++;
		ol_store_submit(s.store, &row, NULL, true, on_memory, &s);
		if (i % 64 == 63)
			stored_wait(&s);
	}
	stored_wait(&s);
	seconds = (double)(ol_clock_now() - began) / 1e9;
	after = mallinfo2().uordblks + mallinfo2().hblkhd;
	printf("RESULT tasks_s=%.0f bytes=%.0f\n", tasks / seconds,
	    (double)(after - before) / tasks);
	stored_close(&s);
	return 0;
}

static int
load(const char *folder)
{
	struct ol_list list = { .states = OL_ROW_UNFINISHED,
		.limit = OL_STORE_LIST_MAX };
	int64_t began = ol_clock_now(), opened;
	struct stored s;
	size_t n = 0;

	open_store(&s, folder);
	opened = ol_clock_now();
	do {
		if (stored_list(&s, &list) != OL_STORE_OK)
			errx(1, "cannot be read");
		n += s.answer.n;
		list.after = s.answer.next;
	} while (s.answer.more);
	printf("RESULT loaded=%zu open_ms=%d load_ms=%d\n", n,
	    (int)((opened - began) / OL_MSEC(1)),
	    (int)((ol_clock_now() - opened) / OL_MSEC(1)));
	stored_close(&s);
	return 0;
}

/* What the ledger says of each number. */
struct entry {
	bool sent, acked, finished;
};

static struct entry *
read_ledger(const char *path, unsigned *n)
{
	struct entry *entries = NULL;
	unsigned number, room = 0;
	FILE *file = fopen(path, "r");
	char what;

	*n = 0;
	if (file == NULL)
		return NULL;
	while (fscanf(file, " %c %u", &what, &number) == 2) {
		while (number >= room) {
			entries = ol_must(realloc(
			    entries, (room * 2 + 64) * sizeof(*entries)));
			memset(
			    entries + room, 0, (room + 64) * sizeof(*entries));
			room = room * 2 + 64;
		}
		entries[number].sent |= what == 'S';
		entries[number].acked |= what == 'A';
		entries[number].finished |= what == 'F';
		if (number >= *n)
			*n = number + 1;
	}
	fclose(file);
	return entries;
}

static int
write_tasks(int argc, char **argv)
{
	struct writer w = { .last = 4000000000u, .finishes = true };
	struct ol_store_options options = { 0 };
	unsigned submitters = 16, tasks = 0;
	int option;

	if (argc < 4)
		errx(64, "write FOLDER LEDGER [option ...]");
	optind = 4;
	while ((option = getopt(argc, argv, "n:c:p:etlf")) != -1)
		if (option == 'n')
			tasks = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'c')
			submitters = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'e')
			w.early = true;
		else if (option == 't')
			w.trusts = true;
		else if (option == 'p')
			options.log_pages = atoi(optarg);
		else if (option == 'l')
			w.lazy = true;
		else if (option == 'f')
			never_flushes = true;
		else
			return 64;
	free(read_ledger(argv[3], &w.next));
	if (tasks > 0)
		w.last = w.next + tasks;
	w.ledger = open(
	    argv[3], O_WRONLY | O_CREAT | O_APPEND | O_DSYNC | O_CLOEXEC, 0600);
	if (w.ledger == -1)
		err(1, "%s", argv[3]);
	if (stored_open_with(&w.s, &ol_store_sqlite, argv[2], options) == -1)
		errx(1, "%s: the store was refused", argv[2]);
	run(&w, submitters);
	stored_close(&w.s);
	printf("RESULT tasks=%u failing=%d settled=%d\n", w.acked, w.s.failing,
	    w.s.settled);
	return 0;
}

static int
verify(const char *folder, const char *ledger)
{
	unsigned n, number, sent = 0, acked = 0, lost = 0, torn = 0, rows = 0;
	struct entry *entries = read_ledger(ledger, &n);
	struct ol_list list = { .limit = OL_STORE_LIST_MAX };
	int64_t began = ol_clock_now();
	bool there;
	struct stored s;
	int ms;

	open_store(&s, folder);
	ms = (int)((ol_clock_now() - began) / OL_MSEC(1));
	for (number = 0; number < n; number++) {
		sent += entries[number].sent;
		acked += entries[number].acked;
		there = stored_get(&s, number) == OL_STORE_OK;
		rows += there;
		if (entries[number].acked && !there)
			lost++;
		if (entries[number].finished &&
		    (!there || s.rows[0]->state != OL_ROW_SUCCEEDED))
			lost++;
		if (there && !entries[number].sent)
			torn++;
		if (there && (stored_payload(&s, number) != OL_STORE_OK ||
				 !stored_body_is(&s, (int64_t)size_of(number),
				     (int)(number & 0xff))))
			torn++;
		if (entries[number].finished && there &&
		    (stored_result(&s, number) != OL_STORE_OK ||
			!stored_body_is(&s, (int64_t)size_of(number + 3),
			    (int)(number & 0xff))))
			torn++;
	}
	/* Nobody else's. */
	do {
		if (stored_list(&s, &list) != OL_STORE_OK)
			errx(1, "cannot be read");
		rows -= (unsigned)s.answer.n;
		list.after = s.answer.next;
	} while (s.answer.more);
	torn += rows != 0;
	printf("RESULT sent=%u acked=%u lost=%u torn=%u open_ms=%d\n", sent,
	    acked, lost, torn, ms);
	free(entries);
	stored_close(&s);
	return lost + torn > 0;
}

static int
full(const char *folder, const char *ballast, bool trusts)
{
	int64_t began, answered, room;
	struct stored s;
	unsigned n = 0;
	int rc;

	open_store(&s, folder);
	for (;;) {
		began = ol_clock_now();
		if ((rc = stored_add(&s, n, n % 2 == 0 ? 30000 : 100000)) !=
		    OL_STORE_OK)
			break;
		n++;
	}
	answered = ol_clock_now() - began;
	n += trusts;
	if (rc != -1 - OL_STORE_NOT_DONE)
		errx(1, "full: answer %d", rc);
	/* What is there can be read while the disk is full. */
	if (n == 0 || stored_payload(&s, 0) != OL_STORE_OK)
		errx(1, "full: nothing to read");
	if (unlink(ballast) == -1)
		err(1, "%s", ballast);
	room = ol_clock_now();
	while (stored_add(&s, n, 100000) != OL_STORE_OK ||
	       stored_add(&s, n + 1, 30000) != OL_STORE_OK) {
		if (ol_clock_now() - room > OL_SEC(5))
			errx(1, "it does not work again");
		usleep(10000);
	}
	room = ol_clock_now() - room;
	if (!stored_wait_for(&s, &s.healthy, 3000))
		errx(1, "nobody was told that it works again");
	printf("RESULT stored=%u refused_ms=%d again_ms=%d\n", n + 2,
	    (int)(answered / OL_MSEC(1)), (int)(room / OL_MSEC(1)));
	for (rc = 0; rc < (int)n + 2; rc++)
		if (stored_payload(&s, (unsigned)rc) != OL_STORE_OK ||
		    stored_erase(&s, (unsigned)rc) != OL_STORE_OK)
			errx(1, "task %d is lost", rc);
	stored_close(&s);
	return 0;
}

/* EXT4_IOC_SHUTDOWN of the kernel's fs/ext4/ext4.h; no header has it. */
#define SHUTDOWN     _IOR('X', 125, uint32_t)
#define NO_LOG_FLUSH 2u

static int
cut(const char *folder)
{
	uint32_t flag = NO_LOG_FLUSH;
	int fd = open(folder, O_RDONLY | O_CLOEXEC);

	if (fd == -1 || ioctl(fd, SHUTDOWN, &flag) == -1)
		err(1, "%s", folder);
	close(fd);
	return 0;
}

int
main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (strcmp(verb, "write") == 0)
		return write_tasks(argc, argv);
	if (strcmp(verb, "load") == 0)
		return load(argv[2]);
	if (strcmp(verb, "memory") == 0)
		return memory((unsigned)strtoul(argv[2], NULL, 10));
	if (argc == 5 && strcmp(verb, "speed") == 0)
		return speed(argv[2], (unsigned)strtoul(argv[3], NULL, 10),
		    (unsigned)strtoul(argv[4], NULL, 10), true);
	if (argc == 4 && strcmp(verb, "fill") == 0)
		return speed(
		    argv[2], (unsigned)strtoul(argv[3], NULL, 10), 256, false);
	if (argc == 4 && strcmp(verb, "verify") == 0)
		return verify(argv[2], argv[3]);
	if (argc > 3 && strcmp(verb, "full") == 0)
		return full(argv[2], argv[3], argc > 4);
	if (strcmp(verb, "cut") == 0)
		return cut(argv[2]);
	errx(64, "see the head of tests/bench/store.c");
}
