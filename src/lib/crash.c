#include <sys/syscall.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "lib/crash.h"
#include "lib/thread.h"
#include "lib/work.h"

static const struct fault {
	int signo;
	const char *name;
} faults[] = {
	{ SIGSEGV, "SIGSEGV" },
	{ SIGBUS, "SIGBUS" },
	{ SIGILL, "SIGILL" },
	{ SIGFPE, "SIGFPE" },
	{ SIGABRT, "SIGABRT" },
	{ SIGSYS, "SIGSYS" },
};

enum { NFAULTS = sizeof(faults) / sizeof(faults[0]), FRAMES = 64 };

/* A signal handler has nothing but globals. */
static struct {
	int fd;
	pid_t pid;	     /* a fork of ours has the handlers, too */
	atomic_int reporter; /* thread that writes; 0: none yet */
	_Atomic(const struct ol_thread *) suspect; /* NULL: none */
	struct sigaction before[NFAULTS];
} crash_state = { .fd = -1 };

/* A line that is put together without stdio. */
struct line {
	char text[512];
	size_t len;
};

static void
put_char(struct line *line, char c)
{
	if (line->len < sizeof(line->text) - 1)
		line->text[line->len++] = c;
}

static void
put(struct line *line, const char *text)
{
	while (*text != '\0')
		put_char(line, *text++);
}

/* Somebody else's text: one line of printable ASCII, at most max bytes. */
static void
put_foreign(struct line *line, const char *text, size_t max)
{
	for (; max > 0 && *text != '\0'; max--, text++)
		put_char(line, *text >= ' ' && *text < 0x7f ? *text : '?');
}

