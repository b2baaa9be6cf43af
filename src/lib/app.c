#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/app.h"
#include "loop/loop.h"

static void
fill_options(struct ol_app_options *options, const struct ol_app_options *given)
{
	memset(options, 0, sizeof(*options));
	if (given != NULL)
		memcpy(options, given,
		    given->size < sizeof(*options) ? given->size
						   : sizeof(*options));
	options->size = sizeof(*options);
#define DEFAULT(field, value) \
	if (options->field <= 0) \
	options->field = value
	DEFAULT(threads, 1);
	DEFAULT(background_threads, 4);
	DEFAULT(request_timeout_ms, 30000);
	DEFAULT(reply_timeout_ms, 30000);
	DEFAULT(shutdown_delay_ms, 90000);
#undef DEFAULT
	if (options->max_waiting == 0)
		options->max_waiting = 10000;
	if (options->max_body == 0)
		options->max_body = 1024 * 1024;
}

/* libfcgi installs handlers of its own, even where a signal was ignored. */
static void
init_libfcgi(void)
{
	static const int touched[] = { SIGPIPE, SIGUSR1, SIGTERM };
	enum { N = sizeof(touched) / sizeof(touched[0]) };
	struct sigaction saved[N];
	size_t i;

	for (i = 0; i < N; i++)
		sigaction(touched[i], NULL, &saved[i]);
	FCGX_Init();
	for (i = 0; i < N; i++)
		sigaction(touched[i], &saved[i], NULL);
}

static void
on_bell(void *arg)
{
	struct ol_app *app = arg;

	ol_conns_take_back(&app->conns);
	ol_stop_check(&app->stop);
	ol_supervisor_flush(&app->supervisor);
}

struct ol_app *
ol_app_new(const struct ol_app_options *options)
{
	struct ol_app *app;

	if (options != NULL &&
	    options->size <= offsetof(struct ol_app_options, threads)) {
		errno = EINVAL;
		return NULL;
	}
	if ((app = calloc(1, sizeof(*app))) == NULL)
		return NULL;
	fill_options(&app->options, options);
	init_libfcgi();
	if ((app->loop = ol_loop_new()) == NULL)
		goto err0;
	if ((app->bell = ol_wake_new(app->loop, on_bell, app)) == NULL)
		goto err1;
	if (ol_background_init(&app->background, app) == -1)
		goto err2;
	if (ol_conns_init(&app->conns, app) == -1)
		goto err3;
	if (ol_requests_init(&app->requests, app) == -1)
		goto err4;
	if (ol_stop_init(&app->stop, app) == -1)
		goto err5;
	if (ol_supervisor_init(&app->supervisor, app) == -1)
		goto err6;
	return app;
err6:
	ol_stop_fini(&app->stop);
err5:
	ol_requests_fini(&app->requests);
err4:
	ol_conns_fini(&app->conns);
err3:
	ol_background_fini(&app->background);
err2:
	ol_wake_free(app->bell);
err1:
	ol_loop_free(app->loop);
err0:
	free(app);
	return NULL;
}

void
ol_app_free(struct ol_app *app)
{
	if (app == NULL || app->stuck)
		return;
	/* Dropped items still find a whole application around them. */
	ol_background_end(&app->background, &app->stuck);
	if (app->stuck)
		return;
	ol_supervisor_fini(&app->supervisor);
	ol_stop_fini(&app->stop);
	ol_conns_fini(&app->conns);
	ol_requests_fini(&app->requests);
	ol_background_fini(&app->background);
	ol_wake_free(app->bell);
	ol_loop_free(app->loop);
	free(app->listen);
	free(app);
}

void
ol_app_on_request(struct ol_app *app, ol_request_fn *fn, void *arg)
{
	app->on_request = fn;
	app->on_request_arg = arg;
}

void
ol_app_on_error(struct ol_app *app, ol_error_fn *fn, void *arg)
{
	app->on_error = fn;
	app->on_error_arg = arg;
}

/* Serve from listener, which is taken; the result is ol_app_run()'s. */
static int
serve(struct ol_app *app, int listener)
{
	bool stuck;
	int rc = 0;

	if (ol_thread_enter(&app->main_thread, "main thread") == -1)
		goto err0;
	ol_crash_install(app->options.crash_fd);
	if (ol_stop_take_signals(&app->stop) == -1)
		goto err1;
	if (ol_conns_accept(&app->conns, listener) == -1 ||
	    ol_background_start(&app->background) == -1 ||
	    ol_requests_start(&app->requests) == -1)
		goto err2;
	ol_supervisor_ready(&app->supervisor);
	ol_wake_up(app->bell);
	ol_loop_run(app->loop);
	goto end;
err2:
	ol_error_tell(
	    app, OL_ERROR_PROCESS, "cannot start: %s", strerror(errno));
	rc = EX_OSERR;
end:
	app->stuck = !ol_requests_end(&app->requests);
	if (ol_background_end(&app->background, &stuck) > 0 && rc == 0)
		rc = 1;
	app->stuck = app->stuck || stuck;
	if (app->stuck && rc == 0)
		rc = 1;
	ol_supervisor_flush(&app->supervisor);
	ol_stop_forget_signals(&app->stop);
	/* A stuck thread may crash yet, and wants to be reported. */
	if (!app->stuck)
		ol_crash_uninstall();
	ol_thread_leave(&app->main_thread);
	return rc;
err1:
	ol_crash_uninstall();
	ol_thread_leave(&app->main_thread);
err0:
	close(listener);
	ol_error_tell(
	    app, OL_ERROR_PROCESS, "cannot start: %s", strerror(errno));
	return EX_OSERR;
}

int
ol_app_run(struct ol_app *app)
{
	int listener;

	if (app->on_request == NULL) {
		ol_error_tell(app, OL_ERROR_PROCESS,
		    "no request handler: call ol_app_on_request()");
		return EX_USAGE;
	}
	if ((listener = ol_app_listener(app)) == -1)
		return EX_USAGE;
	return serve(app, listener);
}
