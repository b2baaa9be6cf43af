#include <sys/syscall.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "base/sealed.h"
#include "base/signals.h"
#include "base/text.h"
#include "master/crash.h"
#include "master/upgrade.h"

void
ol_upgrade_init(struct ol_upgrade *u)
{
	*u = (struct ol_upgrade){ .binary = -1, .said = -1, .limit = OL_NEVER };
}

void
ol_upgrade_cancel(struct ol_upgrade *u)
{
	if (u->pid != 0)
		kill(u->pid, SIGKILL);
	if (u->binary != -1)
		close(u->binary);
	if (u->said != -1)
		close(u->said);
	ol_upgrade_init(u);
}

/* The table in a descriptor. -1: logged. */
static int
seal(const struct ol_handover *h)
{
	char *text = NULL;
	size_t size;
	FILE *f = ol_must(open_memstream(&text, &size));
	int fd;

	ol_handover_write(h, f);
	if (fclose(f) == EOF)
		ol_must(NULL);
	if ((fd = ol_sealed_new(text, size)) == -1)
		ol_log_error(NULL,
		    "upgrade: cannot write down what is to be "
		    "handed over: %s",
		    strerror(errno));
	free(text);
	return fd;
}

/* The command line for the new binary; test: it is to look, and end. */
static void
execute(int binary, const struct ol_upgrade_command *c, int table, bool test)
{
	char number[16], *argv[10];
	int n = 0;

	snprintf(number, sizeof(number), "%d", table);
	argv[n++] = (char *)(uintptr_t)c->program;
	if (test) {
		argv[n++] = (char *)(uintptr_t) "-t";
		argv[n++] = (char *)(uintptr_t) "-q";
	}
	argv[n++] = (char *)(uintptr_t) "-c";
	argv[n++] = (char *)(uintptr_t)c->file;
	if (c->extra != NULL) {
		argv[n++] = (char *)(uintptr_t) "-g";
		argv[n++] = (char *)(uintptr_t)c->extra;
	}
	argv[n++] = (char *)(uintptr_t) "--handover";
	argv[n++] = number;
	argv[n] = NULL;
	syscall(SYS_execveat, binary, "", argv, environ, AT_EMPTY_PATH);
}

static void look(const struct ol_upgrade *, const struct ol_upgrade_command *,
    int table) __attribute__((noreturn));

/* The child that asks. */
static void
look(const struct ol_upgrade *u, const struct ol_upgrade_command *c, int table)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int binary = fcntl(u->binary, F_DUPFD_CLOEXEC, 10);
	int said = fcntl(u->said, F_DUPFD_CLOEXEC, 10);

	table = fcntl(table, F_DUPFD_CLOEXEC, 10);
	if (null == -1 || binary == -1 || said == -1 || table == -1 ||
	    dup2(null, STDIN_FILENO) == -1 || dup2(said, STDOUT_FILENO) == -1 ||
	    dup2(said, STDERR_FILENO) == -1 ||
	    dup2(table, OL_UPGRADE_TABLE_FD) == -1)
		_exit(127);
	ol_signals_reset();
	execute(binary, c, OL_UPGRADE_TABLE_FD, true);
	dprintf(STDERR_FILENO, "outlastd: cannot execute %s: %s\n", c->program,
	    strerror(errno));
	_exit(127);
}

/* -1: logged. */
static int
ask(struct ol_upgrade *u, const struct ol_upgrade_command *c, int table)
{
	sigset_t all, before;
	int saved;

	if ((u->said = ol_crash_open()) == -1) {
		ol_log_error(NULL, "upgrade: cannot make a file in memory: %s",
		    strerror(errno));
		return -1;
	}
	/* A handler of ours must not run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	u->pid = fork();
	if (u->pid == 0)
		look(u, c, table);
	saved = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (u->pid != -1)
		return 0;
	u->pid = 0;
	ol_log_error(NULL, "upgrade: cannot fork: %s", strerror(saved));
	return -1;
}

int
ol_upgrade_ask(struct ol_upgrade *u, const struct ol_upgrade_command *c,
    const struct ol_handover *h, int64_t now)
{
	int table, rc;

	if (c->program == NULL) {
		ol_log_error(NULL,
		    "upgrade: it is not known where the program is; start it "
		    "by its path");
		return -1;
	}
	/* A script would find nothing under a name that ends with execve(). */
	u->binary = open(c->program, O_PATH | O_CLOEXEC);
	if (u->binary == -1) {
		ol_log_error(NULL, "upgrade: cannot open %s: %s", c->program,
		    strerror(errno));
		return -1;
	}
	if ((table = seal(h)) == -1) {
		ol_upgrade_cancel(u);
		return -1;
	}
	rc = ask(u, c, table);
	close(table);
	if (rc == -1)
		ol_upgrade_cancel(u);
	else
		u->limit = ol_clock_after(now, OL_UPGRADE_PATIENCE);
	return rc;
}

int64_t
ol_upgrade_tick(struct ol_upgrade *u, int64_t now)
{
	if (now < u->limit)
		return u->limit;
	u->limit = OL_NEVER;
	ol_log_error(
	    NULL, "upgrade: the new binary takes too long; killing it");
	kill(u->pid, SIGKILL);
	return OL_NEVER;
}

/* What it said, line by line. */
static void
log_said(int fd, enum ol_log_level level)
{
	char *text, *next, *line, escaped[512];
	size_t len;

	if ((text = ol_crash_read(fd, &len)) == NULL)
		return;
	next = text;
	while ((line = strsep(&next, "\n")) != NULL) {
		if (*line == '\0')
			continue;
		ol_text_escape(escaped, sizeof(escaped), line, strlen(line));
		ol_log_write(NULL, level, "upgrade: %s", escaped);
	}
	free(text);
}

bool
ol_upgrade_answered(struct ol_upgrade *u, int status)
{
	bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	char how[64];

	u->pid = 0;
	u->limit = OL_NEVER;
	log_said(u->said, well ? OL_LOG_WARN : OL_LOG_ERROR);
	if (well)
		return true;
	ol_crash_status(how, sizeof(how), status);
	ol_log_error(NULL,
	    "not upgraded: the new binary does not take over (%s); the old one "
	    "goes on",
	    how);
	ol_upgrade_cancel(u);
	return false;
}

void
ol_upgrade_execute(const struct ol_upgrade *u,
    const struct ol_upgrade_command *c, const struct ol_handover *h)
{
	int table = seal(h), saved;

	if (table == -1)
		return;
	if (fcntl(table, F_SETFD, 0) == -1 ||
	    ol_handover_inherit(h, true) == -1) {
		ol_log_error(NULL, "upgrade: cannot hand descriptors over: %s",
		    strerror(errno));
		close(table);
		return;
	}
	execute(u->binary, c, table, false);
	saved = errno;
	ol_handover_inherit(h, false);
	close(table);
	ol_log_error(NULL, "upgrade: cannot execute %s: %s", c->program,
	    strerror(saved));
}
