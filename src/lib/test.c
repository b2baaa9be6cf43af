/* ol_test_*: an application's own tests, without a supervisor or a server. */
#include <sys/socket.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "fcgi/record.h"
#include "lib/app.h"

size_t
ol_test_drain(struct ol_app *app, int ms)
{
	struct ol_background *b = &app->background;
	int64_t until = ol_clock_now() + OL_MSEC(ms);
	struct timespec ts = { .tv_sec = until / OL_SEC(1),
		.tv_nsec = until % OL_SEC(1) };
	size_t left;

	if (ol_background_start(b) == -1)
		return ol_app_items(app);
	pthread_mutex_lock(&b->lock);
	b->drain_waiters++;
	while ((left = ol_app_items(app)) > 0)
		if (pthread_cond_timedwait(&b->quiet, &b->lock, &ts) ==
		    ETIMEDOUT)
			break;
	left = ol_app_items(app);
	b->drain_waiters--;
	pthread_mutex_unlock(&b->lock);
	return left;
}

/* Bytes that grow. */
struct bytes {
	char *data;
	size_t len, size;
	bool failed;
};

static void
bytes_add(struct bytes *bytes, const void *data, size_t len)
{
	if (bytes->len + len + 1 > bytes->size) {
		size_t size = (bytes->len + len + 1) * 2;
		char *p = realloc(bytes->data, size);

		if (p == NULL) {
			bytes->failed = true;
			return;
		}
		bytes->data = p;
		bytes->size = size;
	}
	memcpy(bytes->data + bytes->len, data, len);
	bytes->len += len;
	bytes->data[bytes->len] = '\0';
}

static void
add_record(
    struct bytes *out, enum ol_record_type type, const void *data, size_t len)
{
	unsigned char header[OL_RECORD_HEADER];

	ol_record_header(header, type, len);
	bytes_add(out, header, sizeof(header));
	bytes_add(out, data, len);
}

static void
add_param(struct bytes *out, const char *param)
{
	size_t name = strcspn(param, "=");
	const char *value = param + name + (param[name] == '=');
	unsigned char lengths[OL_RECORD_PAIR_SIZE];

	ol_record_pair(lengths, name, strlen(value));
	bytes_add(out, lengths, sizeof(lengths));
	bytes_add(out, param, name);
	bytes_add(out, value, strlen(value));
}

/* The request as nginx sends it, without FCGI_KEEP_CONN. */
static int
build(struct bytes *out, const char *const *params, const void *body,
    size_t body_size)
{
	unsigned char begin[OL_RECORD_BEGIN_SIZE];
	struct bytes pairs = { 0 };
	char length[48];
	size_t at, n;

	snprintf(length, sizeof(length), "CONTENT_LENGTH=%zu", body_size);
	for (; params != NULL && *params != NULL; params++)
		add_param(&pairs, *params);
	add_param(&pairs, length);
	ol_record_begin(begin);
	bytes_add(out, begin, sizeof(begin));
	if (!pairs.failed && pairs.len <= OL_RECORD_MAX)
		add_record(out, OL_RECORD_PARAMS, pairs.data, pairs.len);
	else
		out->failed = true;
	free(pairs.data);
	add_record(out, OL_RECORD_PARAMS, "", 0);
	for (at = 0; at < body_size; at += n) {
		n = body_size - at < 32768 ? body_size - at : 32768;
		add_record(out, OL_RECORD_STDIN, (const char *)body + at, n);
	}
	add_record(out, OL_RECORD_STDIN, "", 0);
	if (out->failed)
		errno = E2BIG;
	return out->failed ? -1 : 0;
}

/* The web server's side of the socket pair, in a thread of its own. */
struct peer {
	int fd;
	struct bytes reply;
};

static void
read_reply(void *arg)
{
	struct peer *peer = arg;
	struct bytes raw = { 0 };
	char buf[8192];
	size_t at;
	ssize_t n;

	ol_thread_block_signals();
	while ((n = read(peer->fd, buf, sizeof(buf))) > 0)
		bytes_add(&raw, buf, (size_t)n);
	for (at = 0; raw.len - at >= OL_RECORD_HEADER;) {
		const unsigned char *record =
		    (const unsigned char *)raw.data + at;

		if (raw.len - at < ol_record_length(record))
			break;
		if (ol_record_type(record) == OL_RECORD_STDOUT)
			bytes_add(&peer->reply, record + OL_RECORD_HEADER,
			    ol_record_content(record));
		at += ol_record_length(record);
	}
	free(raw.data);
}

/* Collect the request as the loop does one that comes in pieces. */
static int
collect(struct ol_conn *conn, const char *const *params, const void *body,
    size_t body_size)
{
	struct bytes request = { 0 };
	int rc = build(&request, params, body, body_size);

	if (rc == 0 && (conn->intake = malloc(sizeof(*conn->intake))) == NULL)
		rc = -1;
	if (rc == 0) {
		ol_intake_init(conn->intake, conn->app->options.max_body);
		ol_intake_take(conn->intake, &conn->frame,
		    (const unsigned char *)request.data, request.len);
		if (conn->frame.verdict != OL_FRAME_WHOLE) {
			ol_conn_forget_intake(conn);
			errno = EINVAL;
			rc = -1;
		}
	}
	free(request.data);
	return rc;
}

char *
ol_test_request(struct ol_app *app, const char *const *params, const void *body,
    size_t body_size, size_t *size)
{
	struct peer peer = { .fd = -1 };
	struct ol_conn conn = { .app = app };
	struct ol_thread thread;
	int fds[2], saved;

	if (app->on_request == NULL) {
		errno = EINVAL;
		return NULL;
	}
	if (collect(&conn, params, body, body_size) == -1)
		return NULL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1)
		goto err0;
	peer.fd = fds[0];
	conn.fd = fds[1];
	if (ol_thread_start(&thread, "test peer", read_reply, &peer) == -1)
		goto err1;
	if (ol_request_serve(&conn, NULL) != OL_CONN_GONE)
		close(fds[1]);
	ol_thread_join(&thread);
	close(fds[0]);
	if (peer.reply.data == NULL)
		errno = ENOMSG; /* the handler wrote nothing */
	else if (size != NULL)
		*size = peer.reply.len;
	return peer.reply.data;
err1:
	saved = errno;
	close(fds[0]);
	close(fds[1]);
	errno = saved;
err0:
	saved = errno;
	ol_conn_forget_intake(&conn);
	errno = saved;
	return NULL;
}
