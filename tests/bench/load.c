/*
 * The load generator: HTTP/1.1 to a port of 127.0.0.1, or FastCGI to a unix
 * socket; a closed loop (each connection sends its next request when it has
 * its reply) or an open one (--rate: requests are due at fixed times, and their
 * latency counts from when they were due, not from when a connection was
 * free). One thread, epoll.
 *
 * Every request that was sent has exactly one fate:
 *
 *     sent = ok + bad + connect + reset + timeout + malformed
 *
 * Requests of an open loop that no connection was free for until the end are
 * "unsent". The program ends with 70 when the sum is wrong.
 */
#include <sys/types.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "hist.h"

#define MSEC INT64_C(1000000)
#define SEC  INT64_C(1000000000)

/* What became of a request. */
enum fate {
	FATE_OK,	/* a whole 2xx reply			*/
	FATE_BAD,	/* a whole reply with another status	*/
	FATE_CONNECT,	/* no connection			*/
	FATE_RESET,	/* the connection ended before the reply */
	FATE_TIMEOUT,	/* no whole reply in --timeout		*/
	FATE_MALFORMED, /* not a reply				*/
	FATES
};

static const char *const fate_names[FATES] = { "ok", "bad", "connect", "reset",
	"timeout", "malformed" };

struct blob {
	char *data;
	size_t len;
};

/* CLOSED and IDLE connections stand on the free stack, BUSY ones do not. */
enum conn_state { CONN_CLOSED, CONN_IDLE, CONN_BUSY, CONN_HELD };

struct conn {
	enum conn_state state;
	bool hold; /* one of --idle */
	int fd;
	const struct blob *request;
	size_t sent;
	int64_t due;	 /* what the latency counts from */
	int64_t expires; /* BUSY only */
	int64_t rest;	 /* closed loop: not used again before */
	struct answer answer;
};

struct load {
	/* options */
	bool fcgi, fresh;
	const char *path;
	int port;
	const char *socket;
	long connections, idle, post, body;
	double seconds, rate;
	int64_t timeout;
	/* running */
	int epoll;
	struct blob get, posted;
	struct conn *conns;
	struct conn **free;
	size_t nfree, busy, held, lost;
	uint64_t sent, fates[FATES], statuses[600], unsent;
	long post_share;
	struct hist hist;
	int64_t start, stop, now;
};

static int64_t
clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (ts.tv_sec * SEC + ts.tv_nsec);
}

/* --- requests ---------------------------------------------------------------
 */

static void
append(struct blob *blob, const void *data, size_t len)
{
	blob->data = realloc(blob->data, blob->len + len);
	if (blob->data == NULL)
		err(71, NULL);
	memcpy(blob->data + blob->len, data, len);
	blob->len += len;
}

static void
append_record(struct blob *blob, uint8_t type, const void *data, size_t len)
{
	const uint8_t head[8] = { 1, type, 0, 1, (uint8_t)(len >> 8),
		(uint8_t)len, (uint8_t)(-len & 7), 0 };
	static const char zeros[8];

	append(blob, head, sizeof(head));
	append(blob, data, len);
	append(blob, zeros, -len & 7);
}

static void
append_param(struct blob *blob, const char *name, const char *value)
{
	uint8_t n[5];
	size_t len = strlen(value), i = 0;

	n[i++] = (uint8_t)strlen(name);
	if (len < 128)
		n[i++] = (uint8_t)len;
	else {
		n[i++] = (uint8_t)(0x80 | len >> 24);
		n[i++] = (uint8_t)(len >> 16);
		n[i++] = (uint8_t)(len >> 8);
		n[i++] = (uint8_t)len;
	}
	append(blob, n, i);
	append(blob, name, strlen(name));
	append(blob, value, len);
}

