#include <sys/mman.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/sealed.h"

static void
test_there_and_back(void **state)
{
	char *text;
	size_t len;
	int fd = ol_sealed_new("user outlast;\n", 14), i;

	(void)state;
	assert_true(fd >= 0);
	/* Each reader from its beginning. */
	for (i = 0; i < 2; i++) {
		text = ol_sealed_read(fd, &len);
		assert_non_null(text);
		assert_int_equal(len, 14);
		assert_string_equal(text, "user outlast;\n");
		free(text);
	}
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_int_equal(ftruncate(fd, 100), -1);
	assert_ptr_equal(
	    mmap(NULL, 14, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
	close(fd);
}

static void
test_empty(void **state)
{
	size_t len = 1;
	int fd = ol_sealed_new("", 0);
	char *text = ol_sealed_read(fd, &len);

	(void)state;
	assert_non_null(text);
	assert_int_equal(len, 0);
	assert_string_equal(text, "");
	free(text);
	close(fd);
}

/* What can still change is not read. */
static void
test_not_sealed(void **state)
{
	size_t len;
	int ends[2], fd = memfd_create("test", MFD_ALLOW_SEALING);

	(void)state;
	assert_int_equal(write(fd, "x", 1), 1);
	assert_null(ol_sealed_read(fd, &len));
	assert_int_equal(errno, EPERM);
	close(fd);
	assert_int_equal(pipe(ends), 0);
	assert_null(ol_sealed_read(ends[0], &len));
	assert_int_equal(errno, EPERM);
	close(ends[0]);
	close(ends[1]);
}

static void
test_too_large(void **state)
{
	(void)state;
	assert_int_equal(ol_sealed_new("", OL_SEALED_MAX + 1), -1);
	assert_int_equal(errno, EFBIG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_not_sealed),
		cmocka_unit_test(test_too_large),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
