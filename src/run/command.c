#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/must.h"
#include "run/command.h"
#include "run/spawn.h"

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

static int64_t
seconds_up(int64_t nsec)
{
	return nsec / OL_SEC(1) + (nsec % OL_SEC(1) > 0);
}

static void
describe(struct environment *env, const struct ol_run_job *job, const char *id)
{
	const struct ol_body *payload = job->payload;
	size_t i;

	add(env, "OUTLAST_TASK_ID", "%s", id);
	add(env, "OUTLAST_TASK_TYPE", "%s", job->conf->name);
	add(env, "OUTLAST_ATTEMPT", "%" PRIu32, job->attempt);
	add(env, "OUTLAST_DEADLINE", "%" PRId64,
	    (int64_t)time(NULL) + seconds_up(job->conf->timeout));
	add(env, "OUTLAST_OWNER", "%s", job->owner);
	add(env, "OUTLAST_CONTENT_TYPE", "%s", job->content_type);
	add(env, "OUTLAST_PAYLOAD_SIZE", "%" PRId64,
	    payload == NULL ? 0 : payload->size);
	for (i = 0; i < job->ncontext; i++)
		if (ol_spawn_is_name(
			job->context[i].name, strlen(job->context[i].name)))
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
	describe(&env, job, id);
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
