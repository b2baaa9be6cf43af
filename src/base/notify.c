#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/notify.h"

/* A whole decimal number from 0 to max, with nothing around it. */
static int
parse_number(const char *s, size_t len, int64_t max, int64_t *out)
{
	int64_t n = 0;
	size_t i;

	if (len == 0)
		return -1;
	for (i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		if (n > (max - (s[i] - '0')) / 10)
			return -1;
		n = n * 10 + (s[i] - '0');
	}
	*out = n;
	return 0;
}

static int
parse_flag(const char *s, size_t len, bool *out)
{
	if (len != 1 || (*s != '0' && *s != '1'))
		return -1;
	*out = *s == '1';
	return 0;
}

static void
keep(struct ol_notify *n, const char *text, size_t len)
{
	if (len >= sizeof(n->status))
		len = sizeof(n->status) - 1;
	memcpy(n->status, text, len);
	n->status[len] = '\0';
}

/* "45" or "45 drawing page 3" */
static int
parse_progress(const char *s, size_t len, struct ol_notify *n)
{
	const char *space = memchr(s, ' ', len);
	size_t digits = space != NULL ? (size_t)(space - s) : len;
	int64_t percent;

	if (parse_number(s, digits, 100, &percent) == -1)
		return -1;
	n->progress = (int)percent;
	if (space != NULL)
		keep(n, space + 1, len - digits - 1);
	return 0;
}

static int
parse_line(struct ol_notify *n, const char *line, size_t len)
{
	static const struct {
		const char *name;
		size_t offset;
	} numbers[] = {
		{ "EXTEND_TIMEOUT_USEC",
		    offsetof(struct ol_notify, extend_usec) },
		{ "X_OUTLAST_TASKS", offsetof(struct ol_notify, tasks) },
		{ "X_OUTLAST_REQUESTS", offsetof(struct ol_notify, requests) },
		{ "X_OUTLAST_IDLE", offsetof(struct ol_notify, idle_usec) },
	}, flags[] = {
		{ "READY", offsetof(struct ol_notify, ready) },
		{ "STOPPING", offsetof(struct ol_notify, stopping) },
		{ "RELOADING", offsetof(struct ol_notify, reloading) },
		{ "WATCHDOG", offsetof(struct ol_notify, watchdog) },
	};
	const char *equals = memchr(line, '=', len), *value;
	size_t i, name_len, value_len;

	if (equals == NULL || equals == line)
		return -1;
	name_len = (size_t)(equals - line);
	value = equals + 1;
	value_len = len - name_len - 1;
#define IS(s) (strlen(s) == name_len && memcmp(s, line, name_len) == 0)
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (IS(numbers[i].name))
			return parse_number(value, value_len, INT64_MAX / 1000,
			    (int64_t *)(void *)((char *)n + numbers[i].offset));
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (IS(flags[i].name))
			return parse_flag(value, value_len,
			    (bool *)((char *)n + flags[i].offset));
	if (IS("STATUS"))
		keep(n, value, value_len);
	else if (IS("X_OUTLAST_PROGRESS"))
		return parse_progress(value, value_len, n);
#undef IS
	return 0;
}

static void
clear(struct ol_notify *n)
{
	memset(n, 0, sizeof(*n));
	n->extend_usec = n->tasks = n->requests = n->idle_usec = -1;
	n->progress = -1;
}

int
ol_notify_parse(struct ol_notify *n, const char *data, size_t len)
{
	const char *end = data + len, *line, *next;

	clear(n);
	if (len > OL_NOTIFY_MAX || memchr(data, '\0', len) != NULL)
		return -1;
	for (line = data; line < end; line = next) {
		const char *nl = memchr(line, '\n', (size_t)(end - line));
		size_t line_len = (size_t)((nl != NULL ? nl : end) - line);

		next = line + line_len + (nl != NULL);
		if (line_len == 0)
			continue;
		if (parse_line(n, line, line_len) == -1) {
			clear(n);
			return -1;
		}
	}
	return 0;
}

static int
set_address(struct sockaddr_un *un, socklen_t *len, const char *name)
{
	size_t n = strlen(name);

	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	if ((name[0] != '/' && name[0] != '@') || n < 2 ||
	    n >= sizeof(un->sun_path)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(un->sun_path, name, n);
	if (name[0] == '@')
		un->sun_path[0] = '\0';
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return 0;
}

static int
datagram_socket(void)
{
	return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int
ol_notify_connect(const char *name)
{
	struct sockaddr_un un;
	socklen_t len;
	int fd, saved;

	if (set_address(&un, &len, name) == -1 ||
	    (fd = datagram_socket()) == -1)
		return -1;
	if (connect(fd, (struct sockaddr *)&un, len) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int
ol_notify_send(int fd, const char *fmt, ...)
{
	char text[OL_NOTIFY_MAX + 1];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(text)) {
		errno = EMSGSIZE;
		return -1;
	}
	if (send(fd, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
		return -1;
	return 0;
}

int
ol_notify_bind(const char *path, unsigned uid)
{
	struct sockaddr_un un;
	socklen_t len;
	mode_t mask;
	int fd, rc, saved;

	if (set_address(&un, &len, path) == -1 ||
	    (fd = datagram_socket()) == -1)
		return -1;
	if (unlink(path) == -1 && errno != ENOENT)
		goto err;
	mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&un, len);
	umask(mask);
	if (rc == -1)
		goto err;
	if (uid != (unsigned)-1 && lchown(path, uid, (gid_t)-1) == -1)
		goto err;
	return fd;
err:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}
