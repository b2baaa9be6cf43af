/* A reload that waits, and tells what it did: for outlastd -s reload, too. */
#ifndef OL_CTL_RELOAD_H
#define OL_CTL_RELOAD_H

#include "ctl/ctl.h"

/*
 * Ask for a reload, print what changed and wait for it. Returns the exit code,
 * said; EX_UNAVAILABLE, and nothing was said: nobody is there to ask.
 */
int ol_ctl_reload_try(struct ol_ctl *);

#endif
