/*
 * libFuzzer target: a configuration, and by the same bytes text for -g. Any
 * input gives errors or a configuration whose dump loads again, as a file and
 * as what another process is handed. No file but its own is opened: an include
 * finds the same text, or nothing.
 *
 *     ./fuzz_config tests/fuzz/corpus/config
 */
#include <sys/types.h>
#include <sys/mman.h>
#include <errno.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/conf.h"
#include "config/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The text that open_file() gives; the one thing that changes per input. */
static struct {
	const char *text;
	size_t size;
	int opens; /* a file that includes itself twice is a bomb */
} input;

static int
open_file(const char *path)
{
	int fd;

	if (strchr(path, 'x') != NULL || input.opens++ > 15) {
		errno = ENOENT;
		return -1;
	}
	if ((fd = memfd_create("fuzz", MFD_CLOEXEC)) == -1)
		abort();
	if (write(fd, input.text, input.size) != (ssize_t)input.size ||
	    lseek(fd, 0, SEEK_SET) == -1)
		abort();
	return fd;
}

/* One file for any pattern, made so that globfree() can free it. */
static int
expand(const char *pattern, glob_t *found)
{
	(void)pattern;
	if (glob("/dev/null", 0, NULL, found) != 0)
		abort();
	return 0;
}

static const char *
variable(const char *name)
{
	return name[0] == 'N' ? "a value; with {marks}" : NULL;
}

static int
user(const char *name, uid_t *uid, gid_t *gid)
{
	/* No program runs as the daemon's own. */
	*uid = *gid = 1001 + (uid_t)strlen(name);
	return name[0] == 'n' ? -1 : 0;
}

static int
group(const char *name, gid_t *gid)
{
	*gid = 1001;
	return name[0] == 'n' ? -1 : 0;
}

/* Text that came from a dump gives the same dump; takes conf and errors. */
static void
check_again(struct ol_conf *conf, char *errors, const char *expected)
{
	char *text;
	size_t size;
	FILE *out;

	if (conf == NULL) {
		fprintf(stderr, "%s\n%s", expected, errors);
		abort();
	}
	out = open_memstream(&text, &size);
	ol_conf_dump(conf, out);
	fclose(out);
	/* The first line names the file. */
	if (strcmp(strchr(text, '\n'), strchr(expected, '\n')) != 0) {
		fprintf(stderr, "%s\n%s", expected, text);
		abort();
	}
	ol_conf_free(conf);
	free(errors);
	free(text);
}

static void
load(const struct ol_world *world, const char *file, const char *extra)
{
	char *errors, *text;
	struct ol_conf *conf, *again;
	size_t size;
	FILE *out;

	input.opens = 0;
	out = open_memstream(&errors, &size);
	conf = ol_conf_load_in(world, file, extra, out, false);
	fclose(out);
	/* Errors and no configuration, or a configuration and no error. */
	if ((conf == NULL) != (size > 0))
		abort();
	free(errors);
	if (conf == NULL)
		return;
	out = open_memstream(&text, &size);
	ol_conf_dump(conf, out);
	fclose(out);
	ol_conf_free(conf);
	input.text = text;
	input.size = size;
	input.opens = 0;
	out = open_memstream(&errors, &size);
	again = ol_conf_load_in(world, file, NULL, out, false);
	fclose(out);
	check_again(again, errors, text);
	out = open_memstream(&errors, &size);
	again = ol_conf_load_text_in(world, text, strlen(text), out);
	fclose(out);
	check_again(again, errors, text);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char small[] = "pool z{listen 127.0.0.1:9;program /z;}";
	const struct ol_world world = {
		.euid = size % 2 != 0 ? 0 : 1000,
		.open_file = open_file,
		.expand = expand,
		.variable = variable,
		.user = user,
		.group = group,
	};
	char *text;

	input.text = (const char *)data;
	input.size = size;
	load(&world, "a/main", NULL);
	if ((text = malloc(size + 1)) == NULL)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	input.text = small;
	input.size = strlen(small);
	load(&world, "main", text);
	free(text);
	return 0;
}
