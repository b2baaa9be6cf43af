#include <stdarg.h>
#include <stdio.h>
#include <jansson.h>

#include "ctl/ctl.h"

int
ol_ctl_fail(
    const struct ol_ctl *ctl, int code, const char *kind, const char *fmt, ...)
{
	char message[1024];
	json_t *answer;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s: %s\n", ctl->program, message);
	if (!ctl->json)
		return code;
	answer = json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "kind",
	    kind, "message", message);
	if (answer == NULL)
		return code;
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(answer);
	return code;
}
