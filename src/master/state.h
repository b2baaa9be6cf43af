/* The state folder: where the engine keeps its store, and programs work. */
#ifndef OL_MASTER_STATE_H
#define OL_MASTER_STATE_H

#include "config/conf.h"

/*
 * Make what is missing, give it its owner and its mode, by descriptor so that
 * nothing is followed on the way:
 *
 *     state           0711   ours        programs pass through
 *     state/store     0700   the user's  nobody else
 *     state/scratch   0711   ours        a folder per attempt
 *     state/notify    0711   the user's  a socket per attempt of a backend
 *
 * When the engine has a user of its own, state is 01771 and of the user's
 * group: the engine can make files there, but cannot put another folder in the
 * place of scratch, where the spawner works as root. The parents of state must
 * be there. -1: logged.
 */
int ol_state_make(const struct ol_conf *conf);

#endif
