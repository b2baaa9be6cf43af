/* The same hash, wherever the payload lies and however it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/fingerprint.h"

/* How many pieces it took; -1: it failed. */
static int
hash_of(const char *head, const struct ol_body *payload, uint8_t *hash)
{
	struct ol_fingerprint *print = ol_fingerprint_new(head, strlen(head));
	int added = 1, pieces = 0;

	assert_non_null(print);
	while (payload != NULL &&
	       (added = ol_fingerprint_add(print, payload)) == 0)
		pieces++;
	if (added == 1)
		assert_int_equal(ol_fingerprint_end(print, hash), 0);
	ol_fingerprint_free(print);
	return added == 1 ? pieces + (payload != NULL) : -1;
}

/* The first size bytes of f. */
static struct ol_body *
file_of(FILE *f, int64_t size)
{
	struct ol_body *body;

	fflush(f);
	body = ol_body_file(dup(fileno(f)), size);
	assert_non_null(body);
	return body;
}

static void
test_small(void **state)
{
	/* sha256sum of "headhello" */
	static const uint8_t wanted[OL_FINGERPRINT_SIZE] = { 0x96, 0xd5, 0x77,
		0xdd, 0xe7, 0x04, 0xef, 0x7f, 0x73, 0x08, 0x6d, 0xc2, 0xc1,
		0xf5, 0xd2, 0x1d, 0x68, 0x99, 0xb7, 0x23, 0x03, 0x17, 0x0a,
		0xac, 0xb9, 0x3b, 0x75, 0xd7, 0x1a, 0xfa, 0xd3, 0x99 };
	uint8_t hash[OL_FINGERPRINT_SIZE];
	struct ol_body *memory = ol_body_new("hello", 5), *file;
	FILE *f = tmpfile();

	(void)state;
	fputs("hello and more", f);
	file = file_of(f, 5);
	assert_int_equal(hash_of("head", memory, hash), 1);
	assert_memory_equal(hash, wanted, sizeof(hash));
	assert_int_equal(hash_of("head", file, hash), 1);
	assert_memory_equal(hash, wanted, sizeof(hash));
	assert_int_equal(hash_of("headhello", NULL, hash), 0);
	assert_memory_equal(hash, wanted, sizeof(hash));
	ol_body_free(file);
	ol_body_free(memory);
	fclose(f);
}

static void
test_pieces(void **state)
{
	enum { SIZE = 2 * OL_FINGERPRINT_PIECE + 100 };
	uint8_t hash[OL_FINGERPRINT_SIZE], again[OL_FINGERPRINT_SIZE];
	char *bytes = malloc(SIZE);
	struct ol_body *memory, *file;
	FILE *f = tmpfile();
	size_t i;

	(void)state;
	for (i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 31 + i / 997);
	memory = ol_body_new(bytes, SIZE);
	assert_int_equal(fwrite(bytes, 1, SIZE, f), SIZE);
	free(bytes);
	file = file_of(f, SIZE);
	assert_int_equal(hash_of("", memory, hash), 1);
	assert_int_equal(hash_of("", file, again), 3);
	assert_memory_equal(hash, again, sizeof(hash));
	ol_body_free(file);
	/* Just as large as pieces are. */
	file = file_of(f, 2 * OL_FINGERPRINT_PIECE);
	assert_int_equal(hash_of("", file, again), 2);
	ol_body_free(file);
	/* Cut short behind our back: that is said, and no endless loop. */
	file = file_of(f, SIZE + 1);
	assert_int_equal(hash_of("", file, again), -1);
	ol_body_free(file);
	ol_body_free(memory);
	fclose(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_pieces),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
