#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "run/tail.h"

void
ol_tail_init(struct ol_tail *tail, size_t max)
{
	*tail = (struct ol_tail){ .max = max };
}

void
ol_tail_fini(struct ol_tail *tail)
{
	free(tail->data);
	*tail = (struct ol_tail){ .max = tail->max };
}

void
ol_tail_add(struct ol_tail *tail, const char *data, size_t len)
{
	size_t n;

	if (len > tail->max) {
		data += len - tail->max;
		len = tail->max;
	}
	while (tail->room < tail->max && tail->len + len > tail->room) {
		tail->room = tail->room == 0 ? 1024 : tail->room * 2;
		if (tail->room > tail->max)
			tail->room = tail->max;
		tail->data = ol_must(realloc(tail->data, tail->room));
	}
	for (; len > 0; data += n, len -= n) {
		size_t at = tail->len < tail->room ? tail->len : tail->start;

		n = tail->room - at < len ? tail->room - at : len;
		memcpy(tail->data + at, data, n);
		if (tail->len < tail->room)
			tail->len += n;
		else
			tail->start = (at + n) % tail->room;
	}
}

const char *
ol_tail_text(struct ol_tail *tail, size_t *len)
{
	char *text;

	*len = tail->len;
	if (tail->start == 0)
		return tail->data != NULL ? tail->data : "";
	text = ol_must(malloc(tail->room));
	memcpy(text, tail->data + tail->start, tail->room - tail->start);
	memcpy(text + tail->room - tail->start, tail->data, tail->start);
	free(tail->data);
	tail->data = text;
	tail->start = 0;
	return tail->data;
}
