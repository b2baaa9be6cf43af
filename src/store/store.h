/*
 * Where tasks live. The store knows rows, bytes and fences; when something
 * runs is the scheduler's business. Durable tasks are in a store that outlives
 * the process, those with "durable off" in ol_store_memory.
 *
 * Thread. All of it belongs to the loop's thread, and every callback runs
 * there, from the loop, never from within the call that asked. A backend that
 * blocks has a thread of its own, so nothing here waits for a disk, but for
 * ol_store_open() and ol_store_close().
 *
 * Order. Writings take effect in the order in which they were asked for. A
 * reading sees every writing asked before it, and perhaps later ones.
 *
 * Completion. Each request has exactly one callback unless it is cancelled.
 * "failed" says whether there is an answer at all:
 *   OL_STORE_DONE      there is: status. Of a writing: it is on disk (flushed,
 *                      or with lazy handed to the kernel: kill -9 does not
 *                      lose it, power loss in the next second may).
 *   OL_STORE_NOT_DONE  nothing was written or read, and nothing will be: no
 *                      space, or the store is failing. Try again later.
 *   OL_STORE_UNKNOWN   the commit ended in an I/O error. It may be on disk or
 *                      not. When the store works again, on_settled tells what
 *                      is there, before any later request is DONE.
 * A writing that is repeated after UNKNOWN is OL_STORE_OK again if the first
 * one arrived (submit: OL_STORE_EXISTS).
 *
 * Ownership. What is given is copied, or referenced (bodies) until the request
 * has ended; what an answer holds is borrowed until the callback returns: take
 * a reference to a body, copy a row.
 */
#ifndef OL_STORE_STORE_H
#define OL_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/body.h"
#include "store/row.h"

struct ol_loop;
struct ol_store_request;
struct ol_store;

enum ol_store_failed { OL_STORE_DONE, OL_STORE_NOT_DONE, OL_STORE_UNKNOWN };

enum ol_store_status {
	OL_STORE_OK,
	OL_STORE_DUPLICATE, /* submit: its key, same hash; the first one's id */
	OL_STORE_CONFLICT, /* submit: its key, other hash; the first one's id */
	OL_STORE_EXISTS,   /* submit: a task of that id is there already */
	OL_STORE_STALE,	   /* move: other fence, or ended (not ended) before */
	OL_STORE_ABSENT,   /* no such task; no payload or result (any more) */
};

struct ol_answer {
	enum ol_store_failed failed;
	enum ol_store_status
	    status;	       /* with OL_STORE_DONE, as all that follows */
	uint8_t id[OL_ROW_ID]; /* submit */
	struct ol_row *const *rows;	    /* get: one; list */
	struct ol_attempt *const *attempts; /* attempts: newest first */
	size_t n;	      /* rows, attempts; expire: how many were erased */
	struct ol_body *body; /* payload, result */
	bool more;    /* list, expire: ask again (list: also with n == 0) */
	int64_t next; /* list: the next page's after */
};

typedef void ol_store_fn(void *arg, const struct ol_answer *answer);

/* One change of one task. The row's fields become these. */
struct ol_move {
	uint8_t id[OL_ROW_ID];
	uint32_t fence; /* the attempt that the row must have now */
	/* false: only a task that has not ended is moved; true: only one that
	 * has, such as a failed one that is to run again. */
	bool was_ended;
	enum ol_row_state state;
	uint32_t attempt, refunds, crashes;
	bool first, cancelled;
	int64_t due, started, ended;
	struct ol_bytes error;
	/*
	 * Of a move that ends an attempt (the row is RUNNING, and does not
	 * stay so with that fence): when, 0 is as ended, and the end of its
	 * standard error. Kept with the attempt when error or log say
	 * anything: see ol_store_attempts().
	 */
	int64_t attempt_ended;
	struct ol_bytes log;
	struct ol_body *result; /* NULL: none, and an earlier one goes */
	const char *result_type;
	struct ol_bytes reply; /* the same: none goes, too */
	bool erase_payload;    /* and the context, and the secrets */
};

/* A page of a list in the order of submission. */
struct ol_list {
	uint32_t states;	/* set of states; 0: all */
	const char *type;	/* NULL: all */
	const char *owner;	/* NULL: all */
	int64_t created_before; /* milliseconds since 1970; 0: all */
	int64_t after;		/* the last page's next; 0: the first page */
	bool newest_first;
	size_t limit; /* 1 … OL_STORE_LIST_MAX */
};

enum {
	OL_STORE_LIST_MAX = 500,
	/* Rows looked at for a page: a rare match does not hold the store. */
	OL_STORE_LOOK_MAX = 5000,
	/* Rows that one ol_store_expire() erases. */
	OL_STORE_EXPIRE_MAX = 200,
	/* Attempts that are kept of a task: the last ones. */
	OL_STORE_ATTEMPTS_MAX = 10,
	/* A larger body, and each one that comes as a file, is in a file. */
	OL_STORE_ROW_BODY = 32 * 1024,
};

/* Ended before these times (milliseconds since 1970): not kept. */
struct ol_expire {
	int64_t succeeded, cancelled, failed, poisoned;
};

