#include <sys/socket.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/text.h"
#include "ctl/client.h"

/* An answer is one pool's or all pools': far below. */
enum { ANSWER_MAX = 64 << 20 };

/* Between two tries, in milliseconds. */
enum { TRY_AGAIN = 20 };

/* One exchange. */
struct exchange {
	const struct ol_ctl *ctl;
	bool quiet; /* about a daemon that cannot be reached */
	const char *path;
	int64_t deadline;
	int fd;
	char *text; /* the answer */
	size_t len;
};

static int
time_left(const struct exchange *x)
{
	int64_t left = x->deadline - ol_clock_now();

	return left <= 0 ? 0 : (int)(left / OL_MSEC(1)) + 1;
}

static int
tell_hung(const struct exchange *x)
{
	return ol_ctl_fail(x->ctl, EX_TEMPFAIL, "timeout",
	    "outlastd at %s does not answer: is it stopped, or the machine "
	    "overloaded? Look at its log, try again",
	    x->path);
}

static int
tell_unreachable(const struct exchange *x, int error)
{
	if (error == EACCES || error == EPERM)
		return ol_ctl_fail(x->ctl, EX_NOPERM, "permission",
		    "cannot reach outlastd at %s: %s: call outlastctl as root "
		    "or as the daemon's user",
		    x->path, strerror(error));
	if (x->quiet)
		return EX_UNAVAILABLE;
	return ol_ctl_fail(x->ctl, EX_UNAVAILABLE, "unreachable",
	    "cannot reach outlastd at %s: %s: is it running? (systemctl status "
	    "outlast) Another socket is named with -s or $OUTLAST_CONTROL",
	    x->path, strerror(error));
}

/* 0, or an exit code; said. */
static int
reach(struct exchange *x, const struct ol_addr *addr)
{
	x->fd =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (x->fd == -1)
		return tell_unreachable(x, errno);
	while (connect(x->fd, &addr->u.sa, addr->len) == -1) {
		/* Others wait to be heard before us. */
		if (errno != EAGAIN && errno != EINTR)
			return tell_unreachable(x, errno);
		if (time_left(x) == 0)
			return tell_hung(x);
		poll(NULL, 0, TRY_AGAIN);
	}
	return 0;
}

/* Whether there is something to read, in time. */
static bool
wait_readable(const struct exchange *x)
{
	struct pollfd p = { .fd = x->fd, .events = POLLIN };
	int n;

	do
		n = poll(&p, 1, time_left(x));
	while (n == -1 && errno == EINTR);
	return n > 0;
}

/* 0: it is whole; -1: the daemon hung up; else an exit code, said. */
static int
hear(struct exchange *x)
{
	char packet[OL_CONTROL_PACKET_MAX];
	ssize_t n;

	for (;;) {
		if (!wait_readable(x))
			return tell_hung(x);
		n = recv(x->fd, packet, sizeof(packet), 0);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return -1;
		if (x->len + (size_t)n > ANSWER_MAX)
			return ol_ctl_fail(x->ctl, 1, "protocol",
			    "what answers at %s is not outlastd", x->path);
		x->text = ol_must(realloc(x->text, x->len + (size_t)n));
		memcpy(x->text + x->len, packet + 1, (size_t)n - 1);
		x->len += (size_t)n - 1;
		if (packet[0] == OL_CONTROL_LAST)
			return 0;
	}
}

/* As hear(). */
static int
try_once(struct exchange *x, const struct ol_addr *addr,
    const struct ol_control_request *request)
{
	char packet[OL_CONTROL_REQUEST_MAX];
	size_t len = ol_control_format(packet, request);
	int code = reach(x, addr);

	if (code == 0 && send(x->fd, packet, len, MSG_NOSIGNAL) != (ssize_t)len)
		code = -1;
	if (code == 0)
		code = hear(x);
	if (x->fd != -1)
		close(x->fd);
	x->fd = -1;
	return code;
}

/* Also the daemon hangs up on some of many. 0, or an exit code; said. */
static int
exchange(struct exchange *x, const struct ol_addr *addr,
    const struct ol_control_request *request)
{
	int code;

	while ((code = try_once(x, addr, request)) == -1) {
		/* It may have been done. */
		if (ol_control_changes(request->verb))
			return ol_ctl_fail(x->ctl, EX_TEMPFAIL, "gone",
			    "outlastd hung up before it answered: look at "
			    "\"outlastctl status\" whether it is done");
		if (time_left(x) == 0)
			return ol_ctl_fail(x->ctl, EX_TEMPFAIL, "busy",
			    "outlastd at %s hangs up: too many ask at once, "
			    "try again",
			    x->path);
		x->len = 0;
		poll(NULL, 0, TRY_AGAIN);
	}
	return code;
}

/* --- Refusals. --- */

