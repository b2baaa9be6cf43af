#include <sys/stat.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "config/source.h"
#include "config/world.h"

static const char too_large[] = "the file is larger than 1 MiB";

struct ol_source *
ol_source_open(
    const struct ol_world *world, const char *path, const char **reason)
{
	struct ol_source *source;
	struct stat st;
	size_t size = 0;
	ssize_t n;
	int fd;

	if ((fd = world->open_file(path)) == -1) {
		*reason = strerror(errno);
		return NULL;
	}
	source = ol_must(calloc(1, sizeof(*source)));
	source->name = ol_must(strdup(path));
	if (fstat(fd, &st) == -1) {
		*reason = strerror(errno);
		goto err;
	}
	if (!S_ISREG(st.st_mode)) {
		*reason = S_ISDIR(st.st_mode) ? "it is a folder"
					      : "it is not a regular file";
		goto err;
	}
	for (;;) {
		if (size - source->size < 2) {
			size = size == 0 ? 4096 : size * 2;
			source->text = ol_must(realloc(source->text, size));
		}
		n = read(
		    fd, source->text + source->size, size - source->size - 1);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			*reason = strerror(errno);
			goto err;
		}
		if (n == 0)
			break;
		source->size += (size_t)n;
		if (source->size > OL_SOURCE_MAX) {
			*reason = too_large;
			goto err;
		}
	}
	close(fd);
	source->text[source->size] = '\0';
	source->file = true;
	source->dev = st.st_dev;
	source->ino = st.st_ino;
	return source;
err:
	close(fd);
	ol_source_free(source);
	return NULL;
}

struct ol_source *
ol_source_new(const char *name, const char *text)
{
	struct ol_source *source;
	size_t size = strlen(text);

	if (size > OL_SOURCE_MAX)
		return NULL;
	source = ol_must(calloc(1, sizeof(*source)));
	source->name = ol_must(strdup(name));
	source->text = ol_must(strdup(text));
	source->size = size;
	return source;
}

struct ol_source *
ol_source_handed(const char *name, const char *text, size_t len)
{
	struct ol_source *source = ol_must(calloc(1, sizeof(*source)));

	source->name = ol_must(strdup(name));
	source->text = ol_must(malloc(len + 1));
	memcpy(source->text, text, len);
	source->text[len] = '\0';
	source->size = len;
	source->handed = true;
	return source;
}

void
ol_source_free(struct ol_source *source)
{
	if (source == NULL)
		return;
	free(source->name);
	free(source->text);
	free(source);
}

struct ol_place
ol_source_place(const struct ol_source *source)
{
	return (struct ol_place){ .source = source };
}

struct ol_place
ol_source_after(struct ol_place place)
{
	place.offset += place.width;
	place.column += place.width;
	place.width = 1;
	return place;
}
