/*
 * liboutlast: a FastCGI application that answers now and works on afterwards.
 *
 * The application answers requests with libfcgi's own calls and queues work
 * items: functions that run in the background, outlive the request, and get a
 * budget to finish when the process is stopped or replaced.
 *
 * Unless a function says otherwise it may be called from any thread, from
 * ol_app_new() until ol_app_run() returns, but not from a signal handler and
 * not in a child after fork(). Nothing here exits, aborts or prints. Times
 * called deadline are CLOCK_MONOTONIC nanoseconds. See outlast(3).
 */
#ifndef OUTLAST_OUTLAST_H
#define OUTLAST_OUTLAST_H

#include <stddef.h>
#include <stdint.h>

#include <fcgiapp.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OL_PUBLIC __attribute__((visibility("default")))

struct event_base;
struct ol_app;
struct ol_work;

/* What a function of this library answers; 0 is success. */
enum ol_result {
	OL_ESTOPPING = 1, /* the process takes no more items: it is ending  */
	OL_EFULL = 2,	  /* max_waiting items wait already		   */
	OL_EINVAL = 3,	  /* an argument makes no sense			   */
	OL_ENOMEM = 4,	  /* no memory, thread or descriptor left	   */
};

/* A sentence for one of the codes above. Static; never NULL. */
OL_PUBLIC const char *ol_strerror(int result);

/* How a work item ended. */
enum ol_outcome {
	OL_OK = 0,
	OL_FAIL = 1,
};

/*
 * Answer one request, on a request thread. The body is complete, at most
 * max_body bytes, and can be read from request->in without blocking. Do not
 * call FCGX_Finish_r: the library finishes the request when this returns. The
 * request and all that it points to end then: copy what an item needs. With
 * threads = 1 (the default) no two calls run at the same time. All signals are
 * blocked here, for libfcgi's sake, and in a program that is started from here;
 * in the background SIGPIPE alone is.
 */
typedef void ol_request_fn(
    struct ol_app *app, FCGX_Request *request, void *arg);

/*
 * A blocking item, on a background thread. It has finished when this returns.
 * Long ones look at ol_work_stopping() between their steps.
 */
typedef enum ol_outcome ol_blocking_fn(struct ol_work *work, void *data);

/*
 * Start an async item, on the background loop's thread; must not block. It has
 * finished when ol_work_done() was called, here or later. base has no locks:
 * add and delete its events on that thread alone.
 */
typedef void ol_async_fn(
    struct ol_work *work, struct event_base *base, void *data);

/*
 * A stop has begun, or its deadline has moved. Runs on the background loop's
 * thread, for blocking items too (which may be running at the same time), and
 * never after the item has finished.
 */
typedef void ol_stop_fn(struct ol_work *work, void *arg);

/* What went wrong behind a reply. */
enum ol_error_kind {
	OL_ERROR_ITEM_FAILED,	  /* an item ended with OL_FAIL		    */
	OL_ERROR_ITEM_UNFINISHED, /* last call: it still runs, the end is near
				   */
	OL_ERROR_ITEM_DROPPED,	  /* it was never started and never will be */
	OL_ERROR_ITEM_LOST,	  /* it ran when the budget was used up	    */
	OL_ERROR_REQUEST,	  /* a request was refused or cut short	    */
	OL_ERROR_PROCESS,	  /* descriptors, threads, the listener	    */
};

/* Valid during the call of ol_error_fn only. Fields are only appended. */
struct ol_error {
	size_t size;
	enum ol_error_kind kind;
	const char *item;     /* the item's name; NULL: not about an item   */
	const char *message;  /* what happened; never NULL, one line	    */
	int percent;	      /* the item's last progress; -1: none	    */
	const char *progress; /* its text; NULL: none			    */
};

/*
 * Every background failure ends up here, in the thread that saw it. Calls may
 * overlap. It may queue items.
 */
typedef void ol_error_fn(
    struct ol_app *app, const struct ol_error *error, void *arg);

