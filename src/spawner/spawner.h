/*
 * The spawner, a role of outlastd: starts task programs for the engine, and
 * ends all that they leave behind. What may be started comes from the master.
 */
#ifndef OL_SPAWNER_SPAWNER_H
#define OL_SPAWNER_SPAWNER_H

/*
 * Run until the end of master (base/order.h) or of engine (run/spawn.h) is
 * closed, or the master says "exit", and nothing is left below us. Attempts get
 * their folders in "scratch" of the configuration's state, their notify sockets
 * in "notify" beside its pid file: both must be there. Takes over the process:
 * its signals, its children. Both descriptors are closed. Returns the exit
 * code.
 */
int ol_spawner_run(int master, int engine);

#endif
