#include <sys/eventfd.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "lib/app.h"
#include "lib/stop.h"
#include "loop/loop.h"

enum { NOT_ASKED = INT_MIN };

/* One signal as its handler saw it. */
struct caught {
	int value; /* seconds, from sigqueue(3); PLAIN: none was given */
};

enum { PLAIN = INT_MIN };

/* The pipe from the handler to the loop; one application per process. */
static struct {
	volatile sig_atomic_t write_fd;
	int read_fd;
	pid_t pid; /* a fork of ours has the handler and the pipe, too */
	struct sigaction old_term, old_int;
} signal_state = { .write_fd = -1, .read_fd = -1 };

static void
on_signal(int signo, siginfo_t *info, void *context)
{
	int saved = errno;
	struct caught caught = { .value = PLAIN };

	(void)context;
	if (getpid() != signal_state.pid) {
		/* It was not meant for us: it takes its course in the child. */
		sigaction(signo,
		    signo == SIGTERM ? &signal_state.old_term
				     : &signal_state.old_int,
		    NULL);
		raise(signo);
		errno = saved;
		return;
	}
	if (info->si_code == SI_QUEUE)
		caught.value = info->si_value.sival_int;
	/* A full pipe holds signals enough. */
	(void)!write(signal_state.write_fd, &caught, sizeof(caught));
	errno = saved;
}

static int64_t
environment_seconds(const char *name, int64_t otherwise)
{
	const char *text = getenv(name);
	char *end;
	long n;

	if (text == NULL)
		return otherwise;
	errno = 0;
	n = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || n < 0 || n > INT_MAX)
		return otherwise;
	return OL_SEC(n);
}

/* The stop has begun, or goes on with another deadline. */
static void
set_deadline(struct ol_stop *stop, int64_t budget)
{
	int64_t now = ol_clock_now();
	int64_t deadline =
	    budget == OL_NEVER ? OL_NEVER : ol_clock_after(now, budget);
	bool begins = atomic_load(&stop->phase) == OL_SERVING;
	uint64_t one = 1;

	/* The rule is outlastd's, which makes the last call itself. */
	if (!stop->supervised && budget != OL_NEVER)
		stop->grace = budget / 4 < OL_SEC(10) ? budget / 4 : OL_SEC(10);
	pthread_mutex_lock(&stop->lock);
	if (begins)
		stop->limit = ol_clock_after(now, stop->delay_max);
	if (stop->limit < deadline)
		stop->limit = deadline;
	atomic_store(&stop->deadline, deadline);
	if (begins)
		atomic_store(&stop->phase, OL_RETIRING);
	pthread_mutex_unlock(&stop->lock);
	if (begins) {
		if (write(stop->fd, &one, sizeof(one)) == -1)
			ol_error_tell(stop->app, OL_ERROR_PROCESS,
			    "cannot signal the stop to its descriptor");
		ol_supervisor_stopping(&stop->app->supervisor);
		ol_conns_retire(&stop->app->conns);
	}
	ol_background_stopping(&stop->app->background, deadline);
}

static void
last_call(struct ol_stop *stop)
{
	char names[128];
	size_t n;

	if (stop->called)
		return;
	stop->called = true;
	atomic_store(&stop->phase, OL_STOPPING);
	ol_background_refuse(&stop->app->background);
	n = ol_background_name_unfinished(
	    &stop->app->background, names, sizeof(names));
	if (n > 0)
		ol_supervisor_status(&stop->app->supervisor,
		    "last call: %zu unfinished: %s", n, names);
}

static void
end(struct ol_stop *stop)
{
	atomic_store(&stop->phase, OL_ENDED);
	ol_timer_cancel(stop->timer);
	ol_loop_stop(stop->app->loop);
}

void
ol_stop_check(struct ol_stop *stop)
{
	int asked = atomic_exchange(&stop->asked_ms, NOT_ASKED);
	int64_t now, deadline;

	if (asked != NOT_ASKED)
		set_deadline(stop, asked < 0 ? OL_NEVER : OL_MSEC(asked));
	if (atomic_load(&stop->phase) == OL_SERVING ||
	    atomic_load(&stop->phase) == OL_ENDED)
		return;
	if (ol_conns_open(&stop->app->conns) == 0) {
		/* No request is left that could queue. */
		atomic_store(&stop->phase, OL_STOPPING);
		ol_background_refuse(&stop->app->background);
		if (ol_app_items(stop->app) == 0) {
			end(stop);
			return;
		}
	}
	now = ol_clock_now();
	deadline = atomic_load(&stop->deadline);
	if (now >= deadline) {
		last_call(stop);
		end(stop);
	} else if (deadline == OL_NEVER || stop->grace == 0 || stop->called)
		ol_timer_at(stop->timer, deadline);
	else if (now < deadline - stop->grace)
		ol_timer_at(stop->timer, deadline - stop->grace);
	else {
		last_call(stop);
		ol_timer_at(stop->timer, deadline);
	}
}