static void
build_fcgi(
    const struct load *load, struct blob *out, bool post, const char *body)
{
	const char begin[8] = { 0, 1, load->fresh ? 0 : 1, 0, 0, 0, 0, 0 };
	struct blob params = { NULL, 0 };
	const char *query = strchr(load->path, '?');
	size_t size = post ? (size_t)load->body : 0, n, off;
	char text[32];
	char *uri;

	uri = strndup(load->path, strcspn(load->path, "?"));
	if (uri == NULL)
		err(71, NULL);
	snprintf(text, sizeof(text), "%zu", size);
	append_param(&params, "REQUEST_METHOD", post ? "POST" : "GET");
	append_param(&params, "CONTENT_LENGTH", size > 0 ? text : "");
	append_param(&params, "REQUEST_URI", load->path);
	append_param(&params, "DOCUMENT_URI", uri);
	append_param(&params, "SCRIPT_NAME", uri);
	append_param(&params, "QUERY_STRING", query == NULL ? "" : query + 1);
	append_param(&params, "SERVER_PROTOCOL", "HTTP/1.1");
	append_param(&params, "GATEWAY_INTERFACE", "CGI/1.1");
	append_param(&params, "SERVER_SOFTWARE", "load");
	append_param(&params, "REMOTE_ADDR", "127.0.0.1");
	append_param(&params, "SERVER_NAME", "localhost");
	append_param(&params, "HTTP_HOST", "localhost");

	append_record(out, 1, begin, sizeof(begin));
	append_record(out, 4, params.data, params.len);
	append_record(out, 4, "", 0);
	for (off = 0; off < size; off += n) {
		n = size - off < 32768 ? size - off : 32768;
		append_record(out, 5, body + off, n);
	}
	append_record(out, 5, "", 0);
	free(params.data);
	free(uri);
}

static void
build_http(
    const struct load *load, struct blob *out, bool post, const char *body)
{
	char *text;
	int n;

	n = asprintf(&text, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s",
	    post ? "POST" : "GET", load->path,
	    load->fresh ? "Connection: close\r\n" : "");
	if (n == -1)
		err(71, NULL);
	append(out, text, (size_t)n);
	free(text);
	if (post) {
		n = asprintf(&text, "Content-Length: %ld\r\n", load->body);
		if (n == -1)
			err(71, NULL);
		append(out, text, (size_t)n);
		free(text);
	}
	append(out, "\r\n", 2);
	if (post)
		append(out, body, (size_t)load->body);
}

static void
build(struct load *load)
{
	char *body = malloc((size_t)load->body + 1);

	if (body == NULL)
		err(71, NULL);
	memset(body, 'x', (size_t)load->body);
	(load->fcgi ? build_fcgi : build_http)(load, &load->get, false, body);
	(load->fcgi ? build_fcgi : build_http)(load, &load->posted, true, body);
	free(body);
}

/* --- one connection ---------------------------------------------------------
 */

static void
conn_close(struct load *load, struct conn *conn)
{
	if (conn->state == CONN_HELD) {
		load->held--;
		load->lost++;
	}
	if (conn->fd != -1)
		close(conn->fd); /* and out of the epoll set */
	conn->fd = -1;
	if (conn->state != CONN_IDLE)
		conn->state = CONN_CLOSED;
}

/* The one ending of a request. */
static void
conn_finish(struct load *load, struct conn *conn, enum fate fate)
{
	load->busy--;
	load->fates[fate]++;
	if (fate == FATE_OK || fate == FATE_BAD) {
		load->statuses[conn->answer.status]++;
		if (!conn->hold)
			hist_add(&load->hist,
			    (uint64_t)(load->now - conn->due) / 1000);
	}
	conn->state = CONN_CLOSED;
	if (fate > FATE_BAD || conn->answer.close || load->fresh) {
		conn_close(load, conn);
		/* A refusing server is asked again in a moment, not at once. */
		if (fate > FATE_BAD)
			conn->rest = load->now + 5 * MSEC;
	}
	if (conn->hold) {
		if (conn->fd == -1) {
			load->lost++;
			return;
		}
		conn->state = CONN_HELD;
		load->held++;
		return;
	}
	load->free[load->nfree++] = conn;
	if (conn->fd != -1)
		conn->state = CONN_IDLE;
}

