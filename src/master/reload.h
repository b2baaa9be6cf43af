/* The configuration read anew, and what of it cannot follow the old one. */
#ifndef OL_MASTER_RELOAD_H
#define OL_MASTER_RELOAD_H

#include "config/conf.h"
#include "master/document.h"

/*
 * Read old's file again, and extra (outlastd -g; NULL for none). NULL: logged;
 * then *told, unless told is NULL, is the text of the errors in it, to be
 * freed, or as it was. The caller owns the result.
 */
struct ol_conf *ol_reload_read(
    const struct ol_conf *old, const char *extra, char **told);

/* Write what differs, and what of it needs a restart: before the next one. */
void ol_reload_tell(struct ol_document *, const struct ol_conf *old,
    const struct ol_conf *conf);

/* Make what only a restart changes as it is in old, and warn of it. */
void ol_reload_keep(struct ol_conf *conf, const struct ol_conf *old);

#endif
