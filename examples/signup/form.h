/* What came from the visitor: an HTML form, and a mail address in it. */
#ifndef SIGNUP_FORM_H
#define SIGNUP_FORM_H

#include <stddef.h>

#include <fcgiapp.h>

/* RFC 5321: a path has 254 bytes at most. */
#define FORM_ADDRESS_SIZE 255

/*
 * Decode a field of an application/x-www-form-urlencoded body into value.
 * Returns 0, or -1 with value empty when it is absent, longer than size - 1,
 * or holds a zero byte or a "%" that is none.
 */
int form_field(const char *form, const char *field, char *value, size_t size);

/*
 * Whether the text may stand in a mail header and in an SMTP command: it looks
 * like an address, and no byte of it can end a line, an angle bracket or a
 * quoted string.
 */
int form_address_ok(const char *text);

/* Write text as the content or the quoted attribute of an HTML element. */
void form_put_escaped(FCGX_Stream *out, const char *text);

#endif
