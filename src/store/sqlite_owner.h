/*
 * The owner of the database and of its folder: commits batches of writings,
 * and finds its way back after a disk has failed. It has no thread of its own
 * and no lock: whoever has it is the only one.
 */
#ifndef OL_STORE_SQLITE_OWNER_H
#define OL_STORE_SQLITE_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/folder.h"
#include "store/request.h"
#include "store/sqlite_db.h"

struct ol_sqlite_unsettled;

struct ol_sqlite_owner {
	/* Answered requests, and news; takes them. */
	void (*give)(void *arg, struct ol_store_requests *);
	void *arg;
	int log_pages; /* in the log before they are moved */
	struct ol_store_counts counts;
	struct ol_folder folder;
	struct ol_sqlite_db db;
	bool working;	   /* what was told */
	int64_t flush_at;  /* OL_NEVER: all commits are flushed */
	int64_t empty_at;  /* OL_NEVER: no erased secret is in the log */
	int64_t probe_at;  /* OL_NEVER: working, or closed */
	int64_t reopen_at; /* OL_NEVER: the database is open */
	int reopen_after;  /* ms */
	/* Tasks with a writing whose commit ended in an I/O error. */
	struct ol_sqlite_unsettled *unsettled;
	size_t nunsettled;
};

/* Zeroed but for give, arg and log_pages (0: OL_SQLITE_WAL_PAGES). Blocks. -1:
 * refused, logged. */
int ol_sqlite_owner_open(struct ol_sqlite_owner *, const char *folder);
void ol_sqlite_owner_close(struct ol_sqlite_owner *);

/* Commit all of them at once, and answer. */
void ol_sqlite_owner_write(
    struct ol_sqlite_owner *, struct ol_store_requests *writes);

/* Answer one after the other. */
void ol_sqlite_owner_read(
    struct ol_sqlite_owner *, struct ol_store_requests *reads);

/* What is due: open again, look whether it works again. Before the batches. */
void ol_sqlite_owner_recover(struct ol_sqlite_owner *);

/* What nobody waits for: flush, shorten or empty the log. After the answers. */
void ol_sqlite_owner_tidy(struct ol_sqlite_owner *);

/* When one of the last two has something to do; OL_NEVER: not by itself. */
int64_t ol_sqlite_owner_due(const struct ol_sqlite_owner *);

#endif
