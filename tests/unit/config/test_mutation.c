/*
 * Valid files with random damage: whatever comes, the answer is either errors
 * or a configuration whose dump loads again. MUTATION_SEED and
 * MUTATION_TRIALS in the environment repeat a run or lengthen it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/conf.h"

#include "fake_world.h"

enum { TEXT_MAX = 4096 };

static const char seed_text[] =
    "pid /run/x/x.pid; # where\n"
    "log stderr info json;\n"
    "shutdown_delay_max 10m;\n"
    "pool shop {\n"
    "    listen      unix:/run/shop.sock mode=0660 group=www-data "
    "backlog=7;\n"
    "    program     /srv/shop.fcgi \"a b\" 'c' \\\"d ${NAME};\n"
    "    processes   4;\n"
    "    directory   /srv;\n"
    "    env LANG C.UTF-8;\n"
    "    shutdown_delay 1m30s;\n"
    "    recycle time=29h requests=10000 memory=256m at=03:00,15:00;\n"
    "}\n"
    "pool blog { listen 127.0.0.1:9000; program /b; }\n"
    "listen unix:/run/tasks.sock access=operator;\n"
    "context request_id; retries 8;\n"
    "store sqlite { durable lazy; retain 7d failed=30d; }\n"
    "task thumb {\n"
    "    program   /bin/thumb --size 200; directory scratch;\n"
    "    result_type \"text/plain; charset=utf-8\"; priority -5;\n"
    "    limit     memory=512m cpu=2m; env A 'b c';\n"
    "    backoff   exponential 15s max=1h; methods GET POST;\n"
    "    expires   5m; poison_after off; max_payload 64k;\n"
    "}\n";

static uint64_t
next(uint64_t *random)
{
	/* splitmix64 */
	uint64_t z = (*random += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static size_t
below(uint64_t *random, size_t n)
{
	return n > 0 ? (size_t)(next(random) % n) : 0;
}

/* Put piece in place of cut bytes at a random place. */
static size_t
put_piece(uint64_t *random, char *text, size_t size, const char *piece,
    size_t len, size_t cut)
{
	size_t at = below(random, size + 1), rest = size - at;

	rest -= cut < rest ? cut : rest;
	if (at + len + rest >= TEXT_MAX)
		return size;
	memmove(text + at + len, text + size - rest, rest);
	memcpy(text + at, piece, len);
	return at + len + rest;
}

static size_t
mutate(uint64_t *random, char *text, size_t size)
{
	static const char *const pieces[] = { ";", "{", "}", "\"", "'", "\\",
		"#", "\n", " ", "${", "${NAME}", "\t", "pool ", "listen ",
		"processes", "=", "task ", "off", "max=", "retries", "store ",
		"context ", "/", "0", "99999999999999999999", "1h",
		"include x;", "\r\n", "\xc3\xa4", "\x1b[2J" };
	const char *piece =
	    pieces[below(random, sizeof(pieces) / sizeof(pieces[0]))];
	char byte = (char)below(random, 256);

	switch (below(random, 5)) {
	case 0:
		return put_piece(random, text, size, "", 0, 1);
	case 1:
		return put_piece(random, text, size, "", 0, below(random, 40));
	case 2:
		return put_piece(random, text, size, &byte, 1, 1);
	case 3:
		return put_piece(random, text, size, piece, strlen(piece), 0);
	default:
		return put_piece(random, text, size, piece, strlen(piece), 1);
	}
}

static char *
dump(const struct ol_conf *conf)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ol_conf_dump(conf, out);
	fclose(out);
	return text;
}

static struct ol_conf *
load(const struct ol_world *world, const char *path, const char *text,
    size_t size, char **errors)
{
	FILE *file = fopen(path, "w"), *out;
	struct ol_conf *conf;
	size_t n;

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	fclose(file);
	out = open_memstream(errors, &n);
	conf = ol_conf_load_in(world, path, NULL, out, false);
	fclose(out);
	return conf;
}

/* Whether it was still a good file. */
static bool
try_one(const struct ol_world *world, const char *path, const char *text,
    size_t size)
{
	struct ol_conf *conf, *again;
	char *errors, *one, *two;

	conf = load(world, path, text, size, &errors);
	if (conf == NULL) {
		assert_non_null(strstr(errors, ": error: "));
		free(errors);
		return false;
	}
	assert_string_equal(errors, "");
	free(errors);
	one = dump(conf);
	again = load(world, path, one, strlen(one), &errors);
	if (again == NULL)
		fail_msg("%s\n%s", one, errors);
	two = dump(again);
	assert_string_equal(one, two);
	ol_conf_free(again);
	free(two);
	again = ol_conf_load_text_in(world, one, strlen(one), stderr);
	assert_non_null(again);
	two = dump(again);
	/* The first line names the file. */
	assert_string_equal(strchr(one, '\n'), strchr(two, '\n'));
	ol_conf_free(conf);
	ol_conf_free(again);
	free(errors);
	free(one);
	free(two);
	return true;
}

static void
test_mutations(void **state)
{
	const char *given = getenv("MUTATION_SEED");
	const char *trials = getenv("MUTATION_TRIALS");
	uint64_t seed = given != NULL
			    ? strtoull(given, NULL, 0)
			    : (uint64_t)time(NULL) ^ (uint64_t)getpid() << 32;
	long n = trials != NULL ? atol(trials) : 3000, i, good = 0;
	struct ol_world world = fake_world();
	char path[] = "/tmp/outlast-mutation-XXXXXX", text[TEXT_MAX];

	(void)state;
	close(mkstemp(path));
	print_message("MUTATION_SEED=%llu\n", (unsigned long long)seed);
	assert_true(try_one(&world, path, seed_text, strlen(seed_text)));
	for (i = 0; i < n; i++) {
		uint64_t random = seed + (uint64_t)i;
		size_t size = strlen(seed_text), k;

		memcpy(text, seed_text, size);
		for (k = below(&random, 4) + 1; k > 0; k--)
			size = mutate(&random, text, size);
		good += try_one(&world, path, text, size);
	}
	unlink(path);
	print_message("%ld of %ld were still good\n", good, n);
	/* Both kinds must occur, or this tests half of it. */
	assert_in_range(good, n / 100, n - n / 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
