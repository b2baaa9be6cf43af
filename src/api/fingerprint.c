#include <openssl/evp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/fingerprint.h"
#include "base/log.h"
#include "base/must.h"

struct ol_fingerprint {
	EVP_MD_CTX *digest;
	int64_t at; /* bytes of the payload that are in it */
};

static int
crypto_failed(void)
{
	ol_log_error(NULL, "libcrypto: SHA-256 failed");
	return -1;
}

struct ol_fingerprint *
ol_fingerprint_new(const void *head, size_t len)
{
	struct ol_fingerprint *print = ol_must(calloc(1, sizeof(*print)));

	print->digest = EVP_MD_CTX_new();
	if (print->digest != NULL &&
	    EVP_DigestInit_ex(print->digest, EVP_sha256(), NULL) &&
	    EVP_DigestUpdate(print->digest, head, len))
		return print;
	crypto_failed();
	ol_fingerprint_free(print);
	return NULL;
}

int
ol_fingerprint_add_text(struct ol_fingerprint *print, const char *text)
{
	return EVP_DigestUpdate(print->digest, text, strlen(text) + 1)
		   ? 0
		   : crypto_failed();
}

void
ol_fingerprint_free(struct ol_fingerprint *print)
{
	if (print == NULL)
		return;
	EVP_MD_CTX_free(print->digest);
	free(print);
}

/* The next bytes up to end. */
static int
add_file(struct ol_fingerprint *print, int fd, int64_t end)
{
	unsigned char buf[65536];

	while (print->at < end) {
		int64_t left = end - print->at;
		ssize_t n = pread(fd, buf,
		    left < (int64_t)sizeof(buf) ? (size_t)left : sizeof(buf),
		    print->at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			ol_log_error(NULL, "a payload that was spooled: %s",
			    n == 0 ? "it is cut short" : strerror(errno));
			return -1;
		}
		if (!EVP_DigestUpdate(print->digest, buf, (size_t)n))
			return crypto_failed();
		print->at += n;
	}
	return 0;
}

int
ol_fingerprint_add(struct ol_fingerprint *print, const struct ol_body *payload)
{
	int64_t left = payload->size - print->at;

	/* What lies in memory is small. */
	if (payload->data != NULL)
		return EVP_DigestUpdate(
			   print->digest, payload->data, (size_t)payload->size)
			   ? 1
			   : crypto_failed();
	if (left > OL_FINGERPRINT_PIECE)
		left = OL_FINGERPRINT_PIECE;
	if (add_file(print, payload->fd, print->at + left) == -1)
		return -1;
	return print->at == payload->size;
}

int
ol_fingerprint_end(
    struct ol_fingerprint *print, uint8_t hash[OL_FINGERPRINT_SIZE])
{
	return EVP_DigestFinal_ex(print->digest, hash, NULL) ? 0
							     : crypto_failed();
}