/*
 * A ready-made ol_error_fn: one line to standard error. arg is not used. This
 * is what an application registers that has no log of its own.
 */
OL_PUBLIC void ol_error_to_stderr(
    struct ol_app *app, const struct ol_error *error, void *arg);

/* Make with OL_APP_OPTIONS(.name = value, …); 0 means the default. */
struct ol_app_options {
	size_t size;		/* set by the macro			    */
	int threads;		/* request threads; 1			    */
	int background_threads; /* for blocking items; 4		    */
	size_t max_waiting;	/* items waiting or delayed; 10000	    */
	size_t max_body; /* bytes of a request's body; 1 MiB: more is 413 */
	int request_timeout_ms; /* for a request to come, and a second more
				   for each KiB of its body; 30000	    */
	int reply_timeout_ms;  /* for the peer to take some of a reply; 30000 */
	int shutdown_delay_ms; /* budget when nobody names one; 90000	    */
	int crash_fd;	       /* where a crash report goes; default
				  $OUTLAST_CRASH_FD, else nowhere	    */
};
#define OL_APP_OPTIONS(...) \
	(&(const struct ol_app_options){ \
	    .size = sizeof(struct ol_app_options), __VA_ARGS__ })

/*
 * The application: one per process. options may be NULL. Initialises libfcgi
 * and leaves the process's signal handlers as they were. Returns owned, or
 * NULL with errno set. Main thread.
 */
OL_PUBLIC struct ol_app *ol_app_new(const struct ol_app_options *options);

/*
 * Take "--listen ADDRESS" (unix:PATH, HOST:PORT, *:PORT; also --listen=…) out
 * of the arguments and leave the rest to the application. Returns 0, OL_ENOMEM,
 * or OL_EINVAL, having told the error handler why (set it before). Optional;
 * before ol_app_run().
 */
OL_PUBLIC int ol_app_args(struct ol_app *app, int *argc, char **argv);

/* Set the handlers; before ol_app_run(). arg is borrowed. */
OL_PUBLIC void ol_app_on_request(
    struct ol_app *app, ol_request_fn *fn, void *arg);
OL_PUBLIC void ol_app_on_error(struct ol_app *app, ol_error_fn *fn, void *arg);

/*
 * Serve until told to stop, then drain: returns when no request and no item is
 * left, or at the deadline. The listener is that of --listen, else the first
 * that systemd passed ($LISTEN_FDS), else descriptor 0 (outlastd, spawn-fcgi).
 * The result is fit for exit(): 0 drained; 1 items were dropped or lost, or a
 * request was still being answered; 64 no listener or no request handler; 71
 * the system refused a thread or a descriptor. Main thread, once.
 */
OL_PUBLIC int ol_app_run(struct ol_app *app);

/* Begin to stop, as SIGTERM does, with a budget of ms (-1: no limit; 0: now).
 */
OL_PUBLIC void ol_app_stop(struct ol_app *app, int ms);

/*
 * Free the application, after ol_app_run() or when it never ran: items that
 * wait are dropped. Items that were lost at the deadline may still run; in
 * that case this does nothing and the process should end. NULL is legal.
 */
OL_PUBLIC void ol_app_free(struct ol_app *app);

/* Make with OL_WORK_OPTIONS(.name = "…", …); all may be left out. */
struct ol_work_options {
	size_t size;		   /* set by the macro			    */
	const char *name;	   /* for logs and crash reports; the first 47
				      bytes are copied			    */
	void (*free_data)(void *); /* called with data when the item ended  */
	int64_t delay_ms;	   /* start no earlier than in this time    */
	int wait_ms;		   /* when full: wait so long for room; not
				      from the background loop		    */
	ol_stop_fn *on_stop;	   /* as by ol_work_on_stop(), without a gap */
	void *on_stop_arg;
};
#define OL_WORK_OPTIONS(...) \
	(&(const struct ol_work_options){ \
	    .size = sizeof(struct ol_work_options), __VA_ARGS__ })

