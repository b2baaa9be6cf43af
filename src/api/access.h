/*
 * What a request may do, as a set. The levels of conf.h are sets and no ladder:
 * of two levels the lesser one is what both hold.
 */
#ifndef OL_API_ACCESS_H
#define OL_API_ACCESS_H

#include <stdbool.h>

#include "config/conf.h"

enum {
	OL_MAY_READ = 1,	/* a task that it can see, by its id */
	OL_MAY_READ_ALL = 2,	/* every task, whoever owns it */
	OL_MAY_SUBMIT = 4,	/* what the location names */
	OL_MAY_SUBMIT_ANY = 8,	/* any type, with options */
	OL_MAY_CANCEL = 16,	/* what it can see, where the type allows it */
	OL_MAY_CANCEL_ANY = 32, /* anything */
	OL_MAY_LIST = 64,
	OL_MAY_OPERATE = 128,
	/* What a page of another site must not make a browser do. */
	OL_MAY_ABOVE_CLIENT = OL_MAY_SUBMIT_ANY | OL_MAY_CANCEL_ANY |
			      OL_MAY_LIST | OL_MAY_OPERATE,
};

/* The set of a level. */
unsigned ol_access_set(enum ol_access);

/* The level of that name in *access, or -1. */
int ol_access_find(const char *name, enum ol_access *access);

/* The name of the least level that holds all of needed. */
const char *ol_access_missing(unsigned needed);

/* What it takes to submit a type whose submit_by is that level. */
unsigned ol_access_to_submit(enum ol_access submit_by);

#endif
