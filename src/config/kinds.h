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
	struct ol_diagnostics *diagnostics; /* NULL: errors are not told */
	const struct ol_option *option;
	const struct ol_directive *directive;
	/*
	 * OL_IN_MAIN or OL_IN_STORE: target is a struct ol_conf; OL_IN_POOL: an
	 * ol_conf_pool; OL_IN_TASK: an ol_conf_task.
	 */
	unsigned context;
	void *target;
};

/*
 * Check the directive's words and set the field, freeing what it held;
 * repeatable ones append. -1: errors were told, the field may be half set.
 */
int ol_kind_set(const struct ol_setting *);

/*
 * Set the field to the row's default text, the parameters' too; to nothing if
 * there is none. Not for repeatable ones. Of the setting, world, option,
 * context and target are used.
 */
void ol_kind_set_standard(const struct ol_setting *);

#endif
