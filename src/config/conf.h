/*
 * The configuration as outlastd's processes use it: checked, with defaults
 * filled in. Made whole from files (ol_conf_load) or not at all; read-only
 * afterwards. config/ opens no socket and changes nothing on disk.
 */
#ifndef OL_CONFIG_CONF_H
#define OL_CONFIG_CONF_H

#include <sys/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <bsd/sys/queue.h>

#include "base/addr.h"
#include "base/log.h"

struct ol_directive;
struct ol_reading;

/*
 * What a request may do. Not a ladder: an app submits but lists nothing, a
 * viewer lists but submits nothing.
 */
enum ol_access {
	OL_ACCESS_CLIENT,   /* one task, by its id */
	OL_ACCESS_APP,	    /* submit anything, read and cancel any by id */
	OL_ACCESS_VIEWER,   /* read all */
	OL_ACCESS_OPERATOR, /* everything */
	OL_ACCESS_LEVELS
};

/* "client", "app", "viewer", "operator" */
const char *ol_access_name(enum ol_access);

struct ol_conf_listen {
	char *text; /* as written: "unix:/run/outlast/shop.sock" */
	struct ol_addr addr;
	mode_t mode; /* unix only; default 0660 */
	char *group; /* unix only; NULL: unchanged */
	gid_t gid;   /* of group; (gid_t)-1 without one */
	int backlog; /* default 1000 */
	/* Of the task API's; default app on a unix socket, client on TCP. */
	enum ol_access access;
};

struct ol_conf_env {
	char *name;
	char *value;
};

/* What a pool's program knows of us: sd_notify, or nothing. */
enum ol_conf_type { OL_CONF_NOTIFY, OL_CONF_SIMPLE };

enum { OL_CONF_CLOCK_MAX = 24 };

/* Times of the day, in order: minutes since midnight. */
struct ol_conf_clock {
	int n;
	short minutes[OL_CONF_CLOCK_MAX];
};

/* For each process of a pool, or of a task's program; 0: as it is. */
struct ol_conf_limit {
	int64_t memory; /* bytes */
	int processes;
	int64_t cpu; /* nanoseconds */
};

/* One pool block. Times are nanoseconds. */
struct ol_conf_pool {
	TAILQ_ENTRY(ol_conf_pool) link;
	char *name;
	struct ol_conf_listen listen;
	char **program; /* argv, NULL-terminated; [0] is an absolute path */
	enum ol_conf_type type;
	unsigned stop_signal; /* default SIGTERM */
	int processes;
	char *user; /* NULL: the master's own (not started as root) */
	uid_t uid;  /* of user; (uid_t)-1 without one */
	gid_t gid;
	char *directory; /* default "/" */
	struct ol_conf_env *env;
	size_t nenv;
	struct ol_conf_limit limit;
	int64_t shutdown_delay;
	int64_t shutdown_delay_max; /* >= shutdown_delay */
	int64_t kill_grace;
	int64_t startup_time_limit;
	int64_t ping_interval;	    /* 0: no pings */
	int64_t ping_response_time; /* >= 2 * ping_interval */
	/* So many crashes (0: off) within the window stop the pool; then one
	 * process is tried so often. */
	int rapid_crashes;
	int64_t rapid_window, rapid_retry;
	int64_t idle_timeout; /* 0: off */
	bool overlap;	      /* default on */
	/* When a process is replaced; each 0, or none: off. */
	int64_t recycle_time;		  /* its age */
	int recycle_requests;		  /* that it has answered */
	int64_t recycle_memory;		  /* bytes of it in memory */
	struct ol_conf_clock recycle_at;  /* local time */
	char **on_crash;		  /* argv, as program; NULL: none */
	const struct ol_directive *block; /* as written; the reading's */
};

TAILQ_HEAD(ol_conf_pools, ol_conf_pool);

enum ol_durable { OL_DURABLE_OFF, OL_DURABLE_LAZY, OL_DURABLE_FULL };

/* Methods that submit, as a set. */
enum {
	OL_METHOD_GET = 1,
	OL_METHOD_POST = 2,
	OL_METHOD_PUT = 4,
	OL_METHOD_PATCH = 8,
	OL_METHOD_DELETE = 16,
};

/* Which ends of an attempt are retried that are not by themselves. */
enum ol_retry_on { OL_RETRY_ON_NOTHING, OL_RETRY_ON_TIMEOUT };

/* Where the requests of a task go, and what of them. */
struct ol_conf_backend {
	char *text; /* as written: "unix:/run/php/php8.2-fpm.sock" */
	struct ol_addr addr;
	/* fastcgi_param: set in every request, in place of a recorded one. */
	struct ol_conf_env *params;
	size_t nparams;
	/* drop_param: never recorded. */
	char **drop;
	size_t ndrop;
	/*
	 * request: for tasks that were submitted without one. method NULL:
	 * there is none, and such a submit is refused.
	 */
	char *method, *uri;
	char *content_type; /* NULL: the payload's own */
};

