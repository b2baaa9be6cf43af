#include <sys/timerfd.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop/alarm.h"

struct ol_alarm {
	struct ol_watch *watch;
	ol_loop_fn *fn;
	void *arg;
	int fd;
};

static void
on_readable(void *arg)
{
	struct ol_alarm *alarm = arg;
	uint64_t times;

	/* ECANCELED when the clock was set. */
	if (read(alarm->fd, &times, sizeof(times)) == -1)
		ol_alarm_at(alarm, 0);
	alarm->fn(alarm->arg);
}

struct ol_alarm *
ol_alarm_new(struct ol_loop *loop, ol_loop_fn *fn, void *arg)
{
	struct ol_alarm *alarm = calloc(1, sizeof(*alarm));

	if (alarm == NULL)
		return NULL;
	alarm->fn = fn;
	alarm->arg = arg;
	alarm->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (alarm->fd == -1)
		goto err0;
	alarm->watch = ol_watch_new(loop, alarm->fd, on_readable, alarm);
	if (alarm->watch == NULL)
		goto err1;
	return alarm;
err1:
	close(alarm->fd);
err0:
	free(alarm);
	return NULL;
}

void
ol_alarm_free(struct ol_alarm *alarm)
{
	if (alarm == NULL)
		return;
	ol_watch_free(alarm->watch);
	close(alarm->fd);
	free(alarm);
}

int
ol_alarm_at(struct ol_alarm *alarm, time_t wall)
{
	const struct itimerspec spec = { .it_value.tv_sec = wall };

	return timerfd_settime(alarm->fd,
	    TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, NULL);
}