static int
code_of(const char *kind)
{
	static const struct {
		const char *kind;
		int code;
	} codes[] = {
		{ "usage", EX_USAGE },
		{ "unknown_pool", EX_USAGE },
		{ "permission", EX_NOPERM },
		{ "stopping", EX_TEMPFAIL },
		{ "configuration", EX_CONFIG },
	};
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i].kind, kind) == 0)
			return codes[i].code;
	return 1;
}

/* The pool that was most likely meant; borrowed from pools. */
static const char *
nearest_pool(const json_t *pools, const char *name)
{
	size_t n = json_array_size(json_object_get(pools, "pools")), i;
	const char **names = ol_must(calloc(n + 1, sizeof(*names)));
	const char *nearest;

	for (i = 0; i < n; i++)
		names[i] = ol_client_text(
		    json_array_get(json_object_get(pools, "pools"), i), "name");
	nearest = ol_text_nearest(name, names, n);
	free(names);
	return nearest;
}

static void
suggest(const struct ol_ctl *ctl, const char *pool)
{
	struct ol_ctl quiet = *ctl;
	const char *nearest = NULL;
	json_t *pools;
	int code;

	quiet.json = false;
	pools = ol_client_ask(&quiet, OL_CONTROL_POOLS, NULL, &code);
	if (pools != NULL)
		nearest = nearest_pool(pools, pool);
	if (nearest != NULL)
		fprintf(stderr, "%s: did you mean \"%s\"?\n", ctl->program,
		    nearest);
	json_decref(pools);
}

/* Says what an answer says that is no success. */
static int
refused(const struct ol_ctl *ctl, json_t *answer,
    const struct ol_control_request *request)
{
	const json_t *error = json_object_get(answer, "error"), *line;
	const char *kind = ol_client_text(error, "kind");
	char message[256];
	size_t i;

	json_array_foreach(json_object_get(answer, "lines"), i,
	    line) if (json_string_value(line) != NULL)
	    fprintf(stderr, "%s\n", json_string_value(line));
	ol_text_escape(message, sizeof(message),
	    ol_client_text(error, "message"),
	    strlen(ol_client_text(error, "message")));
	fprintf(stderr, "%s: %s%s%s\n", ctl->program, request->pool,
	    request->pool[0] != '\0' ? ": " : "", message);
	if (strcmp(kind, "unknown_pool") == 0)
		suggest(ctl, request->pool);
	if (ctl->json)
		ol_client_print(answer);
	return code_of(kind);
}

/* --- From outside. --- */

static json_t *
ask(const struct ol_ctl *ctl, enum ol_control_verb verb, const char *pool,
    bool quiet, int *code)
{
	struct ol_control_request request = { .verb = verb };
	struct exchange x = { .ctl = ctl, .fd = -1, .quiet = quiet };
	const char *wrong;
	struct ol_addr addr;
	json_t *answer;
	char *text;

	x.path = strncmp(ctl->socket, "unix:", 5) == 0 ? ctl->socket + 5
						       : ctl->socket;
	x.deadline = ol_clock_after(
	    ol_clock_now(), ctl->timeout != 0 ? ctl->timeout : OL_CTL_ANSWER);
	if (pool != NULL && strlcpy(request.pool, pool, sizeof(request.pool)) >=
				sizeof(request.pool)) {
		*code = ol_ctl_fail(
		    ctl, EX_USAGE, "unknown_pool", "there is no such pool");
		return NULL;
	}
	if (asprintf(&text, "unix:%s", x.path) == -1)
		ol_must(NULL);
	wrong = ol_addr_parse(&addr, text);
	free(text);
	if (wrong != NULL) {
		*code = ol_ctl_fail(
		    ctl, EX_USAGE, "usage", "%s: %s", x.path, wrong);
		return NULL;
	}
	*code = exchange(&x, &addr, &request);
	answer = *code == 0 ? json_loadb(x.text, x.len, 0, NULL) : NULL;
	free(x.text);
	if (*code == 0 && !json_is_object(answer))
		*code = ol_ctl_fail(ctl, 1, "protocol",
		    "what answers at %s is not outlastd", x.path);
	else if (*code == 0 && !ol_client_flag(answer, "ok"))
		*code = refused(ctl, answer, &request);
	if (*code == 0)
		return answer;
	json_decref(answer);
	return NULL;
}

json_t *
ol_client_ask(const struct ol_ctl *ctl, enum ol_control_verb verb,
    const char *pool, int *code)
{
	return ask(ctl, verb, pool, false, code);
}

json_t *
ol_client_try(const struct ol_ctl *ctl, enum ol_control_verb verb,
    const char *pool, int *code)
{
	return ask(ctl, verb, pool, true, code);
}

int
ol_client_print(json_t *answer)
{
	int rc = json_dumpf(answer, stdout, JSON_COMPACT);

	putchar('\n');
	return rc == 0 && fflush(stdout) == 0 ? 0 : 1;
}

int64_t
ol_client_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool
ol_client_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

const char *
ol_client_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}
