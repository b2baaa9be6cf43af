#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/sealed.h"
#include "master/briefing.h"

static const int64_t first_pause = OL_SEC(1), longest_pause = OL_SEC(300);

static void
free_listeners(struct ol_briefing_listeners *l)
{
	while (l->n > 0)
		ol_listener_unref(l->all[--l->n]);
	free(l->all);
	l->all = NULL;
}

static bool
has(const struct ol_briefing_listeners *l, const struct ol_listener *listener)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (l->all[i] == listener)
			return true;
	return false;
}

static void
add(struct ol_briefing_listeners *l, struct ol_listener *listener)
{
	l->all = ol_must(reallocarray(l->all, l->n + 1, sizeof(*l->all)));
	l->all[l->n++] = ol_listener_ref(listener);
}

void
ol_briefing_init(struct ol_briefing *b)
{
	*b = (struct ol_briefing){ .config = -1 };
}

void
ol_briefing_fini(struct ol_briefing *b)
{
	if (b->config != -1)
		close(b->config);
	b->config = -1;
	ol_briefing_let_go(b);
}

int
ol_briefing_seal(const struct ol_conf *conf)
{
	char *text = NULL;
	size_t size;
	FILE *f = ol_must(open_memstream(&text, &size));
	int fd;

	ol_conf_dump(conf, f);
	if (fclose(f) == EOF)
		ol_must(NULL);
	if ((fd = ol_sealed_new(text, size)) == -1)
		ol_log_error(NULL,
		    "cannot pass the configuration on to the engine: %s",
		    strerror(errno));
	free(text);
	return fd;
}

void
ol_briefing_set(struct ol_briefing *b, int config,
    struct ol_listener *const *listeners, size_t n)
{
	size_t i;

	for (i = 0; i < b->listeners.n; i++)
		if (!has(&b->older, b->listeners.all[i]))
			add(&b->older, b->listeners.all[i]);
	free_listeners(&b->listeners);
	for (i = 0; i < n; i++)
		add(&b->listeners, listeners[i]);
	if (b->config != -1)
		close(b->config);
	b->config = config;
	/* 0 is for those who have none. */
	if (++b->generation == 0)
		b->generation = 1;
}

void
ol_briefing_applied(struct ol_briefing *b)
{
	free_listeners(&b->older);
}

void
ol_briefing_failed(struct ol_wire *wire, int64_t now)
{
	if (wire->pause == 0)
		wire->pause = first_pause;
	else if ((wire->pause *= 2) > longest_pause)
		wire->pause = longest_pause;
	wire->again = ol_clock_after(now, wire->pause);
}

int64_t
ol_briefing_due(const struct ol_wire *wire)
{
	return wire->pid != 0 && wire->again != 0 ? wire->again : OL_NEVER;
}

void
ol_briefing_let_go(struct ol_briefing *b)
{
	free_listeners(&b->listeners);
	free_listeners(&b->older);
}

static bool
tell_config(const struct ol_briefing *b, struct ol_wire *wire, size_t nlisten,
    int64_t now)
{
	struct ol_order order = { .verb = OL_ORDER_CONFIG,
		.generation = b->generation,
		.nlisten = (unsigned)nlisten };
	int fds[OL_CHANNEL_FDS];
	size_t i, n = 0;

	if (wire->told != b->generation)
		wire->pause = 0;
	else if (wire->again == 0 || now < wire->again)
		return true;
	/* The configuration's reader sees to it that they fit. */
	fds[n++] = b->config;
	for (i = 0; i < nlisten; i++)
		fds[n++] = ol_listener_fd(b->listeners.all[i]);
	order.nlog = (unsigned)ol_log_files(fds + n, OL_CHANNEL_FDS - n);
	if (!ol_wire_tell(wire, &order, fds))
		return false;
	wire->told = b->generation;
	wire->again = 0;
	wire->reopen_owed = false;
	return true;
}

static bool
tell_reopen(struct ol_wire *wire)
{
	struct ol_order order = { .verb = OL_ORDER_REOPEN };
	int fds[OL_CHANNEL_FDS];

	if (!wire->reopen_owed)
		return true;
	order.nlog = (unsigned)ol_log_files(fds, OL_CHANNEL_FDS);
	if (!ol_wire_tell(wire, &order, fds))
		return false;
	wire->reopen_owed = false;
	return true;
}

bool
ol_briefing_tell_spawner(
    const struct ol_briefing *b, struct ol_wire *wire, int64_t now)
{
	return tell_config(b, wire, 0, now) && tell_reopen(wire);
}

bool
ol_briefing_tell_engine(
    const struct ol_briefing *b, struct ol_wire *wire, int64_t now)
{
	return tell_config(b, wire, b->listeners.n, now) && tell_reopen(wire);
}
