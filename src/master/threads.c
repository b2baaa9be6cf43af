#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "master/threads.h"

enum {
	THREADS = 32, /* more are counted only */
	FRAMES = 12,
};

/* All of a small file, as a string; "" when it cannot be read. */
static void
read_text(
    char *text, size_t size, int folder, const char *thread, const char *name)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%.20s/%s", thread, name);
	fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
}

static const char *
state_name(char letter)
{
	switch (letter) {
	case 'R':
		return "running";
	case 'S':
		return "sleeping";
	case 'D':
		return "in uninterruptible sleep";
	case 'T':
	case 't':
		return "stopped";
	case 'Z':
		return "ended";
	default:
		return "in an unknown state";
	}
}

/* "[<0>] do_sys_poll+0x12/0x34\n…" as "do_sys_poll < …". */
static void
write_frames(char *dst, size_t size, char *stack)
{
	char *line, *name;
	int i;

	*dst = '\0';
	for (i = 0; i < FRAMES && (line = strsep(&stack, "\n")) != NULL; i++) {
		name = strstr(line, "] ");
		if (name == NULL)
			break;
		name += 2;
		name[strcspn(name, "+")] = '\0';
		if (i > 0)
			strlcat(dst, " < ", size);
		strlcat(dst, name, size);
	}
}

static void
log_thread(const struct ol_log *log, int folder, const char *thread)
{
	char stat[512], stack[4096], frames[512], where[80], name[80];
	const char *open, *close;

	read_text(stat, sizeof(stat), folder, thread, "stat");
	/* The name may hold anything, parentheses too. */
	open = strchr(stat, '(');
	close = strrchr(stat, ')');
	if (open == NULL || close == NULL || close[1] != ' ')
		return;
	ol_text_escape(name, sizeof(name), open + 1,
	    close - open > 16 ? 15 : (size_t)(close - open - 1));
	read_text(where, sizeof(where), folder, thread, "wchan");
	read_text(stack, sizeof(stack), folder, thread, "stack");
	write_frames(frames, sizeof(frames), stack);
	if (*frames == '\0' && strcmp(where, "0") != 0)
		strlcpy(frames, where, sizeof(frames));
	ol_log_notice(log, "| thread %s (%s) is %s%s%s", thread, name,
	    state_name(close[2]), *frames != '\0' ? ", in the kernel at " : "",
	    frames);
}

void
ol_threads_log(const struct ol_log *log, pid_t pid)
{
	struct dirent *entry;
	char path[40];
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	if ((dir = opendir(path)) == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' && n++ < THREADS)
			log_thread(log, dirfd(dir), entry->d_name);
	closedir(dir);
	if (n > THREADS)
		ol_log_notice(log, "| and %d threads more", n - THREADS);
}
