#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/must.h"
#include "spawner/catalog.h"

enum { GROUPS = 65536 }; /* the kernel takes no more */

struct entry {
	const struct ol_conf_task *conf;
	gid_t *groups;
	int ngroups;
};

struct ol_catalog {
	struct ol_conf *conf;
	uint32_t generation;
	struct entry *entries;
	size_t n;
};

static int
find_groups(struct entry *entry)
{
	const struct ol_conf_task *conf = entry->conf;
	int room = 16;

	if (conf->uid == (uid_t)-1)
		return 0;
	do {
		entry->ngroups = room;
		entry->groups = ol_must(realloc(
		    entry->groups, (size_t)room * sizeof(*entry->groups)));
		if (getgrouplist(conf->user, conf->gid, entry->groups,
			&entry->ngroups) != -1)
			return 0;
	} while ((room *= 2) <= GROUPS);
	ol_log_error(NULL, "task %s: user %s has too many groups", conf->name,
	    conf->user);
	return -1;
}

struct ol_catalog *
ol_catalog_new(struct ol_conf *conf, uint32_t generation)
{
	struct ol_catalog *catalog = ol_must(calloc(1, sizeof(*catalog)));
	const struct ol_conf_task *task;
	size_t n = 0;

	catalog->conf = conf;
	catalog->generation = generation;
	TAILQ_FOREACH (task, &conf->tasks, link)
		n++;
	catalog->entries = ol_must(calloc(n + 1, sizeof(*catalog->entries)));
	TAILQ_FOREACH (task, &conf->tasks, link) {
		/* Others run no program. */
		if (task->program == NULL)
			continue;
		catalog->entries[catalog->n].conf = task;
		if (find_groups(&catalog->entries[catalog->n++]) == -1) {
			ol_catalog_free(catalog);
			return NULL;
		}
	}
	return catalog;
}

void
ol_catalog_free(struct ol_catalog *catalog)
{
	size_t i;

	if (catalog == NULL)
		return;
	for (i = 0; i < catalog->n; i++)
		free(catalog->entries[i].groups);
	free(catalog->entries);
	ol_conf_free(catalog->conf);
	free(catalog);
}

uint32_t
ol_catalog_generation(const struct ol_catalog *catalog)
{
	return catalog->generation;
}

const struct ol_conf *
ol_catalog_conf(const struct ol_catalog *catalog)
{
	return catalog->conf;
}

const struct ol_conf_task *
ol_catalog_find(const struct ol_catalog *catalog, const char *type,
    const gid_t **groups, size_t *ngroups)
{
	size_t i;

	for (i = 0; i < catalog->n; i++) {
		const struct entry *entry = &catalog->entries[i];

		if (strcmp(entry->conf->name, type) != 0)
			continue;
		*groups = entry->groups;
		*ngroups = (size_t)entry->ngroups;
		return entry->conf;
	}
	return NULL;
}