static void
put_hex(struct line *line, uintptr_t n)
{
	int shift = (int)sizeof(n) * 8 - 4;

	put(line, "0x");
	while (shift > 0 && (n >> shift & 0xf) == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put_char(line, "0123456789abcdef"[n >> shift & 0xf]);
}

static void
put_number(struct line *line, unsigned long n)
{
	char digits[24];
	int i = 0;

	do
		digits[i++] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	while (i > 0)
		put_char(line, digits[--i]);
}

static void
end_line(struct line *line)
{
	line->text[line->len++] = '\n';
	if (write(crash_state.fd, line->text, line->len) == -1)
		line->len = 0; /* nobody to tell */
	line->len = 0;
}

static void
put_work(struct line *line, const struct ol_work *work)
{
	put(line, " in work item \"");
	put_foreign(line, work->name, sizeof(work->name));
	put(line, "\"");
	if (work->percent < 0)
		return;
	put(line, " (");
	put_number(line, (unsigned long)work->percent);
	put(line, " %");
	if (work->progress != NULL) {
		put(line, " ");
		put_foreign(line, work->progress, 100);
	}
	put(line, ")");
}

static void
write_summary(const struct fault *fault, const siginfo_t *info,
    const struct ol_activity *activity)
{
	struct line line = { .len = 0 };

	put(&line, fault->name);
	if (info->si_code > 0 && fault->signo != SIGABRT) {
		put(&line, " at ");
		put_hex(&line, (uintptr_t)info->si_addr);
	}
	if (activity == NULL)
		put(&line, " in a thread of the application's own");
	else if (activity->work != NULL)
		put_work(&line, activity->work);
	else if (activity->request_method != NULL) {
		put(&line, " in request ");
		put_foreign(&line, activity->request_method, 16);
		put(&line, " ");
		put_foreign(&line, activity->request_path, 200);
	} else {
		put(&line, " in the ");
		put(&line, activity->role);
	}
	end_line(&line);
}

static void
write_details(const siginfo_t *info, const ucontext_t *context,
    const struct ol_activity *activity)
{
	struct line line = { .len = 0 };

	put(&line, "pid: ");
	put_number(&line, (unsigned long)getpid());
	end_line(&line);
	put(&line, "thread: ");
	put_number(&line, (unsigned long)syscall(SYS_gettid));
	if (activity != NULL) {
		put(&line, " (");
		put(&line, activity->role);
		put(&line, ")");
	}
	end_line(&line);
	put(&line, "code: ");
	if (info->si_code < 0)
		put(&line, "-");
	put_number(&line, (unsigned long)(info->si_code < 0 ? -info->si_code
							    : info->si_code));
	end_line(&line);
#if defined(__x86_64__)
	put(&line, "pc: ");
	put_hex(&line, (uintptr_t)context->uc_mcontext.gregs[REG_RIP]);
	put(&line, " sp: ");
	put_hex(&line, (uintptr_t)context->uc_mcontext.gregs[REG_RSP]);
	end_line(&line);
#elif defined(__aarch64__)
	put(&line, "pc: ");
	put_hex(&line, (uintptr_t)context->uc_mcontext.pc);
	put(&line, " sp: ");
	put_hex(&line, (uintptr_t)context->uc_mcontext.sp);
	end_line(&line);
#else
	(void)context;
#endif
}

static void
write_report(
    const struct fault *fault, const siginfo_t *info, const ucontext_t *context)
{
	const struct ol_activity *activity = ol_thread_activity();
	struct line line = { .len = 0 };
	void *frames[FRAMES];

	/* What is surest first: a second fault ends the report here. */
	write_summary(fault, info, activity);
	write_details(info, context, activity);
	put(&line, "backtrace:");
	end_line(&line);
	backtrace_symbols_fd(frames, backtrace(frames, FRAMES), crash_state.fd);
}

/*
 * Somebody outside ends us because one thread hangs, and the signal has met
 * another one: let the former report.
 */
static void
pass_on(const siginfo_t *info)
{
	const struct ol_thread *suspect = atomic_load(&crash_state.suspect);
	const struct timespec patience = { .tv_nsec = 200000000 };

	if (info->si_code > 0 || info->si_pid == getpid() || suspect == NULL ||
	    pthread_equal(suspect->id, pthread_self()))
		return;
	if (pthread_kill(suspect->id, SIGABRT) == 0)
		nanosleep(&patience, NULL);
}

static void
on_fault(int signo, siginfo_t *info, void *context)
{
	int me = (int)syscall(SYS_gettid), none = 0, saved = errno;
	const struct timespec patience = { .tv_sec = 5 };
	size_t i = 0;

	while (i < NFAULTS - 1 && faults[i].signo != signo)
		i++;
	if (signo == SIGABRT && getpid() == crash_state.pid)
		pass_on(info);
	if (getpid() != crash_state.pid)
		; /* a child's end is not ours to report */
	else if (atomic_compare_exchange_strong(
		     &crash_state.reporter, &none, me))
		write_report(&faults[i], info, context);
	else if (none != me)
		/* Another thread reports and is about to end us all, unless it
		 * waits for a lock that this one holds. */
		nanosleep(&patience, NULL);
	/*
	 * A fault of the kernel's comes again when we return, with its own
	 * registers; one that was sent, or that a system call met (which is
	 * not made again), must be sent once more.
	 */
	sigaction(signo, &crash_state.before[i], NULL);
	if (info->si_code <= 0 || signo == SIGSYS)
		syscall(SYS_tgkill, getpid(), me, signo);
	errno = saved;
}

void
ol_crash_suspect(const struct ol_thread *thread)
{
	atomic_store(&crash_state.suspect, thread);
}

void
ol_crash_install(int fd)
{
	struct sigaction sa = { .sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK };
	const char *text = getenv("OUTLAST_CRASH_FD");
	void *warm[1];
	size_t i;

	if (fd <= 0 && text != NULL)
		fd = atoi(text);
	unsetenv("OUTLAST_CRASH_FD");
	if (fd <= 0 || fcntl(fd, F_GETFD) == -1)
		return;
	if (text != NULL)
		fcntl(fd, F_SETFD, FD_CLOEXEC); /* not our children's */
	crash_state.fd = fd;
	crash_state.pid = getpid();
	atomic_store(&crash_state.reporter, 0);
	/* The first call loads the unwinder, which allocates. */
	backtrace(warm, 1);
	sigemptyset(&sa.sa_mask);
	for (i = 0; i < NFAULTS; i++)
		sigaction(faults[i].signo, &sa, &crash_state.before[i]);
}

void
ol_crash_uninstall(void)
{
	size_t i;

	if (crash_state.fd == -1)
		return;
	for (i = 0; i < NFAULTS; i++)
		sigaction(faults[i].signo, &crash_state.before[i], NULL);
	crash_state.fd = -1;
	atomic_store(&crash_state.suspect, NULL);
}
