#include <poll.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "ctl/client.h"
#include "ctl/wait.h"

/* Between two looks, in milliseconds. */
enum { LOOK_AGAIN = 100 };

/* What a pool's own limits do not count: a busy machine. */
static const int64_t reserve = OL_SEC(10);

static int64_t
limit(const struct ol_ctl *ctl, const json_t *pool, enum ol_wait_for what)
{
	int64_t n = ol_client_number(pool, "wanted");

	if (ctl->timeout != 0)
		return ctl->timeout;
	if (what == OL_WAIT_GONE)
		return OL_MSEC(ol_client_number(pool, "shutdown_max_ms")) +
		       reserve;
	/* Those of a pool are replaced one after the other. */
	return OL_MSEC(ol_client_number(pool, "startup_limit_ms")) *
		   (n > 0 ? n : 1) +
	       reserve;
}

/* 0: it is there; -1: not yet; else an exit code, said. */
static int
look(const struct ol_ctl *ctl, const json_t *pool, enum ol_wait_for what)
{
	const char *name = ol_client_text(pool, "name");
	const char *state = ol_client_text(pool, "state");

	if (what == OL_WAIT_GONE)
		return json_array_size(json_object_get(pool, "processes")) == 0
			   ? 0
			   : -1;
	if (ol_client_flag(pool, "start_failed"))
		return ol_ctl_fail(ctl, 1, "start_failed",
		    "pool %s: a new process did not become ready; it is tried "
		    "again by itself, and %s. The log of outlastd says why",
		    name,
		    ol_client_number(pool, "ready") > 0
			? "the old ones serve on"
			: "nobody serves");
	if (strcmp(state, "running") != 0)
		return ol_ctl_fail(
		    ctl, 1, "state", "pool %s is %s now", name, state);
	return ol_client_number(pool, "ready") ==
			   ol_client_number(pool, "wanted") &&
		       ol_client_number(pool, "starting") == 0 &&
		       !ol_client_flag(pool, "recycling")
		   ? 0
		   : -1;
}

int
ol_wait_pool(const struct ol_ctl *ctl, json_t **answer, enum ol_wait_for what)
{
	json_t *pool = json_object_get(*answer, "pool"), *next;
	int64_t deadline =
	    ol_clock_after(ol_clock_now(), limit(ctl, pool, what));
	int code;

	while ((code = look(ctl, pool, what)) == -1) {
		if (ol_clock_now() >= deadline)
			return ol_ctl_fail(ctl, EX_TEMPFAIL, "timeout",
			    "pool %s: not yet, but it goes on: see \"outlastctl "
			    "pool show %s\"",
			    ol_client_text(pool, "name"),
			    ol_client_text(pool, "name"));
		poll(NULL, 0, LOOK_AGAIN);
		next = ol_client_ask(
		    ctl, OL_CONTROL_POOL, ol_client_text(pool, "name"), &code);
		if (next == NULL)
			return code;
		json_decref(*answer);
		*answer = next;
		pool = json_object_get(next, "pool");
	}
	return code;
}
