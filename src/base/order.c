#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/order.h"
#include "base/text.h"

enum { ORDER_FIELDS = 3 };

/* A number of an order: where it is kept, and what it may be. */
struct field {
	enum { END, U32, I64, COUNT } kind;
	size_t offset;
	int64_t min, max;
};

#define AT(name) offsetof(struct ol_order, name)

static const struct verb {
	const char *name;
	struct field fields[ORDER_FIELDS + 1];
	bool has_reason;
} verbs[OL_ORDER_VERBS] = {
	[OL_ORDER_CONFIG] = { "config",
	    { { U32, AT(generation), 1, UINT32_MAX },
		{ COUNT, AT(nlisten), 0, OL_CHANNEL_FDS - 1 },
		{ COUNT, AT(nlog), 0, OL_CHANNEL_FDS - 1 } },
	    false },
	[OL_ORDER_REOPEN] = { "reopen",
	    { { COUNT, AT(nlog), 0, OL_CHANNEL_FDS - 1 } }, false },
	[OL_ORDER_SPAWNER] = { "spawner", { { END, 0, 0, 0 } }, false },
	/* More milliseconds than nanoseconds can count are no time. */
	[OL_ORDER_STOP] = { "stop",
	    { { I64, AT(left_ms), -1, INT64_MAX / 1000000 },
		{ I64, AT(grace_ms), 0, INT64_MAX / 1000000 } },
	    false },
	[OL_ORDER_EXIT] = { "exit",
	    { { I64, AT(left_ms), 0, INT64_MAX / 1000000 } }, false },
	[OL_ORDER_PING] = { "ping", { { END, 0, 0, 0 } }, false },
	[OL_ORDER_CLOSED] = { "closed",
	    { { U32, AT(number), 1, UINT32_MAX },
		{ I64, AT(left_ms), 0, INT64_MAX / 1000000 } },
	    false },
	[OL_ORDER_OPEN] = { "open", { { U32, AT(number), 1, UINT32_MAX } },
	    false },
	[OL_ORDER_OPENED] = { "opened", { { U32, AT(number), 1, UINT32_MAX } },
	    false },
	[OL_ORDER_READY] = { "ready", { { END, 0, 0, 0 } }, false },
	[OL_ORDER_APPLIED] = { "applied",
	    { { U32, AT(generation), 1, UINT32_MAX } }, false },
	[OL_ORDER_RUNNING] = { "running",
	    { { U32, AT(running), 0, UINT32_MAX } }, false },
	[OL_ORDER_DEADLINE] = { "deadline",
	    { { I64, AT(left_ms), 0, INT64_MAX / 1000000 } }, false },
	[OL_ORDER_DRAINED] = { "drained", { { END, 0, 0, 0 } }, false },
	[OL_ORDER_ALIVE] = { "alive", { { END, 0, 0, 0 } }, false },
	[OL_ORDER_FAILED] = { "failed", { { END, 0, 0, 0 } }, true },
};

static int64_t
get(const struct ol_order *order, const struct field *field)
{
	const char *at = (const char *)order + field->offset;

	switch (field->kind) {
	case U32:
		return *(const uint32_t *)(const void *)at;
	case COUNT:
		return *(const unsigned *)(const void *)at;
	case I64:
		return *(const int64_t *)(const void *)at;
	case END:
		break;
	}
	return 0;
}

static void
set(struct ol_order *order, const struct field *field, int64_t value)
{
	char *at = (char *)order + field->offset;

	switch (field->kind) {
	case U32:
		*(uint32_t *)(void *)at = (uint32_t)value;
		break;
	case COUNT:
		*(unsigned *)(void *)at = (unsigned)value;
		break;
	case I64:
		*(int64_t *)(void *)at = value;
		break;
	case END:
		break;
	}
}

size_t
ol_order_fds(const struct ol_order *order)
{
	switch (order->verb) {
	case OL_ORDER_CONFIG:
		return (size_t)1 + order->nlisten + order->nlog;
	case OL_ORDER_REOPEN:
		return order->nlog;
	case OL_ORDER_SPAWNER:
	case OL_ORDER_CLOSED:
		return 1;
	default:
		return 0;
	}
}

