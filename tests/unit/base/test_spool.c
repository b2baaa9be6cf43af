#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/spool.h"

static void
test_bodies(void **state)
{
	static const size_t totals[] = { 0, 1, 1024, 1025, 32767, 32768, 32769,
		100000 };
	int folder = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *data = malloc(100000), *back = malloc(100000);
	struct ol_spool spool;
	struct ol_body *body;
	size_t i, at, n;

	(void)state;
	for (i = 0; i < 100000; i++)
		data[i] = (char)(i * 31 + i / 256);
	for (i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
		ol_spool_init(&spool, 32768);
		for (at = 0; at < totals[i]; at += n) {
			n = totals[i] - at < 777 ? totals[i] - at : 777;
			assert_int_equal(
			    ol_spool_add(&spool, folder, data + at, n), 0);
		}
		body = ol_spool_take(&spool);
		assert_int_equal(errno, 0);
		if (totals[i] == 0) {
			assert_null(body);
			continue;
		}
		assert_int_equal(body->size, totals[i]);
		assert_int_equal(body->fd == -1, totals[i] <= 32768);
		if (body->fd == -1)
			memcpy(back, body->data, totals[i]);
		else
			assert_int_equal(
			    pread(body->fd, back, totals[i], 0), totals[i]);
		assert_memory_equal(data, back, totals[i]);
		ol_body_free(body);
	}
	/* No folder, no file: said, and nothing leaks. */
	ol_spool_init(&spool, 32768);
	assert_int_equal(ol_spool_add(&spool, -1, data, 100000), -1);
	assert_int_equal(errno, EFBIG);
	ol_spool_fini(&spool);
	close(folder);
	free(data);
	free(back);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
