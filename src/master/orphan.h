/* Children that are nobody's any more: left behind by processes of pools. */
#ifndef OL_MASTER_ORPHAN_H
#define OL_MASTER_ORPHAN_H

/*
 * For the master's end, when no process of a pool is left: SIGKILL to every
 * child there is. Returns how many there are; each still has to be reaped, and
 * may leave more behind.
 */
int ol_orphan_kill(void);

#endif