size_t
ol_order_format(const struct ol_order *order, char text[OL_ORDER_MAX])
{
	const struct verb *verb = &verbs[order->verb];
	const struct field *field;
	char reason[OL_ORDER_REASON_MAX];
	size_t len;

	len = (size_t)snprintf(text, OL_ORDER_MAX, "%s", verb->name);
	for (field = verb->fields; field->kind != END; field++)
		len += (size_t)snprintf(text + len, OL_ORDER_MAX - len, " %lld",
		    (long long)get(order, field));
	if (verb->has_reason) {
		ol_text_escape(reason, sizeof(reason), order->reason,
		    strnlen(order->reason, sizeof(order->reason)));
		len += (size_t)snprintf(text + len, OL_ORDER_MAX - len, " %s",
		    reason[0] != '\0' ? reason : "unknown");
	}
	return len;
}

/* A space and a decimal number, as ol_order_format() writes it and no other
 * way. Returns what follows, or NULL. */
static const char *
parse_number(
    const char *s, const char *end, const struct field *field, int64_t *value)
{
	bool negative = false;
	int64_t n = 0;
	const char *digits;

	if (s == end || *s++ != ' ')
		return NULL;
	if (s < end && *s == '-') {
		negative = true;
		s++;
	}
	for (digits = s; s < end && *s >= '0' && *s <= '9'; s++) {
		if (n > (INT64_MAX - (*s - '0')) / 10)
			return NULL;
		n = n * 10 + (*s - '0');
	}
	if (s == digits || (*digits == '0' && (s - digits > 1 || negative)))
		return NULL;
	*value = negative ? -n : n;
	return *value < field->min || *value > field->max ? NULL : s;
}

static int
parse_reason(struct ol_order *order, const char *s, const char *end)
{
	size_t len, n, step;

	if (s == end || *s++ != ' ')
		return -1;
	len = (size_t)(end - s);
	if (len == 0 || len >= sizeof(order->reason))
		return -1;
	for (n = 0; n < len; n += step)
		/* A backslash is written by the escape alone. */
		if ((step = ol_text_printable(s + n, len - n)) == 0) {
			if (s[n] != '\\')
				return -1;
			step = 1;
		}
	memcpy(order->reason, s, len);
	return 0;
}

static const struct verb *
find(const char *text, const char *end, size_t *name_len)
{
	size_t i;

	*name_len = 0;
	while (text + *name_len < end && text[*name_len] != ' ')
		++*name_len;
	for (i = 0; i < OL_ORDER_VERBS; i++)
		if (strlen(verbs[i].name) == *name_len &&
		    memcmp(verbs[i].name, text, *name_len) == 0)
			return &verbs[i];
	return NULL;
}

int
ol_order_parse(
    struct ol_order *order, const char *text, size_t len, size_t nfds)
{
	const char *end = text + len, *s;
	const struct verb *verb;
	const struct field *field;
	size_t name_len;
	int64_t value;

	memset(order, 0, sizeof(*order));
	if (len > OL_ORDER_MAX || (verb = find(text, end, &name_len)) == NULL)
		goto bad;
	order->verb = (enum ol_order_verb)(verb - verbs);
	s = text + name_len;
	for (field = verb->fields; field->kind != END; field++) {
		if ((s = parse_number(s, end, field, &value)) == NULL)
			goto bad;
		set(order, field, value);
	}
	if (verb->has_reason) {
		if (parse_reason(order, s, end) == -1)
			goto bad;
	} else if (s != end)
		goto bad;
	if (ol_order_fds(order) != nfds)
		goto bad;
	return 0;
bad:
	memset(order, 0, sizeof(*order));
	return -1;
}

int
ol_order_send(int channel, const struct ol_order *order, const int *fds)
{
	char text[OL_ORDER_MAX];
	size_t len = ol_order_format(order, text);

	return ol_channel_send(channel, text, len, fds, ol_order_fds(order));
}

int
ol_order_receive(int channel, struct ol_order *order, int *fds)
{
	char text[OL_ORDER_MAX];
	size_t nfds;
	ssize_t n;

	n = ol_channel_receive(channel, text, sizeof(text), fds, &nfds);
	if (n == -1 && errno == EMSGSIZE)
		errno = EBADMSG;
	if (n <= 0)
		return (int)n;
	if (ol_order_parse(order, text, (size_t)n, nfds) == 0)
		return 1;
	while (nfds > 0)
		close(fds[--nfds]);
	errno = EBADMSG;
	return -1;
}
