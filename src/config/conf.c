#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "base/channel.h"
#include "base/must.h"
#include "config/conf.h"
#include "config/diagnostic.h"
#include "config/draft.h"
#include "config/kinds.h"
#include "config/reader.h"
#include "config/options.h"
#include "config/world.h"

/* The account of the engine when outlastd is started as root. */
#define OWN_USER    "outlast"

#define QUOTE(word) ol_diagnostic_quote(word).text

enum {
	SOCKET_PATH_MAX = 107,
	SCRATCH_NAME_MAX = 16, /* as the spawner makes them */
	NOTIFY_NAME_MAX = 32,  /* as run/ makes them */
};

const char *
ol_access_name(enum ol_access access)
{
	static const char *const names[] = {
		[OL_ACCESS_CLIENT] = "client",
		[OL_ACCESS_APP] = "app",
		[OL_ACCESS_VIEWER] = "viewer",
		[OL_ACCESS_OPERATOR] = "operator",
	};

	return names[access];
}

/* --- made and freed ------------------------------------------------------ */

static void
free_logs(struct ol_conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nlogs; i++)
		/* Made by strdup(); const for the log's sake. */
		free((void *)(uintptr_t)conf->logs[i].path);
	free(conf->logs);
	conf->logs = NULL;
	conf->nlogs = 0;
}

static void
free_listens(struct ol_conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nlisten; i++) {
		free(conf->listen[i].text);
		free(conf->listen[i].group);
	}
	free(conf->listen);
	conf->listen = NULL;
	conf->nlisten = 0;
}

void
ol_conf_free(struct ol_conf *conf)
{
	struct ol_conf_pool *pool;
	struct ol_conf_task *task;

	if (conf == NULL)
		return;
	while ((pool = TAILQ_FIRST(&conf->pools)) != NULL) {
		TAILQ_REMOVE(&conf->pools, pool, link);
		ol_conf_pool_free(pool);
	}
	while ((task = TAILQ_FIRST(&conf->tasks)) != NULL) {
		TAILQ_REMOVE(&conf->tasks, task, link);
		ol_conf_task_free(task);
	}
	free_logs(conf);
	free_listens(conf);
	free(conf->control.text);
	free(conf->control.group);
	ol_reader_free(conf->reading);
	free(conf->file);
	free(conf->pid);
	free(conf->user);
	free(conf->state);
	free(conf->base);
	free(conf->timezone);
	free(conf);
}

/* --- top level ----------------------------------------------------------- */

static size_t
row_of(const char *name)
{
	return ol_options_index(ol_options_find_in(name, OL_IN_MAIN));
}

static void
tell_two_durables(struct ol_draft *draft, const struct ol_directive *one,
    const struct ol_directive *other)
{
	ol_diagnostic_error(draft->diagnostics, one->words[0].place,
	    "\"durable\" stands at top level and in the store block: they mean "
	    "the same, write one of them");
	ol_diagnostic_note(
	    draft->diagnostics, other->words[0].place, "the other is here");
	draft->failed = true;
}

/* The store block of a source; it replaces that of a source before. */
static void
read_store(struct ol_draft *draft, const struct ol_directive *block)
{
	struct ol_seen seen = { .first = { NULL } };
	size_t durable = row_of("durable");

	if (strcmp(block->words[1].text, "sqlite") != 0) {
		ol_diagnostic_error(draft->diagnostics, block->words[1].place,
		    "unknown store \"%s\": write sqlite, there is nothing else "
		    "yet",
		    QUOTE(block->words[1].text));
		draft->failed = true;
		return;
	}
	if (draft->durable != NULL &&
	    draft->main.good[durable] == draft->durable)
		draft->main.good[durable] = NULL;
	ol_draft_fill(draft, OL_IN_STORE, draft->conf);
	if (!ol_draft_read(draft, block, OL_IN_STORE, draft->conf, &seen))
		draft->failed = true;
	draft->durable = seen.good[durable];
}

/* The directive of the last listen, if it came so far as to become one. */
static void
note_listen(struct ol_draft *draft, const struct ol_directive *d)
{
	size_t n = draft->conf->nlisten;

	if (n == 0)
		return;
	draft->listens =
	    ol_must(reallocarray(draft->listens, n, sizeof(*draft->listens)));
	draft->listens[n - 1] = d;
}

