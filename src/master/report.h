/* What the master knows, as JSON for outlastctl: see outlastctl(1). */
#ifndef OL_MASTER_REPORT_H
#define OL_MASTER_REPORT_H

#include "master/document.h"
#include "master/pool.h"

/* A pool, its processes and its last recycle, as a member; key as there. */
void ol_report_pool(
    struct ol_document *, const char *key, const struct ol_pool *, int64_t now);

#endif
