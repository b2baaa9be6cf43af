/*
 * What is read of the rows. Results are SQLite's, as in sqlite_db.h; with
 * SQLITE_OK the request's answer is filled, but for failed. A row that is not
 * as we write them is left out, and named in the log.
 */
#ifndef OL_STORE_SQLITE_READS_H
#define OL_STORE_SQLITE_READS_H

#include "store/request.h"

struct ol_folder;
struct ol_sqlite_db;

int ol_sqlite_reads_do(
    struct ol_sqlite_db *, struct ol_folder *, struct ol_store_request *);

/* *refers: whether the task's row refers to that file. */
int ol_sqlite_reads_refers(
    struct ol_sqlite_db *, const uint8_t *id, int64_t file, bool *refers);

#endif
