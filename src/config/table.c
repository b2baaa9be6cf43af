#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "config/conf.h"
#include "config/table.h"

#define IN_CONF(field) offsetof(struct ol_conf, field)
#define IN_POOL(field) offsetof(struct ol_conf_pool, field)

/* Nobody means a longer time than this. */
#define YEAR (365 * OL_SEC(86400))

static const struct ol_option_parameter listen_parameters[] = {
	{ "mode", OL_KIND_MODE, IN_POOL(listen.mode), 0, 0777, "0660" },
	{ "group", OL_KIND_GROUP, IN_POOL(listen), 0, 0, NULL },
	{ "backlog", OL_KIND_NUMBER, IN_POOL(listen.backlog), 1, 65535,
	    "1000" },
	{ .name = NULL },
};

static const struct ol_option_parameter recycle_parameters[] = {
	{ "time", OL_KIND_TIME, IN_POOL(recycle_time), OL_SEC(1), YEAR, NULL },
	{ .name = NULL },
};

static const struct ol_option rows[] = {
	{
	    .name = "include",
	    .context = OL_IN_MAIN | OL_IN_POOL,
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
	    .offset = IN_CONF(pid),
	    .least = 1,
	    .most = 1,
	    .standard = "/run/outlast/outlastd.pid",
	    .help = "the pid file; its folder holds the notify sockets",
	},
	{
	    .name = "log",
	    .context = OL_IN_MAIN,
	    .syntax = "stderr|syslog:|PATH [error|warn|notice|info|debug] "
		      "[json]",
	    .kind = OL_KIND_LOG,
	    .offset = IN_CONF(logs),
	    .least = 1,
	    .most = 3,
	    .standard = "stderr notice",
	    .flags = OL_REPEATABLE | OL_RELOADABLE,
	    .help = "where the log goes, from which level on, as text or JSON",
	},
	{
	    .name = "pool",
	    .context = OL_IN_MAIN,
	    .syntax = "NAME { ... }",
	    .kind = OL_KIND_POOL,
	    .least = 1,
	    .most = 1,
	    .flags = OL_REQUIRED | OL_REPEATABLE | OL_RELOADABLE,
	    .help = "a set of processes of one FastCGI program",
	},
	{
	    .name = "listen",
	    .context = OL_IN_POOL,
	    .syntax = "ADDRESS [mode=0660] [group=NAME] [backlog=1000]",
	    .kind = OL_KIND_LISTEN,
	    .offset = IN_POOL(listen),
	    .least = 1,
	    .most = 1,
	    .parameters = listen_parameters,
	    .flags = OL_REQUIRED | OL_RELOADABLE,
	    .help = "where the web server finds the pool: unix:PATH, "
		    "HOST:PORT or *:PORT",
	},
	{
	    .name = "program",
	    .context = OL_IN_POOL,
	    .syntax = "PATH [ARGUMENT ...]",
	    .kind = OL_KIND_PROGRAM,
	    .offset = IN_POOL(program),
	    .least = 1,
	    .most = UINT_MAX,
	    .flags = OL_REQUIRED | OL_RELOADABLE,
	    .help = "the program that each process runs; no shell",
	},
	{
	    .name = "processes",
	    .context = OL_IN_POOL,
	    .syntax = "NUMBER",
	    .kind = OL_KIND_NUMBER,
	    .offset = IN_POOL(processes),
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
	    .context = OL_IN_POOL,
	    .syntax = "NAME",
	    .kind = OL_KIND_USER,
	    .offset = IN_POOL(user),
	    .least = 1,
	    .most = 1,
	    .standard_shown = "outlast-run when started as root",
	    .flags = OL_RELOADABLE,
	    .help = "the account of the processes; needs a start as root",
	},
	{
	    .name = "directory",
	    .context = OL_IN_POOL,
	    .syntax = "PATH",
	    .kind = OL_KIND_PATH,
	    .offset = IN_POOL(directory),
	    .least = 1,
	    .most = 1,
	    .standard = "/",
	    .flags = OL_RELOADABLE,
	    .help = "the working folder of the processes",
	},
	{
	    .name = "env",
	    .context = OL_IN_POOL,
	    .syntax = "NAME VALUE",
	    .kind = OL_KIND_ENV,
	    .offset = IN_POOL(env),
	    .least = 2,
	    .most = 2,
	    .flags = OL_REPEATABLE | OL_RELOADABLE,
	    .help = "a variable in the environment of the processes",
	},
	{
	    .name = "shutdown_delay",
	    .context = OL_IN_MAIN | OL_IN_POOL,
	    .syntax = "TIME",
	    .kind = OL_KIND_TIME,
	    .offset = IN_POOL(shutdown_delay),
	    .max = YEAR,
	    .least = 1,
	    .most = 1,
	    .standard = "90s",
	    .flags = OL_RELOADABLE,
	    .help = "the budget of a process to finish its work after a stop "
		    "or a recycle began",
	},
	{
	    .name = "shutdown_delay_max",
	    .context = OL_IN_MAIN | OL_IN_POOL,
	    .syntax = "TIME",
	    .kind = OL_KIND_TIME,
	    .offset = IN_POOL(shutdown_delay_max),
	    .max = YEAR,
	    .least = 1,
	    .most = 1,
	    .standard_shown = "shutdown_delay",
	    .flags = OL_RELOADABLE,
	    .help = "how far a process may extend its budget",
	},
	{
	    .name = "kill_grace",
	    .context = OL_IN_MAIN | OL_IN_POOL,
	    .syntax = "TIME",
	    .kind = OL_KIND_TIME,
	    .offset = IN_POOL(kill_grace),
	    .max = YEAR,
	    .least = 1,
	    .most = 1,
	    .standard = "10s",
	    .flags = OL_RELOADABLE,
	    .help = "so long before the end of the budget comes the last call",
	},
	{
	    .name = "startup_time_limit",
	    .context = OL_IN_MAIN | OL_IN_POOL,
	    .syntax = "TIME",
	    .kind = OL_KIND_TIME,
	    .offset = IN_POOL(startup_time_limit),
	    .min = OL_SEC(1),
	    .max = YEAR,
	    .least = 1,
	    .most = 1,
	    .standard = "90s",
	    .flags = OL_RELOADABLE,
	    .help = "a process that is not ready by then is ended",
	},
	{
	    .name = "recycle",
	    .context = OL_IN_POOL,
	    .syntax = "time=TIME",
	    .kind = OL_KIND_SET,
	    .parameters = recycle_parameters,
	    .flags = OL_RELOADABLE,
	    .help = "replace each process at that age",
	},
};

enum { NROWS = sizeof(rows) / sizeof(rows[0]) };

const struct ol_option *
ol_table_row(size_t i)
{
	return i < NROWS ? &rows[i] : NULL;
}

size_t
ol_table_size(void)
{
	return NROWS;
}

size_t
ol_table_index(const struct ol_option *option)
{
	return (size_t)(option - rows);
}

const struct ol_option *
ol_table_find(const char *name)
{
	size_t i;

	for (i = 0; i < NROWS; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

const struct ol_option *
ol_table_nearest(const char *name, unsigned contexts)
{
	const char *names[NROWS], *nearest;
	size_t i, n = 0;

	for (i = 0; i < NROWS; i++)
		if ((rows[i].context & contexts) != 0)
			names[n++] = rows[i].name;
	nearest = ol_text_nearest(name, names, n);
	return nearest != NULL ? ol_table_find(nearest) : NULL;
}

const char *
ol_table_context(const struct ol_option *option)
{
	switch (option->context) {
	case OL_IN_MAIN:
		return "main";
	case OL_IN_POOL:
		return "pool";
	default:
		return "main,pool";
	}
}
