#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/must.h"
#include "master/reload.h"

/* told, unless NULL, gets the errors, too. */
static struct ol_conf *
load(const struct ol_conf *old, const char *extra, char **told)
{
	char *text = NULL, *line, *rest;
	struct ol_conf *conf;
	size_t size;
	FILE *errors = ol_must(open_memstream(&text, &size));

	conf = ol_conf_load(old->file, extra, errors, false);
	fclose(errors);
	if (told != NULL && conf == NULL)
		*told = ol_must(strdup(text));
	for (rest = text; (line = strsep(&rest, "\n")) != NULL;)
		if (*line != '\0')
			ol_log_write(NULL,
			    conf == NULL ? OL_LOG_ERROR : OL_LOG_WARN, "%s",
			    line);
	free(text);
	return conf;
}

/*
 * A pool that moves keeps its old process, on its old address, until the
 * successor is ready; another pool on that address would meanwhile share it
 * with a stranger.
 */
static int
check_moves(const struct ol_conf *conf, const struct ol_conf *old)
{
	const struct ol_conf_pool *was, *taker, *mover;
	size_t i;

	TAILQ_FOREACH (was, &old->pools, link) {
		mover = taker = NULL;
		TAILQ_FOREACH (taker, &conf->pools, link)
			if (strcmp(taker->listen.text, was->listen.text) == 0)
				break;
		TAILQ_FOREACH (mover, &conf->pools, link)
			if (strcmp(mover->name, was->name) == 0)
				break;
		if (mover == NULL || taker == mover)
			continue;
		for (i = 0; i < conf->nlisten; i++)
			if (strcmp(conf->listen[i].text, was->listen.text) ==
			    0) {
				ol_log_error(NULL,
				    "the tasks take the address %s of pool "
				    "\"%s\", which moves: do it in two "
				    "reloads",
				    was->listen.text, was->name);
				return -1;
			}
		if (taker == NULL)
			continue;
		ol_log_error(NULL,
		    "pool \"%s\" takes the address %s of pool \"%s\", which "
		    "moves: do it in two reloads",
		    taker->name, was->listen.text, was->name);
		return -1;
	}
	return 0;
}

/* Take the text that another one has. */
static void
keep_text(char **text, const char *old)
{
	free(*text);
	*text = old != NULL ? ol_must(strdup(old)) : NULL;
}

/* The store stays where the engine has it, and whose it is. */
static void
keep_restart_only(struct ol_conf *conf, const struct ol_conf *old)
{
	if (strcmp(conf->pid, old->pid) != 0)
		ol_log_warn(NULL, "a change of \"pid\" needs a restart");
	if (strcmp(conf->state, old->state) != 0) {
		ol_log_warn(NULL, "a change of \"state\" needs a restart");
		keep_text(&conf->state, old->state);
	}
	if (strcmp(conf->control.text, old->control.text) != 0 ||
	    conf->control.mode != old->control.mode ||
	    conf->control.gid != old->control.gid) {
		ol_log_warn(NULL, "a change of \"control\" needs a restart");
		keep_text(&conf->control.text, old->control.text);
		keep_text(&conf->control.group, old->control.group);
		conf->control.addr = old->control.addr;
		conf->control.mode = old->control.mode;
		conf->control.gid = old->control.gid;
	}
	if (conf->uid != old->uid || conf->gid != old->gid) {
		ol_log_warn(NULL, "a change of \"user\" needs a restart");
		keep_text(&conf->user, old->user);
		conf->uid = old->uid;
		conf->gid = old->gid;
	}
}

struct ol_conf *
ol_reload_read(const struct ol_conf *old, const char *extra, char **told)
{
	struct ol_conf *conf = load(old, extra, told);

	if (conf == NULL)
		return NULL;
	if (check_moves(conf, old) == 0)
		return conf;
	ol_conf_free(conf);
	return NULL;
}

void
ol_reload_keep(struct ol_conf *conf, const struct ol_conf *old)
{
	keep_restart_only(conf, old);
}

