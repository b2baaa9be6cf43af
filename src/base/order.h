/*
 * What the master tells the engine and the spawner, and what they tell it: one
 * message of a channel each (base/channel.h), a verb and its numbers in text,
 * with descriptors. Both sides read it strictly: a message with an unknown
 * verb, a number out of range, or too many or too few descriptors is none.
 */
#ifndef OL_BASE_ORDER_H
#define OL_BASE_ORDER_H

#include <sys/types.h>
#include <stddef.h>
#include <stdint.h>

#include "base/channel.h"

enum {
	OL_ORDER_MAX = 512, /* bytes of one message */
	OL_ORDER_REASON_MAX = 400,
	/* left_ms of "exit" in a stop, also when the master is gone: until what
	 * is being answered is answered, and programs that were killed are
	 * reaped. Less than the master waits. */
	OL_ORDER_EXIT_MS = 250,
	/* Where a role finds its ends: to the master, and engine ↔ spawner. */
	OL_ORDER_MASTER_FD = 3,
	OL_ORDER_PEER_FD = 4,
};

enum ol_order_verb {
	/*
	 * Down. "config GENERATION NLISTEN NLOG" with the descriptors of the
	 * configuration (base/sealed.h: what ol_conf_dump() wrote), of nlisten
	 * listening sockets in the order of conf->listen, and of nlog log files
	 * in the order of those of conf->logs that are files. The first one
	 * comes at once after the start; a spawner gets no sockets. The master
	 * sends each to the spawner before it sends it to the engine.
	 */
	OL_ORDER_CONFIG,
	OL_ORDER_REOPEN,  /* "reopen NLOG", with the log files opened anew */
	OL_ORDER_SPAWNER, /* "spawner", with the channel to a new one: engine */
	OL_ORDER_STOP,	  /* "stop LEFT_MS GRACE_MS": engine; a second one
			     replaces the first one's times */
	OL_ORDER_EXIT,	  /* "exit LEFT_MS": answer what came, which may take
			     so long, write what is left, and end */
	OL_ORDER_PING,	  /* "ping": both; say "alive" */
	/*
	 * "closed NUMBER RETRY_MS" with a listening socket: engine. Nobody else
	 * accepts there: answer 503, to be tried again in so many ms; the same
	 * number again sets another time. "open NUMBER": accept there no more,
	 * and say "opened NUMBER".
	 */
	OL_ORDER_CLOSED,
	OL_ORDER_OPEN,
	/* Up, from the engine. */
	OL_ORDER_READY,	   /* "ready": submits are taken */
	OL_ORDER_APPLIED,  /* "applied GENERATION" */
	OL_ORDER_RUNNING,  /* "running N": attempts; once a second at most */
	OL_ORDER_DEADLINE, /* "deadline LEFT_MS": a stop takes so long now */
	OL_ORDER_DRAINED,  /* "drained": nothing runs, all is written */
	OL_ORDER_OPENED,   /* "opened NUMBER": nothing is accepted there */
	/* Up, from both. "alive": the answer to "ping"; "failed REASON": a
	 * "config" could not be applied. */
	OL_ORDER_ALIVE,
	OL_ORDER_FAILED,
	OL_ORDER_VERBS
};

struct ol_order {
	enum ol_order_verb verb;
	uint32_t generation; /* from 1 */
	uint32_t number;     /* from 1 */
	unsigned nlisten, nlog;
	int64_t left_ms;  /* -1: without a limit */
	int64_t grace_ms; /* the last part of it, for TERM before KILL */
	uint32_t running;
	char reason[OL_ORDER_REASON_MAX]; /* one printable line */
};

/* How many descriptors belong to it. */
size_t ol_order_fds(const struct ol_order *);

/* Write it to text; returns its length. A reason is made printable. */
size_t ol_order_format(const struct ol_order *, char text[OL_ORDER_MAX]);

/*
 * Read len bytes that came with nfds descriptors. -1: it is no order. Fields
 * that its verb does not have are 0.
 */
int ol_order_parse(
    struct ol_order *, const char *text, size_t len, size_t nfds);

/* As ol_channel_send(): the descriptors stay the caller's; never blocks. */
int ol_order_send(int channel, const struct ol_order *, const int *fds);

/*
 * The next order: 1, with ol_order_fds() descriptors in fds (room for
 * OL_CHANNEL_FDS) that are the caller's and close-on-exec; 0 when the other
 * side is gone; -1 with errno set. EAGAIN: none yet; EBADMSG: something else
 * came and was thrown away.
 */
int ol_order_receive(int channel, struct ol_order *, int *fds);

#endif
