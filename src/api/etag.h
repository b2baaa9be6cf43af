/* The entity tag of a task's object: another one after each change. Pure. */
#ifndef OL_API_ETAG_H
#define OL_API_ETAG_H

#include <stdbool.h>

#include "engine/object.h"

#define OL_ETAG_SIZE 96

/* With its quotes. */
void ol_etag_write(char buf[OL_ETAG_SIZE], const struct ol_object *);

/* Whether an If-None-Match names it. */
bool ol_etag_is_known(const char *if_none_match, const char *etag);

#endif
