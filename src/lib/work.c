#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/app.h"
#include "lib/error.h"
#include "lib/stop.h"
#include "lib/work.h"

/* What a waiting item costs, with malloc's own word, is promised. */
_Static_assert(sizeof(struct ol_work) + 16 <= 256, "items have grown");

struct ol_work *
ol_work_new(struct ol_app *app, enum ol_flavour flavour, void *data,
    const struct ol_work_options *options)
{
	struct ol_work *work = calloc(1, sizeof(*work));

	if (work == NULL)
		return NULL;
	work->app = app;
	work->flavour = (unsigned char)flavour;
	work->data = data;
	work->free_data = options->free_data;
	work->on_stop = options->on_stop;
	work->on_stop_arg = options->on_stop_arg;
	work->percent = -1;
	strlcpy(work->name, options->name != NULL ? options->name : "unnamed",
	    sizeof(work->name));
	return work;
}

void
ol_work_free(struct ol_work *work)
{
	free(work->progress);
	free(work->error);
	free(work);
}

void
ol_work_tell(struct ol_work *work, enum ol_error_kind kind, const char *message)
{
	struct ol_error error = {
		.size = sizeof(error),
		.kind = kind,
		.item = work->name,
		.message = message != NULL	 ? message
			   : work->error != NULL ? work->error
						 : "failed",
		.percent = work->percent,
		.progress = work->progress,
	};

	ol_error_deliver(work->app, &error);
}

void
ol_work_error(struct ol_work *work, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	free(work->error);
	work->error = strdup(text);
}

void
ol_work_progress(struct ol_work *work, int percent, const char *text)
{
	struct ol_background *background = &work->app->background;
	char *copy = text != NULL ? strdup(text) : NULL, *old;

	if (copy != NULL)
		copy[strcspn(copy, "\r\n")] = '\0';
	pthread_mutex_lock(&background->lock);
	old = work->progress;
	work->progress = copy;
	work->percent = (signed char)(percent < 0     ? 0
				      : percent > 100 ? 100
						      : percent);
	pthread_mutex_unlock(&background->lock);
	free(old);
}

const char *
ol_work_name(const struct ol_work *work)
{
	return work->name;
}

struct ol_app *
ol_work_app(const struct ol_work *work)
{
	return work->app;
}

int
ol_work_stopping(const struct ol_work *work)
{
	return ol_stop_begun(&work->app->stop);
}

int64_t
ol_work_deadline(const struct ol_work *work)
{
	return ol_stop_deadline(&work->app->stop);
}

int
ol_work_stop_fd(const struct ol_work *work)
{
	return work->app->stop.fd;
}

long
ol_work_extend(struct ol_work *work, long seconds)
{
	return ol_stop_extend(&work->app->stop, seconds);
}
