/*
 * A listening socket, held by the master for as long as anybody needs it: the
 * pool whose address it is, and each process that accepts on it. Closed, and
 * its path removed if it is still ours, when the last of them lets go.
 */
#ifndef OL_MASTER_LISTENER_H
#define OL_MASTER_LISTENER_H

#include <sys/types.h>
#include <bsd/sys/queue.h>

#include "config/conf.h"
#include "master/handover.h"

struct ol_listener;

/* All that are open; must outlive them. Same address, same socket. */
LIST_HEAD(ol_listeners, ol_listener);

/*
 * The listener of all at conf's address, opened if need be (one that is open
 * is left as it is: see ol_listener_apply; one whose path somebody removed does
 * not count), with a reference for the caller.
 * conf is not kept. predecessor is the pid of the master that held our pid
 * file and is gone (0: none): a path where only its children answer is taken
 * over. NULL: logged.
 */
struct ol_listener *ol_listener_get(struct ol_listeners *all,
    const struct ol_conf_listen *conf, pid_t predecessor);

/* Change mode, group and backlog to those of conf; a failure is logged. */
void ol_listener_apply(struct ol_listener *, const struct ol_conf_listen *);

struct ol_listener *ol_listener_ref(struct ol_listener *);
void ol_listener_unref(struct ol_listener *);

/* Borrowed. */
int ol_listener_fd(const struct ol_listener *);

/*
 * Add those that a service manager has opened for this process ($LISTEN_FDS,
 * sd_listen_fds(3)); ol_listener_get() finds them by their address. They stay
 * open, and their paths are neither changed nor removed: they are not ours.
 * What is no listening socket of an address that we know is warned of, and
 * closed. The variables are unset.
 */
void ol_listeners_activate(struct ol_listeners *all);

/* Warn of those among them that nobody uses. */
void ol_listeners_warn(const struct ol_listeners *all);

/* Let go of those, at the end. */
void ol_listeners_release(struct ol_listeners *all);

/*
 * What another master needs to hold them: an array, malloc'ed, in the order of
 * all. A listener's number is its place there; -1: it is not among them.
 */
struct ol_handover_listener *ol_listeners_save(
    const struct ol_listeners *all, size_t *n);
int ol_listeners_number(
    const struct ol_listeners *all, const struct ol_listener *);

/*
 * The n listeners again, in that order, each with a reference for the caller;
 * takes the descriptors. NULL: logged.
 */
struct ol_listener **ol_listeners_resume(
    struct ol_listeners *all, const struct ol_handover_listener *, size_t n);

#endif