/* One directive. -1: errors were told. */
static int
read_one(struct ol_draft *draft, const struct ol_option *option,
    const struct ol_directive *d)
{
	if (option->conf == 0 && option->pool != 0)
		return ol_draft_set(
		    draft, option, d, OL_IN_POOL, draft->any_pool);
	if (option->conf == 0 && (option->context & OL_IN_TASK) != 0)
		return ol_draft_set(
		    draft, option, d, OL_IN_TASK, draft->any_task);
	return ol_draft_set(draft, option, d, OL_IN_MAIN, draft->conf);
}

/*
 * The directives of one source's top level, without its pools and tasks. What
 * it says replaces what was said by a source before.
 */
static void
read_main(struct ol_draft *draft, const struct ol_directives *list)
{
	const struct ol_directive *d, *store = NULL;
	const struct ol_option *option;
	struct ol_seen seen = { .first = { NULL } };
	size_t i;
	int rc;

	TAILQ_FOREACH (d, list, link) {
		option = ol_draft_admit(draft, d, OL_IN_MAIN, &seen);
		if (option == NULL)
			continue;
		i = ol_options_index(option);
		if (d->bad)
			draft->failed = true;
		if (d->bad || option->kind == OL_KIND_POOL ||
		    option->kind == OL_KIND_TASK)
			continue;
		if (option->kind == OL_KIND_LOG && seen.first[i] == d)
			free_logs(draft->conf);
		if (option->kind == OL_KIND_LISTEN && seen.first[i] == d)
			free_listens(draft->conf);
		rc = read_one(draft, option, d);
		if (option->kind == OL_KIND_LISTEN)
			note_listen(draft, d);
		if (rc == -1)
			draft->failed = true;
		else if (option->kind == OL_KIND_STORE)
			store = d;
		else
			draft->main.good[i] = seen.good[i] = d;
	}
	if (store == NULL)
		return;
	read_store(draft, store);
	i = row_of("durable");
	if (draft->durable != NULL && seen.good[i] != NULL)
		tell_two_durables(draft, draft->durable, seen.good[i]);
	else if (draft->durable != NULL)
		draft->main.good[i] = draft->durable;
}

/* Whether d is a block of that kind, if perhaps a misspelt one. */
static bool
is_block(const struct ol_directive *d, enum ol_kind kind)
{
	const struct ol_option *option = ol_options_find(d->words[0].text);

	if (option == NULL && d->block)
		option = ol_options_nearest(d->words[0].text, OL_IN_MAIN);
	return option != NULL && option->kind == kind;
}

static void
read_blocks(struct ol_draft *draft, const struct ol_directives *list)
{
	const struct ol_directive *d;

	TAILQ_FOREACH (d, list, link)
		if (is_block(d, OL_KIND_POOL))
			ol_conf_pool_read(draft, d);
		else if (is_block(d, OL_KIND_TASK))
			ol_conf_task_read(draft, d);
}

/* --- the whole ----------------------------------------------------------- */

/* Its own account, where there are tasks to keep. */
static void
check_own_user(struct ol_draft *draft)
{
	struct ol_conf *conf = draft->conf;
	const struct ol_conf_task *task = TAILQ_FIRST(&conf->tasks);

	if (draft->world->euid != 0 || draft->world->checked || task == NULL ||
	    conf->user != NULL || draft->failed)
		return;
	if (draft->world->user(OWN_USER, &conf->uid, &conf->gid) == 0) {
		conf->user = ol_must(strdup(OWN_USER));
		return;
	}
	ol_diagnostic_error(draft->diagnostics, task->block->words[0].place,
	    "started as root, outlastd keeps tasks as \"" OWN_USER
	    "\", and there is no such user: create it (adduser --system "
	    "--group --no-create-home " OWN_USER
	    "), or add \"user NAME;\" at top level");
}

/* The account that owns the stored tasks, cookies in them, runs no others'
 * code. */
static void
check_foreign_user(struct ol_draft *draft, const char *what, const char *name,
    uid_t uid, const struct ol_directive *block)
{
	const struct ol_conf *conf = draft->conf;
	const struct ol_directive *d = ol_reader_find(&block->children, "user");

	if (conf->user == NULL || uid != conf->uid)
		return;
	ol_diagnostic_error(draft->diagnostics,
	    d != NULL ? d->words[1].place : block->words[0].place,
	    "%s \"%s\" would run as \"%s\", who owns the stored tasks: use "
	    "another account",
	    what, name, conf->user);
}