/* --- What there is to tell. --- */

struct names {
	struct ol_document *document;
	bool reloadable;
};

static void
name_directive(void *arg, const char *directive, bool reloadable)
{
	const struct names *names = arg;

	if (reloadable == names->reloadable)
		ol_document_text(names->document, NULL, directive);
}

static void
list_directives(struct ol_document *d, const char *key, bool reloadable,
    const struct ol_conf *old, const struct ol_conf *conf)
{
	struct names names = { d, reloadable };

	ol_document_array(d, key);
	ol_conf_differences(old, conf, name_directive, &names);
	ol_document_array_end(d);
}

static const struct ol_conf_pool *
find_pool(const struct ol_conf *conf, const char *name)
{
	const struct ol_conf_pool *pool;

	TAILQ_FOREACH (pool, &conf->pools, link)
		if (strcmp(pool->name, name) == 0)
			return pool;
	return NULL;
}

static const struct ol_conf_task *
find_task(const struct ol_conf *conf, const char *name)
{
	const struct ol_conf_task *task;

	TAILQ_FOREACH (task, &conf->tasks, link)
		if (strcmp(task->name, name) == 0)
			return task;
	return NULL;
}

enum what { ADDED, CHANGED, RECYCLED, REMOVED, WHATS };

static enum what
what_of_pool(const struct ol_conf_pool *was, const struct ol_conf_pool *is)
{
	if (was == NULL)
		return ADDED;
	if (!ol_conf_pool_same_process(was, is))
		return RECYCLED;
	return ol_conf_same_pool(was, is) ? WHATS : CHANGED;
}

static void
list_pools(struct ol_document *d, const struct ol_conf *old,
    const struct ol_conf *conf)
{
	static const char *const keys[] = { [ADDED] = "added",
		[CHANGED] = "changed",
		[RECYCLED] = "recycled",
		[REMOVED] = "removed" };
	const struct ol_conf_pool *pool;
	int what;

	ol_document_object(d, "pools");
	for (what = 0; what < WHATS; what++) {
		ol_document_array(d, keys[what]);
		if (what == REMOVED) {
			TAILQ_FOREACH (pool, &old->pools, link)
				if (find_pool(conf, pool->name) == NULL)
					ol_document_text(d, NULL, pool->name);
		} else
			TAILQ_FOREACH (pool, &conf->pools, link)
				if ((int)what_of_pool(
					find_pool(old, pool->name), pool) ==
				    what)
					ol_document_text(d, NULL, pool->name);
		ol_document_array_end(d);
	}
	ol_document_object_end(d);
}

static void
list_tasks(struct ol_document *d, const struct ol_conf *old,
    const struct ol_conf *conf)
{
	const struct ol_conf_task *task, *was;

	ol_document_object(d, "tasks");
	ol_document_array(d, "added");
	TAILQ_FOREACH (task, &conf->tasks, link)
		if (find_task(old, task->name) == NULL)
			ol_document_text(d, NULL, task->name);
	ol_document_array_end(d);
	ol_document_array(d, "changed");
	TAILQ_FOREACH (task, &conf->tasks, link)
		if ((was = find_task(old, task->name)) != NULL &&
		    !ol_conf_same_task(was, task))
			ol_document_text(d, NULL, task->name);
	ol_document_array_end(d);
	ol_document_array(d, "removed");
	TAILQ_FOREACH (task, &old->tasks, link)
		if (find_task(conf, task->name) == NULL)
			ol_document_text(d, NULL, task->name);
	ol_document_array_end(d);
	ol_document_object_end(d);
}

void
ol_reload_tell(struct ol_document *d, const struct ol_conf *old,
    const struct ol_conf *conf)
{
	ol_document_text(d, "file", conf->file);
	list_directives(d, "applied", true, old, conf);
	list_directives(d, "needs_restart", false, old, conf);
	list_pools(d, old, conf);
	list_tasks(d, old, conf);
}
