#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "config/conf.h"
#include "config/diagnostic.h"
#include "config/kinds.h"
#include "config/reader.h"
#include "config/table.h"
#include "config/world.h"

/* The account of pools without "user" when outlastd is started as root. */
#define RUN_USER "outlast-run"

enum {
	OPTIONS_MAX = 64,
	POOLS_MAX = 1000,
	ENV_MAX = 1000, /* variables of a pool */
	POOL_NAME_MAX = 32,
	SOCKET_PATH_MAX = 107,
};

#define QUOTE(word) ol_diagnostic_quote(word).text

/* Which directives a block has; by the number of the row. */
struct seen {
	const struct ol_directive *first[OPTIONS_MAX];
	const struct ol_directive *good[OPTIONS_MAX]; /* gave the value */
	bool guessed[OPTIONS_MAX]; /* one that is misspelt was told */
};

/* A configuration in the making. */
struct draft {
	const struct ol_world *world;
	struct ol_diagnostics *diagnostics;
	struct ol_conf *conf;
	struct ol_conf_pool *standard; /* what pools start from */
	struct seen main;	       /* file and -g; good alone is used */
	bool failed;		       /* something at top level is in error */
	bool told_run_user;
	int npools;
};

/* --- pools, made and freed ----------------------------------------------- */

static struct ol_conf_pool *
pool_new(void)
{
	struct ol_conf_pool *pool = ol_must(calloc(1, sizeof(*pool)));

	pool->listen.gid = (gid_t)-1;
	pool->uid = (uid_t)-1;
	pool->gid = (gid_t)-1;
	pool->shutdown_delay_max = -1;
	return pool;
}

static void
pool_free(struct ol_conf_pool *pool)
{
	size_t i;

	if (pool == NULL)
		return;
	for (i = 0; pool->program != NULL && pool->program[i] != NULL; i++)
		free(pool->program[i]);
	for (i = 0; i < pool->nenv; i++) {
		free(pool->env[i].name);
		free(pool->env[i].value);
	}
	free(pool->program);
	free(pool->env);
	free(pool->listen.text);
	free(pool->listen.group);
	free(pool->user);
	free(pool->directory);
	free(pool->name);
	free(pool);
}

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

void
ol_conf_free(struct ol_conf *conf)
{
	struct ol_conf_pool *pool;

	if (conf == NULL)
		return;
	while ((pool = TAILQ_FIRST(&conf->pools)) != NULL) {
		TAILQ_REMOVE(&conf->pools, pool, link);
		pool_free(pool);
	}
	free_logs(conf);
	ol_reader_free(conf->reading);
	free(conf->file);
	free(conf->pid);
	free(conf);
}

/* --- one block's directives ---------------------------------------------- */

static void
tell_unknown(struct draft *draft, const struct ol_directive *d,
    unsigned context, struct seen *seen)
{
	const struct ol_word *word = &d->words[0];
	const char *what = d->block ? "block" : "directive";
	const char *where = context == OL_IN_POOL ? " in block \"pool\"" : "";
	const struct ol_option *near = ol_table_nearest(word->text, context);

	if (near != NULL) {
		seen->guessed[ol_table_index(near)] = true;
		ol_diagnostic_error(draft->diagnostics, word->place,
		    "unknown %s \"%s\"%s; did you mean \"%s\"?", what,
		    QUOTE(word->text), where, near->name);
		return;
	}
	near = ol_table_nearest(word->text, OL_IN_MAIN | OL_IN_POOL);
	if (near != NULL)
		ol_diagnostic_error(draft->diagnostics, word->place,
		    "unknown %s \"%s\"%s; did you mean \"%s\", which belongs "
		    "%s?",
		    what, QUOTE(word->text), where, near->name,
		    context == OL_IN_POOL ? "at top level" : "in a pool block");
	else
		ol_diagnostic_error(draft->diagnostics, word->place,
		    "unknown %s \"%s\"%s: outlast.conf(5) lists them all", what,
		    QUOTE(word->text), where);
}

/* The row of a directive, or NULL when an error was told. */
static const struct ol_option *
find_option(struct draft *draft, const struct ol_directive *d, unsigned context,
    struct seen *seen)
{
	const struct ol_option *option = ol_table_find(d->words[0].text);

