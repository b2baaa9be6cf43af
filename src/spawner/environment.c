#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "spawner/environment.h"

struct list {
	char **env;
	size_t n, room;
};

static size_t
name_length(const char *pair)
{
	return (size_t)(strchr(pair, '=') - pair);
}

/* Takes pair. */
static void
add(struct list *list, char *pair)
{
	size_t i, len = name_length(pair) + 1;

	for (i = 0; i < list->n; i++)
		if (strncmp(list->env[i], pair, len) == 0) {
			free(pair);
			return;
		}
	if (list->n + 1 >= list->room) {
		list->room = list->room == 0 ? 32 : list->room * 2;
		list->env = ol_must(
		    realloc(list->env, list->room * sizeof(*list->env)));
	}
	list->env[list->n++] = pair;
	list->env[list->n] = NULL;
}

static void
set(struct list *list, const char *name, const char *value)
{
	char *pair;

	if (asprintf(&pair, "%s=%s", name, value) == -1)
		ol_must(NULL);
	add(list, pair);
}

static bool
is(const char *name, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(word, name, len) == 0;
}

static bool
describes_attempt(const char *name, size_t len)
{
	static const char *const words[] = { "OUTLAST_TASK_ID",
		"OUTLAST_TASK_TYPE", "OUTLAST_ATTEMPT", "OUTLAST_DEADLINE",
		"OUTLAST_OWNER", "OUTLAST_CONTENT_TYPE", "OUTLAST_PAYLOAD_SIZE",
		"TRACEPARENT" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (is(name, len, words[i]))
			return true;
	return false;
}

/* Whatever a web client says there would become code of the program. */
static bool
steers(const char *name, size_t len)
{
	static const char *const words[] = { "BASH_ENV", "ENV", "IFS",
		"GCONV_PATH", "GLIBC_TUNABLES", "SHELLOPTS", "PS4" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (is(name, len, words[i]))
			return true;
	return (len > 3 && memcmp(name, "LD_", 3) == 0) ||
	       (len > 8 && memcmp(name, "OUTLAST_", 8) == 0);
}

static bool
in_context(const struct ol_conf_task *conf, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < conf->ncontext; i++)
		if (is(name, len, conf->context[i]))
			return !steers(name, len);
	return false;
}

static void
add_theirs(struct list *list, const struct ol_conf_task *conf,
    const struct ol_environment *e, bool context)
{
	const char *pair = e->env, *end = e->env + e->env_size;
	size_t len;

	for (; pair < end; pair += strlen(pair) + 1) {
		len = name_length(pair);
		if (context ? in_context(conf, pair, len)
			    : describes_attempt(pair, len))
			add(list, ol_must(strdup(pair)));
	}
}

char **
ol_environment_new(
    const struct ol_conf_task *conf, const struct ol_environment *e)
{
	struct list list = { 0 };
	size_t i;

	set(&list, "TMPDIR", e->scratch);
	set(&list, "NOTIFY_SOCKET", e->notify);
	set(&list, "OUTLAST_NOTIFY", e->notify);
	set(&list, "OUTLAST_INSTANCE", e->instance);
	add_theirs(&list, conf, e, false);
	for (i = 0; i < conf->nenv; i++)
		set(&list, conf->env[i].name, conf->env[i].value);
	set(&list, "PATH", "/usr/local/bin:/usr/bin:/bin");
	set(&list, "HOME", e->home);
	set(&list, "LANG", "C.UTF-8");
	add_theirs(&list, conf, e, true);
	return list.env;
}

void
ol_environment_free(char **env)
{
	size_t i;

	if (env == NULL)
		return;
	for (i = 0; env[i] != NULL; i++)
		free(env[i]);
	free(env);
}