struct ol_store_counts {
	uint64_t commits;  /* that changed something and succeeded */
	uint64_t writings; /* requests in them */
	uint64_t failed;   /* writings that ended NOT_DONE or UNKNOWN */
};

struct ol_store_options {
	struct ol_loop *loop;
	/* Made with 0700 when missing; its parent must be. Not used by a store
	 * that is not durable. */
	const char *folder;
	/*
	 * For tests. By which clock ol_store_memory keeps ended tasks; NULL:
	 * ol_clock_now(). From how many pages on ol_store_sqlite shortens its
	 * log; 0: OL_SQLITE_WAL_PAGES.
	 */
	int64_t (*clock)(void);
	int log_pages;
	/*
	 * What is there of a task whose writing ended UNKNOWN; row is NULL
	 * when nothing is. Borrowed.
	 */
	void (*on_settled)(
	    void *arg, const uint8_t *id, const struct ol_row *row);
	/* The store began to fail, or works again; logged already. */
	void (*on_health)(void *arg, bool working, const char *why);
	void *arg;
};

/*
 * A backend: as the functions below, for one kind of store. ask() takes a
 * request (store/request.h); the backend fills its answer and gives it back
 * with ol_store_request_deliver() on the loop. close() answers everything
 * first.
 */
struct ol_store_ops {
	const char *name;
	bool durable; /* what was acknowledged outlives the process */
	void *(*open)(const struct ol_store_options *);
	void (*ask)(void *backend, struct ol_store_request *);
	void (*counts)(void *backend, struct ol_store_counts *);
	void (*close)(void *backend);
};

extern const struct ol_store_ops ol_store_sqlite;

/*
 * All in memory, gone with ol_store_close(). The store itself erases ended
 * tasks, whenever it is asked anything: those that ended OL_STORE_MEMORY_KEEP
 * ago, and those that ended first of more than OL_STORE_MEMORY_KEEP_MOST.
 */
extern const struct ol_store_ops ol_store_memory;

#define OL_STORE_MEMORY_KEEP	  ((int64_t)10 * 60 * 1000000000) /* ns */
#define OL_STORE_MEMORY_KEEP_MOST 10000

/*
 * Open, or make, the store. Blocks: it checks the database and removes files
 * without rows; the log says how long it took. NULL: refused, logged. The
 * options' texts are copied, the loop must live until ol_store_close().
 */
struct ol_store *ol_store_open(
    const struct ol_store_ops *, const struct ol_store_options *);

/*
 * Write what was asked for, run the callbacks that are due, free. Blocks as
 * long as the disk does. Not from a callback of the store. What those callbacks
 * ask for is NOT_DONE at once: they must not ask for ever.
 */
void ol_store_close(struct ol_store *);

void ol_store_get_counts(struct ol_store *, struct ol_store_counts *);

/*
 * The request's callback will not run; it may be carried out all the same. Not
 * after its callback has begun.
 */
void ol_store_cancel(struct ol_store_request *);

/*
 * A new task in row->state, with its payload. A row with a key is compared
 * with the task that has the same scope and key, in the same transaction; a
 * key lives as long as its task's row. NULL: a field is out of its bounds;
 * logged, the callback will not run. A payload in a file that was opened with
 * O_TMPFILE below the store's folder is linked, not copied.
 */
struct ol_store_request *ol_store_submit(struct ol_store *,
    const struct ol_row *, struct ol_body *payload, bool lazy, ol_store_fn *,
    void *arg);

/*
 * Every change afterwards: start (attempt is fence + 1), finish, retry, park,
 * cancel (of a running one: RUNNING again, with the same attempt and
 * cancelled), and what is written when it was interrupted. NULL as above.
 */
struct ol_store_request *ol_store_move(struct ol_store *,
    const struct ol_move *, bool lazy, ol_store_fn *, void *arg);

/* Remove a task with all that it has. */
struct ol_store_request *ol_store_erase(
    struct ol_store *, const uint8_t *id, ol_store_fn *, void *arg);

/* Retention: remove some tasks that ended long ago. */
struct ol_store_request *ol_store_expire(
    struct ol_store *, const struct ol_expire *, ol_store_fn *, void *arg);

struct ol_store_request *ol_store_get(
    struct ol_store *, const uint8_t *id, ol_store_fn *, void *arg);
struct ol_store_request *ol_store_payload(
    struct ol_store *, const uint8_t *id, ol_store_fn *, void *arg);
struct ol_store_request *ol_store_result(
    struct ol_store *, const uint8_t *id, ol_store_fn *, void *arg);

/*
 * The last attempts that ended with an error or a log, newest first; they live
 * as long as their task's row. OL_STORE_OK with n == 0: none did.
 */
struct ol_store_request *ol_store_attempts(
    struct ol_store *, const uint8_t *id, ol_store_fn *, void *arg);

/*
 * One page, whose rows come without context, secrets and reply: a page of those
 * would be a hundred megabytes. All tasks that have not ended, at start: states
 * = OL_ROW_UNFINISHED, limit = OL_STORE_LIST_MAX, page after page.
 */
struct ol_store_request *ol_store_list(
    struct ol_store *, const struct ol_list *, ol_store_fn *, void *arg);

#endif
