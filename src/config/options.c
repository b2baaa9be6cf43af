#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "config/conf.h"
#include "config/options.h"

#define IN_CONF(field)	 offsetof(struct ol_conf, field)
#define IN_POOL(field)	 offsetof(struct ol_conf_pool, field)
#define IN_TASK(field)	 offsetof(struct ol_conf_task, field)
#define IN_LISTEN(field) offsetof(struct ol_conf_listen, field)

/* Nobody means a longer time than this, nor more than that. */
#define YEAR	 (365 * OL_SEC(86400))
#define WEEK	 (7 * OL_SEC(86400)) /* OL_RETRY_MAX */
#define TERABYTE ((int64_t)1 << 40)

static const struct ol_option_choice accesses[] = {
	{ "client", OL_ACCESS_CLIENT },
	{ "app", OL_ACCESS_APP },
	{ "viewer", OL_ACCESS_VIEWER },
	{ "operator", OL_ACCESS_OPERATOR },
	{ .name = NULL },
};

/* A viewer submits nothing. */
static const struct ol_option_choice submitters[] = {
	{ "client", OL_ACCESS_CLIENT },
	{ "app", OL_ACCESS_APP },
	{ "operator", OL_ACCESS_OPERATOR },
	{ .name = NULL },
};

static const struct ol_option_choice durables[] = {
	{ "full", OL_DURABLE_FULL },
	{ "lazy", OL_DURABLE_LAZY },
	{ "off", OL_DURABLE_OFF },
	{ .name = NULL },
};

static const struct ol_option_choice retried[] = {
	{ "off", OL_RETRY_ON_NOTHING },
	{ "timeout", OL_RETRY_ON_TIMEOUT },
	{ .name = NULL },
};

static const struct ol_option_choice types[] = {
	{ "notify", OL_CONF_NOTIFY },
	{ "simple", OL_CONF_SIMPLE },
	{ .name = NULL },
};

static const struct ol_option_choice stop_signals[] = {
	{ "TERM", SIGTERM },
	{ "INT", SIGINT },
	{ "QUIT", SIGQUIT },
	{ "HUP", SIGHUP },
	{ "USR1", SIGUSR1 },
	{ "USR2", SIGUSR2 },
	{ "WINCH", SIGWINCH },
	{ .name = NULL },
};

static const struct ol_option_choice policies[] = {
	{ "refuse", 0 },
	{ .name = NULL },
};

#define LISTEN_PARAMETERS \
	{ "mode", OL_KIND_MODE, IN_LISTEN(mode), 0, 0777, "0660", NULL }, \
	    { "group", OL_KIND_GROUP, 0, 0, 0, NULL, NULL }, \
	{ \
		"backlog", OL_KIND_NUMBER, IN_LISTEN(backlog), 1, 65535, \
		    "1000", NULL \
	}

static const struct ol_option_parameter pool_parameters[] = {
	LISTEN_PARAMETERS,
	{ .name = NULL },
};

static const struct ol_option_parameter control_parameters[] = {
	{ "mode", OL_KIND_MODE, IN_LISTEN(mode), 0, 0777, "0600", NULL },
	{ "group", OL_KIND_GROUP, 0, 0, 0, NULL, NULL },
	{ .name = NULL },
};

static const struct ol_option_parameter api_parameters[] = {
	LISTEN_PARAMETERS,
	{ "access", OL_KIND_CHOICE, IN_LISTEN(access), 0, 0, NULL, accesses },
	{ .name = NULL },
};

static const struct ol_option_parameter recycle_parameters[] = {
	{ "time", OL_KIND_TIME, IN_POOL(recycle_time), OL_SEC(1), YEAR, NULL,
	    NULL },
	{ "requests", OL_KIND_NUMBER, IN_POOL(recycle_requests), 1, INT_MAX,
	    NULL, NULL },
	{ "memory", OL_KIND_SIZE, IN_POOL(recycle_memory), 1 << 20, TERABYTE,
	    NULL, NULL },
	{ "at", OL_KIND_CLOCK, IN_POOL(recycle_at), 0, 0, NULL, NULL },
	{ .name = NULL },
};

static const struct ol_option_parameter rapid_parameters[] = {
	{ "retry", OL_KIND_TIME, IN_POOL(rapid_retry), OL_SEC(1), YEAR, "1m",
	    NULL },
	{ .name = NULL },
};

