#include <stdio.h>
#include <string.h>

#include "base/control.h"

static const struct {
	const char *name;
	bool pool;    /* its name follows */
	bool changes; /* not for those who may only read */
} verbs[OL_CONTROL_VERBS] = {
	[OL_CONTROL_STATUS] = { "status", false, false },
	[OL_CONTROL_POOLS] = { "pools", false, false },
	[OL_CONTROL_POOL] = { "pool", true, false },
	[OL_CONTROL_RECYCLE] = { "recycle", true, true },
	[OL_CONTROL_STOP] = { "stop", true, true },
	[OL_CONTROL_START] = { "start", true, true },
	[OL_CONTROL_RELOAD] = { "reload", false, true },
};

const char *
ol_control_name(enum ol_control_verb verb)
{
	return verbs[verb].name;
}

bool
ol_control_changes(enum ol_control_verb verb)
{
	return verbs[verb].changes;
}

bool
ol_control_takes_pool(enum ol_control_verb verb)
{
	return verbs[verb].pool;
}

/* What a pool may be called, and nothing that could mean more. */
static bool
is_name(const char *data, size_t len)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_-";
	size_t i;

	if (len == 0 || len >= OL_CONTROL_POOL_SIZE)
		return false;
	for (i = 0; i < len; i++)
		if (memchr(letters, data[i], sizeof(letters) - 1) == NULL)
			return false;
	return true;
}

const char *
ol_control_parse(
    struct ol_control_request *request, const char *data, size_t len)
{
	const char *space = memchr(data, ' ', len);
	size_t verb = space != NULL ? (size_t)(space - data) : len;
	size_t rest = space != NULL ? len - verb - 1 : 0;
	int i;

	if (len == 0 || len > OL_CONTROL_REQUEST_MAX)
		return "a request has 1 to 512 bytes";
	for (i = 0; i < OL_CONTROL_VERBS; i++)
		if (strlen(verbs[i].name) == verb &&
		    memcmp(verbs[i].name, data, verb) == 0)
			break;
	if (i == OL_CONTROL_VERBS)
		return "there is no such verb";
	request->verb = (enum ol_control_verb)i;
	request->pool[0] = '\0';
	if (!verbs[i].pool)
		return space != NULL ? "the verb takes no more words" : NULL;
	if (space == NULL || !is_name(space + 1, rest))
		return "the verb takes the name of one pool";
	memcpy(request->pool, space + 1, rest);
	request->pool[rest] = '\0';
	return NULL;
}

size_t
ol_control_format(char *buf, const struct ol_control_request *request)
{
	const char *name = verbs[request->verb].name;
	int len;

	if (verbs[request->verb].pool)
		len = snprintf(
		    buf, OL_CONTROL_REQUEST_MAX, "%s %s", name, request->pool);
	else
		len = snprintf(buf, OL_CONTROL_REQUEST_MAX, "%s", name);
	return (size_t)len;
}
