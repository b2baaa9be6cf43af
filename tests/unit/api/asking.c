#include <sys/socket.h>
#include <event2/event.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fcgi/record.h"
#include "asking.h"

static void
configure(struct asking *a)
{
	static char base[] = "/tasks", thumbnail[] = "thumbnail",
		    report[] = "report", replay[] = "replay",
		    junk[] = "HTTP_X_JUNK", request_id[] = "REQUEST_ID",
		    remote_addr[] = "REMOTE_ADDR";

	a->context[0] = request_id;
	a->context[1] = remote_addr;

	a->conf.base = base;
	a->conf.state = a->state;
	a->conf.wait_max = OL_SEC(50);
	TAILQ_INIT(&a->conf.tasks);
	a->thumbnail.name = thumbnail;
	a->thumbnail.methods = OL_METHOD_POST;
	a->thumbnail.submit_by = OL_ACCESS_CLIENT;
	a->thumbnail.client_cancel = true;
	a->thumbnail.max_payload = 100;
	TAILQ_INSERT_TAIL(&a->conf.tasks, &a->thumbnail, link);
	a->report.name = report;
	a->report.methods = OL_METHOD_GET | OL_METHOD_POST;
	a->report.submit_by = OL_ACCESS_APP;
	a->report.max_payload = 1024 * 1024;
	a->report.context = a->context;
	a->report.ncontext = 2;
	TAILQ_INSERT_TAIL(&a->conf.tasks, &a->report, link);
	a->replay.name = replay;
	a->replay.methods = OL_METHOD_GET | OL_METHOD_POST;
	a->replay.submit_by = OL_ACCESS_CLIENT;
	a->replay.max_payload = 1024 * 1024;
	a->replay.backend = &a->backend;
	a->drop[0] = junk;
	a->backend.drop = a->drop;
	a->backend.ndrop = 1;
	TAILQ_INSERT_TAIL(&a->conf.tasks, &a->replay, link);
}

void
asking_start(struct asking *a)
{
	struct ol_server_options options = { .name = "test", .listener = -1 };
	int i;

	memset(a, 0, sizeof(*a));
	strlcpy(a->state, "/tmp/outlast-api-XXXXXX", sizeof(a->state));
	if (mkdtemp(a->state) == NULL)
		abort();
	a->spool = open(a->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	options.folder = a->spool;
	configure(a);
	fake_engine_init(&a->engine);
	fake_object_init(&a->object);
	for (i = 0; i < FAKE_OPERATIONS; i++)
		a->engine.answers[i].object = &a->object;
	a->loop = ol_loop_new();
	a->api = ol_api_new(a->loop, &a->engine, &a->conf);
	a->door.api = a->api;
	a->door.access = OL_ACCESS_OPERATOR;
	a->server = ol_server_new(a->loop, &options, &ol_api_events, &a->door);
	if (a->server == NULL || a->api == NULL)
		abort();
}

void
asking_stop(struct asking *a)
{
	ol_server_free(a->server);
	ol_api_free(a->api);
	fake_engine_fini(&a->engine);
	ol_loop_free(a->loop);
	unlinkat(a->spool, "session.key", 0);
	close(a->spool);
	rmdir(a->state);
}

int
asking_connect(struct asking *a)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		pair) == -1 ||
	    ol_server_adopt(a->server, pair[0]) == -1)
		abort();
	return pair[1];
}

void
asking_turn(struct asking *a)
{
	int i;

	for (i = 0; i < 4; i++)
		event_base_loop(ol_loop_base(a->loop), EVLOOP_NONBLOCK);
}

void
asking_send(struct asking *a, int fd, const void *data, size_t len)
{
	const char *at = data;
	int stuck = 0;

	while (len > 0 && stuck < 100) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n > 0) {
			at += n;
			len -= (size_t)n;
		} else if (errno != EAGAIN)
			return;
		stuck = n > 0 ? 0 : stuck + 1;
		asking_turn(a);
	}
	asking_turn(a);
}