static const struct ol_option_parameter retain_parameters[] = {
	{ "failed", OL_KIND_TIME, IN_CONF(store.retain_failed), OL_SEC(1), YEAR,
	    "30d", NULL },
	{ .name = NULL },
};

/* Less than a mebibyte of memory lets no program start. */
static const struct ol_option_parameter limit_parameters[] = {
	{ "memory", OL_KIND_SIZE, IN_TASK(limit.memory), 1 << 20, TERABYTE,
	    NULL, NULL },
	{ "processes", OL_KIND_NUMBER, IN_TASK(limit.processes), 1, 1000000,
	    NULL, NULL },
	{ "cpu", OL_KIND_TIME, IN_TASK(limit.cpu), OL_SEC(1), YEAR, NULL,
	    NULL },
	{ .name = NULL },
};

static const struct ol_option_parameter pool_limit_parameters[] = {
	{ "memory", OL_KIND_SIZE, IN_POOL(limit.memory), 1 << 20, TERABYTE,
	    NULL, NULL },
	{ "processes", OL_KIND_NUMBER, IN_POOL(limit.processes), 1, 1000000,
	    NULL, NULL },
	{ "cpu", OL_KIND_TIME, IN_POOL(limit.cpu), OL_SEC(1), YEAR, NULL,
	    NULL },
	{ .name = NULL },
};

static const struct ol_option_parameter backoff_parameters[] = {
	{ "max", OL_KIND_TIME, IN_TASK(backoff_max), OL_MSEC(1), WEEK, "1h",
	    NULL },
	{ .name = NULL },
};

