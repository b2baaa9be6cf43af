#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/options.h"
#include "base/clock.h"
#include "config/values.h"

enum { VALUE_MAX = 255 };

void
ol_options_init(struct ol_options *options)
{
	options->delay = options->due = 0;
	options->priority = INT_MIN;
	options->owner[0] = '\0';
}

/* --- one option each; NULL, or what is valid --- */

/* n digits at text, or -1. */
static int
digits(const char *text, int n)
{
	int value = 0, i;

	for (i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (text[i] - '0');
	}
	return value;
}

/* "Z" or "+01:00" at the end of a time, in seconds; -1: neither. */
static int
read_zone(const char *text, int64_t *seconds)
{
	int hours, minutes;

	*seconds = 0;
	if (strcasecmp(text, "z") == 0)
		return 0;
	if (strlen(text) != 6 || (text[0] != '+' && text[0] != '-') ||
	    text[3] != ':')
		return -1;
	hours = digits(text + 1, 2);
	minutes = digits(text + 4, 2);
	if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
		return -1;
	*seconds = (hours * 60 + minutes) * 60 * (text[0] == '-' ? -1 : 1);
	return 0;
}

/* ".25" at *text, which moves behind it; milliseconds, or -1. */
static int
read_fraction(const char **text)
{
	int msec = 0, unit = 100;
	const char *p = *text;

	if (*p != '.')
		return 0;
	if (p[1] < '0' || p[1] > '9')
		return -1;
	for (p++; *p >= '0' && *p <= '9'; p++) {
		msec += (*p - '0') * unit;
		unit /= 10;
	}
	*text = p;
	return msec;
}

int64_t
ol_options_time(const char *text)
{
	struct tm tm = { 0 }, same;
	int64_t zone, seconds;
	int msec;

	if (strlen(text) < 20 || text[4] != '-' || text[7] != '-' ||
	    (text[10] != 'T' && text[10] != 't' && text[10] != ' ') ||
	    text[13] != ':' || text[16] != ':')
		return -1;
	tm.tm_year = digits(text, 4) - 1900;
	tm.tm_mon = digits(text + 5, 2) - 1;
	tm.tm_mday = digits(text + 8, 2);
	tm.tm_hour = digits(text + 11, 2);
	tm.tm_min = digits(text + 14, 2);
	tm.tm_sec = digits(text + 17, 2);
	text += 19;
	if ((msec = read_fraction(&text)) == -1 || read_zone(text, &zone) == -1)
		return -1;
	if (tm.tm_hour < 0 || tm.tm_min < 0 || tm.tm_sec < 0)
		return -1;
	/* A leap second is the next one. */
	if (tm.tm_sec == 60 && tm.tm_min == 59)
		tm.tm_sec = 59;
	/* A day that there is not becomes another one. */
	same = tm;
	seconds = timegm(&same);
	if (same.tm_year != tm.tm_year || same.tm_mon != tm.tm_mon ||
	    same.tm_mday != tm.tm_mday || same.tm_hour != tm.tm_hour ||
	    same.tm_min != tm.tm_min || same.tm_sec != tm.tm_sec)
		return -1;
	seconds -= zone;
	return seconds < 0 ? -1 : seconds * 1000 + msec;
}

static const char *
read_delay(struct ol_options *options, const char *value)
{
	static const char far[] = "it is more than 3650d";
	const char *why = ol_values_time(&options->delay, value);

	if (why == NULL && options->delay > OL_SEC(3650 * 86400LL))
		return far;
	return why;
}

static const char *
read_at(struct ol_options *options, const char *value)
{
	options->due = ol_options_time(value);
	return options->due == -1
		   ? "write an RFC 3339 time, such as 2026-11-20T21:05:11Z"
		   : NULL;
}

static const char *
read_priority(struct ol_options *options, const char *value)
{
	static const char wrong[] = "write a whole number from -100 to 100";
	char *end;
	long n;

	/* strtol() would take white space and a plus sign. */
	if (value[0] != '-' && (value[0] < '0' || value[0] > '9'))
		return wrong;
	n = strtol(value, &end, 10);
	if (end == value || *end != '\0' || n < -100 || n > 100)
		return wrong;
	options->priority = (int)n;
	return NULL;
}

static const char *
read_owner(struct ol_options *options, const char *value)
{
	if (!ol_envelope_is_name(value, strlen(value)))
		return "write 1 to 255 bytes of UTF-8 without control "
		       "characters";
	strlcpy(options->owner, value, sizeof(options->owner));
	return NULL;
}

static const char *
not_yet(struct ol_options *options, const char *value)
{
	(void)options;
	(void)value;
	return "not in this version";
}

