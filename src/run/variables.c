#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "run/variables.h"

static int64_t
seconds_up(int64_t nsec)
{
	return nsec / OL_SEC(1) + (nsec % OL_SEC(1) > 0);
}

void
ol_variables_each(const struct ol_run_job *job, ol_variable_fn *fn, void *arg)
{
	const struct ol_body *payload = job->payload;
	char id[OL_ID_TEXT_SIZE], number[24];

	ol_id_format(&job->id, id);
	fn(arg, "OUTLAST_TASK_ID", id);
	fn(arg, "OUTLAST_TASK_TYPE", job->conf->name);
	snprintf(number, sizeof(number), "%" PRIu32, job->attempt);
	fn(arg, "OUTLAST_ATTEMPT", number);
	snprintf(number, sizeof(number), "%" PRId64,
	    (int64_t)time(NULL) + seconds_up(job->conf->timeout));
	fn(arg, "OUTLAST_DEADLINE", number);
	fn(arg, "OUTLAST_OWNER", job->owner);
	fn(arg, "OUTLAST_CONTENT_TYPE", job->content_type);
	snprintf(number, sizeof(number), "%" PRId64,
	    payload == NULL ? (int64_t)0 : payload->size);
	fn(arg, "OUTLAST_PAYLOAD_SIZE", number);
}

bool
ol_variables_own(const char *name)
{
	return strncmp(name, "OUTLAST_", 8) == 0 ||
	       strcmp(name, "NOTIFY_SOCKET") == 0 ||
	       strcmp(name, "TRACEPARENT") == 0;
}

const char *
ol_variables_find(const struct ol_run_job *job, const char *name)
{
	size_t i;

	for (i = 0; i < job->ncontext; i++)
		if (strcmp(job->context[i].name, name) == 0)
			return job->context[i].value;
	return NULL;
}
