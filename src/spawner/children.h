/* Our children, as the kernel lists them. */
#ifndef OL_SPAWNER_CHILDREN_H
#define OL_SPAWNER_CHILDREN_H

#include <sys/types.h>
#include <stddef.h>

struct ol_children {
	int fd;
	char *text;
	size_t room;
	const char *next;
};

/* -1 with errno set: this kernel has no such list (CONFIG_PROC_CHILDREN). */
int ol_children_init(struct ol_children *);
void ol_children_fini(struct ol_children *);

/*
 * Read the list anew; then ol_children_next() gives one after the other, 0
 * after the last. It is whole as long as none is reaped meanwhile: only that
 * takes a child out of it. -1 with errno set.
 */
int ol_children_read(struct ol_children *);
pid_t ol_children_next(struct ol_children *);

#endif
