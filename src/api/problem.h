/*
 * The ways in which a request is answered with an error: RFC 9457 problems,
 * each with a stable type, "urn:outlast:problem:NAME".
 */
#ifndef OL_API_PROBLEM_H
#define OL_API_PROBLEM_H

enum ol_problem {
	OL_PROBLEM_NONE,
	OL_PROBLEM_BAD_REQUEST,
	OL_PROBLEM_BAD_OPTION,
	OL_PROBLEM_BAD_KEY,
	OL_PROBLEM_ACCESS,
	OL_PROBLEM_CROSS_SITE,
	OL_PROBLEM_NOT_FOUND,
	OL_PROBLEM_METHOD,
	OL_PROBLEM_NOT_ENDED,
	OL_PROBLEM_KEY_IN_FLIGHT,
	OL_PROBLEM_CANCELLED,
	OL_PROBLEM_RESULT_GONE,
	OL_PROBLEM_TOO_LARGE,
	OL_PROBLEM_KEY_REUSED,
	OL_PROBLEM_NO_REQUEST,
	OL_PROBLEM_HEADERS_TOO_LARGE,
	OL_PROBLEM_MISCONFIGURED,
	OL_PROBLEM_TASK_FAILED,
	OL_PROBLEM_QUEUE_FULL,
	OL_PROBLEM_UNAVAILABLE,
	OL_PROBLEM_UNSURE,
	OL_PROBLEMS
};

struct ol_problem_kind {
	const char *name;
	int status;
	const char *title;
	const char *hint; /* NULL: none */
};

/* Not of OL_PROBLEM_NONE. */
const struct ol_problem_kind *ol_problem_kind(enum ol_problem);

/* Why a request is not carried out. */
struct ol_refusal {
	enum ol_problem problem;
	/* Methods for Allow, a set (route.h); 0: none. */
	unsigned allow;
	int retry_after; /* seconds; 0: no such header */
	/* For the log, too, when it is the administrator's mistake. */
	char detail[256];
};

/* Fill in a refusal; returns -1. */
int ol_problem_refuse(struct ol_refusal *, enum ol_problem, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

#endif
