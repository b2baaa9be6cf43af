#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "stage.h"

/* Record types of FastCGI. */
enum { END = 3, PARAMS = 4, STDIN = 5, STDOUT = 6, HEADER = 8 };

static const struct ol_run_variable get[] = {
	{ "REQUEST_METHOD", "GET" },
	{ "QUERY_STRING", "a=b" },
};

const struct ol_run_job stage_get = {
	.attempt = 1,
	.owner = "",
	.content_type = "",
	.context = get,
	.ncontext = 2,
	.recorded = true,
};

/* --- the backend --------------------------------------------------------- */

static void
close_guest(struct stage *s)
{
	struct guest *g = &s->guest;

	ol_watch_free(g->watch);
	ol_watch_free(g->writing);
	if (g->fd != -1)
		close(g->fd);
	free(g->in);
	free(g->out);
	*g = (struct guest){ .fd = -1 };
}

static void
on_writable(void *arg)
{
	struct stage *s = arg;
	struct guest *g = &s->guest;
	ssize_t n;

	while (g->out_sent < g->out_len) {
		n = send(g->fd, g->out + g->out_sent, g->out_len - g->out_sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno == EAGAIN)
			return;
		if (n == -1)
			break;
		g->out_sent += (size_t)n;
	}
	ol_watch_free(g->writing);
	g->writing = NULL;
	if (g->hang_up)
		close_guest(s);
}

/* Whether the stream of that type has ended; its bytes go to *out. */
static bool
read_stream(const struct guest *g, int type, unsigned char *out, size_t *len)
{
	size_t at = 0, n;

	*len = 0;
	while (g->in_len - at >= HEADER) {
		const unsigned char *h = g->in + at;

		n = (size_t)h[4] << 8 | h[5];
		if (g->in_len - at < HEADER + n + h[6])
			return false;
		if (h[1] == type && n == 0)
			return true;
		if (h[1] == type) {
			if (out != NULL)
				memcpy(out + *len, h + HEADER, n);
			*len += n;
		}
		at += HEADER + n + h[6];
	}
	return false;
}

static void
on_readable(void *arg)
{
	struct stage *s = arg;
	struct guest *g = &s->guest;
	size_t len;
	ssize_t n;

	g->in = ol_must(realloc(g->in, g->in_len + 65536));
	n = recv(g->fd, g->in + g->in_len, 65536, MSG_DONTWAIT);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		s->guest_left = true;
		close_guest(s);
		return;
	}
	g->in_len += (size_t)n;
	if (g->whole || !read_stream(g, STDIN, NULL, &len))
		return;
	g->whole = true;
	if (s->on_request != NULL)
		s->on_request(s);
}

static void
on_guest(void *arg)
{
	struct stage *s = arg;
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd == -1)
		return;
	close_guest(s);
	s->guest_left = false;
	s->guests++;
	s->guest.fd = fd;
	s->guest.watch = ol_must(ol_watch_new(s->loop, fd, on_readable, s));
}

void
stage_say(struct stage *s, unsigned char type, const void *data, size_t len)
{
	struct guest *g = &s->guest;
	const unsigned char *from = data;
	size_t n;

	assert_true(g->fd != -1);
	do {
		n = len < 65535 ? len : 65535;
		g->out = ol_must(realloc(g->out, g->out_len + HEADER + n));
		memcpy(g->out + g->out_len,
		    (const unsigned char[HEADER]){ 1, type, 0, 1,
			(unsigned char)(n >> 8), (unsigned char)n, 0, 0 },
		    HEADER);
		if (n > 0)
			memcpy(g->out + g->out_len + HEADER, from, n);
		g->out_len += HEADER + n;
		from += n;
		len -= n;
	} while (len > 0);
	if (g->writing == NULL)
		g->writing =
		    ol_must(ol_watch_new_write(s->loop, g->fd, on_writable, s));
}

void
stage_reply(struct stage *s, const char *text)
{
	stage_say(s, STDOUT, text, strlen(text));
}

void
stage_end(struct stage *s)
{
	static const unsigned char body[8] = { 0 };

	stage_say(s, STDOUT, "", 0);
	stage_say(s, END, body, sizeof(body));
	s->guest.hang_up = true;
}

static size_t
read_length(const unsigned char **at)
{
	size_t n = *(*at)++;

	if (n < 128)
		return n;
	n = (n & 127) << 24 | (size_t)(*at)[0] << 16 | (size_t)(*at)[1] << 8 |
	    (*at)[2];
	*at += 3;
	return n;
}

char *
stage_param(const struct stage *s, const char *name)
{
	const struct guest *g = &s->guest;
	unsigned char *stream = ol_must(malloc(g->in_len + 1));
	const unsigned char *at = stream;
	char *found = NULL;
	size_t len, n, v;

	assert_true(read_stream(g, PARAMS, stream, &len));
	while (found == NULL && at < stream + len) {
		n = read_length(&at);
		v = read_length(&at);
		assert_true(at + n + v <= stream + len);
		if (n == strlen(name) && memcmp(at, name, n) == 0)
			found = ol_must(strndup((const char *)at + n, v));
		at += n + v;
	}
	free(stream);
	return found;
}

int
stage_notify(struct stage *s, const char *text)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char *path = stage_param(s, "OUTLAST_NOTIFY");
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;

	assert_non_null(path);
	strlcpy(un.sun_path, path, sizeof(un.sun_path));
	free(path);
	if (sendto(fd, text, strlen(text), MSG_DONTWAIT,
		(const struct sockaddr *)&un, sizeof(un)) == -1)
		rc = errno;
	close(fd);
	return rc;
}

