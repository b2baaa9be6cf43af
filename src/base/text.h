/* Text that came from somebody else, made fit for a log line or a table. */
#ifndef OL_BASE_TEXT_H
#define OL_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The length of the character at s (left > 0 bytes are there), 1 to 4, or 0
 * when it is not UTF-8: over-long, a surrogate, beyond U+10FFFF or cut off.
 */
size_t ol_text_character(const char *s, size_t left);

/*
 * The length of the character at s (left > 0 bytes are there) if it neither
 * moves a terminal's cursor nor ends a line, else 0. A backslash is 0, too:
 * it begins an escape.
 */
size_t ol_text_printable(const char *s, size_t left);

/*
 * Copy at most len bytes of src to dst (size > 0, always terminated) with
 * every control character, backslash and byte that is not UTF-8 written as
 * \xHH, so that the result is one line and cannot move a terminal's cursor.
 * Stops early, with "..." at the end, when dst is full. Returns the length of
 * dst. Once is enough: a second pass doubles the backslashes.
 */
size_t ol_text_escape(char *dst, size_t size, const char *src, size_t len);

/*
 * Copy len bytes of src as UTF-8: each control character and each byte that is
 * not UTF-8 becomes U+FFFD. Cuts at a character when dst is full (size > 0,
 * always terminated). Returns the length.
 */
size_t ol_text_utf8(char *dst, size_t size, const char *src, size_t len);

/*
 * Copy src as the inside of a JSON string (RFC 8259 §7): quotes, backslashes
 * and control bytes escaped, bytes above 0x7f replaced by '?' unless they are
 * well-formed UTF-8. Cuts at a character when dst is full. Returns the length.
 */
size_t ol_text_json(char *dst, size_t size, const char *src, size_t len);

/* Whether it is a traceparent of Trace Context, version 00: "00-HEX-HEX-HEX".
 */
bool ol_text_is_traceparent(const char *text);

/* "SIGSEGV", or "signal 40" for one without a name; returns dst. */
const char *ol_text_signal(char *dst, size_t size, int signo);

/*
 * The name in names[0 … n) that a person most likely meant by word, or NULL
 * when none is near (more than a third of its letters would have to change).
 */
const char *ol_text_nearest(
    const char *word, const char *const *names, size_t n);

#endif
