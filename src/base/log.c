#include <sys/types.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum { LINE_MAX_BYTES = 2048 };

struct sink {
	enum ol_log_target target;
	enum ol_log_level level;
	bool json;
	char *path;
	int fd;
	int error; /* of the last reopening */
};

/* The one writable state of the log: who listens. */
static struct {
	pthread_mutex_t lock;
	struct sink *sinks; /* NULL: standard error from notice up */
	size_t n;
} log_state = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const char *const level_names[] = { "error", "warn", "notice", "info",
	"debug" };

const char *
ol_log_level_name(enum ol_log_level level)
{
	return level_names[level];
}

int
ol_log_level_find(const char *name, enum ol_log_level *level)
{
	size_t i;

	for (i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
		if (strcmp(name, level_names[i]) == 0) {
			*level = (enum ol_log_level)i;
			return 0;
		}
	return -1;
}

static int
open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

static void
free_sinks(struct sink *sinks, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (sinks[i].target == OL_LOG_FILE && sinks[i].fd != -1)
			close(sinks[i].fd);
		free(sinks[i].path);
	}
	free(sinks);
}

static void
replace_sinks(struct sink *sinks, size_t n)
{
	struct sink *old;
	size_t nold;

	pthread_mutex_lock(&log_state.lock);
	old = log_state.sinks;
	nold = log_state.n;
	log_state.sinks = sinks;
	log_state.n = n;
	pthread_mutex_unlock(&log_state.lock);
	free_sinks(old, nold);
}

/* Its files are opened, or those of fds are taken. */
static int
open_sinks(
    const struct ol_log_sink *conf, size_t n, const int *fds, size_t *failed)
{
	struct sink *sinks;
	size_t i;
	int saved;

	*failed = 0;
	if ((sinks = calloc(n ? n : 1, sizeof(*sinks))) == NULL)
		return -1;
	for (i = 0; i < n; i++) {
		sinks[i].target = conf[i].target;
		sinks[i].level = conf[i].level;
		sinks[i].json = conf[i].json;
		sinks[i].fd = STDERR_FILENO;
		if (conf[i].target != OL_LOG_FILE)
			continue;
		sinks[i].fd = -1;
		if ((sinks[i].path = strdup(conf[i].path)) == NULL)
			goto err;
		sinks[i].fd = fds != NULL ? *fds++ : open_file(conf[i].path);
		if (sinks[i].fd == -1)
			goto err;
	}
	replace_sinks(sinks, n);
	return 0;
err:
	saved = errno;
	*failed = i;
	free_sinks(sinks, i + 1);
	errno = saved;
	return -1;
}

int
ol_log_open(const struct ol_log_sink *conf, size_t n, size_t *failed)
{
	size_t at;
	int rc = open_sinks(conf, n, NULL, &at);

	if (rc == -1 && failed != NULL)
		*failed = at;
	return rc;
}

static size_t
count_files(const struct ol_log_sink *conf, size_t n)
{
	size_t i, files = 0;

	for (i = 0; i < n; i++)
		files += conf[i].target == OL_LOG_FILE;
	return files;
}

static void
close_all(const int *fds, size_t n)
{
	int saved = errno;

	while (n > 0)
		close(fds[--n]);
	errno = saved;
}

int
ol_log_adopt(
    const struct ol_log_sink *conf, size_t n, const int *fds, size_t nfds)
{
	size_t failed;

	if (count_files(conf, n) != nfds) {
		errno = EINVAL;
		close_all(fds, nfds);
		return -1;
	}
	if (open_sinks(conf, n, fds, &failed) == 0)
		return 0;
	/* Those before the one that failed were freed with their sinks. */
	failed = count_files(conf, failed);
	close_all(fds + failed, nfds - failed);
	return -1;
}

size_t
ol_log_files(int *fds, size_t size)
{
	size_t i, n = 0;

	pthread_mutex_lock(&log_state.lock);
	for (i = 0; i < log_state.n; i++)
		if (log_state.sinks[i].target == OL_LOG_FILE) {
			if (n < size)
				fds[n] = log_state.sinks[i].fd;
			n++;
		}
	pthread_mutex_unlock(&log_state.lock);
	return n;
}