	if (option == NULL) {
		/* A broken name was told of already. */
		if (!d->words[0].bad)
			tell_unknown(draft, d, context, seen);
		return NULL;
	}
	if ((option->context & context) == 0) {
		ol_diagnostic_error(draft->diagnostics, d->words[0].place,
		    context == OL_IN_POOL
			? "\"%s\" is not allowed in block \"pool\": it belongs "
			  "at top level"
			: "\"%s\" is not allowed at top level: it belongs in a "
			  "pool block",
		    option->name);
		return NULL;
	}
	return option;
}

/* False: an error was told, it is the second one. */
static bool
note_seen(struct draft *draft, const struct ol_option *option,
    const struct ol_directive *d, struct seen *seen)
{
	const struct ol_directive **first =
	    &seen->first[ol_table_index(option)];

	if (*first != NULL && (option->flags & OL_REPEATABLE) == 0) {
		ol_diagnostic_error(draft->diagnostics, d->words[0].place,
		    "duplicate directive \"%s\": write it once", option->name);
		ol_diagnostic_note(
		    draft->diagnostics, (*first)->words[0].place, "first here");
		return false;
	}
	if (*first == NULL)
		*first = d;
	return true;
}

static int
set_option(struct draft *draft, const struct ol_option *option,
    const struct ol_directive *d, void *target)
{
	const struct ol_setting setting = {
		.world = draft->world,
		.diagnostics = draft->diagnostics,
		.option = option,
		.directive = d,
		.target = target,
	};

	return ol_kind_set(&setting);
}

/* --- top level ----------------------------------------------------------- */

/*
 * The directives of one source's top level, without its pools. What it says
 * replaces what was said by a source before.
 */
static void
read_main(struct draft *draft, const struct ol_directives *list)
{
	const struct ol_option *option;
	const struct ol_directive *d;
	struct seen seen = { .first = { NULL } };
	bool logs = false;
	void *target;

	TAILQ_FOREACH (d, list, link) {
		option = find_option(draft, d, OL_IN_MAIN, &seen);
		if (option == NULL || !note_seen(draft, option, d, &seen))
			continue;
		if (d->bad)
			draft->failed = true;
		if (d->bad || option->kind == OL_KIND_POOL)
			continue;
		if (option->kind == OL_KIND_LOG && !logs) {
			logs = true;
			free_logs(draft->conf);
		}
		target = option->context == OL_IN_MAIN ? (void *)draft->conf
						       : draft->standard;
		if (set_option(draft, option, d, target) == 0)
			draft->main.good[ol_table_index(option)] = d;
		else
			draft->failed = true;
	}
}

/* --- pools --------------------------------------------------------------- */

/* The name of a pool, or NULL when an error was told. */
static const char *
read_pool_name(struct draft *draft, const struct ol_directive *d)
{
	const struct ol_option *option = ol_table_find("pool");
	const struct ol_conf_pool *other;
	const struct ol_word *word;
	size_t len;

	if (d->bad || set_option(draft, option, d, NULL) == -1)
		return NULL;
	word = &d->words[1];
	len = strspn(word->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "abcdefghijklmnopqrstuvwxyz0123456789_-");
	if (len == 0 || word->text[len] != '\0' || len > POOL_NAME_MAX) {
		ol_diagnostic_error(draft->diagnostics, word->place,
		    "invalid pool name \"%s\": write 1 to %d letters, digits, "
		    "\"_\" or \"-\"",
		    QUOTE(word->text), POOL_NAME_MAX);
		return NULL;
	}
	TAILQ_FOREACH (other, &draft->conf->pools, link) {
		if (strcmp(other->name, word->text) != 0)
			continue;
		ol_diagnostic_error(draft->diagnostics, word->place,
		    "duplicate pool \"%s\": every pool needs a name of its "
		    "own",
		    word->text);
		ol_diagnostic_note(draft->diagnostics,
		    other->block->words[1].place, "first here");
		return NULL;
	}
	return word->text;
}

