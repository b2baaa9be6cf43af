/*
 * Another binary in the place of ours, in the same process. It is asked first,
 * as a child, whether it takes the configuration file and the table of what
 * is to be handed over (handover.h); only then does anything change. What is
 * asked and what is executed is one open file: that its name stands for
 * another one meanwhile changes nothing.
 */
#ifndef OL_MASTER_UPGRADE_H
#define OL_MASTER_UPGRADE_H

#include <sys/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "master/handover.h"

/* How long the new binary may take to answer. */
#define OL_UPGRADE_PATIENCE OL_SEC(30)

/* The descriptor of the table where the new binary is asked. */
enum { OL_UPGRADE_TABLE_FD = 3 };

struct ol_upgrade_command {
	const char *program; /* a path; NULL: unknown */
	const char *file;    /* -c */
	const char *extra;   /* -g; NULL: none */
};

struct ol_upgrade {
	int binary;    /* -1: no upgrade is in work */
	pid_t pid;     /* who is asked; 0: nobody */
	int said;      /* what it says */
	int64_t limit; /* when it is killed; OL_NEVER */
};

void ol_upgrade_init(struct ol_upgrade *);

/* Forget about it; who is asked is killed, and has to be reaped. */
void ol_upgrade_cancel(struct ol_upgrade *);

/* Ask. -1: logged; nothing is in work. */
int ol_upgrade_ask(struct ol_upgrade *, const struct ol_upgrade_command *,
    const struct ol_handover *, int64_t now);

/* Kill who does not answer; returns when to call again. */
int64_t ol_upgrade_tick(struct ol_upgrade *, int64_t now);

/* The pid that was asked was reaped: does it take over? No: logged. */
bool ol_upgrade_answered(struct ol_upgrade *, int status);

/*
 * Become the new binary; all signals are blocked by the caller, and stay so
 * for it. Returns only when that failed, logged, and all is as before.
 */
void ol_upgrade_execute(const struct ol_upgrade *,
    const struct ol_upgrade_command *, const struct ol_handover *);

#endif
