#include <sys/socket.h>
#include <string.h>

#include "base/text.h"
#include "run/spawn.h"

/* What was written, or is left to be read; at == NULL: it does not fit. */
struct cursor {
	unsigned char *at, *end;
};

static void
put(struct cursor *c, const void *data, size_t len)
{
	if (c->at == NULL || (size_t)(c->end - c->at) < len) {
		c->at = NULL;
		return;
	}
	if (len > 0)
		memcpy(c->at, data, len);
	c->at += len;
}

static void
put_text(struct cursor *c, const char *text, size_t max)
{
	size_t len = strnlen(text, max);

	if (len == max)
		c->at = NULL;
	else
		put(c, text, len + 1);
}

static int
get(const unsigned char **at, const unsigned char *end, void *data, size_t len)
{
	if ((size_t)(end - *at) < len)
		return -1;
	memcpy(data, *at, len);
	*at += len;
	return 0;
}

static int
get_text(const unsigned char **at, const unsigned char *end, const char **text,
    size_t max)
{
	size_t left = (size_t)(end - *at);
	const unsigned char *nul;

	nul = memchr(*at, '\0', left < max ? left : max);
	if (nul == NULL)
		return -1;
	*text = (const char *)*at;
	*at = nul + 1;
	return 0;
}

bool
ol_spawn_is_name(const char *name, size_t len)
{
	size_t i;

	if (len == 0 || (name[0] >= '0' && name[0] <= '9'))
		return false;
	for (i = 0; i < len; i++)
		if ((name[i] < 'A' || name[i] > 'Z') &&
		    (name[i] < '0' || name[i] > '9') && name[i] != '_')
			return false;
	return true;
}

static bool
is_env(const char *env, size_t size)
{
	const char *end = env + size, *nul, *equals;

	if (size > OL_SPAWN_ENV_MAX)
		return false;
	for (; env < end; env = nul + 1) {
		if ((nul = memchr(env, '\0', (size_t)(end - env))) == NULL)
			return false;
		if ((equals = strchr(env, '=')) == NULL ||
		    !ol_spawn_is_name(env, (size_t)(equals - env)))
			return false;
	}
	return true;
}

static bool
is_line(const char *text)
{
	size_t left = strlen(text), n;

	for (; left > 0; text += n, left -= n)
		if ((n = ol_text_printable(text, left)) == 0) {
			if (*text != '\\')
				return false;
			n = 1;
		}
	return true;
}

size_t
ol_spawn_format(const struct ol_spawn *m, unsigned char message[OL_SPAWN_MAX])
{
	struct cursor c = { message, message + OL_SPAWN_MAX };
	uint8_t verb = (uint8_t)m->verb;
	struct ol_spawn check;

	put(&c, &verb, sizeof(verb));
	put(&c, &m->tag, sizeof(m->tag));
	switch (m->verb) {
	case OL_SPAWN_START:
		put(&c, &m->generation, sizeof(m->generation));
		put_text(&c, m->type, OL_SPAWN_NAME_MAX);
		put_text(&c, m->attempt, OL_SPAWN_NAME_MAX);
		put(&c, m->env, m->env_size);
		break;
	case OL_SPAWN_TERM:
	case OL_SPAWN_KILL:
		break;
	case OL_SPAWN_REFUSED:
		put(&c, &m->error, sizeof(m->error));
		put_text(&c, m->text, OL_SPAWN_TEXT_MAX);
		break;
	case OL_SPAWN_EXITED:
		put(&c, &m->status, sizeof(m->status));
		put(&c, &m->leftovers, sizeof(m->leftovers));
		put(&c, &m->user_usec, sizeof(m->user_usec));
		put(&c, &m->system_usec, sizeof(m->system_usec));
		put(&c, &m->max_rss, sizeof(m->max_rss));
		break;
	}
	if (c.at == NULL ||
	    ol_spawn_parse(&check, message, (size_t)(c.at - message),
		m->verb == OL_SPAWN_START ? OL_SPAWN_FDS : 0) == -1)
		return 0;
	return (size_t)(c.at - message);
}

static int
parse_start(
    struct ol_spawn *m, const unsigned char **at, const unsigned char *end)
{
	if (get(at, end, &m->generation, sizeof(m->generation)) == -1 ||
	    get_text(at, end, &m->type, OL_SPAWN_NAME_MAX) == -1 ||
	    get_text(at, end, &m->attempt, OL_SPAWN_NAME_MAX) == -1 ||
	    m->type[0] == '\0' || !is_line(m->type) || !is_line(m->attempt))
		return -1;
	m->env = (const char *)*at;
	m->env_size = (size_t)(end - *at);
	*at = end;
	return is_env(m->env, m->env_size) ? 0 : -1;
}

static int
parse_exited(
    struct ol_spawn *m, const unsigned char **at, const unsigned char *end)
{
	if (get(at, end, &m->status, sizeof(m->status)) == -1 ||
	    get(at, end, &m->leftovers, sizeof(m->leftovers)) == -1 ||
	    get(at, end, &m->user_usec, sizeof(m->user_usec)) == -1 ||
	    get(at, end, &m->system_usec, sizeof(m->system_usec)) == -1 ||
	    get(at, end, &m->max_rss, sizeof(m->max_rss)) == -1)
		return -1;
	return m->user_usec < 0 || m->system_usec < 0 || m->max_rss < 0 ? -1
									: 0;
}

static int
parse_rest(
    struct ol_spawn *m, const unsigned char **at, const unsigned char *end)
{
	switch (m->verb) {
	case OL_SPAWN_START:
		return parse_start(m, at, end);
	case OL_SPAWN_TERM:
	case OL_SPAWN_KILL:
		return 0;
	case OL_SPAWN_REFUSED:
		if (get(at, end, &m->error, sizeof(m->error)) == -1 ||
		    get_text(at, end, &m->text, OL_SPAWN_TEXT_MAX) == -1)
			return -1;
		return m->error >= 0 && is_line(m->text) ? 0 : -1;
	case OL_SPAWN_EXITED:
		return parse_exited(m, at, end);
	}
	return -1;
}

int
ol_spawn_parse(
    struct ol_spawn *m, const unsigned char *message, size_t len, size_t nfds)
{
	const unsigned char *at = message, *end = message + len;
	uint8_t verb = 0;

	memset(m, 0, sizeof(*m));
	if (len > OL_SPAWN_MAX || get(&at, end, &verb, sizeof(verb)) == -1 ||
	    get(&at, end, &m->tag, sizeof(m->tag)) == -1)
		goto bad;
	m->verb = (enum ol_spawn_verb)verb;
	if (parse_rest(m, &at, end) == -1 || at != end ||
	    nfds != (verb == OL_SPAWN_START ? OL_SPAWN_FDS : 0))
		goto bad;
	return 0;
bad:
	memset(m, 0, sizeof(*m));
	return -1;
}

void
ol_spawn_prepare(int channel)
{
	int size = 4 * OL_SPAWN_MAX;

	/* What the kernel does not grant, shows as EAGAIN or EMSGSIZE. */
	setsockopt(channel, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}
