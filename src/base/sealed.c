#include <sys/mman.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/sealed.h"

enum { SEALS = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL };

static int
write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, text, len);
		if (n == -1 && errno != EINTR)
			return -1;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int
ol_sealed_new(const char *text, size_t len)
{
	int fd, saved;

	if (len > OL_SEALED_MAX) {
		errno = EFBIG;
		return -1;
	}
	fd = memfd_create("outlast", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		return -1;
	if (write_all(fd, text, len) == -1 ||
	    fcntl(fd, F_ADD_SEALS, SEALS) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

char *
ol_sealed_read(int fd, size_t *len)
{
	struct stat st;
	size_t size, got = 0;
	ssize_t n;
	char *text;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals == -1 || (seals & SEALS) != SEALS) {
		errno = EPERM;
		return NULL;
	}
	if (fstat(fd, &st) == -1)
		return NULL;
	if (st.st_size > OL_SEALED_MAX) {
		errno = EFBIG;
		return NULL;
	}
	size = (size_t)st.st_size;
	if ((text = malloc(size + 1)) == NULL)
		return NULL;
	/* Its offset is shared with whoever else has it. */
	while (got < size) {
		n = pread(fd, text + got, size - got, (off_t)got);
		if (n > 0)
			got += (size_t)n;
		else if (n == 0 || errno != EINTR)
			break;
	}
	if (got < size) {
		free(text);
		errno = EIO;
		return NULL;
	}
	text[size] = '\0';
	*len = size;
	return text;
}
