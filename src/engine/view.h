/* A task's object, made of its row and of what memory knows. */
#ifndef OL_ENGINE_VIEW_H
#define OL_ENGINE_VIEW_H

#include "engine/failure.h"
#include "engine/object.h"
#include "store/row.h"

struct ol_engine;

struct ol_view {
	struct ol_object object;
	struct ol_failure_view failure;
	char *reply; /* owned; NULL: none */
};

/* row must outlive the view; so must the engine's next move. */
void ol_view_init(
    struct ol_view *, const struct ol_engine *, const struct ol_row *row);
void ol_view_fini(struct ol_view *);

#endif
