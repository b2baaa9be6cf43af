/*
 * The engine's process: store, scheduler, executors and the task API on one
 * loop, as the master orders (base/order.h). It ends when the master says so,
 * and at once when the master is gone.
 */
#ifndef OL_OUTLASTD_SERVE_H
#define OL_OUTLASTD_SERVE_H

/*
 * Obey the channel master until the end; spawner is the one to the first
 * spawner. Both end with the process. Returns the exit code.
 */
int ol_serve_run(int master, int spawner);

#endif
