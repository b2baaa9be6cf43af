/*
 * One libevent loop and the few things that run on it. All of it belongs to
 * the thread that runs the loop, but for ol_wake_up(), which any thread may
 * call. Everything that can be started can be cancelled, and after the cancel
 * its callback does not run any more. Callbacks may cancel and free anything,
 * themselves included. Each _new() returns NULL with errno set on failure.
 */
#ifndef OL_LOOP_LOOP_H
#define OL_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct ol_loop;
struct ol_watch;
struct ol_timer;
struct ol_later;
struct ol_signal;
struct ol_wake;

typedef void ol_loop_fn(void *arg);

/*
 * Send libevent's messages to the log. For the daemon: within liboutlast they
 * are the application's affair.
 */
void ol_loop_log_libevent(void);

struct ol_loop *ol_loop_new(void);

/* Frees the loop and what was deferred; its watches must be freed before. */
void ol_loop_free(struct ol_loop *);

/* Runs until ol_loop_stop(). */
void ol_loop_run(struct ol_loop *);

/* Makes ol_loop_run() return after the running callback. The loop's thread. */
void ol_loop_stop(struct ol_loop *);

/* The libevent base below, for folders that may see libevent. Borrowed. */
struct event_base *ol_loop_base(struct ol_loop *);

/*
 * Call free_fn(object) when no callback is on the stack any more, so that an
 * object may end in its own callback. Aborts when out of memory: for the
 * daemon, not for liboutlast.
 */
void ol_loop_defer_free(
    struct ol_loop *, void (*free_fn)(void *), void *object);

/*
 * Call fn(arg) whenever fd can be read (level-triggered). fd is borrowed and
 * must stay open until ol_watch_free().
 */
struct ol_watch *ol_watch_new(
    struct ol_loop *, int fd, ol_loop_fn *fn, void *arg);
/* The same, whenever fd can be written: for as long as something waits. */
struct ol_watch *ol_watch_new_write(
    struct ol_loop *, int fd, ol_loop_fn *fn, void *arg);
void ol_watch_free(struct ol_watch *);

/* A one-shot timer; unset when made. */
struct ol_timer *ol_timer_new(struct ol_loop *, ol_loop_fn *fn, void *arg);
void ol_timer_free(struct ol_timer *);

/* Call at the monotonic time when (base/clock.h); replaces an earlier one.
 * OL_NEVER cancels. */
void ol_timer_at(struct ol_timer *, int64_t when);
void ol_timer_cancel(struct ol_timer *);

/*
 * Something to do once when the callbacks of this round have run, before the
 * loop waits again: what they ask for one by one can be done together.
 * ol_later_do() again before fn(arg) has run changes nothing.
 */
struct ol_later *ol_later_new(struct ol_loop *, ol_loop_fn *fn, void *arg);
void ol_later_free(struct ol_later *);
void ol_later_do(struct ol_later *);

/* Call fn(arg) on the loop after each signal signo. One loop per process. */
struct ol_signal *ol_signal_new(
    struct ol_loop *, int signo, ol_loop_fn *fn, void *arg);
void ol_signal_free(struct ol_signal *);

/*
 * A bell that any thread may ring: fn(arg) runs on the loop once or more after
 * each ol_wake_up(); rings before it ran are one.
 */
struct ol_wake *ol_wake_new(struct ol_loop *, ol_loop_fn *fn, void *arg);
void ol_wake_free(struct ol_wake *);
void ol_wake_up(struct ol_wake *);

#endif