/* --- the loop ------------------------------------------------------------ */

static void
on_limit(void *arg)
{
	struct stage *s = arg;

	ol_loop_stop(s->loop);
}

static void
on_later(void *arg)
{
	struct stage *s = arg;

	s->on_later(s);
}

void
stage_later(struct stage *s, int msec, void (*fn)(struct stage *))
{
	s->on_later = fn;
	ol_timer_at(s->later, ol_clock_now() + OL_MSEC(msec));
}

void
stage_turn(struct stage *s)
{
	int i;

	for (i = 0; i < 8; i++) {
		ol_timer_at(s->limit, ol_clock_now());
		ol_loop_run(s->loop);
	}
}

void
stage_until(struct stage *s, const bool *flag)
{
	int64_t until = ol_clock_now() + OL_SEC(30);

	while (!*flag && ol_clock_now() < until) {
		ol_timer_at(s->limit, ol_clock_now() + OL_MSEC(2));
		ol_loop_run(s->loop);
	}
	assert_true(*flag);
}

/* --- it all -------------------------------------------------------------- */

void
stage_listen(struct stage *s)
{
	const struct ol_conf_task *task = TAILQ_FIRST(&s->conf->tasks);

	s->listener = ol_addr_listen(&task->backend->addr, 8, 0600);
	assert_true(s->listener != -1);
	s->watch = ol_must(ol_watch_new(s->loop, s->listener, on_guest, s));
}

void
stage_deafen(struct stage *s)
{
	ol_watch_free(s->watch);
	s->watch = NULL;
	if (s->listener != -1)
		close(s->listener);
	s->listener = -1;
}

void
stage_open(struct stage *s, const char *directives)
{
	struct ol_backends_options options = { 0 };
	char *text;

	*s = (struct stage){ .listener = -1, .guest = { .fd = -1 } };
	strlcpy(s->folder, "/tmp/outlast-test-XXXXXX", sizeof(s->folder));
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->notify, sizeof(s->notify), "%s/notify", s->folder);
	assert_int_equal(mkdir(s->notify, 0711), 0);
	s->spool = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(asprintf(&text,
			"listen unix:%s/t.sock; task report { fastcgi_pass "
			"unix:%s/b.sock; %s }",
			s->folder, s->folder, directives) > 0);
	s->conf = ol_conf_load_text(text, strlen(text), stderr);
	assert_non_null(s->conf);
	free(text);
	s->loop = ol_must(ol_loop_new());
	s->limit = ol_must(ol_timer_new(s->loop, on_limit, s));
	s->later = ol_must(ol_timer_new(s->loop, on_later, s));
	options.loop = s->loop;
	options.spool = s->spool;
	options.notify = s->notify;
	s->backends = ol_backends_new(&options);
	stage_listen(s);
}

void
stage_close(struct stage *s)
{
	char path[64];

	ol_backends_free(s->backends);
	stage_deafen(s);
	close_guest(s);
	ol_timer_free(s->limit);
	ol_timer_free(s->later);
	ol_loop_free(s->loop);
	ol_conf_free(s->conf);
	close(s->spool);
	/* No socket is left. */
	assert_int_equal(rmdir(s->notify), 0);
	snprintf(path, sizeof(path), "%s/b.sock", s->folder);
	unlink(path);
	assert_int_equal(rmdir(s->folder), 0);
}

/* --- an attempt ---------------------------------------------------------- */

static void
on_progress(void *arg, int percent, const char *text)
{
	struct played *p = arg;

	p->reports++;
	p->percent = percent;
	strlcpy(p->progress, text, sizeof(p->progress));
	if (p->on_progress != NULL)
		p->on_progress(p);
}

static void
on_extend(void *arg, int64_t nsec)
{
	struct played *p = arg;

	p->extended = nsec;
}

static void
on_end(void *arg, const struct ol_run_end *end)
{
	struct played *p = arg;

	assert_false(p->done);
	p->done = true;
	p->running = NULL;
	p->end = *end;
	strlcpy(p->kind, end->kind != NULL ? end->kind : "", sizeof(p->kind));
	if (end->reply != NULL)
		p->reply = ol_must(strdup(end->reply));
	if (end->result_type != NULL)
		p->type = ol_must(strdup(end->result_type));
	p->errors = ol_must(strndup(end->error_text, end->error_size));
	p->result = ol_body_ref(end->result);
}

void
played_start(
    struct played *p, struct stage *s, const struct ol_run_job *template)
{
	static const struct ol_run_events events = { on_progress, on_extend,
		on_end };
	struct ol_run_job job = *template;

	job.conf = TAILQ_FIRST(&s->conf->tasks);
	p->stage = s;
	p->running = ol_backends_start(s->backends, &job, &events, p);
	assert_non_null(p->running);
	/* Never from within the call. */
	assert_false(p->done);
}

void
played_wait(struct played *p)
{
	stage_until(p->stage, &p->done);
}

void
played_run(struct played *p, struct stage *s)
{
	*p = (struct played){ 0 };
	played_start(p, s, &stage_get);
	played_wait(p);
}

void
played_free(struct played *p)
{
	free(p->reply);
	free(p->type);
	free(p->errors);
	ol_body_free(p->result);
	*p = (struct played){ 0 };
}
