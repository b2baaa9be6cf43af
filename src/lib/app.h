/* The application: what its parts share. */
#ifndef OL_LIB_APP_H
#define OL_LIB_APP_H

#include <stdbool.h>

#include <outlast/outlast.h>

#include "lib/background.h"
#include "lib/conn.h"
#include "lib/crash.h"
#include "lib/error.h"
#include "lib/request.h"
#include "lib/stop.h"
#include "lib/supervisor.h"

struct ol_app {
	struct ol_app_options options; /* defaults filled in */
	ol_request_fn *on_request;
	void *on_request_arg;
	ol_error_fn *on_error; /* NULL: the supervisor hears it */
	void *on_error_arg;
	char *listen;		/* --listen's address; NULL: none */
	char bad_argument[256]; /* what ol_app_args() complained of; "": nothing
				 */
	bool stuck;		/* a thread still runs: nothing may be freed */

	struct ol_loop *loop; /* the main thread's */
	struct ol_wake *bell; /* other threads call the main one */
	struct ol_thread main_thread;
	struct ol_background background;
	struct ol_conns conns;
	struct ol_requests requests;
	struct ol_stop stop;
	struct ol_supervisor supervisor;
};

/*
 * The listening socket: --listen's, systemd's, or descriptor 0. Returned owned,
 * close-on-exec; -1, having told why, when there is none.
 */
int ol_app_listener(struct ol_app *app);

#endif
