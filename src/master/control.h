/*
 * The control socket: outlastctl asks, the master answers, also when the engine
 * is dead or hangs. Few connections at once, each with a deadline: whoever does
 * not ask, or does not read, is hung up on. Root, the daemon's user and our own
 * may do everything; whoever else the socket's mode lets in may only read.
 */
#ifndef OL_MASTER_CONTROL_H
#define OL_MASTER_CONTROL_H

#include "base/control.h"
#include "config/conf.h"
#include "loop/loop.h"
#include "master/document.h"

enum {
	OL_CONTROL_PEERS = 16,	/* connections at once */
	OL_CONTROL_READERS = 8, /* of them, of those who may only read */
};

/* How long a peer may take to ask, and to read. */
#define OL_CONTROL_PATIENCE OL_SEC(5)

struct ol_control;

/*
 * Do what is asked, whoever asks may, and write the members of the answer. Who
 * asks is said in by, for the log.
 */
typedef void ol_control_fn(void *arg, const struct ol_control_request *,
    const char *by, struct ol_document *answer);

/*
 * Listen there; uid (-1: nobody) is the daemon's user, who becomes the path's
 * owner when we are root. conf is not kept. NULL: logged.
 */
struct ol_control *ol_control_open(struct ol_loop *,
    const struct ol_conf_listen *conf, uid_t uid, ol_control_fn *fn, void *arg);

/* Hang up on all, and remove the path if it is still ours. */
void ol_control_close(struct ol_control *);

/* "ok": false, and why. kind is one of the manual's list. */
void ol_control_refuse(
    struct ol_document *answer, const char *kind, const char *message);

#endif
