/*
 * Points at which a test makes the program fail. ./configure
 * --enable-failpoints compiles them in; without it there is no code of them.
 *
 *     OUTLAST_FAILPOINT=NAME:ACTION[:NTH][,…]
 *
 * At the NTH time (1; 0: each time) that a process passes the point NAME:
 *   exit   it ends there and then, cleaning nothing up
 *   sleep  its thread stands still for 300 ms
 *   error  OL_FAILS() is true; OL_FAILPOINT() knows no error
 *
 * With OUTLAST_FAILPOINT_FOLDER, each point that is passed leaves a file
 * NAME.hit there, and one that acts NAME.acted: after that no process acts
 * again (but with NTH 0), so what was restarted lives on.
 */
#ifndef OL_BASE_FAILPOINT_H
#define OL_BASE_FAILPOINT_H

#include <stdbool.h>

#ifdef OL_FAILPOINTS
bool ol_failpoint_pass(const char *name);
#define OL_FAILPOINT(name) ((void)ol_failpoint_pass(name))
#define OL_FAILS(name)	   ol_failpoint_pass(name)
#else
#define OL_FAILPOINT(name) ((void)0)
#define OL_FAILS(name)	   false
#endif

#endif
