/* Kinds of directives that make a task's backend. */
#ifndef OL_CONFIG_KIND_BACKEND_H
#define OL_CONFIG_KIND_BACKEND_H

struct ol_conf_backend;
struct ol_setting;

/*
 * The words of one of the kinds BACKEND PARAM DROP REQUEST: whichever comes
 * first makes the task's backend. -1: an error was told.
 */
int ol_kind_backend_set(const struct ol_setting *);

void ol_kind_backend_free(struct ol_conf_backend *);

#endif
