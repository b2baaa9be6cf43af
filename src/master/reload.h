/* The configuration read anew, and what of it cannot follow the old one. */
#ifndef OL_MASTER_RELOAD_H
#define OL_MASTER_RELOAD_H

#include "config/conf.h"

/*
 * Read old's file again, and extra (outlastd -g; NULL for none). What only a
 * restart changes is as in old, and warned of. NULL: logged. The caller owns
 * the result.
 */
struct ol_conf *ol_reload_read(const struct ol_conf *old, const char *extra);

#endif
