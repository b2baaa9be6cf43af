/* Telling the application, or failing that the supervisor, what went wrong. */
#ifndef OL_LIB_ERROR_H
#define OL_LIB_ERROR_H

#include <outlast/outlast.h>

/* A failure that is not about an item; printf-like. Any thread. */
void ol_error_tell(struct ol_app *app, enum ol_error_kind kind, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/* Hand error to the handler. Any thread, with no lock held. */
void ol_error_deliver(struct ol_app *app, const struct ol_error *error);

#endif