/* Unless it is said where: beside the pid file. */
static void
place_control(struct ol_draft *draft)
{
	struct ol_conf_listen *control = &draft->conf->control;
	const struct ol_directive *pid = draft->main.good[row_of("pid")];
	int len;

	if (control->text != NULL)
		return;
	len = (int)(strrchr(draft->conf->pid, '/') - draft->conf->pid);
	if (asprintf(&control->text, "unix:%.*s/control.sock", len,
		draft->conf->pid) == -1)
		ol_must(NULL);
	if (ol_addr_parse(&control->addr, control->text) == NULL)
		return;
	ol_diagnostic_error(draft->diagnostics, pid->words[1].place,
	    "the folder's path is too long for a socket in it: write "
	    "\"control unix:PATH;\" with a shorter one, or move the pid file");
}

/* One place where something listens. */
struct listening {
	const struct ol_conf_listen *listen;
	const char *pool; /* NULL: the task API, or "control" */
	struct ol_place place;
};

static int
compare_listening(const void *left, const void *right)
{
	const struct listening *a = left, *b = right;
	int order =
	    memcmp(&a->listen->addr, &b->listen->addr, sizeof(a->listen->addr));

	if (order != 0)
		return order;
	if (a->place.source->order != b->place.source->order)
		return a->place.source->order < b->place.source->order ? -1 : 1;
	return a->place.offset < b->place.offset ? -1 : 1;
}

static void
tell_same_address(struct ol_draft *draft, const struct listening *second,
    const struct listening *first)
{
	if (first->listen == &draft->conf->control ||
	    second->listen == &draft->conf->control)
		ol_diagnostic_error(draft->diagnostics, second->place,
		    "\"%s\" is the address of \"control\" (by default beside "
		    "the pid file), too: use another one",
		    QUOTE(second->listen->text));
	else if (first->pool != NULL)
		ol_diagnostic_error(draft->diagnostics, second->place,
		    "pool \"%s\" listens on \"%s\" already: every \"listen\" "
		    "needs an address of its own",
		    first->pool, QUOTE(first->listen->text));
	else
		ol_diagnostic_error(draft->diagnostics, second->place,
		    "the task API listens on \"%s\" already: every \"listen\" "
		    "needs an address of its own",
		    QUOTE(first->listen->text));
	ol_diagnostic_note(draft->diagnostics, first->place, "first here");
}

/* Two that listen on one address. */
static void
check_listens(struct ol_draft *draft)
{
	const struct ol_conf *conf = draft->conf;
	const struct ol_directive *control =
	    draft->main.good[row_of("control")];
	const struct ol_conf_pool *pool;
	struct listening *all;
	size_t n = 1, i, first = 0;

	TAILQ_FOREACH (pool, &conf->pools, link)
		n++;
	all = ol_must(calloc(n + conf->nlisten + 1, sizeof(*all)));
	n = 0;
	/* Where nothing is written, whoever took its address is told. */
	all[n++] = (struct listening){ &conf->control, NULL,
		control != NULL ? control->words[1].place
				: ol_reader_place(conf->reading, "pid", NULL) };
	for (i = 0; i < conf->nlisten; i++)
		if (conf->listen[i].text != NULL)
			all[n++] = (struct listening){ &conf->listen[i], NULL,
				draft->listens[i]->words[1].place };
	TAILQ_FOREACH (pool, &conf->pools, link)
		if (pool->listen.text != NULL)
			all[n++] = (struct listening){ &pool->listen,
				pool->name,
				ol_reader_find(&pool->block->children, "listen")
				    ->words[1]
				    .place };
	qsort(all, n, sizeof(*all), compare_listening);
	for (i = 1; i < n; i++)
		if (memcmp(&all[i].listen->addr, &all[first].listen->addr,
			sizeof(all[i].listen->addr)) == 0)
			tell_same_address(draft, &all[i], &all[first]);
		else
			first = i;
	free(all);
}

/*
 * Every attempt has a notify socket, STATE/scratch/NAME.n or STATE/notify/NAME,
 * and its path must fit a socket address.
 */