static int
conn_open(struct load *load, struct conn *conn)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct epoll_event event = { .data.ptr = conn };
	const int on = 1;
	int rc;

	conn->fd = socket(load->socket != NULL ? AF_UNIX : AF_INET,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (conn->fd == -1)
		return (-1);
	if (load->socket != NULL) {
		memcpy(un.sun_path, load->socket, strlen(load->socket) + 1);
		rc = connect(conn->fd, (struct sockaddr *)&un, sizeof(un));
	} else {
		in.sin_port = htons((uint16_t)load->port);
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		rc = connect(conn->fd, (struct sockaddr *)&in, sizeof(in));
	}
	if (rc == -1 && errno != EINPROGRESS)
		return (-1);
	/* Edge-triggered: readable once, writable when a full buffer empties.
	 */
	event.events = EPOLLIN | EPOLLOUT | EPOLLET;
	return (epoll_ctl(load->epoll, EPOLL_CTL_ADD, conn->fd, &event));
}

static void
conn_write(struct load *load, struct conn *conn)
{
	const struct blob *request = conn->request;
	ssize_t n;

	while (conn->sent < request->len) {
		n = send(conn->fd, request->data + conn->sent,
		    request->len - conn->sent, MSG_NOSIGNAL);
		if (n >= 0) {
			conn->sent += (size_t)n;
			continue;
		}
		/* ENOTCONN: TCP is not connected yet. */
		if (errno == EAGAIN || errno == ENOTCONN)
			return;
		if (errno == ECONNREFUSED) {
			conn_finish(load, conn, FATE_CONNECT);
			return;
		}
		/* The reply may have been sent before the peer closed. */
		if (errno == EPIPE || errno == ECONNRESET) {
			conn->sent = request->len;
			return;
		}
		err(71, "send");
	}
}

static void
conn_start(struct load *load, struct conn *conn, int64_t due)
{
	load->sent++;
	load->busy++;
	/* 'post' of each 100 requests are POSTs, evenly spread. */
	load->post_share += load->post;
	conn->request = &load->get;
	if (load->post_share >= 100) {
		load->post_share -= 100;
		conn->request = &load->posted;
	}
	conn->sent = 0;
	conn->due = due;
	conn->expires = load->now + load->timeout;
	conn->state = CONN_BUSY;
	answer_init(&conn->answer, load->fcgi);
	if (conn->fd == -1 && conn_open(load, conn) == -1) {
		conn_finish(load, conn, FATE_CONNECT);
		return;
	}
	conn_write(load, conn);
}

static void
conn_read(struct load *load, struct conn *conn)
{
	char buf[16384];
	ssize_t n;

	for (;;) {
		n = recv(conn->fd, buf, sizeof(buf), 0);
		if (n == -1 && errno == EAGAIN)
			return;
		/*
		 * Without a request: any readable byte, like an end, retires
		 * the connection. That is what nginx does.
		 */
		if (conn->state != CONN_BUSY) {
			conn_close(load, conn);
			return;
		}
		if (n <= 0) {
			conn_finish(load, conn,
			    n == -1 && errno == ECONNREFUSED ? FATE_CONNECT
							     : FATE_RESET);
			return;
		}
		switch (answer_feed(&conn->answer, buf, (size_t)n)) {
		case ANSWER_MORE:
			continue;
		case ANSWER_BAD:
			conn_finish(load, conn, FATE_MALFORMED);
			return;
		case ANSWER_DONE:
			conn_finish(load, conn,
			    conn->answer.status / 100 == 2 ? FATE_OK
							   : FATE_BAD);
			/* A retired or closing peer has more to say. */
			if (conn->fd == -1)
				return;
		}
	}
}

/* --- the loop ---------------------------------------------------------------
 */

static void
expire(struct load *load)
{
	struct conn *conn;
	long i;

	for (i = 0; i < load->connections + load->idle; i++) {
		conn = &load->conns[i];
		if (conn->state == CONN_BUSY && conn->expires <= load->now)
			conn_finish(load, conn, FATE_TIMEOUT);
	}
}

