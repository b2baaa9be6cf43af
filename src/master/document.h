/*
 * A JSON object that is written member by member. Text is escaped, bytes that
 * are not UTF-8 are replaced. Aborts when out of memory: nothing of it is as
 * large as a peer likes.
 */
#ifndef OL_MASTER_DOCUMENT_H
#define OL_MASTER_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct ol_document {
	FILE *out;
	char *text; /* of the whole, after ol_document_close() */
	size_t len;
	bool comma;
};

/* Begins the outermost object. */
void ol_document_open(struct ol_document *);

/* Ends it; text[len] is whole. Free with ol_document_fini(). */
void ol_document_close(struct ol_document *);
void ol_document_fini(struct ol_document *);

/* Members of the object that was begun last, or of an array: key NULL. */
void ol_document_text(struct ol_document *, const char *key, const char *value);
void ol_document_number(struct ol_document *, const char *key, int64_t value);
void ol_document_flag(struct ol_document *, const char *key, bool value);
void ol_document_null(struct ol_document *, const char *key);

/* Wall-clock seconds since 1970, as RFC 3339 in UTC. */
void ol_document_time(struct ol_document *, const char *key, int64_t seconds);

/* All members of another one, which was closed. */
void ol_document_merge(struct ol_document *, const struct ol_document *other);

void ol_document_object(struct ol_document *, const char *key);
void ol_document_object_end(struct ol_document *);
void ol_document_array(struct ol_document *, const char *key);
void ol_document_array_end(struct ol_document *);

#endif
