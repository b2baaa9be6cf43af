#include <stdio.h>
#include <string.h>

#include "api/etag.h"

void
ol_etag_write(char buf[OL_ETAG_SIZE], const struct ol_object *object)
{
	const unsigned char *text =
	    (const unsigned char *)object->progress_text;
	uint32_t hash = 2166136261;

	while (*text != '\0')
		hash = (hash ^ *text++) * 16777619;
	snprintf(buf, OL_ETAG_SIZE, "\"%s-%u-%d-%08x\"", object->state,
	    (unsigned)object->attempt, object->progress, (unsigned)hash);
}

bool
ol_etag_is_known(const char *if_none_match, const char *etag)
{
	/* It is quoted, so that none is a part of another. */
	return strcmp(if_none_match, "*") == 0 ||
	       strstr(if_none_match, etag) != NULL;
}