static const struct ol_option rows[] = {
	{
	    .name = "include",
	    .context = OL_IN_MAIN | OL_IN_POOL | OL_IN_TASK | OL_IN_STORE,
	    .syntax = "FILE",
	    .kind = OL_KIND_INCLUDE,
	    .least = 1,
	    .most = 1,
	    .flags = OL_REPEATABLE | OL_RELOADABLE,
	    .help = "read FILE here; it may be a pattern",
	},
	{
	    .name = "pid",
	    .context = OL_IN_MAIN,
	    .syntax = "PATH",
	    .kind = OL_KIND_PATH,
	    .conf = IN_CONF(pid),
	    .least = 1,
	    .most = 1,
	    .standard = "/run/outlast/outlastd.pid",
	    .help = "the pid file; its folder holds the notify sockets",
	},
	{
	    .name = "log",
	    .context = OL_IN_MAIN,
	    .syntax =
		"stderr|syslog:|PATH [error|warn|notice|info|debug] [json]",
	    .kind = OL_KIND_LOG,
	    .conf = IN_CONF(logs),
	    .least = 1,
	    .most = 3,
	    .standard = "stderr notice",
	    .flags = OL_REPEATABLE | OL_RELOADABLE,
	    .help = "where the log goes, from which level on, as text or JSON",
	},
	{
	    .name = "user",
	    .context = OL_IN_MAIN,
	    .syntax = "NAME",
	    .kind = OL_KIND_USER,
	    .conf = IN_CONF(user),
	    .least = 1,
	    .most = 1,
	    .standard_shown =
		"outlast when started as root and there are tasks",
	    .help =
		"the account of outlastd where it keeps tasks; needs a start as root",
	},
	{
	    .name = "state",
	    .context = OL_IN_MAIN,
	    .syntax = "PATH",
	    .kind = OL_KIND_PATH,
	    .conf = IN_CONF(state),
	    .least = 1,
	    .most = 1,
	    .standard = "/var/lib/outlast",
	    .help = "the folder of everything that must outlive a restart",
	},
	{
	    .name = "control",
	    .context = OL_IN_MAIN,
	    .syntax = "unix:PATH [mode=0600] [group=NAME]",
	    .kind = OL_KIND_CONTROL,
	    .conf = IN_CONF(control),
	    .least = 1,
	    .most = 1,
	    .parameters = control_parameters,
	    .standard_shown = "control.sock beside the pid file, mode=0600",
	    .help = "where outlastctl finds outlastd",
	},
	{
	    .name = "listen",
	    .context = OL_IN_MAIN,
	    .syntax =
		"ADDRESS [mode=0660] [group=NAME] [backlog=1000] [access=client|app|viewer|operator]",
	    .kind = OL_KIND_LISTEN,
	    .conf = IN_CONF(listen),
	    .least = 1,
	    .most = 1,
	    .parameters = api_parameters,
	    .flags = OL_REPEATABLE | OL_RELOADABLE,
	    .help =
		"where the web server finds the task API: unix:PATH, HOST:PORT or *:PORT",
	},
	{
	    .name = "base",
	    .context = OL_IN_MAIN,
	    .syntax = "PATH",
	    .kind = OL_KIND_BASE,
	    .conf = IN_CONF(base),
	    .least = 1,
	    .most = 1,
	    .standard = "/tasks",
	    .flags = OL_RELOADABLE,
	    .help = "where the web server has the task API",
	},
	{
	    .name = "wait_max",
	    .context = OL_IN_MAIN,
	    .syntax = "TIME",
	    .kind = OL_KIND_TIME,
	    .conf = IN_CONF(wait_max),
	    .max = OL_SEC(3600),
	    .least = 1,
	    .most = 1,
	    .standard = "50s",
	    .flags = OL_RELOADABLE,
	    .help =
		"the longest wait for a task's end; less than the web server's patience",
	},
	{
	    .name = "timezone",
	    .context = OL_IN_MAIN,
	    .syntax = "NAME",
	    .kind = OL_KIND_ZONE,
	    .conf = IN_CONF(timezone),
	    .least = 1,
	    .most = 1,
	    .standard_shown = "the system's",
	    .flags = OL_RELOADABLE,
	    .help = "the time zone of clock times, such as Europe/Vienna",
	},
	{
	    .name = "store",
	    .context = OL_IN_MAIN,
	    .syntax = "sqlite { ... }",
	    .kind = OL_KIND_STORE,
	    .least = 1,
	    .most = 1,
	    .standard = "sqlite",
	    .help = "where tasks are kept, and for how long",
	},
	{
	    .name = "retain",
	    .context = OL_IN_STORE,
	    .syntax = "TIME [failed=TIME]",
	    .kind = OL_KIND_TIME,
	    .conf = IN_CONF(store.retain),
	    .min = OL_SEC(1),
	    .max = YEAR,
	    .least = 1,
	    .most = 1,
	    .parameters = retain_parameters,
	    .standard = "7d",
	    .standard_shown = "7d failed=30d",
	    .flags = OL_RELOADABLE,
	    .help = "so long an ended task is kept",
	},
	{
	    .name = "pool",
	    .context = OL_IN_MAIN,
	    .syntax = "NAME { ... }",
	    .kind = OL_KIND_POOL,
	    .least = 1,
	    .most = 1,
	    .flags = OL_REPEATABLE | OL_RELOADABLE,
	    .help = "a set of processes of one FastCGI program",
	},
	{
	    .name = "task",
	    .context = OL_IN_MAIN,
	    .syntax = "NAME { ... }",
	    .kind = OL_KIND_TASK,
	    .least = 1,
	    .most = 1,
	    .flags = OL_REPEATABLE | OL_RELOADABLE,
	    .help = "a type of task: what runs, and by which rules",
	},
	{
	    .name = "listen",
	    .context = OL_IN_POOL,
	    .syntax = "ADDRESS [mode=0660] [group=NAME] [backlog=1000]",
	    .kind = OL_KIND_LISTEN,
	    .pool = IN_POOL(listen),
	    .least = 1,
	    .most = 1,
	    .parameters = pool_parameters,
	    .flags = OL_REQUIRED | OL_RELOADABLE,
	    .help =
		"where the web server finds the pool: unix:PATH, HOST:PORT or *:PORT",
	},
	{
	    .name = "program",
	    .context = OL_IN_POOL,
	    .syntax = "PATH [ARGUMENT ...]",
	    .kind = OL_KIND_PROGRAM,
	    .pool = IN_POOL(program),
	    .least = 1,
	    .most = UINT_MAX,
	    .flags = OL_REQUIRED | OL_RELOADABLE,
	    .help = "the program that each process runs; no shell",
	},
	{
	    .name = "program",
	    .context = OL_IN_TASK,
	    .syntax = "PATH [ARGUMENT ...]",
	    .kind = OL_KIND_PROGRAM,
	    .task = IN_TASK(program),
	    .least = 1,
	    .most = UINT_MAX,
	    .flags = OL_RELOADABLE | OL_FOR_PROGRAM,
	    .foreign = "one of the two does the work",
	    .help =
		"the program that does the work: payload in, result out; no shell",
	},
	{
	    .name = "fastcgi_pass",
	    .context = OL_IN_TASK,
	    .syntax = "ADDRESS",
	    .kind = OL_KIND_BACKEND,
	    .task = IN_TASK(backend),
	    .least = 1,
	    .most = 1,
	    .flags = OL_RELOADABLE | OL_FOR_BACKEND,
	    .foreign = "one of the two does the work",
	    .help =
		"the FastCGI backend that does the work: unix:PATH or HOST:PORT",
	},
	{
	    .name = "fastcgi_param",
	    .context = OL_IN_TASK,
	    .syntax = "NAME VALUE",
	    .kind = OL_KIND_PARAM,
	    .task = IN_TASK(backend),
	    .least = 2,
	    .most = 2,
	    .flags = OL_REPEATABLE | OL_RELOADABLE | OL_FOR_BACKEND,
	    .foreign = "set a variable of the program with \"env\"",
	    .help =
		"a FastCGI parameter of every request, in place of a recorded one",
	},
	{
	    .name = "drop_param",
	    .context = OL_IN_TASK,
	    .syntax = "NAME ...",
	    .kind = OL_KIND_DROP,
	    .task = IN_TASK(backend),
	    .least = 1,
	    .most = UINT_MAX,
	    .flags = OL_REPEATABLE | OL_RELOADABLE | OL_FOR_BACKEND,
	    .foreign =
		"a program gets the parameters that \"context\" names, no others",
	    .help = "FastCGI parameters that are not recorded",
	},
	{
	    .name = "request",
	    .context = OL_IN_TASK,
	    .syntax = "METHOD URI [CONTENT_TYPE]",
	    .kind = OL_KIND_REQUEST,
	    .task = IN_TASK(backend),
	    .least = 2,
	    .most = 3,
	    .flags = OL_RELOADABLE | OL_FOR_BACKEND,
	    .foreign = "a program gets the payload, and no request",
	    .help =
		"the request of tasks that were submitted without one; the payload is its body",
	},
	{
	    .name = "retry_on",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "timeout|off",
	    .kind = OL_KIND_CHOICE,
	    .task = IN_TASK(retry_on),
	    .least = 1,
	    .most = 1,
	    .choices = retried,
	    .standard = "off",
	    .flags = OL_RELOADABLE | OL_FOR_BACKEND,
	    .foreign = "a program is ended at its timeout, and retried",
	    .help = "whether a backend's time limit is retried",
	},
	{
	    .name = "result_type",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "TYPE",
	    .kind = OL_KIND_TYPE,
	    .task = IN_TASK(result_type),
	    .least = 1,
	    .most = 1,
	    .standard = "application/octet-stream",
	    .flags = OL_RELOADABLE | OL_FOR_PROGRAM,
	    .foreign = "the reply of a backend has its Content-Type",
	    .help = "the media type of what the program writes",
	},
	{
	    .name = "type",
	    .context = OL_IN_POOL,
	    .syntax = "notify|simple",
	    .kind = OL_KIND_CHOICE,
	    .pool = IN_POOL(type),
	    .least = 1,
	    .most = 1,
	    .choices = types,
	    .standard = "notify",
	    .flags = OL_RELOADABLE,
	    .help =
		"whether the program says READY=1 (sd_notify), or is any FastCGI program",
	},
	{
	    .name = "stop_signal",
	    .context = OL_IN_POOL,
	    .syntax = "TERM|INT|QUIT|HUP|USR1|USR2|WINCH",
	    .kind = OL_KIND_CHOICE,
	    .pool = IN_POOL(stop_signal),
	    .least = 1,
	    .most = 1,
	    .choices = stop_signals,
	    .standard = "TERM",
	    .flags = OL_RELOADABLE,
	    .help = "the signal that tells a process to leave",
	},
	{
	    .name = "processes",
	    .context = OL_IN_POOL,
	    .syntax = "NUMBER",
	    .kind = OL_KIND_NUMBER,
	    .pool = IN_POOL(processes),
	    .min = 1,
	    .max = 1000,
	    .least = 1,
	    .most = 1,
	    .standard = "1",
	    .flags = OL_RELOADABLE,
	    .help = "how many processes serve at once",
	},
	{
	    .name = "user",
	    .context = OL_IN_POOL | OL_IN_TASK,
	    .syntax = "NAME",
	    .kind = OL_KIND_USER,
	    .pool = IN_POOL(user),
	    .task = IN_TASK(user),
	    .least = 1,
	    .most = 1,
	    .standard_shown = "outlast-run when started as root",
	    .flags = OL_RELOADABLE | OL_FOR_PROGRAM,
	    .foreign = "a backend has an account of its own",
	    .help = "the account of the processes; needs a start as root",
	},
	{
	    .name = "directory",
	    .context = OL_IN_POOL,
	    .syntax = "PATH",
	    .kind = OL_KIND_PATH,
	    .pool = IN_POOL(directory),
	    .least = 1,
	    .most = 1,
	    .standard = "/",
	    .flags = OL_RELOADABLE,
	    .help = "the working folder of the processes",
	},
	{
	    .name = "directory",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "PATH|scratch",
	    .kind = OL_KIND_DIRECTORY,
	    .task = IN_TASK(directory),
	    .least = 1,
	    .most = 1,
	    .standard = "scratch",
	    .flags = OL_RELOADABLE | OL_FOR_PROGRAM,
	    .foreign = "a backend runs where it was started",
	    .help =
		"the working folder of the program; scratch: an empty one for each attempt",
	},
	{
	    .name = "env",
	    .context = OL_IN_POOL | OL_IN_TASK,
	    .syntax = "NAME VALUE",
	    .kind = OL_KIND_ENV,
	    .pool = IN_POOL(env),
	    .task = IN_TASK(env),
	    .least = 2,
	    .most = 2,
	    .flags = OL_REPEATABLE | OL_RELOADABLE | OL_FOR_PROGRAM,
	    .foreign = "set a parameter of the request with \"fastcgi_param\"",
	    .help = "a variable in the environment of the processes",
	},
	{
	    .name = "context",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "NAME ...",
	    .kind = OL_KIND_CONTEXT,
	    .task = IN_TASK(context),
	    .least = 1,
	    .most = UINT_MAX,
	    .flags = OL_RELOADABLE,
	    .help =
		"FastCGI parameters of the submitting request that travel with the task",
	},
	{
	    .name = "limit",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "[memory=SIZE] [processes=NUMBER] [cpu=TIME]",
	    .kind = OL_KIND_SET,
	    .task = IN_TASK(limit),
	    .parameters = limit_parameters,
	    .flags = OL_RELOADABLE | OL_FOR_PROGRAM,
	    .foreign = "what a backend may use is said where it is started",
	    .help = "what each process of the program may use",
	},
	{
	    .name = "limit",
	    .context = OL_IN_POOL,
	    .syntax = "[memory=SIZE] [processes=NUMBER] [cpu=TIME]",
	    .kind = OL_KIND_SET,
	    .pool = IN_POOL(limit),
	    .parameters = pool_limit_parameters,
	    .flags = OL_RELOADABLE,
	    .help = "what each process may use",
	},
	{
	    .name = "timeout",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "TIME",
	    .kind = OL_KIND_TIME,
	    .task = IN_TASK(timeout),
	    .min = OL_MSEC(1),
	    .max = YEAR,
	    .least = 1,
	    .most = 1,
	    .standard = "5m",
	    .flags = OL_RELOADABLE,
	    .help = "an attempt that runs longer is ended",
	},
	{
	    .name = "shutdown_delay",
	    .context = OL_IN_MAIN | OL_IN_POOL | OL_IN_TASK,
	    .syntax = "TIME",
	    .kind = OL_KIND_TIME,
	    .conf = IN_CONF(shutdown_delay),
	    .pool = IN_POOL(shutdown_delay),
	    .task = IN_TASK(shutdown_delay),
	    .max = YEAR,
	    .least = 1,
	    .most = 1,
	    .standard = "90s",
	    .flags = OL_RELOADABLE,
	    .help = "the budget to finish work after a stop or a recycle began",
	},
	{
	    .name = "shutdown_delay_max",
	    .context = OL_IN_MAIN | OL_IN_POOL,
	    .syntax = "TIME",
	    .kind = OL_KIND_TIME,
	    .conf = IN_CONF(shutdown_delay_max),
	    .pool = IN_POOL(shutdown_delay_max),
	    .max = YEAR,
	    .least = 1,
	    .most = 1,
	    .standard_shown = "shutdown_delay",
	    .flags = OL_RELOADABLE,
	    .help = "how far the budget may be extended",
	},
	{
	    .name = "kill_grace",
	    .context = OL_IN_MAIN | OL_IN_POOL | OL_IN_TASK,
	    .syntax = "TIME",
	    .kind = OL_KIND_TIME,
	    .conf = IN_CONF(kill_grace),
	    .pool = IN_POOL(kill_grace),
	    .task = IN_TASK(kill_grace),
	    .max = YEAR,
	    .least = 1,
	    .most = 1,
	    .standard = "10s",
	    .flags = OL_RELOADABLE,
	    .help = "so long between the last call and the end",
	},
	{
	    .name = "startup_time_limit",
	    .context = OL_IN_MAIN | OL_IN_POOL,
	    .syntax = "TIME",
	    .kind = OL_KIND_TIME,
	    .pool = IN_POOL(startup_time_limit),
	    .min = OL_SEC(1),
	    .max = YEAR,
	    .least = 1,
	    .most = 1,
	    .standard = "90s",
	    .flags = OL_RELOADABLE,
	    .help = "a process that is not ready by then is ended",
	},
	{
	    .name = "ping_interval",
	    .context = OL_IN_MAIN | OL_IN_POOL,
	    .syntax = "TIME|off",
	    .kind = OL_KIND_TIME_OFF,
	    .pool = IN_POOL(ping_interval),
	    .min = OL_MSEC(100),
	    .max = YEAR,
	    .least = 1,
	    .most = 1,
	    .standard = "30s",
	    .flags = OL_RELOADABLE,
	    .help = "so often a process is to say that it is alive",
	},
	{
	    .name = "ping_response_time",
	    .context = OL_IN_MAIN | OL_IN_POOL,
	    .syntax = "TIME",
	    .kind = OL_KIND_TIME,
	    .pool = IN_POOL(ping_response_time),
	    .min = OL_MSEC(200),
	    .max = YEAR,
	    .least = 1,
	    .most = 1,
	    .standard = "90s",
	    .flags = OL_RELOADABLE,
	    .help = "a process that is silent for so long is killed",
	},
	{
	    .name = "rapid_fail",
	    .context = OL_IN_POOL,
	    .syntax = "NUMBER TIME [retry=TIME]|off",
	    .kind = OL_KIND_RAPID,
	    .pool = IN_POOL(rapid_crashes),
	    .min = 1,
	    .max = 100, /* OL_RAPID_MOST */
	    .least = 1,
	    .most = 2,
	    .parameters = rapid_parameters,
	    .standard = "5 5m",
	    .standard_shown = "5 5m retry=1m",
	    .flags = OL_RELOADABLE,
	    .help =
		"so many crashes in that time stop the pool; then one process is tried now and then",
	},
	{
	    .name = "idle_timeout",
	    .context = OL_IN_POOL,
	    .syntax = "TIME|off",
	    .kind = OL_KIND_TIME_OFF,
	    .pool = IN_POOL(idle_timeout),
	    .min = OL_SEC(1),
	    .max = YEAR,
	    .least = 1,
	    .most = 1,
	    .standard = "off",
	    .flags = OL_RELOADABLE,
	    .help =
		"a pool without requests and work items for so long ends; the next request starts it",
	},
	{
	    .name = "overlap",
	    .context = OL_IN_POOL,
	    .syntax = "on|off",
	    .kind = OL_KIND_SWITCH,
	    .pool = IN_POOL(overlap),
	    .least = 1,
	    .most = 1,
	    .standard = "on",
	    .flags = OL_RELOADABLE,
	    .help =
		"whether the successor of a process serves before that one leaves",
	},
	{
	    .name = "recycle",
	    .context = OL_IN_POOL,
	    .syntax =
		"[time=TIME] [requests=NUMBER] [memory=SIZE] [at=HH:MM,...]",
	    .kind = OL_KIND_SET,
	    .pool = IN_POOL(recycle_time),
	    .parameters = recycle_parameters,
	    .flags = OL_RELOADABLE,
	    .help =
		"replace each process at that age, after so many requests, at that size, at that time of day",
	},
	{
	    .name = "on_crash",
	    .context = OL_IN_POOL,
	    .syntax = "PROGRAM [ARGUMENT ...]",
	    .kind = OL_KIND_PROGRAM,
	    .pool = IN_POOL(on_crash),
	    .least = 1,
	    .most = UINT_MAX,
	    .flags = OL_RELOADABLE,
	    .help = "a program that gets the report of each crash; no shell",
	},
	{
	    .name = "retries",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "NUMBER",
	    .kind = OL_KIND_NUMBER,
	    .task = IN_TASK(retries),
	    .max = 1000,
	    .least = 1,
	    .most = 1,
	    .standard = "3",
	    .standard_shown = "3; 0 with fastcgi_pass",
	    .flags = OL_RELOADABLE,
	    .help = "attempts after the first",
	},
	{
	    .name = "backoff",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "exponential TIME [max=1h]|fixed TIME",
	    .kind = OL_KIND_BACKOFF,
	    .task = IN_TASK(backoff),
	    .min = OL_MSEC(1),
	    .max = WEEK,
	    .least = 2,
	    .most = 2,
	    .parameters = backoff_parameters,
	    .standard = "exponential 15s",
	    .standard_shown = "exponential 15s max=1h",
	    .flags = OL_RELOADABLE,
	    .help = "how long to wait before each retry",
	},
	{
	    .name = "concurrency",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "NUMBER",
	    .kind = OL_KIND_NUMBER,
	    .task = IN_TASK(concurrency),
	    .min = 1,
	    .max = 1000,
	    .least = 1,
	    .most = 1,
	    .standard = "1",
	    .flags = OL_RELOADABLE,
	    .help = "how many tasks of the type run at once",
	},
	{
	    .name = "max_waiting",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "NUMBER",
	    .kind = OL_KIND_NUMBER,
	    .task = IN_TASK(max_waiting),
	    .min = 1,
	    .max = 10000000,
	    .least = 1,
	    .most = 1,
	    .standard = "10000",
	    .flags = OL_RELOADABLE,
	    .help = "how many tasks of the type may wait",
	},
	{
	    .name = "when_full",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "refuse",
	    .kind = OL_KIND_CHOICE,
	    .least = 1,
	    .most = 1,
	    .choices = policies,
	    .standard = "refuse",
	    .flags = OL_RELOADABLE,
	    .help = "what happens to a submit when so many wait",
	},
	{
	    .name = "durable",
	    .context = OL_IN_MAIN | OL_IN_TASK | OL_IN_STORE,
	    .syntax = "full|lazy|off",
	    .kind = OL_KIND_CHOICE,
	    .task = IN_TASK(durable),
	    .least = 1,
	    .most = 1,
	    .choices = durables,
	    .standard = "full",
	    .flags = OL_RELOADABLE,
	    .help =
		"whether a task is on disk before its submit is answered, soon after, or never",
	},
	{
	    .name = "max_payload",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "SIZE",
	    .kind = OL_KIND_SIZE,
	    .task = IN_TASK(max_payload),
	    .max = TERABYTE,
	    .least = 1,
	    .most = 1,
	    .standard = "1m",
	    .flags = OL_RELOADABLE,
	    .help = "the largest payload of a submit",
	},
	{
	    .name = "max_result",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "SIZE",
	    .kind = OL_KIND_SIZE,
	    .task = IN_TASK(max_result),
	    .max = TERABYTE,
	    .least = 1,
	    .most = 1,
	    .standard = "10m",
	    .flags = OL_RELOADABLE,
	    .help = "the largest result",
	},
	{
	    .name = "expires",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "TIME|off",
	    .kind = OL_KIND_TIME_OFF,
	    .task = IN_TASK(expires),
	    .min = OL_MSEC(1),
	    .max = YEAR,
	    .least = 1,
	    .most = 1,
	    .standard = "off",
	    .flags = OL_RELOADABLE,
	    .help = "a task that could not start in this time fails",
	},
	{
	    .name = "priority",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "NUMBER",
	    .kind = OL_KIND_NUMBER,
	    .task = IN_TASK(priority),
	    .min = -100,
	    .max = 100,
	    .least = 1,
	    .most = 1,
	    .standard = "0",
	    .flags = OL_RELOADABLE,
	    .help = "tasks of a higher one start first",
	},
	{
	    .name = "poison_after",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "NUMBER|off",
	    .kind = OL_KIND_NUMBER_OFF,
	    .task = IN_TASK(poison_after),
	    .min = 1,
	    .max = 255,
	    .least = 1,
	    .most = 1,
	    .standard = "3",
	    .flags = OL_RELOADABLE,
	    .help =
		"a task at whose work something crashed so often is set apart",
	},
	{
	    .name = "methods",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "METHOD ...",
	    .kind = OL_KIND_METHODS,
	    .task = IN_TASK(methods),
	    .least = 1,
	    .most = UINT_MAX,
	    .standard = "POST",
	    .standard_shown =
		"POST; GET POST PUT PATCH DELETE with fastcgi_pass",
	    .flags = OL_RELOADABLE,
	    .help = "the HTTP methods that submit",
	},
	{
	    .name = "submit_by",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "client|app|operator",
	    .kind = OL_KIND_CHOICE,
	    .task = IN_TASK(submit_by),
	    .least = 1,
	    .most = 1,
	    .choices = submitters,
	    .standard = "client",
	    .flags = OL_RELOADABLE,
	    .help = "the least access that may submit",
	},
	{
	    .name = "client_cancel",
	    .context = OL_IN_MAIN | OL_IN_TASK,
	    .syntax = "on|off",
	    .kind = OL_KIND_SWITCH,
	    .task = IN_TASK(client_cancel),
	    .least = 1,
	    .most = 1,
	    .standard = "off",
	    .flags = OL_RELOADABLE,
	    .help = "whether a client may cancel its task",
	},
};

