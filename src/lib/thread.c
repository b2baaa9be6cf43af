#include <sys/mman.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "lib/thread.h"

/* backtrace() and the unwinder below it need more than MINSIGSTKSZ. */
enum { SIGNAL_STACK = 64 * 1024 };

/* initial-exec: the crash handler must not allocate to find it. */
static __thread struct ol_activity *current
    __attribute__((tls_model("initial-exec")));

struct ol_activity *
ol_thread_activity(void)
{
	return current;
}

/* The one before goes to *before. */
static void
set_signal_stack(void *stack, stack_t *before)
{
	stack_t ss = { .ss_sp = stack, .ss_size = SIGNAL_STACK };

	sigaltstack(&ss, before);
}

static void *
new_signal_stack(void)
{
	void *p = mmap(NULL, SIGNAL_STACK, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void *
run(void *arg)
{
	struct ol_thread *thread = arg;

	current = &thread->activity;
	set_signal_stack(thread->signal_stack, &thread->stack_before);
	thread->run(thread->arg);
	sigaltstack(&thread->stack_before, NULL);
	current = NULL;
	atomic_store(&thread->ended, true);
	return NULL;
}

void
ol_thread_block_signals(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT,
		SIGSYS, SIGTRAP };
	sigset_t block;
	size_t i;

	sigfillset(&block);
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&block, faults[i]);
	pthread_sigmask(SIG_BLOCK, &block, NULL);
}

int
ol_thread_start(
    struct ol_thread *thread, const char *role, void (*fn)(void *), void *arg)
{
	sigset_t block, saved;

	*thread =
	    (struct ol_thread){ .activity.role = role, .run = fn, .arg = arg };
	if ((thread->signal_stack = new_signal_stack()) == NULL)
		return -1;
	sigemptyset(&block);
	sigaddset(&block, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &block, &saved);
	errno = pthread_create(&thread->id, NULL, run, thread);
	thread->started = errno == 0;
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	if (!thread->started) {
		munmap(thread->signal_stack, SIGNAL_STACK);
		return -1;
	}
	return 0;
}

void
ol_thread_join(struct ol_thread *thread)
{
	if (!thread->started)
		return;
	pthread_join(thread->id, NULL);
	thread->started = false;
	munmap(thread->signal_stack, SIGNAL_STACK);
}

void
ol_thread_abandon(struct ol_thread *thread)
{
	if (!thread->started)
		return;
	pthread_detach(thread->id);
	thread->started = false;
}

int
ol_thread_enter(struct ol_thread *thread, const char *role)
{
	*thread = (struct ol_thread){ .activity.role = role };
	if ((thread->signal_stack = new_signal_stack()) == NULL)
		return -1;
	set_signal_stack(thread->signal_stack, &thread->stack_before);
	current = &thread->activity;
	return 0;
}

void
ol_thread_leave(struct ol_thread *thread)
{
	sigaltstack(&thread->stack_before, NULL);
	current = NULL;
	munmap(thread->signal_stack, SIGNAL_STACK);
}
