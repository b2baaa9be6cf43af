/*
 * The engine: submit → commit → dispatch → finish → drain. Owns the stores and
 * the scheduler, knows executors by their operations. All of it belongs to the
 * loop's thread; callbacks come from the loop, never from within the call that
 * asked, exactly once unless the call is cancelled. A call that is returned is
 * never NULL, and the engine's: it is gone when its callback has begun.
 * Deadlines are ol_clock_now()'s nanoseconds.
 */
#ifndef OL_ENGINE_ENGINE_H
#define OL_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/body.h"
#include "base/id.h"
#include "config/conf.h"
#include "engine/object.h"

struct ol_engine;
struct ol_engine_call;
struct ol_loop;
struct ol_programs;

struct ol_engine_options {
	struct ol_loop *loop;
	const char *folder; /* of the store: state/store */
	const char *notify; /* of backends' sockets; see run/run_fastcgi.h */
	/* All tasks of an earlier life are there: submits are taken now. */
	void (*on_loaded)(void *arg);
	/* The drain is done: nothing runs, everything is written. */
	void (*on_drained)(void *arg);
	/* A running attempt was granted time until deadline in a drain. */
	void (*on_deadline)(void *arg, int64_t deadline);
	/* So many attempts run, or wait for a commit before or after that. */
	void (*on_running)(void *arg, uint32_t running);
	void *arg;
};

/* Opens the store, blocking, and begins to load. NULL: logged. */
struct ol_engine *ol_engine_new(
    const struct ol_engine_options *, const struct ol_conf *);

/* Writes what is left, closes the stores, blocking, and frees. */
void ol_engine_free(struct ol_engine *);

/* The configuration from now on; borrowed until the next one, which must come
 * before this one is freed. Attempts that run keep their rules. */
void ol_engine_configure(struct ol_engine *, const struct ol_conf *);

/* A channel to a (new) spawner, and the number of the configuration. Takes
 * channel. */
void ol_engine_spawner(struct ol_engine *, int channel);
void ol_engine_generation(struct ol_engine *, uint32_t generation);

/* A descriptor of the folder where bodies are spooled so that the store links
 * them instead of copying; borrowed. */
int ol_engine_spool(const struct ol_engine *);

/*
 * Start nothing any more, let what runs end until deadline (OL_NEVER: no
 * limit), tell it to stop grace nanoseconds before, then kill it. Durable
 * submits are still taken. A second call replaces the times.
 */
void ol_engine_drain(struct ol_engine *, int64_t deadline, int64_t grace);

enum ol_engine_health {
	OL_ENGINE_READY,
	OL_ENGINE_LOADING, /* the tasks of an earlier life */
	OL_ENGINE_FAILING, /* the store does not work */
	OL_ENGINE_DRAINING,
};

/* *why: for people, static, when it is not READY. */
enum ol_engine_health ol_engine_health(
    const struct ol_engine *, const char **why);

/* What came of a call. */
enum ol_engine_answer {
	OL_ENGINE_OK,
	/* submit: that key has a task: the object is it; it has a task of
	 * another request; its first one is not committed yet. */
	OL_ENGINE_DUPLICATE,
	OL_ENGINE_CONFLICT,
	OL_ENGINE_IN_FLIGHT,
	OL_ENGINE_UNKNOWN, /* no such task (any more), or no such type */
	OL_ENGINE_FULL,	   /* max_waiting */
	/* Draining, loading, or the store is failing: known not to be stored,
	 * or nothing can be looked up. */
	OL_ENGINE_NOT_TAKEN,
	OL_ENGINE_UNSURE,     /* the store failed: stored, or not */
	OL_ENGINE_UNFINISHED, /* result: not yet; the object says how far */
	OL_ENGINE_GONE,	      /* result: not kept any more, or cancelled */
};

struct ol_engine_result {
	enum ol_engine_answer answer;
	/* The task; NULL with UNKNOWN and where nothing is known. Borrowed. */
	const struct ol_object *object;
	/* With OK to a call for the result: to be referenced; NULL: empty. */
	struct ol_body *body;
	int retry_after; /* seconds, for the answers that ask to try again */
	const char *why; /* for people, or NULL; static */
};

typedef void ol_engine_fn(void *arg, const struct ol_engine_result *);

/* Nobody waits for the answer any more. Not after its callback has begun. */
void ol_engine_cancel_call(struct ol_engine_call *);

enum {
	/* The most bytes of a context: names and values, each with a NUL. */
	OL_ENGINE_CONTEXT_MAX = 64 * 1024,
};

struct ol_engine_submit {
	const char *type;
	const char *owner;	  /* "": none */
	const uint8_t *session;	  /* 32 bytes, or NULL */
	const char *key;	  /* Idempotency-Key; "": none */
	const uint8_t *key_hash;  /* of payload and options; with a key */
	const char *content_type; /* "": none */
	struct ol_body *payload;  /* referenced; NULL: empty */
	/* As in struct ol_run_job. Cookies and the like among them are kept
	 * apart, and erased when the task ends. */
	const struct ol_object_variable *context;
	size_t ncontext;
	bool recorded;
	int64_t due;   /* milliseconds since 1970; 0: at once */
	int64_t delay; /* nanoseconds from now; instead of due; 0: none */
	int priority;  /* INT_MIN: the type's */
};

/* A new task. The answer comes after the commit its type asks for. */
struct ol_engine_call *ol_engine_submit(struct ol_engine *,
    const struct ol_engine_submit *, ol_engine_fn *, void *arg);

/* The object as it is now: OK or UNKNOWN (NOT_TAKEN: the store fails). */
struct ol_engine_call *ol_engine_get(
    struct ol_engine *, const struct ol_id *, ol_engine_fn *, void *arg);

/* OK: succeeded, with the body. UNFINISHED, GONE, UNKNOWN; OK with a state that
 * is not succeeded: the object tells what went wrong; when it has a reply, that
 * one's body is there. */
struct ol_engine_call *ol_engine_get_result(
    struct ol_engine *, const struct ol_id *, ol_engine_fn *, void *arg);

/*
 * The same as soon as it has ended, but at the latest at until (the clock's):
 * UNFINISHED then, and when the drain begins. The end need not be on disk yet.
 * Nothing is read for it when it is asked from the callback of a call that gave
 * the object. NOT_TAKEN with the object: it is there, but cannot be read.
 */
struct ol_engine_call *ol_engine_await_result(struct ol_engine *,
    const struct ol_id *, int64_t until, ol_engine_fn *, void *arg);

/*
 * As ol_engine_get(), as soon as anything of it changes (state, attempt,
 * progress), but at the latest at until, and when the drain begins: UNFINISHED
 * then. An end is told when it is on disk. The caller has looked at it in this
 * turn of the loop, so that no change is missed; what has ended does not change
 * any more: it is answered at once.
 */
struct ol_engine_call *ol_engine_await_change(struct ol_engine *,
    const struct ol_id *, int64_t until, ol_engine_fn *, void *arg);

/*
 * Cancel: the answer comes when what was asked for is on disk. OK with the
 * object: running (told to stop, and it does not run again, whatever happens
 * to us), cancelled, or ended before. UNSURE: it is told to stop all the same.
 */
struct ol_engine_call *ol_engine_cancel(
    struct ol_engine *, const struct ol_id *, ol_engine_fn *, void *arg);

/* Remove a task that has ended; one that has not is UNFINISHED. */
struct ol_engine_call *ol_engine_purge(
    struct ol_engine *, const struct ol_id *, ol_engine_fn *, void *arg);

#endif
