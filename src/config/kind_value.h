/* Kinds whose value is one word, or what follows "name=" in one. */
#ifndef OL_CONFIG_KIND_VALUE_H
#define OL_CONFIG_KIND_VALUE_H

#include <stdint.h>

#include "config/source.h"
#include "config/options.h"

struct ol_setting;

/* A value with its place. */
struct ol_kind_value {
	const char *text;
	struct ol_place place;
};

/* What a value must be like and where it goes. */
struct ol_kind_slot {
	const char *name; /* "processes", or "mode" of a parameter */
	enum ol_kind kind;
	int64_t min, max;
	const struct ol_option_choice *choices;
	void *field; /* NULL: nowhere, it is checked only */
};

/* -1: an error was told, the field is unchanged. */
int ol_kind_value_set(const struct ol_setting *, const struct ol_kind_slot *,
    const struct ol_kind_value *);

/* Tell that value is none for name; valid says which are. Returns -1. */
int ol_kind_value_invalid(const struct ol_setting *, const char *name,
    const struct ol_kind_value *value, const char *valid);

/* A copy of text in place of what *field holds. */
void ol_kind_value_replace(char **field, const char *text);

#endif
