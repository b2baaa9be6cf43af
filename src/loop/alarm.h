/*
 * A call at a time of the wall clock, and whenever that clock is set: whoever
 * waits looks again. It costs nothing while it waits, however long.
 */
#ifndef OL_LOOP_ALARM_H
#define OL_LOOP_ALARM_H

#include <time.h>

#include "loop/loop.h"

struct ol_alarm;

/* NULL with errno set. The loop is borrowed. */
struct ol_alarm *ol_alarm_new(struct ol_loop *, ol_loop_fn *fn, void *arg);
void ol_alarm_free(struct ol_alarm *);

/*
 * Call fn(arg) once when the clock shows that time or a later one, or was set;
 * replaces an earlier one. 0 cancels. -1: errno, and there is no call.
 */
int ol_alarm_at(struct ol_alarm *, time_t wall);

#endif
