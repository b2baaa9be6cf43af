/*
 * A thread of the library: a stack of its own for the crash handler, and a note
 * of what it is doing. SIGPIPE is blocked; of the others it has the mask of the
 * thread that started it, because the programs that an item starts inherit it.
 */
#ifndef OL_LIB_THREAD_H
#define OL_LIB_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

struct ol_work;

/*
 * What a crash report wants to know. Written by the thread itself, read by the
 * crash handler in the same thread.
 */
struct ol_activity {
	const char *role;	    /* "request thread" … ; static	  */
	struct ol_work *work;	    /* the item whose function runs	  */
	const char *request_method; /* of the request being answered	  */
	const char *request_path;
};

struct ol_thread {
	pthread_t id;
	struct ol_activity activity;
	void (*run)(void *);
	void *arg;
	void *signal_stack;
	stack_t stack_before; /* a sanitizer's, or the application's own */
	bool started;
	atomic_bool ended; /* run() has returned */
};

/* Start run(arg) in a new thread. role is static. 0, or -1 with errno set. */
int ol_thread_start(
    struct ol_thread *thread, const char *role, void (*run)(void *), void *arg);

/*
 * Block all signals but those that a fault raises, in the calling thread:
 * libfcgi loses a request when a call of it is interrupted.
 */
void ol_thread_block_signals(void);

/* Wait for the thread's end. Legal when it was never started. */
void ol_thread_join(struct ol_thread *thread);

/* Let go of a thread that will not end; its memory must stay. */
void ol_thread_abandon(struct ol_thread *thread);

/*
 * Give the calling thread (the main one) an activity and a signal stack as the
 * started ones have; 0, or -1 with errno set. ol_thread_leave() undoes it.
 */
int ol_thread_enter(struct ol_thread *thread, const char *role);
void ol_thread_leave(struct ol_thread *thread);

/* What the calling thread does; NULL in a thread that is not ours. */
struct ol_activity *ol_thread_activity(void);

#endif