/* Two variables of one name. */
static void
check_env_unique(struct draft *draft, const struct ol_directive *block)
{
	const struct ol_directive *d, *other;

	TAILQ_FOREACH (d, &block->children, link) {
		if (strcmp(d->words[0].text, "env") != 0 || d->nwords < 2)
			continue;
		TAILQ_FOREACH (other, &block->children, link) {
			if (other == d)
				break;
			if (strcmp(other->words[0].text, "env") != 0 ||
			    other->nwords < 2 ||
			    strcmp(other->words[1].text, d->words[1].text) != 0)
				continue;
			ol_diagnostic_error(draft->diagnostics,
			    d->words[1].place,
			    "duplicate variable \"%s\": set it once",
			    QUOTE(d->words[1].text));
			ol_diagnostic_note(draft->diagnostics,
			    other->words[1].place, "first here");
			break;
		}
	}
}

/* Set what the pool will have when it says nothing itself. */
static void
fill_pool(struct draft *draft, struct ol_conf_pool *pool)
{
	const struct ol_conf_pool *standard = draft->standard;
	const struct ol_option *option;
	size_t i;

	for (i = 0; (option = ol_table_row(i)) != NULL; i++) {
		if ((option->context & OL_IN_MAIN) == 0)
			ol_kind_set_standard(draft->world, option, pool);
		else if (option->kind == OL_KIND_TIME)
			memcpy((char *)pool + option->offset,
			    (const char *)standard + option->offset,
			    sizeof(int64_t));
	}
}

static void
check_required(struct draft *draft, const struct ol_directive *block,
    const struct seen *seen)
{
	const struct ol_option *option;
	size_t i;

	if (block->incomplete)
		return;
	for (i = 0; (option = ol_table_row(i)) != NULL; i++)
		if ((option->context & OL_IN_POOL) != 0 &&
		    (option->flags & OL_REQUIRED) != 0 &&
		    seen->first[i] == NULL && !seen->guessed[i])
			ol_diagnostic_error(draft->diagnostics,
			    block->words[0].place,
			    "a pool needs \"%s\": add \"%s %s;\"", option->name,
			    option->name, option->syntax);
}

/* The directive that a pool's value comes from: its own, or top level's. */
static const struct ol_directive *
find_origin(
    const struct draft *draft, const struct seen *seen, const char *name)
{
	size_t i = ol_table_index(ol_table_find(name));

	return seen->good[i] != NULL ? seen->good[i] : draft->main.good[i];
}

static void
check_delays(struct draft *draft, const struct ol_conf_pool *pool,
    const struct seen *seen)
{
	const struct ol_directive *max, *delay;

	if (pool->shutdown_delay_max >= pool->shutdown_delay)
		return;
	max = find_origin(draft, seen, "shutdown_delay_max");
	delay = find_origin(draft, seen, "shutdown_delay");
	if (max == NULL)
		return;
	ol_diagnostic_error(draft->diagnostics, max->words[1].place,
	    "\"shutdown_delay_max\" of pool \"%s\" is less than its "
	    "\"shutdown_delay\": write at least as much",
	    pool->name);
	if (delay != NULL)
		ol_diagnostic_note(draft->diagnostics, delay->words[1].place,
		    "shutdown_delay is here");
}

static void
check_user(struct draft *draft, struct ol_conf_pool *pool,
    const struct ol_directive *block, const struct seen *seen)
{
	size_t i = ol_table_index(ol_table_find("user"));

	if (draft->world->euid != 0 || seen->first[i] != NULL ||
	    seen->guessed[i])
		return;
	if (draft->world->user(RUN_USER, &pool->uid, &pool->gid) == 0) {
		pool->user = ol_must(strdup(RUN_USER));
		return;
	}
	/* It is the account that is missing: one fault for all pools. */
	if (!draft->told_run_user)
		ol_diagnostic_error(draft->diagnostics, block->words[0].place,
		    "a pool without \"user\" runs as \"" RUN_USER "\", and "
		    "there is no such user: create it (adduser --system "
		    "--group --no-create-home " RUN_USER
		    "), or add \"user NAME;\"");
	draft->told_run_user = true;
}

static void
check_listen_unique(struct draft *draft, const struct ol_conf_pool *pool)
{
	const struct ol_conf_pool *other;
	const struct ol_directive *here, *there;

	if (pool->listen.text == NULL)
		return;
	TAILQ_FOREACH (other, &draft->conf->pools, link) {
		if (other == pool || other->listen.text == NULL ||
		    memcmp(&other->listen.addr, &pool->listen.addr,
			sizeof(pool->listen.addr)) != 0)
			continue;
		here = ol_reader_find(&pool->block->children, "listen");
		there = ol_reader_find(&other->block->children, "listen");
		ol_diagnostic_error(draft->diagnostics, here->words[1].place,
		    "pool \"%s\" listens on \"%s\" already: every pool needs "
		    "an address of its own",
		    other->name, QUOTE(other->listen.text));
		ol_diagnostic_note(
		    draft->diagnostics, there->words[1].place, "first here");
		return;
	}
}

