#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "config/conf.h"
#include "config/diagnostic.h"
#include "config/draft.h"
#include "config/reader.h"
#include "config/options.h"
#include "config/world.h"

enum {
	POOL_NAME_MAX = 32,
	SOCKET_PATH_MAX = 107,
};

#define QUOTE(word) ol_diagnostic_quote(word).text

struct ol_conf_pool *
ol_conf_pool_new(void)
{
	struct ol_conf_pool *pool = ol_must(calloc(1, sizeof(*pool)));

	pool->listen.gid = (gid_t)-1;
	pool->uid = (uid_t)-1;
	pool->gid = (gid_t)-1;
	pool->shutdown_delay_max = -1;
	return pool;
}

void
ol_conf_pool_free(struct ol_conf_pool *pool)
{
	if (pool == NULL)
		return;
	ol_draft_free_words(pool->program);
	ol_draft_free_words(pool->on_crash);
	ol_draft_free_env(pool->env, pool->nenv);
	free(pool->listen.text);
	free(pool->listen.group);
	free(pool->user);
	free(pool->directory);
	free(pool->name);
	free(pool);
}

/* --- checks -------------------------------------------------------------- */

/* The name of a pool, or NULL when an error was told. */
static const char *
read_pool_name(struct ol_draft *draft, const struct ol_directive *d)
{
	const struct ol_option *option = ol_options_find("pool");
	const struct ol_conf_pool *other;
	const struct ol_word *word;
	size_t len;

	if (d->bad || ol_draft_set(draft, option, d, OL_IN_MAIN, NULL) == -1)
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

static void
check_delays(struct ol_draft *draft, const struct ol_conf_pool *pool,
    const struct ol_seen *seen)
{
	const struct ol_directive *max, *delay;

	if (pool->shutdown_delay_max >= pool->shutdown_delay)
		return;
	max = ol_draft_origin(draft, seen, OL_IN_POOL, "shutdown_delay_max");
	delay = ol_draft_origin(draft, seen, OL_IN_POOL, "shutdown_delay");
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
check_pings(struct ol_draft *draft, const struct ol_conf_pool *pool,
    const struct ol_seen *seen)
{
	const struct ol_directive *interval, *response;

	if (pool->ping_response_time >= 2 * pool->ping_interval)
		return;
	interval = ol_draft_origin(draft, seen, OL_IN_POOL, "ping_interval");
	response =
	    ol_draft_origin(draft, seen, OL_IN_POOL, "ping_response_time");
	ol_diagnostic_error(draft->diagnostics,
	    interval != NULL   ? interval->words[1].place
	    : response != NULL ? response->words[1].place
			       : pool->block->words[1].place,
	    "\"ping_response_time\" of pool \"%s\" is less than twice its "
	    "\"ping_interval\": one late ping would kill a process",
	    pool->name);
	if (interval != NULL && response != NULL)
		ol_diagnostic_note(draft->diagnostics, response->words[1].place,
		    "ping_response_time is here");
}

/* What a program that says nothing cannot be asked for. */
static void
check_simple(struct ol_draft *draft, struct ol_conf_pool *pool,
    const struct ol_seen *seen)
{
	const struct ol_directive *d;

	if (pool->type != OL_CONF_SIMPLE)
		return;
	d = seen->good[ol_options_index(ol_options_find("ping_interval"))];
	if (d != NULL && pool->ping_interval != 0)
		ol_diagnostic_error(draft->diagnostics, d->words[0].place,
		    "\"ping_interval\" needs \"type notify\": a simple "
		    "program does not say that it is alive; remove it");
	if (pool->idle_timeout != 0) {
		d = seen->good[ol_options_index(
		    ol_options_find("idle_timeout"))];
		ol_diagnostic_error(draft->diagnostics, d->words[0].place,
		    "\"idle_timeout\" needs \"type notify\": a simple program "
		    "does not say whether it is idle; remove it");
	}
	if (pool->recycle_requests != 0) {
		d = seen->good[ol_options_index(ol_options_find("recycle"))];
		ol_diagnostic_error(draft->diagnostics, d->words[0].place,
		    "\"recycle requests\" needs \"type notify\": a simple "
		    "program does not say how many; remove it");
	}
	/* Those of the top level are for the other pools. */
	pool->ping_interval = 0;
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
check_notify_path(struct ol_draft *draft, const struct ol_conf_pool *pool)
{
	const char *pid = draft->conf->pid, *slash = strrchr(pid, '/');
	size_t folder = (size_t)(slash - pid), name, most;
	const struct ol_directive *d;

	name = strlen("/notify/..") + strlen(pool->name) +
	       count_digits(pool->processes - 1) + 10;
	if (folder + name <= SOCKET_PATH_MAX)
		return;
	most = SOCKET_PATH_MAX - name;
	d = draft->main.good[ol_options_index(ol_options_find("pid"))];
	ol_diagnostic_error(draft->diagnostics,
	    d != NULL ? d->words[1].place : pool->block->words[1].place,
	    "the folder of the pid file is %zu bytes too long for the sockets "
	    "of pool \"%s\" in it: at most %zu bytes fit",
	    folder - most, pool->name, most);
}

void
ol_conf_pool_read(struct ol_draft *draft, const struct ol_directive *block)
{
	struct ol_conf_pool *pool = ol_conf_pool_new();
	struct ol_seen seen = { .first = { NULL } };
	const char *name;
	bool good;

	pool->block = block;
	ol_draft_fill(draft, OL_IN_POOL, pool);
	name = read_pool_name(draft, block);
	pool->name = ol_must(strdup(name != NULL ? name : "?"));
	good = ol_draft_read(draft, block, OL_IN_POOL, pool, &seen);
	ol_draft_check_twice(draft, block, "env", "variable");
	ol_draft_check_required(draft, OL_IN_POOL, block, &seen);
	if (pool->shutdown_delay_max == -1)
		pool->shutdown_delay_max = pool->shutdown_delay;
	ol_draft_run_user(
	    draft, block, &seen, &pool->user, &pool->uid, &pool->gid);
	if (good && !draft->failed)
		check_delays(draft, pool, &seen);
	if (good && !draft->failed)
		check_simple(draft, pool, &seen);
	if (good && !draft->failed)
		check_pings(draft, pool, &seen);
	if (name == NULL) {
		ol_conf_pool_free(pool);
		return;
	}
	check_notify_path(draft, pool);
	TAILQ_INSERT_TAIL(&draft->conf->pools, pool, link);
}

/* --- what others ask ----------------------------------------------------- */

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
	    a->limit.memory != b->limit.memory ||
	    a->limit.processes != b->limit.processes ||
	    a->limit.cpu != b->limit.cpu || a->type != b->type ||
	    a->ping_interval != b->ping_interval || a->nenv != b->nenv)
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
