/* Kinds that take a directive's words as a whole. */
#ifndef OL_CONFIG_KIND_WORDS_H
#define OL_CONFIG_KIND_WORDS_H

#include "config/kind_value.h"

struct ol_setting;

/*
 * The directive's words without its parameters, of one of the kinds LOG LISTEN
 * PROGRAM USER ENV BACKOFF METHODS CONTEXT. -1: an error was told.
 */
int ol_kind_words_set(const struct ol_setting *);

/* That of the last directive of kind LISTEN that was set, or half set. */
struct ol_conf_listen *ol_kind_words_listen(const struct ol_setting *);

struct ol_kind_value ol_kind_words_value(
    const struct ol_setting *, size_t word);

/* As ol_kind_value_invalid(), of the directive's word. */
int ol_kind_words_invalid(
    const struct ol_setting *, size_t word, const char *valid);

#endif
