/* The key's file, and the hashes: Python's hashlib is the judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/session.h"
#include "base/log.h"

static char folder[] = "/tmp/outlast-session-XXXXXX";
static char path[64];

static void
write_key(const void *key, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, key, len), len);
	close(fd);
}

static void
test_made(void **state)
{
	struct ol_session_key *key;
	uint8_t first[OL_SESSION_HASH], second[OL_SESSION_HASH];
	struct stat st;

	(void)state;
	unlink(path);
	umask(0);
	key = ol_session_key_open(folder);
	assert_non_null(key);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 32);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(ol_session_hash(key, "cookie", 6, first), 0);
	ol_session_key_close(key);
	/* The same one the next time. */
	key = ol_session_key_open(folder);
	assert_int_equal(ol_session_hash(key, "cookie", 6, second), 0);
	assert_true(ol_session_equal(first, second));
	assert_int_equal(ol_session_hash(key, "cookiE", 6, second), 0);
	assert_false(ol_session_equal(first, second));
	ol_session_key_close(key);
	/* Another one for another installation. */
	unlink(path);
	key = ol_session_key_open(folder);
	assert_int_equal(ol_session_hash(key, "cookie", 6, second), 0);
	assert_false(ol_session_equal(first, second));
	ol_session_key_close(key);
}

/* hmac.new(key, b"cookie", "sha256") */
static void
test_hmac(void **state)
{
	static const uint8_t wanted[OL_SESSION_HASH] = { 0xf0, 0xa9, 0xc0, 0x1d,
		0xf1, 0x37, 0x33, 0xaf, 0x2b, 0xd6, 0x18, 0xc1, 0x5e, 0xa1,
		0x7c, 0x7d, 0x6b, 0xfe, 0xe5, 0x5a, 0x96, 0x98, 0xc6, 0xfc,
		0xd2, 0x92, 0xc3, 0x59, 0x9a, 0x54, 0xc5, 0x8e };
	struct ol_session_key *key;
	uint8_t hash[OL_SESSION_HASH];
	int i;

	(void)state;
	write_key("0123456789abcdef0123456789abcdef", 32);
	key = ol_session_key_open(folder);
	/* Again and again: the state of one must not be the next one's. */
	for (i = 0; i < 3; i++) {
		assert_int_equal(ol_session_hash(key, "cookie", 6, hash), 0);
		assert_memory_equal(hash, wanted, sizeof(hash));
	}
	ol_session_key_close(key);
}

static void
test_bad_files(void **state)
{
	(void)state;
	write_key("short", 5);
	assert_null(ol_session_key_open(folder));
	write_key("0123456789abcdef0123456789abcdefx", 33);
	assert_null(ol_session_key_open(folder));
	unlink(path);
	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_null(ol_session_key_open(folder));
	unlink(path);
	assert_null(ol_session_key_open("/nonexistent/folder"));
}

/* sha256(b"headhello") */
int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_bad_files),
	};
	int failed;

	alarm(60);
	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/session.key", folder);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(folder);
	return failed;
}
