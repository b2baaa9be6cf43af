/* Answers of the master as people read them. */
#ifndef OL_CTL_SHOW_H
#define OL_CTL_SHOW_H

#include <jansson.h>

/* "3 d 4 h", "5 min 3 s", "2 s"; returns buf. */
#define OL_SHOW_SPAN 48
const char *ol_show_span(char *buf, int64_t ms);

/* Pools, a line each. */
void ol_show_pools(const json_t *pools);

/* One pool: its processes, a line each. */
void ol_show_pool(const json_t *pool);

#endif
