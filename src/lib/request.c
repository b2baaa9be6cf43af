#include <sys/mman.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "lib/app.h"
#include "lib/error.h"
#include "lib/request.h"

/*
 * Let libfcgi read a request from fd. It takes a preset connection only
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

/*
 * Let libfcgi read a request that was collected: the parameters from a file in
 * memory, where nothing blocks, the body from where it is. After that it has
 * nothing to read, and what it writes goes to the connection.
 */
static int
begin_collected(FCGX_Request *request, struct ol_conn *conn)
{
	struct ol_intake *intake = conn->intake;
	int fd = memfd_create("request", MFD_CLOEXEC);

	if (fd == -1)
		return -1;
	if (pwrite(fd, intake->head, intake->head_len, 0) !=
	    (ssize_t)intake->head_len) {
		close(fd);
		return -1;
	}
	if (begin(request, fd) != 0)
		return -1; /* libfcgi has closed it */
	close(fd);
	request->ipcFd = conn->fd;
	request->in->rdNext = request->in->stopUnget = intake->body;
	request->in->stop = intake->body + intake->body_len;
	request->in->isClosed = 0;
	request->in->fillBuffProc = end_of_body;
	return 0;
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
answer(
    struct ol_conn *conn, FCGX_Request *request, struct ol_activity *activity)
{
	struct ol_app *app = conn->app;
	const struct ol_frame *frame = &conn->frame;

	if (frame->body > app->options.max_body) {
		refuse(conn, request, "413 Content Too Large",
		    "the body is larger than this application takes");
		return;
	}
	if (frame->content_length != -1 &&
	    (uint64_t)frame->content_length != frame->body) {
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
	bool collected = conn->intake != NULL;
	FCGX_Request request;
	const char *why;
	char about[160];

	if ((collected ? begin_collected(&request, conn)
		       : begin(&request, conn->fd)) != 0) {
		ol_error_tell(conn->app, OL_ERROR_REQUEST,
		    "a request could not be read: %s", strerror(errno));
		ol_conn_forget_intake(conn);
		return collected ? OL_CONN_SPENT : OL_CONN_GONE;
	}
	snprintf(about, sizeof(about), "%s %s",
	    param(&request, "REQUEST_METHOD"), path_of(&request));
	/* libfcgi returns 0 for parameters cut short, too. */
	if (FCGX_GetError(request.in) == 0)
		answer(conn, &request, activity);
	if (request.in == NULL) {
		ol_error_tell(conn->app, OL_ERROR_REQUEST,
		    "%s: the handler called FCGX_Finish_r", about);
		ol_conn_forget_intake(conn);
		return request.ipcFd == -1 ? OL_CONN_GONE : OL_CONN_SPENT;
	}
	why = finish(&request);
	/* The descriptor is ours to close, not libfcgi's. */
	request.ipcFd = -1;
	FCGX_Free(&request, 0);
	ol_conn_forget_intake(conn);
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

	ol_thread_block_signals();
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
		ol_supervisor_changed(&requests->app->supervisor, false);
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
