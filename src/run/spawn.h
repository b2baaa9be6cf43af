/*
 * The wire between the engine and the spawner: one message of a channel each
 * (base/channel.h). The engine names what is configured, and never says what
 * to execute, as whom, or within which limits. Both sides read strictly.
 */
#ifndef OL_RUN_SPAWN_H
#define OL_RUN_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	OL_SPAWN_NAME_MAX = 128, /* of a type, of an attempt; with the NUL */
	OL_SPAWN_ENV_MAX = 64 * 1024,
	OL_SPAWN_TEXT_MAX = 512,
	OL_SPAWN_MAX = OL_SPAWN_ENV_MAX + 512, /* bytes of one message */
	/* Descriptors that come with START, in this order. */
	OL_SPAWN_STDIN = 0,
	OL_SPAWN_STDOUT,
	OL_SPAWN_STDERR,
	OL_SPAWN_NOTIFY, /* a unix datagram socket that is not bound yet */
	OL_SPAWN_FDS,
};

enum ol_spawn_verb {
	/* From the engine. */
	OL_SPAWN_START = 1,
	OL_SPAWN_TERM, /* to the program's process group */
	OL_SPAWN_KILL, /* to all that is the attempt's */
	/* From the spawner. */
	OL_SPAWN_REFUSED,
	OL_SPAWN_EXITED, /* nothing of the attempt is left */
};

struct ol_spawn {
	enum ol_spawn_verb verb;
	uint64_t tag; /* the engine's name for the attempt */
	/* START. Texts are borrowed, when read: from the message. */
	uint32_t generation; /* of the configuration that it was started by */
	const char *type;
	const char *attempt; /* for the log: an id and a number */
	/* "NAME=value" and a NUL, one after another; checked when read. */
	const char *env;
	size_t env_size;
	/* REFUSED: errno, and the reason for people: one printable line */
	int32_t error;
	const char *text;
	/* EXITED */
	int32_t status;	    /* as of wait() */
	uint32_t leftovers; /* processes that it left behind, killed */
	int64_t user_usec, system_usec; /* CPU time of its processes */
	int64_t max_rss;		/* bytes */
};

/* Write it to message; returns its length, or 0 when it is too long or not
 * what ol_spawn_parse() would read. */
size_t ol_spawn_format(
    const struct ol_spawn *, unsigned char message[OL_SPAWN_MAX]);

/* Read len bytes that came with nfds descriptors. -1: it is no message. */
int ol_spawn_parse(
    struct ol_spawn *, const unsigned char *message, size_t len, size_t nfds);

/* Whether name[0 … len) may be a variable that comes from outside: A-Z, 0-9
 * and _, not beginning with a digit. */
bool ol_spawn_is_name(const char *name, size_t len);

/* Make room for a message in the channel's buffer. */
void ol_spawn_prepare(int channel);

#endif
