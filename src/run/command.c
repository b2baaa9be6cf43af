#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "run/command.h"
#include "run/spawn.h"
#include "run/variables.h"

struct environment {
	char *data; /* OL_SPAWN_ENV_MAX bytes */
	size_t size;
	bool too_long;
};

__attribute__((format(printf, 3, 4))) static void
add(struct environment *env, const char *name, const char *fmt, ...)
{
	size_t left = OL_SPAWN_ENV_MAX - env->size, n, m;
	va_list ap;

	n = (size_t)snprintf(env->data + env->size, left, "%s=", name);
	if (n >= left)
		goto too_long;
	va_start(ap, fmt);
	m = (size_t)vsnprintf(env->data + env->size + n, left - n, fmt, ap);
	va_end(ap);
	if (m >= left - n)
		goto too_long;
	env->size += n + m + 1;
	return;
too_long:
	env->too_long = true;
}

static void
on_variable(void *arg, const char *name, const char *value)
{
	add(arg, name, "%s", value);
}

/* Of a whole request, a program gets what its type names. */
static bool
is_wanted(const struct ol_run_job *job, const char *name)
{
	const struct ol_conf_task *conf = job->conf;
	size_t i;

	if (!ol_spawn_is_name(name, strlen(name)))
		return false;
	for (i = 0; job->recorded && i < conf->ncontext; i++)
		if (strcmp(conf->context[i], name) == 0)
			return true;
	return !job->recorded;
}

static void
describe(struct environment *env, const struct ol_run_job *job)
{
	size_t i;

	ol_variables_each(job, on_variable, env);
	for (i = 0; i < job->ncontext; i++)
		if (is_wanted(job, job->context[i].name))
			add(env, job->context[i].name, "%s",
			    job->context[i].value);
}

unsigned char *
ol_command_new(uint64_t tag, uint32_t generation, const struct ol_run_job *job,
    size_t *len)
{
	struct environment env = { .data = ol_must(malloc(OL_SPAWN_ENV_MAX)) };
	unsigned char *message = ol_must(malloc(OL_SPAWN_MAX));
	char id[OL_ID_TEXT_SIZE], attempt[OL_ID_TEXT_SIZE + 16];
	struct ol_spawn m = { .verb = OL_SPAWN_START,
		.tag = tag,
		.generation = generation,
		.type = job->conf->name,
		.attempt = attempt };

	ol_id_format(&job->id, id);
	snprintf(attempt, sizeof(attempt), "%s/%" PRIu32, id, job->attempt);
	describe(&env, job);
	m.env = env.data;
	m.env_size = env.size;
	*len = env.too_long ? 0 : ol_spawn_format(&m, message);
	free(env.data);
	if (*len == 0) {
		free(message);
		return NULL;
	}
	return ol_must(realloc(message, *len));
}
