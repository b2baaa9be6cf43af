/* Which FastCGI parameters hold what proves who a visitor is. */
#ifndef OL_BASE_SECRET_H
#define OL_BASE_SECRET_H

#include <stdbool.h>

/*
 * Whether a parameter of that name carries a visitor's secret: a cookie, a
 * password, a key. Such values are masked wherever they are shown, do not
 * outlive their task, and never go into a program's environment.
 */
bool ol_secret_param(const char *name);

#endif
