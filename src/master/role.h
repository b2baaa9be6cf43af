/*
 * outlastd once more, as its engine or its spawner: started with a channel to
 * us, a channel to each other, and nothing else.
 */
#ifndef OL_MASTER_ROLE_H
#define OL_MASTER_ROLE_H

#include <sys/types.h>

struct ol_role_options {
	const char *name; /* outlastd --role NAME */
	int peer;	  /* its end of engine ↔ spawner; borrowed */
	const char *user; /* whom it runs as; NULL: as we do */
	uid_t uid;
	gid_t gid;
};

/*
 * Fork and execute. *channel is our end of the channel to it. Its descriptors
 * are base/order.h's, with nothing to read as 0 and our standard error as 1 and
 * 2. Its pid; -1: logged.
 */
pid_t ol_role_start(const struct ol_role_options *, int *channel);

#endif
