#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/must.h"
#include "run/reference.h"
#include "run/response.h"
#include "task/retry.h"

/* Seconds; no delay is longer. */
#define LONGEST_DELAY (OL_RETRY_MAX / OL_SEC(1))

/* --- Retry-After (RFC 9110 §10.2.3) ----------------------------------------
 */

/* Seconds since 1970 of an HTTP-date in one of its three forms; -1: none. The
 * names of days and months are the C locale's, which is the daemon's. */
static time_t
parse_date(const char *text)
{
	static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT",
		"%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y" };
	const char *end;
	struct tm tm;
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		memset(&tm, 0, sizeof(tm));
		end = strptime(text, forms[i], &tm);
		if (end != NULL && *end == '\0')
			return timegm(&tm);
	}
	return -1;
}

/* Nanoseconds from now; -1: it does not say. */
static int64_t
retry_after(const char *text, time_t now)
{
	int64_t seconds = 0;
	const char *p;
	time_t when;

	if (text == NULL || *text == '\0')
		return -1;
	for (p = text; isdigit((unsigned char)*p); p++)
		if (seconds <= LONGEST_DELAY)
			seconds = seconds * 10 + (*p - '0');
	if (*p != '\0') {
		if ((when = parse_date(text)) == -1)
			return -1;
		seconds = (int64_t)when - (int64_t)now;
	}
	/* Not in a circle, and not on some far day that is a mistake. */
	if (seconds < 1)
		seconds = 1;
	if (seconds > LONGEST_DELAY)
		seconds = LONGEST_DELAY;
	return OL_SEC(seconds);
}

/* --- the verdict -----------------------------------------------------------
 */

static bool
is_passing(int status)
{
	return status >= 500 || status == 408 || status == 425 || status == 429;
}

void
ol_response_judge(
    const struct ol_reply *reply, time_t now, struct ol_run_end *end)
{
	const char *after = ol_reply_header(reply, "Retry-After");

	end->ending = (struct ol_ending){ OL_OUTCOME_OK, .delay = -1 };
	end->kind = NULL;
	if (reply->status < 400) {
		snprintf(end->message, sizeof(end->message),
		    "the backend replied %d", reply->status);
		return;
	}
	end->kind = "status";
	end->ending.outcome = OL_OUTCOME_FAIL;
	if (is_passing(reply->status)) {
		end->ending.outcome = OL_OUTCOME_RETRY;
		end->ending.delay = retry_after(after, now);
	}
	/* Whether it is tried again, others say. */
	if (end->ending.delay == -1)
		snprintf(end->message, sizeof(end->message),
		    "the backend replied %d", reply->status);
	else
		snprintf(end->message, sizeof(end->message),
		    "the backend replied %d (Retry-After: %lld s)",
		    reply->status, (long long)(end->ending.delay / OL_SEC(1)));
}

/* --- what is kept ----------------------------------------------------------
 */

int64_t
ol_response_length(const struct ol_reply *reply)
{
	const char *text = ol_reply_header(reply, "Content-Length");
	int64_t length = 0;

	if (text == NULL || *text == '\0' || reply->status == 204 ||
	    reply->status == 304)
		return -1;
	for (; *text != '\0'; text++) {
		if (!isdigit((unsigned char)*text) || length > INT64_MAX / 100)
			return -1;
		length = length * 10 + (*text - '0');
	}
	return length;
}

/* Of one connection (RFC 9110 §7.6.1), or ours to say. */
static bool
is_left_out(const char *name)
{
	static const char *const names[] = { "Status", "Connection",
		"Keep-Alive", "Proxy-Connection", "Transfer-Encoding",
		"Content-Length", "TE", "Trailer", "Upgrade" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

static bool
is_reference(const char *name)
{
	return strcasecmp(name, "Location") == 0 ||
	       strcasecmp(name, "Content-Location") == 0;
}

static void
put_header(FILE *out, const struct ol_reply_header *header, const char *uri)
{
	char *resolved = NULL;

	if (is_left_out(header->name))
		return;
	if (is_reference(header->name))
		resolved = ol_reference_resolve(uri, header->value);
	fprintf(out, "%s: %s\n", header->name,
	    resolved != NULL ? resolved : header->value);
	free(resolved);
}

char *
ol_response_text(const struct ol_reply *reply, const char *uri)
{
	char *text = NULL;
	size_t size, i;
	FILE *out = ol_must(open_memstream(&text, &size));

	fprintf(out, "%d\n", reply->status);
	for (i = 0; i < reply->nheaders; i++)
		put_header(out, &reply->headers[i], uri);
	fclose(out);
	return ol_must(text);
}