/*
 * Queue an item. options may be NULL. Items of one flavour start in the order
 * in which they were queued or became due. Returns 0, OL_ESTOPPING, OL_EFULL,
 * OL_EINVAL or OL_ENOMEM. On 0 data belongs to the item: free_data(data) runs
 * exactly once, in the thread that finished or dropped the item; of a lost one
 * (OL_ERROR_ITEM_LOST) only if it finishes yet. On an error data is still the
 * caller's.
 */
OL_PUBLIC int ol_queue_blocking(struct ol_app *app, ol_blocking_fn *fn,
    void *data, const struct ol_work_options *options);
OL_PUBLIC int ol_queue_async(struct ol_app *app, ol_async_fn *fn, void *data,
    const struct ol_work_options *options);

/*
 * The functions below take an item that has not finished: within its function,
 * or, async, until ol_work_done() was called.
 */

/*
 * Finish an async item; exactly once, from any thread. message (copied, may be
 * NULL) tells the error handler why it failed. A stop callback that is running
 * in another thread is waited for. The item is gone when this returns.
 */
OL_PUBLIC void ol_work_done(
    struct ol_work *work, enum ol_outcome outcome, const char *message);

/*
 * Say why a blocking item is about to return OL_FAIL; copied, the last one
 * counts. Without it the error handler hears "failed".
 */
OL_PUBLIC void ol_work_error(struct ol_work *work, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Non-zero once a stop has begun: finish, or save what there is. */
OL_PUBLIC int ol_work_stopping(const struct ol_work *work);

/* When the process will be ended; INT64_MAX: no stop, or one without a limit.
 */
OL_PUBLIC int64_t ol_work_deadline(const struct ol_work *work);

/*
 * A descriptor that can be read once a stop has begun, for poll(). It belongs
 * to the application: do not read or close it.
 */
OL_PUBLIC int ol_work_stop_fd(const struct ol_work *work);

/*
 * Call fn(work, arg) when a stop begins and whenever its deadline moves; soon,
 * if it has begun already. Replaces the callback set before; NULL: none.
 */
OL_PUBLIC void ol_work_on_stop(struct ol_work *work, ol_stop_fn *fn, void *arg);

/*
 * Ask that the stop wait for so many seconds from now. Returns the seconds now
 * left until the deadline, which are fewer when the limit of the pool
 * (shutdown_delay_max) is reached; -1 when there is no deadline to move.
 */
OL_PUBLIC long ol_work_extend(struct ol_work *work, long seconds);

/*
 * Tell how far the item is: percent 0 … 100, text for people (copied, one
 * line, may be NULL). Shown in errors and crash reports.
 */
OL_PUBLIC void ol_work_progress(
    struct ol_work *work, int percent, const char *text);

/* The item's name; never NULL. Borrowed. */
OL_PUBLIC const char *ol_work_name(const struct ol_work *work);

/* The application of an item. Borrowed. */
OL_PUBLIC struct ol_app *ol_work_app(const struct ol_work *work);

/* Items waiting, delayed or running at this moment. */
OL_PUBLIC size_t ol_app_items(struct ol_app *app);

/*
 * For an application's own tests, in place of ol_app_run(): run items until
 * none is left. Returns how many are left after ms. Delayed ones are waited
 * for. Main thread; may be called again.
 */
OL_PUBLIC size_t ol_test_drain(struct ol_app *app, int ms);

/*
 * For tests too: give the request handler one request, as nginx would, and
 * return its reply (headers, empty line, body; malloc'ed, terminated, length
 * in *size if not NULL), or NULL with errno set. params is "NAME=value"
 * strings, NULL-terminated; CONTENT_LENGTH is added. Runs in the caller's
 * thread.
 */
OL_PUBLIC char *ol_test_request(struct ol_app *app, const char *const *params,
    const void *body, size_t body_size, size_t *size);

#ifdef __cplusplus
}
#endif

#endif
