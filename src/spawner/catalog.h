/* What may be started: the task types of the newest configuration. */
#ifndef OL_SPAWNER_CATALOG_H
#define OL_SPAWNER_CATALOG_H

#include <stddef.h>
#include <stdint.h>

#include "config/conf.h"

struct ol_catalog;

/*
 * The tasks of conf, which is taken over. Asks the system for the groups of
 * their users. NULL: logged, and conf was freed.
 */
struct ol_catalog *ol_catalog_new(struct ol_conf *conf, uint32_t generation);
void ol_catalog_free(struct ol_catalog *);

uint32_t ol_catalog_generation(const struct ol_catalog *);
const struct ol_conf *ol_catalog_conf(const struct ol_catalog *);

/* The type of that name, or NULL; *groups are those of its user. Borrowed. */
const struct ol_conf_task *ol_catalog_find(const struct ol_catalog *,
    const char *type, const gid_t **groups, size_t *ngroups);

#endif