static void
check_state_length(struct ol_draft *draft)
{
	const struct ol_directive *d = draft->main.good[row_of("state")];
	const struct ol_conf_task *task;
	size_t len = strlen(draft->conf->state), most = SIZE_MAX, fit;

	TAILQ_FOREACH (task, &draft->conf->tasks, link) {
		fit = SOCKET_PATH_MAX;
		fit -= task->backend != NULL
			   ? strlen("/notify/") + NOTIFY_NAME_MAX
			   : strlen("/scratch/.n") + SCRATCH_NAME_MAX;
		if (fit < most)
			most = fit;
	}
	if (len > most)
		ol_diagnostic_error(draft->diagnostics, d->words[1].place,
		    "the path is %zu bytes too long for the sockets of "
		    "attempts below it: at most %zu bytes fit",
		    len - most, most);
}

/* A request that is sent to ourselves would become a task again. */
static void
check_backends(struct ol_draft *draft)
{
	const struct ol_conf *conf = draft->conf;
	const struct ol_conf_task *task;
	const struct ol_directive *d;
	size_t i;

	TAILQ_FOREACH (task, &conf->tasks, link)
		for (i = 0; task->backend != NULL && i < conf->nlisten; i++) {
			if (memcmp(&task->backend->addr, &conf->listen[i].addr,
				sizeof(task->backend->addr)) != 0)
				continue;
			d = ol_reader_find(
			    &task->block->children, "fastcgi_pass");
			ol_diagnostic_error(draft->diagnostics,
			    d->words[1].place,
			    "outlastd itself listens there: name the backend "
			    "that answered before, such as php-fpm");
			ol_diagnostic_note(draft->diagnostics,
			    ol_reader_place(
				conf->reading, "listen", conf->listen[i].text),
			    "it listens here");
		}
}

/* The engine gets its configuration, its listeners and the log's files in one
 * message. */
static void
check_descriptors(struct ol_draft *draft)
{
	const struct ol_conf *conf = draft->conf;
	size_t i, n = conf->nlisten, most = OL_CHANNEL_FDS - 1;

	for (i = 0; i < conf->nlogs; i++)
		n += conf->logs[i].target == OL_LOG_FILE;
	if (!TAILQ_EMPTY(&conf->tasks) && n > most)
		ol_diagnostic_error(draft->diagnostics,
		    ol_reader_place(conf->reading, "listen",
			conf->listen[conf->nlisten - 1].text),
		    "there are %zu \"listen\" of tasks and \"log\" files "
		    "together: at most %zu are possible",
		    n, most);
}

/* What the parts have to do with each other. */
static void
check_whole(struct ol_draft *draft)
{
	struct ol_conf *conf = draft->conf;
	const struct ol_conf_pool *pool;
	const struct ol_conf_task *task = TAILQ_FIRST(&conf->tasks);
	const struct ol_directive *d;

	if (task == NULL && conf->nlisten > 0)
		ol_diagnostic_error(draft->diagnostics,
		    ol_reader_place(
			conf->reading, "listen", conf->listen[0].text),
		    "this \"listen\" is for tasks, and there is none: add "
		    "\"task NAME { program PATH; }\" or \"task NAME { "
		    "fastcgi_pass ADDRESS; }\", or move it into a pool");
	else if (task != NULL && conf->nlisten == 0)
		ol_diagnostic_error(draft->diagnostics,
		    task->block->words[0].place,
		    "nobody could submit a task: add \"listen ADDRESS;\" at top "
		    "level");
	else if (task == NULL && TAILQ_EMPTY(&conf->pools))
		ol_diagnostic_error(draft->diagnostics,
		    ol_reader_place(conf->reading, "pool", NULL),
		    "there is neither a pool nor a task: add \"pool NAME { "
		    "listen ADDRESS; program PATH; }\", or \"listen ADDRESS; "
		    "task NAME { program PATH; }\"");
	d = draft->main.good[row_of("shutdown_delay_max")];
	if (task != NULL && conf->shutdown_delay_max < conf->shutdown_delay)
		ol_diagnostic_error(draft->diagnostics, d->words[1].place,
		    "\"shutdown_delay_max\" is less than \"shutdown_delay\": "
		    "write at least as much");
	if (conf->shutdown_delay_max < conf->shutdown_delay)
		conf->shutdown_delay_max = conf->shutdown_delay;
	if (task == NULL)
		return;
	check_descriptors(draft);
	check_backends(draft);
	TAILQ_FOREACH (task, &conf->tasks, link)
		check_foreign_user(
		    draft, "task", task->name, task->uid, task->block);
	TAILQ_FOREACH (pool, &conf->pools, link)
		check_foreign_user(
		    draft, "pool", pool->name, pool->uid, pool->block);
}

