/* Asks outlastd over its control socket, and waits for the answer. */
#ifndef OL_CTL_CLIENT_H
#define OL_CTL_CLIENT_H

#include <jansson.h>

#include "base/control.h"
#include "ctl/ctl.h"

/*
 * Ask, and return the answer, which the caller owns. NULL: it could not be had,
 * or is a refusal; said, and *code is what to exit with.
 */
json_t *ol_client_ask(
    const struct ol_ctl *, enum ol_control_verb, const char *pool, int *code);

/*
 * The same, but a daemon that cannot be reached at all is not said: NULL with
 * *code EX_UNAVAILABLE.
 */
json_t *ol_client_try(
    const struct ol_ctl *, enum ol_control_verb, const char *pool, int *code);

/* Print an answer as --json shows it. Returns 0, or 1 when it went nowhere. */
int ol_client_print(json_t *answer);

/* Members of an answer, whatever it is: 0, false, "" where there is none. */
int64_t ol_client_number(const json_t *object, const char *key);
bool ol_client_flag(const json_t *object, const char *key);
const char *ol_client_text(const json_t *object, const char *key);

#endif
