/*
 * The master: holds the sockets, starts and ends the pools' processes, obeys
 * signals. It parses nothing that a peer sends beyond one bounded datagram.
 */
#ifndef OL_MASTER_MASTER_H
#define OL_MASTER_MASTER_H

#include "config/conf.h"
#include "master/handover.h"

struct ol_master;

/*
 * A master for conf, which it takes. extra is outlastd -g, for reloads; NULL
 * or borrowed. NULL: logged.
 */
struct ol_master *ol_master_new(struct ol_conf *conf, const char *extra);

/*
 * Where our program is, for an upgrade (SIGUSR2), and the name of the
 * configuration file that it is to test; borrowed. program NULL: unknown.
 */
void ol_master_program(
    struct ol_master *, const char *program, const char *file);

/*
 * As ol_master_run(), for the sockets and processes that an older program has
 * left in this process; conf is that of handover.
 */
int ol_master_resume(struct ol_master *, const struct ol_handover *);

/*
 * Lock the pid file, open the listeners, start the pools, and serve until told
 * to stop. Returns the exit code: 0, also when processes had to be killed; 1
 * when it could not start, or could not end a process.
 */
int ol_master_run(struct ol_master *);

void ol_master_free(struct ol_master *);

#endif