enum { NROWS = sizeof(rows) / sizeof(rows[0]) };

const struct ol_option *
ol_options_row(size_t i)
{
	return i < NROWS ? &rows[i] : NULL;
}

size_t
ol_options_size(void)
{
	return NROWS;
}

size_t
ol_options_index(const struct ol_option *option)
{
	return (size_t)(option - rows);
}

const struct ol_option *
ol_options_find_in(const char *name, unsigned contexts)
{
	size_t i;

	for (i = 0; i < NROWS; i++)
		if ((rows[i].context & contexts) != 0 &&
		    strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

const struct ol_option *
ol_options_find(const char *name)
{
	return ol_options_find_in(name, OL_IN_ANY);
}

unsigned
ol_options_contexts(const char *name)
{
	unsigned contexts = 0;
	size_t i;

	for (i = 0; i < NROWS; i++)
		if (strcmp(rows[i].name, name) == 0)
			contexts |= rows[i].context;
	return contexts;
}

const struct ol_option *
ol_options_nearest(const char *name, unsigned contexts)
{
	const char *names[NROWS], *nearest;
	size_t i, n = 0;

	for (i = 0; i < NROWS; i++)
		if ((rows[i].context & contexts) != 0)
			names[n++] = rows[i].name;
	nearest = ol_text_nearest(name, names, n);
	return nearest != NULL ? ol_options_find_in(nearest, contexts) : NULL;
}

bool
ol_options_is_foreign(const struct ol_option *option, bool backend)
{
	return (option->flags & (backend ? OL_FOR_PROGRAM : OL_FOR_BACKEND)) !=
	       0;
}

bool
ol_options_is_block(const struct ol_option *option)
{
	return option->kind == OL_KIND_POOL || option->kind == OL_KIND_TASK ||
	       option->kind == OL_KIND_STORE;
}

struct ol_options_text
ol_options_context(const struct ol_option *option)
{
	static const char *const names[] = { "main", "pool", "task", "store" };
	struct ol_options_text text = { "" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((option->context & 1u << i) == 0)
			continue;
		if (*text.text != '\0')
			strlcat(text.text, ",", sizeof(text.text));
		strlcat(text.text, names[i], sizeof(text.text));
	}
	return text;
}
