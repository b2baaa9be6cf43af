#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "lib/app.h"
#include "lib/error.h"
#include "lib/supervisor.h"

const char *
ol_strerror(int result)
{
	switch (result) {
	case 0:
		return "success";
	case OL_ESTOPPING:
		return "the process is ending and takes no more items";
	case OL_EFULL:
		return "too many items are waiting";
	case OL_EINVAL:
		return "an argument makes no sense";
	case OL_ENOMEM:
		return "out of memory, threads or descriptors";
	}
	return "unknown result";
}

void
ol_error_deliver(struct ol_app *app, const struct ol_error *error)
{
	if (app->on_error != NULL)
		app->on_error(app, error, app->on_error_arg);
	else
		ol_supervisor_status(&app->supervisor, "%s%s%s",
		    error->item != NULL ? error->item : "",
		    error->item != NULL ? ": " : "", error->message);
}

void
ol_error_tell(struct ol_app *app, enum ol_error_kind kind, const char *fmt, ...)
{
	char message[256];
	struct ol_error error = {
		.size = sizeof(error),
		.kind = kind,
		.message = message,
		.percent = -1,
	};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	ol_error_deliver(app, &error);
}

static void
add(char *line, size_t size, size_t *len, const char *text)
{
	char safe[256];
	int n;

	ol_text_escape(safe, sizeof(safe), text, strlen(text));
	n = snprintf(line + *len, size - *len, "%s", safe);
	*len += (size_t)n < size - *len ? (size_t)n : size - *len - 1;
}

void
ol_error_to_stderr(struct ol_app *app, const struct ol_error *error, void *arg)
{
	static const char *const kinds[] = {
		[OL_ERROR_ITEM_FAILED] = "item failed",
		[OL_ERROR_ITEM_UNFINISHED] = "item unfinished",
		[OL_ERROR_ITEM_DROPPED] = "item dropped",
		[OL_ERROR_ITEM_LOST] = "item lost",
		[OL_ERROR_REQUEST] = "request",
		[OL_ERROR_PROCESS] = "process",
	};
	char line[1024], number[32];
	size_t len = 0;

	(void)app;
	(void)arg;
	ol_clock_stamp(line, sizeof(line));
	len = strlen(line);
	snprintf(number, sizeof(number), " [%ld] ", (long)getpid());
	add(line, sizeof(line), &len, number);
	add(line, sizeof(line), &len, kinds[error->kind]);
	if (error->item != NULL) {
		add(line, sizeof(line), &len, " \"");
		add(line, sizeof(line), &len, error->item);
		add(line, sizeof(line), &len, "\"");
	}
	if (error->percent >= 0) {
		snprintf(number, sizeof(number), " (%d %%", error->percent);
		add(line, sizeof(line), &len, number);
		if (error->progress != NULL) {
			add(line, sizeof(line), &len, " ");
			add(line, sizeof(line), &len, error->progress);
		}
		add(line, sizeof(line), &len, ")");
	}
	add(line, sizeof(line), &len, ": ");
	add(line, sizeof(line), &len, error->message);
	line[len++] = '\n';
	/* One write: lines of several threads do not mix. */
	if (write(STDERR_FILENO, line, len) == -1)
		return;
}
