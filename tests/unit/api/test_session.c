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
static void
test_fingerprint(void **state)
{
	static const uint8_t wanted[OL_SESSION_HASH] = { 0x96, 0xd5, 0x77, 0xdd,
		0xe7, 0x04, 0xef, 0x7f, 0x73, 0x08, 0x6d, 0xc2, 0xc1, 0xf5,
		0xd2, 0x1d, 0x68, 0x99, 0xb7, 0x23, 0x03, 0x17, 0x0a, 0xac,
		0xb9, 0x3b, 0x75, 0xd7, 0x1a, 0xfa, 0xd3, 0x99 };
	struct ol_session_key *key = ol_session_key_open(folder);
	struct ol_body *memory = ol_body_new("hello", 5), *file, *large;
	uint8_t hash[OL_SESSION_HASH], again[OL_SESSION_HASH];
	static char bytes[200000];
	FILE *f = tmpfile();

	(void)state;
	assert_int_equal(
	    ol_session_fingerprint(key, "head", 4, memory, hash), 0);
	assert_memory_equal(hash, wanted, sizeof(hash));
	fputs("hello and more", f);
	fflush(f);
	file = ol_body_file(dup(fileno(f)), 5);
	assert_int_equal(ol_session_fingerprint(key, "head", 4, file, hash), 0);
	assert_memory_equal(hash, wanted, sizeof(hash));
	assert_int_equal(
	    ol_session_fingerprint(key, "headhello", 9, NULL, hash), 0);
	assert_memory_equal(hash, wanted, sizeof(hash));
	ol_body_free(file);
	/* More than a piece of it. */
	memset(bytes, 'x', sizeof(bytes));
	rewind(f);
	assert_int_equal(fwrite(bytes, 1, sizeof(bytes), f), sizeof(bytes));
	fflush(f);
	large = ol_body_new(bytes, sizeof(bytes));
	file = ol_body_file(dup(fileno(f)), sizeof(bytes));
	assert_int_equal(ol_session_fingerprint(key, "", 0, large, hash), 0);
	assert_int_equal(ol_session_fingerprint(key, "", 0, file, again), 0);
	assert_memory_equal(hash, again, sizeof(hash));
	ol_body_free(file);
	/* Cut short behind our back: that is said, and no endless loop. */
	file = ol_body_file(dup(fileno(f)), 300000);
	assert_int_equal(ol_session_fingerprint(key, "", 0, file, again), -1);
	ol_body_free(file);
	ol_body_free(memory);
	ol_body_free(large);
	fclose(f);
	ol_session_key_close(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_fingerprint),
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
