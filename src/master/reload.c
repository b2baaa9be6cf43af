#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/must.h"
#include "master/reload.h"

static struct ol_conf *
load(const struct ol_conf *old, const char *extra)
{
	char *text = NULL, *line, *rest;
	struct ol_conf *conf;
	size_t size;
	FILE *errors = ol_must(open_memstream(&text, &size));

	conf = ol_conf_load(old->file, extra, errors, false);
	fclose(errors);
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
	if (conf->uid != old->uid || conf->gid != old->gid) {
		ol_log_warn(NULL, "a change of \"user\" needs a restart");
		keep_text(&conf->user, old->user);
		conf->uid = old->uid;
		conf->gid = old->gid;
	}
}

struct ol_conf *
ol_reload_read(const struct ol_conf *old, const char *extra)
{
	struct ol_conf *conf = load(old, extra);

	if (conf == NULL)
		return NULL;
	keep_restart_only(conf, old);
	if (check_moves(conf, old) == 0)
		return conf;
	ol_conf_free(conf);
	return NULL;
}