static void
on_timer(void *arg)
{
	ol_stop_check(arg);
}

static void
take_signal(struct ol_stop *stop, const struct caught *caught)
{
	bool begun = ol_stop_begun(stop);
	int64_t budget;

	if (caught->value == 0 && begun) {
		last_call(stop);
		return;
	}
	if (caught->value == PLAIN)
		/* A person's second word means now. */
		budget = begun ? 0 : stop->delay;
	else
		budget = caught->value < 0 ? OL_NEVER : OL_SEC(caught->value);
	set_deadline(stop, budget);
}

static void
on_signals(void *arg)
{
	struct ol_stop *stop = arg;
	struct caught caught;

	while (read(signal_state.read_fd, &caught, sizeof(caught)) ==
	       sizeof(caught))
		take_signal(stop, &caught);
	ol_stop_check(stop);
}

int
ol_stop_init(struct ol_stop *stop, struct ol_app *app)
{
	*stop = (struct ol_stop){ .app = app };
	atomic_init(&stop->phase, OL_SERVING);
	atomic_init(&stop->deadline, OL_NEVER);
	atomic_init(&stop->asked_ms, NOT_ASKED);
	stop->supervised = getenv("OUTLAST_INSTANCE") != NULL;
	stop->delay = environment_seconds(
	    "OUTLAST_SHUTDOWN_DELAY", OL_MSEC(app->options.shutdown_delay_ms));
	stop->delay_max =
	    environment_seconds("OUTLAST_SHUTDOWN_DELAY_MAX", stop->delay);
	if ((stop->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1)
		return -1;
	if ((stop->timer = ol_timer_new(app->loop, on_timer, stop)) == NULL) {
		close(stop->fd);
		return -1;
	}
	pthread_mutex_init(&stop->lock, NULL);
	return 0;
}

void
ol_stop_fini(struct ol_stop *stop)
{
	ol_timer_free(stop->timer);
	close(stop->fd);
	pthread_mutex_destroy(&stop->lock);
}

int
ol_stop_take_signals(struct ol_stop *stop)
{
	struct sigaction sa = { .sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_RESTART };
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1)
		return -1;
	signal_state.read_fd = fds[0];
	signal_state.write_fd = fds[1];
	signal_state.pid = getpid();
	stop->signals = ol_watch_new(stop->app->loop, fds[0], on_signals, stop);
	if (stop->signals == NULL) {
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	sigemptyset(&sa.sa_mask);
	sigaction(SIGTERM, &sa, &signal_state.old_term);
	sigaction(SIGINT, &sa, &signal_state.old_int);
	return 0;
}

void
ol_stop_forget_signals(struct ol_stop *stop)
{
	if (stop->signals == NULL)
		return;
	sigaction(SIGTERM, &signal_state.old_term, NULL);
	sigaction(SIGINT, &signal_state.old_int, NULL);
	ol_watch_free(stop->signals);
	stop->signals = NULL;
	close(signal_state.write_fd);
	close(signal_state.read_fd);
	signal_state.write_fd = signal_state.read_fd = -1;
}

bool
ol_stop_begun(const struct ol_stop *stop)
{
	return atomic_load(&stop->phase) != OL_SERVING;
}

int64_t
ol_stop_deadline(const struct ol_stop *stop)
{
	return atomic_load(&stop->deadline);
}

long
ol_stop_extend(struct ol_stop *stop, long seconds)
{
	int64_t now = ol_clock_now(), deadline, wanted;
	bool moved = false;

	if (seconds < 0 || seconds > INT_MAX)
		seconds = seconds < 0 ? 0 : INT_MAX;
	wanted = ol_clock_after(now, OL_SEC(seconds));
	pthread_mutex_lock(&stop->lock);
	deadline = atomic_load(&stop->deadline);
	if (wanted > stop->limit)
		wanted = stop->limit;
	if (deadline != OL_NEVER && wanted > deadline) {
		deadline = wanted;
		atomic_store(&stop->deadline, deadline);
		moved = true;
	}
	pthread_mutex_unlock(&stop->lock);
	if (deadline == OL_NEVER)
		return -1;
	if (moved) {
		ol_supervisor_extend(&stop->app->supervisor, deadline);
		ol_wake_up(stop->app->bell);
		ol_background_stopping(&stop->app->background, deadline);
	}
	return ol_clock_seconds_left(deadline, now);
}

void
ol_app_stop(struct ol_app *app, int ms)
{
	atomic_store(&app->stop.asked_ms, ms < 0 ? -1 : ms);
	ol_wake_up(app->bell);
}
