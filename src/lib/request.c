#include <sys/socket.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "lib/app.h"
#include "lib/error.h"
#include "lib/request.h"

/* A body that was read ahead of the handler. */
struct body {
	unsigned char *data;
	size_t len, size;
	bool too_large;
};

/*
 * Put *request on conn's descriptor. libfcgi takes a preset connection only
 * when keepConnection is set already, and must not linger in close: detached.
 * Both fields are private to it; a unit test pins them.
 */
static int
begin(FCGX_Request *request, int fd)
{
	FCGX_InitRequest(request, -1, 0);
	request->ipcFd = fd;
	request->keepConnection = 1;
	request->detached = 1;
	return FCGX_Accept_r(request);
}

/* Read what follows up to the end of the body, so that the next record on the
 * connection is a new request's (and not a forged one within this body). */
static void
drain(FCGX_Stream *in)
{
	char waste[8192];

	while (FCGX_GetStr(waste, sizeof(waste), in) > 0)
		;
}

static void
end_of_body(FCGX_Stream *in)
{
	in->isClosed = 1;
}

static int
body_add(struct body *body, const unsigned char *data, size_t len, size_t max)
{
	if (body->too_large || len > max - body->len) {
		body->too_large = true;
		return 0;
	}
	if (body->len + len > body->size) {
		size_t size = body->size == 0 ? 64 * 1024 : body->size * 2;
		unsigned char *p;

		while (size < body->len + len)
			size *= 2;
		if ((p = realloc(body->data, size)) == NULL)
			return -1;
		body->data = p;
		body->size = size;
	}
	memcpy(body->data + body->len, data, len);
	body->len += len;
	return 0;
}

/*
 * The body does not fit a socket: wait for all of it here, on this thread, and
 * make request->in read it from memory. What is over max_body is read and
 * thrown away, because a peer that is still sending does not listen. Returns
 * NULL, or why there is no whole body.
 */