int
ol_log_adopt_again(const int *fds, size_t nfds)
{
	size_t i;

	if (ol_log_files(NULL, 0) != nfds) {
		errno = EINVAL;
		close_all(fds, nfds);
		return -1;
	}
	pthread_mutex_lock(&log_state.lock);
	for (i = 0; i < log_state.n; i++)
		if (log_state.sinks[i].target == OL_LOG_FILE) {
			close(log_state.sinks[i].fd);
			log_state.sinks[i].fd = *fds++;
		}
	pthread_mutex_unlock(&log_state.lock);
	return 0;
}

int
ol_log_reopen(void)
{
	size_t i;
	int fd, rc = 0;

	pthread_mutex_lock(&log_state.lock);
	for (i = 0; i < log_state.n; i++) {
		if (log_state.sinks[i].target != OL_LOG_FILE)
			continue;
		fd = open_file(log_state.sinks[i].path);
		log_state.sinks[i].error = fd == -1 ? errno : 0;
		if (fd == -1) {
			rc = -1;
			continue;
		}
		close(log_state.sinks[i].fd);
		log_state.sinks[i].fd = fd;
	}
	pthread_mutex_unlock(&log_state.lock);
	/* Only the caller's thread changes the sinks. */
	for (i = 0; i < log_state.n; i++)
		if (log_state.sinks[i].error != 0)
			ol_log_error(NULL,
			    "cannot open %s again, the old file stays in use: "
			    "%s",
			    log_state.sinks[i].path,
			    strerror(log_state.sinks[i].error));
	return rc;
}

void
ol_log_close(void)
{
	replace_sinks(NULL, 0);
}

void
ol_log_about(struct ol_log *log, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(log->about, sizeof(log->about), fmt, ap);
	va_end(ap);
}

static void
write_line(const struct sink *sink, enum ol_log_level level,
    const struct ol_log *log, const char *message)
{
	static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_NOTICE,
		LOG_INFO, LOG_DEBUG };
	const char *about = log != NULL ? log->about : "";
	char stamp[OL_CLOCK_STAMP_SIZE], text[LINE_MAX_BYTES];
	char line[LINE_MAX_BYTES + 256];
	int len;

	ol_clock_stamp(stamp, sizeof(stamp));
	if (sink->json) {
		char who[sizeof(log->about) * 2];

		ol_text_json(text, sizeof(text), message, strlen(message));
		ol_text_json(who, sizeof(who), about, strlen(about));
		len = snprintf(line, sizeof(line),
		    "{\"time\":\"%s\",\"level\":\"%s\",\"about\":\"%s\","
		    "\"message\":\"%s\"}\n",
		    stamp, level_names[level], who, text);
	} else {
		ol_text_escape(text, sizeof(text), message, strlen(message));
		len = snprintf(line, sizeof(line), "%s %s %s%s%s\n", stamp,
		    level_names[level], about, *about ? ": " : "", text);
	}
	if (sink->target == OL_LOG_SYSLOG) {
		/* Without the newline, or without the stamp of our own. */
		if (sink->json)
			syslog(LOG_DAEMON | priority[level], "%.*s", len - 1,
			    line);
		else
			syslog(LOG_DAEMON | priority[level], "%s%s%s", about,
			    *about ? ": " : "", text);
		return;
	}
	/* A log that cannot be written has nobody to complain to. */
	if (write(sink->fd, line, (size_t)len) == -1)
		return;
}

void
ol_log_write(
    const struct ol_log *log, enum ol_log_level level, const char *fmt, ...)
{
	static const struct sink standard = {
		.target = OL_LOG_STDERR,
		.level = OL_LOG_NOTICE,
		.fd = STDERR_FILENO,
	};
	char message[LINE_MAX_BYTES];
	int saved = errno;
	va_list ap;
	size_t i;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&log_state.lock);
	if (log_state.sinks == NULL && level <= standard.level)
		write_line(&standard, level, log, message);
	for (i = 0; i < log_state.n; i++)
		if (level <= log_state.sinks[i].level)
			write_line(&log_state.sinks[i], level, log, message);
	pthread_mutex_unlock(&log_state.lock);
	errno = saved;
}