static void
turn(struct load *load, int64_t until)
{
	struct epoll_event events[256];
	struct timespec ts;
	struct conn *conn;
	int64_t wait = until - load->now;
	int i, n;

	if (wait < 0)
		wait = 0;
	ts.tv_sec = wait / SEC;
	ts.tv_nsec = wait % SEC;
	n = epoll_pwait2(load->epoll, events, 256, &ts, NULL);
	if (n == -1 && errno != EINTR)
		err(71, "epoll_pwait2");
	load->now = clock_now();
	for (i = 0; i < n; i++) {
		conn = events[i].data.ptr;
		if (conn->state == CONN_BUSY && (events[i].events & EPOLLOUT))
			conn_write(load, conn);
		if (conn->fd != -1 &&
		    (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
			conn_read(load, conn);
	}
}

/* Make the connections of --idle: one request on each, then silence. */
static void
hold(struct load *load)
{
	long i = load->connections, end = load->connections + load->idle;

	while (i < end || load->busy > 0) {
		/* Not more at once than any backlog takes. */
		while (i < end && load->busy < 64)
			conn_start(load, &load->conns[i++], load->now);
		turn(load, load->now + 50 * MSEC);
		expire(load);
	}
}

static void
run(struct load *load)
{
	const double gap = load->rate > 0 ? (double)SEC / load->rate : 0;
	uint64_t due = 0, issued = 0;
	int64_t next, scan = 0;
	size_t i;
	struct conn *conn;

	load->start = load->now = clock_now();
	load->stop = load->start + (int64_t)(load->seconds * (double)SEC);
	for (;;) {
		next = load->now + 50 * MSEC;
		if (load->rate > 0) {
			if (load->now < load->stop)
				due = (uint64_t)((double)(load->now -
							  load->start) /
						 gap) +
				      1;
			else
				due = (uint64_t)((double)(load->stop -
							  load->start) /
						 gap);
			while (issued < due && load->nfree > 0) {
				conn = load->free[--load->nfree];
				conn_start(load, conn,
				    load->start +
					(int64_t)((double)issued * gap));
				issued++;
			}
			if (load->now < load->stop)
				next =
				    load->start + (int64_t)((double)due * gap);
		} else if (load->now < load->stop) {
			/* From the top down: what finishes at once stays. */
			for (i = load->nfree; i-- > 0;) {
				conn = load->free[i];
				if (conn->rest > load->now) {
					if (conn->rest < next)
						next = conn->rest;
					continue;
				}
				load->free[i] = load->free[--load->nfree];
				conn_start(load, conn, load->now);
			}
			if (load->stop < next)
				next = load->stop;
		}
		if (load->now >= load->stop + load->timeout && issued < due) {
			load->unsent = due - issued;
			issued = due;
		}
		if (load->now >= load->stop && load->busy == 0 && issued >= due)
			break;
		turn(load, next);
		if (load->now >= scan) {
			scan = load->now + 50 * MSEC;
			expire(load);
		}
	}
}

static int
report(const struct load *load, double took)
{
	uint64_t total = 0;
	int i;

	for (i = 0; i < FATES; i++)
		total += load->fates[i];
	printf("%lu requests in %.2f s: %.0f/s\n", load->sent, took,
	    (double)load->sent / took);
	printf("latency ms: p50 %.2f  p90 %.2f  p99 %.2f  max %.2f\n",
	    (double)hist_quantile(&load->hist, .50) / 1000,
	    (double)hist_quantile(&load->hist, .90) / 1000,
	    (double)hist_quantile(&load->hist, .99) / 1000,
	    (double)load->hist.max / 1000);
	printf("RESULT sent=%lu", load->sent);
	for (i = 0; i < FATES; i++)
		printf(" %s=%lu", fate_names[i], load->fates[i]);
	printf(" unsent=%lu rps=%.0f p50_us=%lu p90_us=%lu p99_us=%lu "
	       "max_us=%lu idle_open=%zu idle_lost=%zu",
	    load->unsent, (double)load->fates[FATE_OK] / took,
	    hist_quantile(&load->hist, .50), hist_quantile(&load->hist, .90),
	    hist_quantile(&load->hist, .99), load->hist.max, load->held,
	    load->lost);
	for (i = 100; i < 600; i++)
		if (load->statuses[i] > 0)
			printf(" s%d=%lu", i, load->statuses[i]);
	printf("\n");
	if (total != load->sent) {
		warnx("%lu requests sent, %lu ended", load->sent, total);
		return (70);
	}
	return (0);
}

static void
usage(void)
{
	fprintf(stderr,
	    "usage: load [options] http://127.0.0.1:PORT/PATH\n"
	    "       load [options] unix:SOCKET /PATH     (FastCGI)\n"
	    "  --connections N   at once (1)\n"
	    "  --seconds N       how long to send (5)\n"
	    "  --rate N          open loop: N requests a second\n"
	    "  --post PERCENT    share of POST requests (0)\n"
	    "  --body BYTES      body of a POST (200)\n"
	    "  --fresh           a new connection for each request\n"
	    "  --timeout MS      for a reply (10000)\n"
	    "  --idle N          FastCGI: hold N more kept connections idle\n");
	exit(64);
}

static long
number(const char *text, long max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < 0 || n > max)
		errx(64, "not a number within 0 … %ld: %s", max, text);
	return (n);
}

static void
options(struct load *load, int argc, char **argv)
{
	static const struct option names[] = {
		{ "connections", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 's' },
		{ "rate", required_argument, NULL, 'r' },
		{ "post", required_argument, NULL, 'p' },
		{ "body", required_argument, NULL, 'b' },
		{ "fresh", no_argument, NULL, 'f' },
		{ "timeout", required_argument, NULL, 't' },
		{ "idle", required_argument, NULL, 'i' },
		{ NULL, 0, NULL, 0 },
	};
	int ch, n = 0;

	while ((ch = getopt_long(argc, argv, "", names, NULL)) != -1)
		switch (ch) {
		case 'c':
			load->connections = number(optarg, 20000);
			break;
		case 's':
			load->seconds = atof(optarg);
			break;
		case 'r':
			load->rate = atof(optarg);
			break;
		case 'p':
			load->post = number(optarg, 100);
			break;
		case 'b':
			load->body = number(optarg, 64L << 20);
			break;
		case 'f':
			load->fresh = true;
			break;
		case 't':
			load->timeout = number(optarg, 600000) * MSEC;
			break;
		case 'i':
			load->idle = number(optarg, 20000);
			break;
		default:
			usage();
		}
	argc -= optind;
	argv += optind;
	if (argc == 2 && strncmp(argv[0], "unix:", 5) == 0 &&
	    strlen(argv[0] + 5) < sizeof(((struct sockaddr_un *)0)->sun_path)) {
		load->fcgi = true;
		load->socket = argv[0] + 5;
		load->path = argv[1];
	} else if (argc == 1 && load->idle == 0 &&
		   sscanf(argv[0], "http://127.0.0.1:%d%n", &load->port, &n) ==
		       1 &&
		   argv[0][n] == '/')
		load->path = argv[0] + n;
	else
		usage();
	if (load->connections < 1 || load->seconds < 0 || load->rate < 0)
		usage();
}

int
main(int argc, char **argv)
{
	struct load load = {
		.connections = 1, .body = 200, .seconds = 5, .timeout = 10 * SEC
	};
	struct rlimit limit;
	long i;

	options(&load, argc, argv);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	signal(SIGPIPE, SIG_IGN);
	build(&load);
	load.conns =
	    calloc((size_t)(load.connections + load.idle), sizeof(*load.conns));
	load.free = calloc((size_t)load.connections, sizeof(*load.free));
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (load.conns == NULL || load.free == NULL || load.epoll == -1)
		err(71, NULL);
	for (i = 0; i < load.connections + load.idle; i++) {
		load.conns[i].fd = -1;
		load.conns[i].hold = i >= load.connections;
		if (i < load.connections)
			load.free[load.nfree++] = &load.conns[i];
	}
	load.now = clock_now();
	hold(&load);
	run(&load);
	return (report(&load, (double)(load.now - load.start) / (double)SEC));
}