/* --- where they stand --- */

static const struct option {
	const char *name;   /* in the query */
	const char *header; /* as a parameter */
	const char *(*read)(struct ol_options *, const char *value);
} known[] = {
	{ "delay", "HTTP_OUTLAST_DELAY", read_delay },
	{ "at", "HTTP_OUTLAST_AT", read_at },
	{ "priority", "HTTP_OUTLAST_PRIORITY", read_priority },
	{ "owner", "HTTP_OUTLAST_OWNER", read_owner },
	{ "unique", "HTTP_OUTLAST_UNIQUE", not_yet },
	{ "callback_url", "HTTP_OUTLAST_CALLBACK_URL", not_yet },
};

enum { NKNOWN = sizeof(known) / sizeof(known[0]) };

struct reading {
	struct ol_options *options;
	struct ol_refusal *refusal;
	bool seen[NKNOWN];
};

static int
take(struct reading *r, size_t i, const char *value)
{
	const char *why;

	if (r->seen[i])
		why = "it comes twice";
	else
		why = known[i].read(r->options, value);
	r->seen[i] = true;
	if (why == NULL)
		return 0;
	return ol_problem_refuse(r->refusal, OL_PROBLEM_BAD_OPTION,
	    "option \"%s\": %s", known[i].name, why);
}

static int
unknown(struct reading *r, const char *name)
{
	return ol_problem_refuse(r->refusal, OL_PROBLEM_BAD_OPTION,
	    "there is no option \"%.80s\"", name);
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo the escapes of text up to end; -1: too long, a bad one, or a NUL. */
static int
decode(char *dst, const char *text, const char *end)
{
	size_t n = 0;

	for (; text < end; text++) {
		char c = *text;

		if (c == '+')
			c = ' ';
		else if (c == '%') {
			int high, low;

			if (end - text < 3 || (high = hex(text[1])) == -1 ||
			    (low = hex(text[2])) == -1)
				return -1;
			c = (char)(high << 4 | low);
			text += 2;
		}
		if (c == '\0' || n == VALUE_MAX)
			return -1;
		dst[n++] = c;
	}
	dst[n] = '\0';
	return 0;
}

static int
read_query(struct reading *r, const char *query)
{
	while (*query != '\0') {
		const char *end = query + strcspn(query, "&");
		const char *equals = memchr(query, '=', (size_t)(end - query));
		const char *name_end = equals == NULL ? end : equals;
		const char *value = equals == NULL ? end : equals + 1;
		char name[VALUE_MAX + 1], text[VALUE_MAX + 1];
		size_t i = 0;

		if (decode(name, query, name_end) == -1)
			return unknown(r, "…");
		while (i < NKNOWN && strcmp(known[i].name, name) != 0)
			i++;
		/* Nothing between two "&" is nothing. */
		if (i == NKNOWN && end > query)
			return unknown(r, name);
		if (i < NKNOWN && decode(text, value, end) == -1)
			return ol_problem_refuse(r->refusal,
			    OL_PROBLEM_BAD_OPTION,
			    "option \"%s\": its value is too long or not "
			    "well percent-encoded",
			    name);
		if (i < NKNOWN && take(r, i, text) == -1)
			return -1;
		query = *end == '&' ? end + 1 : end;
	}
	return 0;
}

static int
read_headers(struct reading *r, const struct ol_envelope *e)
{
	static const char prefix[] = "HTTP_OUTLAST_";
	const size_t len = sizeof(prefix) - 1;
	size_t i, k;

	for (i = 0; i < e->npairs; i++) {
		const struct ol_pair *pair = &e->pairs[i];

		if (pair->name_len < len ||
		    memcmp(pair->name, prefix, len) != 0)
			continue;
		k = 0;
		while (
		    k < NKNOWN && (strlen(known[k].header) != pair->name_len ||
				      memcmp(known[k].header, pair->name,
					  pair->name_len) != 0))
			k++;
		if (k == NKNOWN)
			return unknown(r, pair->name + sizeof("HTTP_") - 1);
		/* A NUL inside ends it; nginx lets none through. */
		if (take(r, k, pair->value) == -1)
			return -1;
	}
	return 0;
}

int
ol_options_read(struct ol_options *options, const struct ol_envelope *e,
    struct ol_refusal *refusal)
{
	struct reading r = { .options = options, .refusal = refusal };

	ol_options_init(options);
	if (read_query(&r, e->query) == -1 || read_headers(&r, e) == -1)
		return -1;
	if (options->delay != 0 && options->due != 0)
		return ol_problem_refuse(refusal, OL_PROBLEM_BAD_OPTION,
		    "options \"delay\" and \"at\": one of them, not both");
	return 0;
}