static void
read_all(struct ol_draft *draft, const struct ol_directives *of_file,
    const struct ol_directives *of_extra)
{
	struct ol_conf *conf = draft->conf;
	size_t log = row_of("log");
	struct ol_setting setting = {
		.world = draft->world,
		.option = ol_options_row(log),
		.context = OL_IN_MAIN,
		.target = conf,
	};

	ol_draft_fill(draft, OL_IN_MAIN, conf);
	ol_draft_fill(draft, OL_IN_STORE, conf);
	ol_kind_set_standard(&setting);
	read_main(draft, of_file);
	if (of_extra != NULL)
		read_main(draft, of_extra);
	if (conf->shutdown_delay_max == -1)
		conf->shutdown_delay_max = conf->shutdown_delay;
	read_blocks(draft, of_file);
	if (of_extra != NULL)
		read_blocks(draft, of_extra);
	check_own_user(draft);
	place_control(draft);
	check_listens(draft);
	check_state_length(draft);
	/* With other errors something may only be out of sight. */
	if (ol_diagnostic_count(draft->diagnostics) == 0)
		check_whole(draft);
}

/* Where the configuration comes from. */
struct origin {
	const char *file, *extra; /* or: */
	const char *text;
	size_t len;
};

static struct ol_conf *
load(const struct ol_world *world, const struct origin *from, FILE *errors,
    bool colour)
{
	struct ol_draft draft = { .world = world };
	struct ol_conf *conf = ol_must(calloc(1, sizeof(*conf)));
	const struct ol_directives *main, *extra = NULL;

	TAILQ_INIT(&conf->pools);
	TAILQ_INIT(&conf->tasks);
	conf->uid = (uid_t)-1;
	conf->gid = (gid_t)-1;
	conf->control.gid = (gid_t)-1;
	conf->shutdown_delay_max = -1;
	conf->file = ol_must(strdup(from->file));
	draft.conf = conf;
	draft.any_pool = ol_conf_pool_new();
	draft.any_task = ol_conf_task_new();
	draft.diagnostics = ol_diagnostic_new();
	conf->reading = ol_reader_new(world, draft.diagnostics);
	if (from->text != NULL)
		main = ol_reader_handed(
		    conf->reading, from->file, from->text, from->len);
	else
		main = ol_reader_file(conf->reading, from->file);
	if (from->extra != NULL)
		extra = ol_reader_text(conf->reading, "-g", from->extra);
	read_all(&draft, main, extra);
	if (errors != NULL)
		ol_diagnostic_print(draft.diagnostics, errors, colour);
	if (ol_diagnostic_count(draft.diagnostics) > 0) {
		ol_conf_free(conf);
		conf = NULL;
	}
	free(draft.listens);
	ol_conf_pool_free(draft.any_pool);
	ol_conf_task_free(draft.any_task);
	ol_diagnostic_free(draft.diagnostics);
	return conf;
}

struct ol_conf *
ol_conf_load_in(const struct ol_world *world, const char *file,
    const char *extra, FILE *errors, bool colour)
{
	const struct origin from = { .file = file, .extra = extra };

	return load(world, &from, errors, colour);
}

struct ol_conf *
ol_conf_load(const char *file, const char *extra, FILE *errors, bool colour)
{
	struct ol_world world;

	ol_world_init(&world);
	return ol_conf_load_in(&world, file, extra, errors, colour);
}

struct ol_conf *
ol_conf_load_text_in(
    const struct ol_world *world, const char *text, size_t len, FILE *errors)
{
	const struct origin from = {
		.file = "configuration",
		.text = text,
		.len = len,
	};
	struct ol_world checked = *world;

	checked.checked = true;
	return load(&checked, &from, errors, false);
}

struct ol_conf *
ol_conf_load_text(const char *text, size_t len, FILE *errors)
{
	struct ol_world world;

	ol_world_init(&world);
	return ol_conf_load_text_in(&world, text, len, errors);
}
