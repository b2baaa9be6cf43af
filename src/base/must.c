#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include "base/log.h"
#include "base/must.h"

void *
ol_must(void *p)
{
	if (p == NULL) {
		ol_log_error(NULL, "cannot go on: %s", strerror(errno));
		abort();
	}
	return p;
}
