#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "base/text.h"
#include "master/crash.h"

/* The rest of the line at text, without its newline. */
static size_t
line_length(const char *text, size_t len)
{
	const char *nl = memchr(text, '\n', len);

	return nl != NULL ? (size_t)(nl - text) : len;
}

void
ol_crash_summary(char *dst, size_t size, const char *report, size_t len)
{
	size_t i, n = line_length(report, len);

	if (n > size - 1)
		n = size - 1;
	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)report[i];

		dst[i] = c >= 0x20 && c < 0x7f ? (char)c : '?';
	}
	dst[n] = '\0';
}

void
ol_crash_status(char *dst, size_t size, int status)
{
	char name[24];

	if (WIFEXITED(status))
		snprintf(dst, size, "exit %d", WEXITSTATUS(status));
	else
		snprintf(dst, size, "%s%s",
		    ol_text_signal(name, sizeof(name), WTERMSIG(status)),
		    WCOREDUMP(status) ? " (core dumped)" : "");
}

int
ol_crash_open(void)
{
	int fd = memfd_create("outlast-crash", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd == -1)
		return -1;
	/* Its pages are made when they are written; the seal bounds them. */
	if (ftruncate(fd, OL_CRASH_MAX) == -1 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SEAL) == -1) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

char *
ol_crash_read(int fd, size_t *len)
{
	char *report = ol_must(malloc(OL_CRASH_MAX + 1));
	ssize_t n = pread(fd, report, OL_CRASH_MAX, 0);

	report[n > 0 ? n : 0] = '\0';
	if ((*len = strlen(report)) == 0) {
		free(report);
		return NULL;
	}
	return report;
}

static int
write_escaped(FILE *f, const char *report, size_t len)
{
	char line[4096];
	size_t n;

	for (; len > 0; report += n, len -= n) {
		n = line_length(report, len);
		if (n > sizeof(line) / 4 - 1)
			n = sizeof(line) / 4 - 1;
		ol_text_escape(line, sizeof(line), report, n);
		if (fputs(line, f) == EOF)
			return -1;
		if (n < len && report[n] == '\n') {
			if (fputc('\n', f) == EOF)
				return -1;
			n++;
		}
	}
	return 0;
}

char *
ol_crash_escape(const char *report, size_t len)
{
	char *text = NULL;
	size_t size;
	FILE *f = ol_must(open_memstream(&text, &size));

	if (write_escaped(f, report, len) == -1 ||
	    (len > 0 && report[len - 1] != '\n' && fputc('\n', f) == EOF) ||
	    fclose(f) == EOF)
		ol_must(NULL);
	return text;
}

/* Remove the oldest file while there are more than are kept. */
static void
prune(const struct ol_log *log, int folder)
{
	struct dirent *entry;
	struct stat st, oldest_st;
	char oldest[NAME_MAX + 1];
	int n, fd;
	DIR *dir;

	do {
		fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
			if (fd != -1)
				close(fd);
			return;
		}
		n = 0;
		while ((entry = readdir(dir)) != NULL) {
			if (fstatat(folder, entry->d_name, &st,
				AT_SYMLINK_NOFOLLOW) == -1 ||
			    !S_ISREG(st.st_mode))
				continue;
			if (n++ == 0 ||
			    st.st_mtim.tv_sec < oldest_st.st_mtim.tv_sec ||
			    (st.st_mtim.tv_sec == oldest_st.st_mtim.tv_sec &&
				st.st_mtim.tv_nsec <
				    oldest_st.st_mtim.tv_nsec)) {
				oldest_st = st;
				strlcpy(oldest, entry->d_name, sizeof(oldest));
			}
		}
		closedir(dir);
		if (n > OL_CRASH_KEPT && unlinkat(folder, oldest, 0) == -1) {
			ol_log_warn(log,
			    "cannot remove an old crash report: %s",
			    strerror(errno));
			return;
		}
	} while (n > OL_CRASH_KEPT + 1);
}

char *
ol_crash_keep(const struct ol_log *log, const char *folder, const char *name,
    const char *report, size_t len)
{
	char *path = NULL;
	int dir, fd, bad;
	FILE *f;

	dir = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir == -1)
		goto err0;
	/* A name that came around again is not to be followed or appended. */
	unlinkat(dir, name, 0);
	fd = openat(dir, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		goto err1;
	f = ol_must(fdopen(fd, "w"));
	bad = write_escaped(f, report, len) == -1;
	if (fclose(f) == EOF || bad)
		goto err1;
	prune(log, dir);
	close(dir);
	if (asprintf(&path, "%s/%s", folder, name) == -1)
		ol_must(NULL);
	return path;
err1:
	close(dir);
err0:
	ol_log_error(log, "cannot keep the crash report as %s/%s: %s", folder,
	    name, strerror(errno));
	return NULL;
}

void
ol_crash_log(const struct ol_log *log, const char *report, size_t len)
{
	enum { LINES = 200 }; /* a report of line ends must not flood the log */
	size_t n, lines = 0;

	for (; len > 0; report += n, len -= n) {
		if (lines++ == LINES) {
			ol_log_info(log, "| and %zu bytes more", len);
			return;
		}
		n = line_length(report, len);
		ol_log_info(log, "| %.*s", n > 1500 ? 1500 : (int)n, report);
		if (n < len)
			n++;
	}
}