/* One task block. Times are nanoseconds, sizes bytes. */
struct ol_conf_task {
	TAILQ_ENTRY(ol_conf_task) link;
	char *name;
	/* Who does the work: exactly one of program and backend is there. */
	char **program; /* argv, NULL-terminated; [0] is an absolute path */
	struct ol_conf_backend *backend; /* fastcgi_pass; NULL: none */
	char *result_type; /* of a program; default application/octet-stream */
	char *user;	   /* NULL: the daemon's own (not started as root) */
	uid_t uid;	   /* of user; (uid_t)-1 without one */
	gid_t gid;
	char *directory; /* NULL: "scratch", an empty folder per attempt */
	struct ol_conf_env *env;
	size_t nenv;
	struct ol_conf_limit limit;
	int64_t timeout;	/* default 5m */
	int64_t shutdown_delay; /* <= that of the main context */
	int64_t kill_grace;
	int retries;		   /* default 3; with fastcgi_pass 0 */
	enum ol_retry_on retry_on; /* of a backend's task */
	bool backoff_exponential;
	int64_t backoff, backoff_max; /* default exponential 15s max=1h */
	int concurrency;	      /* default 1 */
	int max_waiting;	      /* default 10000 */
	enum ol_durable durable;
	int64_t max_payload, max_result; /* default 1m, 10m */
	int64_t expires;		 /* 0: off */
	int priority;
	int poison_after; /* 0: off */
	unsigned methods; /* default OL_METHOD_POST; with fastcgi_pass all */
	enum ol_access submit_by; /* default client */
	bool client_cancel;
	/*
	 * FastCGI parameters that travel with the task, as they are to be
	 * called in its environment: "REQUEST_ID", "REMOTE_ADDR".
	 */
	char **context;
	size_t ncontext;
	const struct ol_directive *block; /* as written; the reading's */
};

TAILQ_HEAD(ol_conf_tasks, ol_conf_task);

/* The store block. */
struct ol_conf_store {
	int64_t retain;	       /* ended ones are kept so long; default 7d */
	int64_t retain_failed; /* failed and poisoned ones; default 30d */
};

struct ol_conf {
	char *file; /* the main file, as given */
	/* Its folder also holds the notify sockets and crash reports. */
	char *pid;
	struct ol_log_sink *logs; /* paths owned by this struct */
	size_t nlogs;
	char *user; /* the engine's; NULL: the master's own (not root) */
	uid_t uid;  /* of user; (uid_t)-1 without one */
	gid_t gid;
	struct ol_conf_listen control; /* no backlog, no access */
	char *state;		       /* folder; default /var/lib/outlast */
	struct ol_conf_listen *listen; /* of the task API */
	size_t nlisten;
	char *base;	  /* of the task API's paths; default /tasks */
	int64_t wait_max; /* ceiling of Prefer: wait; default 50s */
	char *timezone;	  /* of clock times; NULL: the system's */
	int64_t shutdown_delay, shutdown_delay_max; /* the whole stop's */
	int64_t kill_grace;
	struct ol_conf_store store;
	struct ol_conf_tasks tasks; /* without one, there is no engine */
	struct ol_conf_pools pools;
	struct ol_reading *reading; /* the files, to place later errors */
};

/*
 * Read file, then the directives in extra (outlastd -g; NULL for none). One in
 * extra takes the place of all of that name at the file's top level; pools in
 * extra are added. Writes every error and warning found to errors, in the
 * form FILE:LINE:COLUMN with the line (colour when told to), and returns NULL
 * if there was one error at least. NULL errors: nothing is written. The caller
 * owns the result.
 */
struct ol_conf *ol_conf_load(
    const char *file, const char *extra, FILE *errors, bool colour);

/*
 * Read len bytes that ol_conf_dump() wrote, in another process perhaps: users
 * and groups are looked up again, and need no root here. Errors are those of a
 * file called "configuration". Else as ol_conf_load().
 */
struct ol_conf *ol_conf_load_text(const char *text, size_t len, FILE *errors);

void ol_conf_free(struct ol_conf *);

/*
 * Check what the configuration names in the world: programs executable by the
 * user of the pool or task, folders there and writable, log files, sockets of
 * backends open to us. Writes one line per problem, placed like an error of the
 * reader; returns their number. Warnings are written and not counted. For -t.
 */
int ol_conf_check_world(const struct ol_conf *, FILE *errors, bool colour);

/*
 * Write the merged configuration with every default, one directive a line, in
 * the table's order. ol_conf_load_text() makes the same configuration of it.
 * Secrets are in it: for our own processes alone.
 */
void ol_conf_dump(const struct ol_conf *, FILE *out);

/* The same for people (outlastd -T): secrets are masked. */
void ol_conf_dump_masked(const struct ol_conf *, FILE *out);

/*
 * Write the option table, one row a line, tab-separated: name, context ("main",
 * "pool", "task", "store", joined by commas), syntax, default ("-": none),
 * flags
 * ("required", "repeatable", "reloadable", joined by commas; "-": none), help.
 * A name that means another thing in another context has a row for each.
 */
void ol_conf_print_table(FILE *out);

/*
 * Call fn for each directive of the top level and of the store block that says
 * something else in now than in old, with whether a reload applies it.
 */
void ol_conf_differences(const struct ol_conf *old, const struct ol_conf *now,
    void (*fn)(void *arg, const char *directive, bool reloadable), void *arg);

/* Whether two blocks say the same. */
bool ol_conf_same_pool(
    const struct ol_conf_pool *, const struct ol_conf_pool *);
bool ol_conf_same_task(
    const struct ol_conf_task *, const struct ol_conf_task *);

/*
 * Whether a process started for one block may serve on under the other: they
 * may differ in the number of processes, in the listener's mode, group and
 * backlog, and in the times that only the master keeps (recycle, kill_grace,
 * startup_time_limit, ping_response_time), and in on_crash.
 */
bool ol_conf_pool_same_process(
    const struct ol_conf_pool *, const struct ol_conf_pool *);

#endif