static size_t
count_digits(int n)
{
	return (size_t)snprintf(NULL, 0, "%d", n);
}

/*
 * Every child has a notify socket beside the pid file,
 * notify/POOL.SLOT.GENERATION, and its path must fit a socket address.
 */
static void
check_notify_path(struct draft *draft, const struct ol_conf_pool *pool)
{
	const char *pid = draft->conf->pid, *slash = strrchr(pid, '/');
	size_t folder = (size_t)(slash - pid), name, most;
	const struct ol_directive *d;

	name = strlen("/notify/..") + strlen(pool->name) +
	       count_digits(pool->processes - 1) + 10;
	if (folder + name <= SOCKET_PATH_MAX)
		return;
	most = SOCKET_PATH_MAX - name;
	d = draft->main.good[ol_table_index(ol_table_find("pid"))];
	ol_diagnostic_error(draft->diagnostics,
	    d != NULL ? d->words[1].place : pool->block->words[1].place,
	    "the folder of the pid file is %zu bytes too long for the sockets "
	    "of pool \"%s\" in it: at most %zu bytes fit",
	    folder - most, pool->name, most);
}

static void
read_pool(struct draft *draft, const struct ol_directive *block)
{
	struct ol_conf_pool *pool = pool_new();
	const struct ol_option *option;
	const struct ol_directive *d;
	struct seen seen = { .first = { NULL } };
	const char *name;
	bool failed = false;

	pool->block = block;
	fill_pool(draft, pool);
	name = read_pool_name(draft, block);
	pool->name = ol_must(strdup(name != NULL ? name : "?"));
	TAILQ_FOREACH (d, &block->children, link) {
		option = find_option(draft, d, OL_IN_POOL, &seen);
		if (option == NULL || !note_seen(draft, option, d, &seen))
			continue;
		if (d->bad || set_option(draft, option, d, pool) == -1)
			failed = true;
		else
			seen.good[ol_table_index(option)] = d;
	}
	check_env_unique(draft, block);
	check_required(draft, block, &seen);
	if (pool->shutdown_delay_max == -1)
		pool->shutdown_delay_max = pool->shutdown_delay;
	check_user(draft, pool, block, &seen);
	if (!failed && !draft->failed)
		check_delays(draft, pool, &seen);
	check_listen_unique(draft, pool);
	if (name == NULL) {
		pool_free(pool);
		return;
	}
	check_notify_path(draft, pool);
	TAILQ_INSERT_TAIL(&draft->conf->pools, pool, link);
}

/* Whether d is a pool, if perhaps a misspelt one. */
static bool
is_pool(const struct ol_directive *d)
{
	const struct ol_option *option = ol_table_find(d->words[0].text);

	if (option == NULL && d->block)
		option = ol_table_nearest(d->words[0].text, OL_IN_MAIN);
	return option != NULL && option->kind == OL_KIND_POOL;
}

static void
read_pools(struct draft *draft, const struct ol_directives *list)
{
	const struct ol_directive *d;

	TAILQ_FOREACH (d, list, link)
		if (is_pool(d))
			read_pool(draft, d);
}

/* --- the whole ----------------------------------------------------------- */

static void
set_standards(struct draft *draft)
{
	const struct ol_option *option;
	size_t i;

	for (i = 0; (option = ol_table_row(i)) != NULL; i++)
		if (option->context == OL_IN_MAIN)
			ol_kind_set_standard(draft->world, option, draft->conf);
		else if ((option->context & OL_IN_MAIN) != 0)
			ol_kind_set_standard(
			    draft->world, option, draft->standard);
}