void
asking_request(struct records *r, const char *what, const char *const *more,
    const void *body, size_t len)
{
	const char *params[64];
	char method[64], uri[2048], query[2048], length[64];
	const char *path = strchr(what, ' ') + 1, *mark = strchr(path, '?');
	size_t n = 0,
	       path_len = mark == NULL ? strlen(path) : (size_t)(mark - path);

	snprintf(method, sizeof(method), "REQUEST_METHOD=%.*s",
	    (int)(path - 1 - what), what);
	snprintf(uri, sizeof(uri), "DOCUMENT_URI=%.*s", (int)path_len, path);
	snprintf(query, sizeof(query), "QUERY_STRING=%s",
	    mark == NULL ? "" : mark + 1);
	snprintf(length, sizeof(length), "CONTENT_LENGTH=%zu", len);
	params[n++] = query;
	params[n++] = method;
	params[n++] = len > 0 ? length : "CONTENT_LENGTH=";
	params[n++] = uri;
	params[n++] = "REQUEST_URI=/not/to/be/used";
	params[n++] = "HTTP_HOST=www.example.org";
	while (more != NULL && *more != NULL && n < 63)
		params[n++] = *more++;
	params[n] = NULL;
	r->len = 0;
	records_request(r, 1, params, body, len);
}

static struct reply got;

static void
take_head(struct reply *reply, char *text, size_t len)
{
	char *end = memmem(text, len, "\r\n\r\n", 4);
	size_t head;

	if (end == NULL)
		return;
	head = (size_t)(end - text) + 2;
	if (head >= sizeof(reply->head))
		abort();
	memcpy(reply->head, text, head);
	reply->head[head] = '\0';
	if (sscanf(reply->head, "Status: %d\r\n", &reply->status) != 1)
		reply->status = 0;
	reply->body = end + 4;
	reply->len = len - (head + 2);
}

const struct reply *
asking_reply(struct asking *a, int fd)
{
	static unsigned char data[24 * 1024 * 1024];
	static char text[24 * 1024 * 1024];
	size_t have = 0, at = 0, len = 0;
	int dry = 0;

	memset(&got, 0, sizeof(got));
	got.body = text;
	while (dry < 3 && !got.closed) {
		ssize_t n = recv(fd, data + have, sizeof(data) - have, 0);

		if (n == 0 || (n == -1 && errno != EAGAIN))
			got.closed = true;
		else if (n == -1)
			dry++;
		else
			have += (size_t)n;
		asking_turn(a);
	}
	while (have - at >= OL_RECORD_HEADER &&
	       have - at >= ol_record_length(data + at)) {
		size_t n = ol_record_content(data + at);

		if (ol_record_type(data + at) == OL_RECORD_STDOUT) {
			memcpy(text + len, data + at + OL_RECORD_HEADER, n);
			len += n;
		} else if (ol_record_type(data + at) == OL_RECORD_END)
			got.ended = true;
		at += ol_record_length(data + at);
	}
	text[len] = '\0';
	take_head(&got, text, len);
	return &got;
}

const struct reply *
ask_with(struct asking *a, const char *what, const char *const *more,
    const void *body, size_t len)
{
	static struct records r;
	const struct reply *reply;
	int fd = asking_connect(a);

	a->engine.asked[0] = '\0';
	asking_request(&r, what, more, body, len);
	asking_send(a, fd, r.data, r.len);
	while (fake_engine_answer(&a->engine) > 0)
		asking_turn(a);
	reply = asking_reply(a, fd);
	close(fd);
	asking_turn(a);
	if (ol_server_requests(a->server) != 0)
		abort();
	return reply;
}

const struct reply *
ask(struct asking *a, const char *what, const char *const *more)
{
	return ask_with(a, what, more, NULL, 0);
}

const char *
reply_header(const struct reply *reply, const char *name)
{
	static char value[2048];
	const char *line = reply->head;
	size_t len = strlen(name);

	while (*line != '\0') {
		const char *end = strstr(line, "\r\n");

		if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
			snprintf(value, sizeof(value), "%.*s",
			    (int)(end - line - (ssize_t)len - 2),
			    line + len + 2);
			return value;
		}
		line = end + 2;
	}
	return "";
}
