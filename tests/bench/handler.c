#include <sys/types.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handler.h"

static const char body[] =
    "{\"id\":\"0192f0c1-7a3e-7c55-8f21-2a1b3c4d5e6f\",\"n\":10}";
_Static_assert(
    sizeof(body) - 1 == 52, "the size that facts were measured with");

int
handler_log_open(const char *variable)
{
	const char *path = getenv(variable);

	if (path == NULL)
		return (-1);
	return (open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
}

void
handler_log(int fd, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n;

	if (fd == -1)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n > sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n] = '\n';
	/* A short write shows as a broken line in the test's file. */
	if (write(fd, line, (size_t)n + 1) == -1)
		perror("test log");
}

static const char *
param(FCGX_Request *request, const char *name)
{
	const char *value = FCGX_GetParam(name, request->envp);

	return (value == NULL ? "-" : value);
}

void
handler_answer(FCGX_Request *request, bool drain, int log_fd)
{
	char buf[8192];
	long total = 0;
	int n;

	if (drain)
		while ((n = FCGX_GetStr(buf, sizeof(buf), request->in)) > 0)
			total += n;
	handler_log(log_fd, "request %s %s %s %ld %ld",
	    param(request, "REQUEST_METHOD"), param(request, "DOCUMENT_URI"),
	    param(request, "REMOTE_USER"), total, (long)getpid());
	FCGX_PutS("Status: 202 Accepted\r\n"
		  "Content-Type: application/json\r\n\r\n",
	    request->out);
	FCGX_PutStr(body, sizeof(body) - 1, request->out);
}

void
handler_crash(void)
{
	volatile int *volatile nowhere = NULL;

	*nowhere = 1;
}

bool
handler_query_text(
    FCGX_Request *request, const char *name, char *dst, size_t size)
{
	const char *p = param(request, "QUERY_STRING");
	size_t len = strlen(name), n;

	while (p != NULL && *p != '\0') {
		if (strncmp(p, name, len) == 0 && p[len] == '=') {
			p += len + 1;
			n = strcspn(p, "&");
			if (n >= size)
				return (false);
			memcpy(dst, p, n);
			dst[n] = '\0';
			return (true);
		}
		p = strchr(p, '&');
		if (p != NULL)
			p++;
	}
	return (false);
}

long
handler_query_long(FCGX_Request *request, const char *name, long missing)
{
	char text[24], *end;
	long value;

	if (!handler_query_text(request, name, text, sizeof(text)))
		return (missing);
	value = strtol(text, &end, 10);
	return (end == text || *end != '\0' || value < 0 ? missing : value);
}