static void
read_all(struct draft *draft, const char *file, const char *extra)
{
	struct ol_reading *reading = draft->conf->reading;
	const struct ol_directives *of_file, *of_extra = NULL;

	of_file = ol_reader_file(reading, file);
	if (extra != NULL)
		of_extra = ol_reader_text(reading, "-g", extra);
	set_standards(draft);
	read_main(draft, of_file);
	if (of_extra != NULL)
		read_main(draft, of_extra);
	read_pools(draft, of_file);
	if (of_extra != NULL)
		read_pools(draft, of_extra);
	/* With other errors the pool may only be out of sight. */
	if (ol_diagnostic_count(draft->diagnostics) == 0 &&
	    TAILQ_EMPTY(&draft->conf->pools))
		ol_diagnostic_error(draft->diagnostics,
		    ol_reader_place(reading, "pool", NULL),
		    "there is no pool: add \"pool NAME { listen ADDRESS; "
		    "program PATH; }\"");
}

struct ol_conf *
ol_conf_load_in(const struct ol_world *world, const char *file,
    const char *extra, FILE *errors, bool colour)
{
	struct draft draft = { .world = world };
	struct ol_conf *conf = ol_must(calloc(1, sizeof(*conf)));

	TAILQ_INIT(&conf->pools);
	conf->file = ol_must(strdup(file));
	draft.conf = conf;
	draft.standard = pool_new();
	draft.diagnostics = ol_diagnostic_new();
	conf->reading = ol_reader_new(world, draft.diagnostics);
	read_all(&draft, file, extra);
	if (errors != NULL)
		ol_diagnostic_print(draft.diagnostics, errors, colour);
	if (ol_diagnostic_count(draft.diagnostics) > 0) {
		ol_conf_free(conf);
		conf = NULL;
	}
	pool_free(draft.standard);
	ol_diagnostic_free(draft.diagnostics);
	return conf;
}

struct ol_conf *
ol_conf_load(const char *file, const char *extra, FILE *errors, bool colour)
{
	struct ol_world world;

	ol_world_init(&world);
	return ol_conf_load_in(&world, file, extra, errors, colour);
}

/* --- what others ask ----------------------------------------------------- */

void
ol_conf_print_table(FILE *out)
{
	static const struct {
		unsigned flag;
		const char *name;
	} flags[] = {
		{ OL_REQUIRED, "required" },
		{ OL_REPEATABLE, "repeatable" },
		{ OL_RELOADABLE, "reloadable" },
	};
	const struct ol_option *option;
	const char *standard, *comma;
	size_t i, k;

	for (i = 0; (option = ol_table_row(i)) != NULL; i++) {
		standard = option->standard != NULL ? option->standard
						    : option->standard_shown;
		fprintf(out, "%s\t%s\t%s\t%s\t", option->name,
		    ol_table_context(option), option->syntax,
		    standard != NULL ? standard : "-");
		comma = "";
		for (k = 0; k < sizeof(flags) / sizeof(flags[0]); k++) {
			if ((option->flags & flags[k].flag) == 0)
				continue;
			fprintf(out, "%s%s", comma, flags[k].name);
			comma = ",";
		}
		fprintf(
		    out, "%s\t%s\n", *comma == '\0' ? "-" : "", option->help);
	}
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static const char *
find_env(const struct ol_conf_pool *pool, const char *name)
{
	size_t i;

	for (i = 0; i < pool->nenv; i++)
		if (strcmp(pool->env[i].name, name) == 0)
			return pool->env[i].value;
	return NULL;
}

bool
ol_conf_pool_same_process(
    const struct ol_conf_pool *a, const struct ol_conf_pool *b)
{
	size_t i;

	if (!same_text(a->name, b->name) ||
	    memcmp(&a->listen.addr, &b->listen.addr, sizeof(a->listen.addr)) !=
		0 ||
	    !same_text(a->user, b->user) || a->uid != b->uid ||
	    a->gid != b->gid || !same_text(a->directory, b->directory) ||
	    a->shutdown_delay != b->shutdown_delay ||
	    a->shutdown_delay_max != b->shutdown_delay_max ||
	    a->nenv != b->nenv)
		return false;
	for (i = 0; a->program[i] != NULL; i++)
		if (b->program[i] == NULL ||
		    strcmp(a->program[i], b->program[i]) != 0)
			return false;
	if (b->program[i] != NULL)
		return false;
	for (i = 0; i < a->nenv; i++)
		if (!same_text(a->env[i].value, find_env(b, a->env[i].name)))
			return false;
	return true;
}
