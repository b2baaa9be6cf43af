/* Hands for the tables that write down what they are told to do. */
#ifndef OL_TESTS_RECORD_H
#define OL_TESTS_RECORD_H

#include <stdio.h>
#include <string.h>

#include "master/acts.h"

struct record {
	char acts[2048]; /* "start 1; tell 1 90; kill 1; " */
	char said[8192];
	int refuse; /* so many starts fail */
	int impossible;
	int crashes;
};

static void __attribute__((format(printf, 2, 3)))
record_add(struct record *r, const char *fmt, ...)
{
	size_t len = strlen(r->acts);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->acts + len, sizeof(r->acts) - len, fmt, ap);
	va_end(ap);
}

static int
record_start(void *arg, unsigned generation)
{
	struct record *r = arg;

	record_add(r, "start %u; ", generation);
	return r->refuse-- > 0 ? -1 : 0;
}

static void
record_tell(void *arg, unsigned generation, int seconds)
{
	record_add(arg, "tell %u %d; ", generation, seconds);
}

static void
record_abort(void *arg, unsigned generation)
{
	record_add(arg, "abort %u; ", generation);
}

static void
record_kill(void *arg, unsigned generation, const char *why)
{
	(void)why;
	record_add(arg, "kill %u; ", generation);
}

static void
record_crashed(void *arg)
{
	((struct record *)arg)->crashes++;
}

static void
record_say(
    void *arg, unsigned generation, enum ol_log_level level, const char *line)
{
	struct record *r = arg;
	size_t len = strlen(r->said);

	(void)level;
	if (strncmp(line, "impossible", 10) == 0)
		r->impossible++;
	snprintf(
	    r->said + len, sizeof(r->said) - len, "%u: %s\n", generation, line);
}

static const struct ol_acts record_acts = {
	.start = record_start,
	.tell = record_tell,
	.abort = record_abort,
	.kill = record_kill,
	.crashed = record_crashed,
	.say = record_say,
};

/* What was done since the last call must be just that. */
#define assert_acts(r, expected) \
	do { \
		assert_string_equal((r)->acts, expected); \
		(r)->acts[0] = '\0'; \
	} while (0)

#endif
