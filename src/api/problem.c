#include <stdarg.h>
#include <stdio.h>

#include "api/problem.h"

static const struct ol_problem_kind kinds[OL_PROBLEMS] = {
	[OL_PROBLEM_BAD_REQUEST] = { "bad-request", 400, "Bad request", NULL },
	[OL_PROBLEM_BAD_OPTION] = { "bad-option", 400, "Bad option",
	    "the options are delay, at, priority and owner, as ?delay=10m or "
	    "as a header such as Outlast-Delay: 10m" },
	[OL_PROBLEM_BAD_KEY] = { "bad-idempotency-key", 400,
	    "Bad Idempotency-Key",
	    "send one key of 1 to 255 printable characters, such as a UUID" },
	[OL_PROBLEM_ACCESS] = { "access-too-low", 403, "Access too low",
	    "access comes from fastcgi_param OUTLAST_ACCESS in the web "
	    "server's location, and never exceeds access= of the listen in "
	    "outlast.conf" },
	[OL_PROBLEM_CROSS_SITE] = { "cross-site", 403, "Cross-site request",
	    "pages of another site may not do this; a program should send "
	    "neither Origin nor Sec-Fetch-Site" },
	[OL_PROBLEM_NOT_FOUND] = { "not-found", 404, "Not found", NULL },
	[OL_PROBLEM_METHOD] = { "method-not-allowed", 405, "Method not allowed",
	    "the Allow header names those that are" },
	[OL_PROBLEM_NOT_ENDED] = { "not-ended", 409, "The task has not ended",
	    "ask again after the seconds in Retry-After" },
	[OL_PROBLEM_KEY_IN_FLIGHT] = { "idempotency-key-in-flight", 409,
	    "The first request with this Idempotency-Key is not done",
	    "send the same request again after the seconds in Retry-After" },
	[OL_PROBLEM_CANCELLED] = { "task-cancelled", 410,
	    "The task was cancelled", NULL },
	[OL_PROBLEM_RESULT_GONE] = { "result-gone", 410,
	    "The result is not kept any more", NULL },
	[OL_PROBLEM_TOO_LARGE] = { "payload-too-large", 413,
	    "Payload too large",
	    "max_payload of the task type in outlast.conf is the limit; "
	    "nginx has its own, client_max_body_size" },
	[OL_PROBLEM_KEY_REUSED] = { "idempotency-key-reused", 422,
	    "This Idempotency-Key was used for another request",
	    "use a new key for a new request" },
	[OL_PROBLEM_NO_REQUEST] = { "no-request", 422,
	    "Tasks of this type need a recorded request",
	    "send the request to a location with fastcgi_param OUTLAST_TASK, "
	    "or add \"request METHOD URI;\" to the type's block in "
	    "outlast.conf" },
	[OL_PROBLEM_HEADERS_TOO_LARGE] = { "headers-too-large", 431,
	    "The request's headers are too large to be recorded",
	    "cookies are the usual reason; drop_param in outlast.conf leaves "
	    "out what the backend does not need" },
	[OL_PROBLEM_MISCONFIGURED] = { "misconfigured", 500,
	    "The server is misconfigured",
	    "the log of outlastd says what is wrong" },
	[OL_PROBLEM_TASK_FAILED] = { "task-failed", 502, "The task failed",
	    "its error is at the address in instance" },
	[OL_PROBLEM_QUEUE_FULL] = { "queue-full", 503, "The queue is full",
	    "nothing was stored; send the request again after the seconds in "
	    "Retry-After" },
	[OL_PROBLEM_UNAVAILABLE] = { "unavailable", 503, "Not possible now",
	    "nothing was stored; send the request again after the seconds in "
	    "Retry-After" },
	[OL_PROBLEM_UNSURE] = { "unsure", 503,
	    "It is not known whether this was stored",
	    "send the request again after the seconds in Retry-After; with an "
	    "Idempotency-Key it is not carried out twice" },
};

const struct ol_problem_kind *
ol_problem_kind(enum ol_problem problem)
{
	return &kinds[problem];
}

int
ol_problem_refuse(
    struct ol_refusal *refusal, enum ol_problem problem, const char *fmt, ...)
{
	va_list ap;

	refusal->problem = problem;
	refusal->allow = 0;
	refusal->retry_after = 0;
	va_start(ap, fmt);
	vsnprintf(refusal->detail, sizeof(refusal->detail), fmt, ap);
	va_end(ap);
	return -1;
}