static const char *
read_ahead(struct ol_conn *conn, FCGX_Request *request, struct body *body)
{
	const struct ol_app_options *options = &conn->app->options;
	int64_t until = ol_clock_now() + OL_MSEC(options->request_timeout_ms);
	FCGX_Stream *in = request->in;
	struct timeval tv = { .tv_sec = options->request_timeout_ms / 1000,
		.tv_usec = options->request_timeout_ms % 1000 * 1000 };
	int c;

	setsockopt(conn->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	/* One character may wait for the socket; what came with it does not. */
	while ((c = FCGX_GetChar(in)) != EOF) {
		size_t n = (size_t)(in->stop - in->rdNext) + 1;

		if (body_add(body, in->rdNext - 1, n, options->max_body) == -1)
			return "out of memory for its body";
		in->rdNext = in->stop;
		if (ol_clock_now() > until)
			return "its body came too slowly";
	}
	if (FCGX_GetError(in) != 0)
		return FCGX_GetError(in) == EAGAIN
			   ? "its body came too slowly"
			   : "the web server left in the middle of its body";
	if (!body->too_large && body->len > 0) {
		in->rdNext = in->stopUnget = body->data;
		in->stop = body->data + body->len;
		in->isClosed = 0;
		in->fillBuffProc = end_of_body;
	}
	return NULL;
}

static const char *
param(const FCGX_Request *request, const char *name)
{
	const char *value = FCGX_GetParam(name, request->envp);

	return value != NULL ? value : "";
}

static const char *
path_of(const FCGX_Request *request)
{
	const char *path = param(request, "DOCUMENT_URI");

	return *path != '\0' ? path : param(request, "SCRIPT_NAME");
}

static void
refuse(struct ol_conn *conn, FCGX_Request *request, const char *status,
    const char *why)
{
	FCGX_FPrintF(request->out,
	    "Status: %s\r\nContent-Type: text/plain\r\n\r\n%s\n", status, why);
	ol_error_tell(conn->app, OL_ERROR_REQUEST, "%s %s: answered %s: %s",
	    param(request, "REQUEST_METHOD"), path_of(request), status, why);
}

/* Call the handler, unless the body is not what it was said to be. */
static void
answer(struct ol_conn *conn, FCGX_Request *request, const struct body *body,
    struct ol_activity *activity)
{
	struct ol_app *app = conn->app;
	const struct ol_frame *frame = &conn->frame;
	size_t len =
	    body->data != NULL || body->too_large ? body->len : frame->body;

	if (body->too_large || len > app->options.max_body) {
		refuse(conn, request, "413 Content Too Large",
		    "the body is larger than this application takes");
		return;
	}
	if (frame->content_length != -1 &&
	    (uint64_t)frame->content_length != len) {
		refuse(conn, request, "400 Bad Request",
		    "the body is not as long as CONTENT_LENGTH says");
		return;
	}
	if (activity != NULL) {
		activity->request_path = path_of(request);
		activity->request_method = param(request, "REQUEST_METHOD");
	}
	app->on_request(app, request, app->on_request_arg);
	if (activity != NULL)
		activity->request_method = activity->request_path = NULL;
}

/* Send what is left of the reply; NULL, or why the peer did not get it. */
static const char *
finish(FCGX_Request *request)
{
	int error = 0;

	drain(request->in);
	if (FCGX_FClose(request->err) != 0)
		error = FCGX_GetError(request->err);
	if (FCGX_FClose(request->out) != 0)
		error = FCGX_GetError(request->out);
	if (error == 0)
		return FCGX_GetError(request->in) != 0 ? "the connection failed"
						       : NULL;
	if (error == EPIPE || error == ECONNRESET)
		return "the client left before the reply was sent";
	return error == EAGAIN ? "the client did not take the reply in time"
			       : "the reply could not be sent";
}

enum ol_conn_end
ol_request_serve(struct ol_conn *conn, struct ol_activity *activity)
{
	struct body body = { 0 };
	FCGX_Request request;
	const char *why = NULL;
	char about[160];

	if (begin(&request, conn->fd) != 0) {
		ol_error_tell(conn->app, OL_ERROR_REQUEST,
		    "a connection broke before its request was read");
		return OL_CONN_GONE;
	}
	snprintf(about, sizeof(about), "%s %s",
	    param(&request, "REQUEST_METHOD"), path_of(&request));
	/* libfcgi returns 0 for parameters cut short, too. */
	if (FCGX_GetError(request.in) != 0)
		why = "the connection failed";
	else if (conn->frame.verdict == OL_FRAME_BODY)
		why = read_ahead(conn, &request, &body);
	if (why == NULL) {
		answer(conn, &request, &body, activity);
		if (request.in == NULL) {
			free(body.data);
			ol_error_tell(conn->app, OL_ERROR_REQUEST,
			    "%s: the handler called FCGX_Finish_r", about);
			return request.ipcFd == -1 ? OL_CONN_GONE
						   : OL_CONN_SPENT;
		}
		why = finish(&request);
	}
	/* The descriptor is ours to close, not libfcgi's. */
	request.ipcFd = -1;
	FCGX_Free(&request, 0);
	free(body.data);
	atomic_fetch_add(&conn->app->requests.answered, 1);
	if (why == NULL)
		return conn->frame.keep ? OL_CONN_KEPT : OL_CONN_SPENT;
	ol_error_tell(conn->app, OL_ERROR_REQUEST, "%s: %s", about, why);
	return OL_CONN_SPENT;
}

static void
run_thread(void *arg)
{
	struct ol_requests *requests = arg;
	struct ol_activity *activity = ol_thread_activity();
	struct ol_conn *conn;

	pthread_mutex_lock(&requests->lock);
	for (;;) {
		enum ol_conn_end end;

		while ((conn = STAILQ_FIRST(&requests->queue)) == NULL &&
		       !requests->quitting) {
			requests->idle++;
			pthread_cond_wait(&requests->ready, &requests->lock);
			requests->idle--;
		}
		if (requests->quitting)
			break;
		STAILQ_REMOVE_HEAD(&requests->queue, queue_link);
		pthread_mutex_unlock(&requests->lock);
		end = ol_request_serve(conn, activity);
		ol_supervisor_changed(&requests->app->supervisor);
		ol_conn_return(conn, end);
		pthread_mutex_lock(&requests->lock);
	}
	pthread_mutex_unlock(&requests->lock);
}

int
ol_requests_init(struct ol_requests *requests, struct ol_app *app)
{
	*requests = (struct ol_requests){ .app = app };
	STAILQ_INIT(&requests->queue);
	atomic_init(&requests->answered, 0);
	requests->threads =
	    calloc((size_t)app->options.threads, sizeof(*requests->threads));
	if (requests->threads == NULL)
		return -1;
	pthread_mutex_init(&requests->lock, NULL);
	pthread_cond_init(&requests->ready, NULL);
	return 0;
}

void
ol_requests_fini(struct ol_requests *requests)
{
	free(requests->threads);
	pthread_mutex_destroy(&requests->lock);
	pthread_cond_destroy(&requests->ready);
}

int
ol_requests_start(struct ol_requests *requests)
{
	for (; requests->nthreads < requests->app->options.threads;
	     requests->nthreads++)
		if (ol_thread_start(&requests->threads[requests->nthreads],
			"request thread", run_thread, requests) == -1)
			return -1;
	return 0;
}

bool
ol_requests_end(struct ol_requests *requests)
{
	const struct timespec nap = { .tv_nsec = OL_MSEC(2) };
	int64_t give_up = ol_clock_now() + OL_MSEC(200);
	struct ol_conn *conn;
	bool ended;
	int i;

	pthread_mutex_lock(&requests->lock);
	requests->quitting = true;
	pthread_cond_broadcast(&requests->ready);
	while ((conn = STAILQ_FIRST(&requests->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&requests->queue, queue_link);
		ol_conn_return(conn, OL_CONN_SPENT);
	}
	pthread_mutex_unlock(&requests->lock);
	for (;;) {
		ended = true;
		for (i = 0; i < requests->nthreads; i++)
			ended =
			    ended && atomic_load(&requests->threads[i].ended);
		if (ended || ol_clock_now() > give_up)
			break;
		nanosleep(&nap, NULL);
	}
	for (i = 0; i < requests->nthreads; i++)
		if (ended)
			ol_thread_join(&requests->threads[i]);
		else
			ol_thread_abandon(&requests->threads[i]);
	return ended;
}

void
ol_requests_queue(struct ol_requests *requests, struct ol_conn *conn)
{
	pthread_mutex_lock(&requests->lock);
	STAILQ_INSERT_TAIL(&requests->queue, conn, queue_link);
	if (requests->idle > 0)
		pthread_cond_signal(&requests->ready);
	pthread_mutex_unlock(&requests->lock);
}
