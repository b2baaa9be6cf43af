/*
 * What each kind of value in the option table means: how a directive's words
 * become the field of a struct. The way back is in dump.c.
 */
#ifndef OL_CONFIG_KINDS_H
#define OL_CONFIG_KINDS_H

struct ol_diagnostics;
struct ol_directive;
struct ol_option;
struct ol_world;

/* One directive on its way into a field. */
struct ol_setting {
	const struct ol_world *world;
	struct ol_diagnostics *diagnostics;
	const struct ol_option *option;
	const struct ol_directive *directive;
	void *target; /* the struct ol_conf or ol_conf_pool (table.h) */
};

/*
 * Check the directive's words and set the field, freeing what it held;
 * repeatable ones append. -1: errors were told, the field may be half set.
 */
int ol_kind_set(const struct ol_setting *);

/* Set the field to the row's default text; nothing if it has none. */
void ol_kind_set_standard(
    const struct ol_world *, const struct ol_option *, void *target);

#endif
