#include <sys/random.h>
#include <sys/stat.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/session.h"
#include "base/log.h"
#include "base/must.h"

#define KEY_FILE "session.key"

enum { KEY_SIZE = 32 };

struct ol_session_key {
	EVP_MAC *mac;
	EVP_MAC_CTX *keyed; /* copied for each hash */
};

/* --- the file --- */

/* 0: read. 1: there is none. -1: logged. */
static int
read_key(int folder, const char *path, uint8_t key[KEY_SIZE])
{
	int fd = openat(folder, KEY_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n;

	if (fd == -1) {
		if (errno == ENOENT)
			return 1;
		ol_log_error(
		    NULL, "%s/" KEY_FILE ": %s", path, strerror(errno));
		return -1;
	}
	n = read(fd, key, KEY_SIZE);
	if (n != KEY_SIZE || fstat(fd, &st) == -1 || st.st_size != KEY_SIZE) {
		ol_log_error(NULL,
		    "%s/" KEY_FILE ": not a key of %d bytes; move it away, and "
		    "tasks of sessions will be found by nobody any more",
		    path, KEY_SIZE);
		close(fd);
		return -1;
	}
	if ((st.st_mode & 077) != 0)
		ol_log_warn(NULL,
		    "%s/" KEY_FILE ": others may read it (mode %04o); chmod "
		    "0600",
		    path, (unsigned)st.st_mode & 07777);
	close(fd);
	return 0;
}

/* Under another name first: a key is there whole or not at all. */
static int
make_key(int folder, const char *path, uint8_t key[KEY_SIZE])
{
	static const char made[] = KEY_FILE ".new";
	int fd;

	if (getentropy(key, KEY_SIZE) == -1)
		goto err0;
	if (unlinkat(folder, made, 0) == -1 && errno != ENOENT)
		goto err0;
	fd = openat(folder, made,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		goto err0;
	errno = EIO; /* for a write that is short */
	if (write(fd, key, KEY_SIZE) != KEY_SIZE || fsync(fd) == -1)
		goto err1;
	if (close(fd) == -1)
		goto err0;
	if (renameat(folder, made, folder, KEY_FILE) == -1 ||
	    fsync(folder) == -1)
		goto err0;
	return 0;

err1:
	close(fd);
err0:
	ol_log_error(
	    NULL, "%s/" KEY_FILE ": cannot be made: %s", path, strerror(errno));
	return -1;
}

static int
get_key(const char *path, uint8_t key[KEY_SIZE])
{
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), got;

	if (folder == -1) {
		ol_log_error(
		    NULL, "state folder %s: %s", path, strerror(errno));
		return -1;
	}
	got = read_key(folder, path, key);
	if (got == 1)
		got = make_key(folder, path, key);
	close(folder);
	return got;
}

/* --- libcrypto --- */

static int
crypto_failed(void)
{
	ol_log_error(NULL, "libcrypto: HMAC failed");
	return -1;
}

static int
prepare(struct ol_session_key *session, const uint8_t key[KEY_SIZE])
{
	char name[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(
				    OSSL_MAC_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_end() };

	/* Looked up once: that takes longer than the hash of a cookie. */
	session->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (session->mac == NULL)
		return -1;
	session->keyed = EVP_MAC_CTX_new(session->mac);
	if (session->keyed == NULL)
		return -1;
	return EVP_MAC_init(session->keyed, key, KEY_SIZE, params) ? 0 : -1;
}

struct ol_session_key *
ol_session_key_open(const char *folder)
{
	struct ol_session_key *session;
	uint8_t key[KEY_SIZE];
	int prepared;

	if (get_key(folder, key) == -1)
		return NULL;
	session = ol_must(calloc(1, sizeof(*session)));
	prepared = prepare(session, key);
	OPENSSL_cleanse(key, sizeof(key));
	if (prepared == -1) {
		crypto_failed();
		ol_session_key_close(session);
		return NULL;
	}
	return session;
}

void
ol_session_key_close(struct ol_session_key *session)
{
	if (session == NULL)
		return;
	EVP_MAC_CTX_free(session->keyed);
	EVP_MAC_free(session->mac);
	free(session);
}

int
ol_session_hash(struct ol_session_key *session, const void *cookie, size_t len,
    uint8_t hash[OL_SESSION_HASH])
{
	EVP_MAC_CTX *mac = EVP_MAC_CTX_dup(session->keyed);
	size_t made = 0;
	bool done;

	done = mac != NULL && EVP_MAC_update(mac, cookie, len) &&
	       EVP_MAC_final(mac, hash, &made, OL_SESSION_HASH) &&
	       made == OL_SESSION_HASH;
	EVP_MAC_CTX_free(mac);
	return done ? 0 : crypto_failed();
}

bool
ol_session_equal(
    const uint8_t a[OL_SESSION_HASH], const uint8_t b[OL_SESSION_HASH])
{
	return CRYPTO_memcmp(a, b, OL_SESSION_HASH) == 0;
}
