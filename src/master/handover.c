#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/sealed.h"
#include "master/handover.h"

enum {
	FORMAT = 1,
	FD_MOST = 1 << 20,
	LISTENERS_MOST = 10000,
	PID_MOST = 1 << 22,
};

struct version {
	int version;
};
struct end {
	int64_t config;
};

#define TIME 0, OL_NEVER
#define ANY  INT64_MIN, INT64_MAX
#define FLAG 0, 1
#define END \
	{ \
		0 \
	}

static const struct ol_sheet_field version_fields[] = {
	OL_SHEET_FIELD(struct version, version, OL_SHEET_INT, FORMAT, FORMAT),
	END,
};

static const struct ol_sheet_field end_fields[] = {
	OL_SHEET_FIELD(struct end, config, OL_SHEET_I64, 1, OL_SEALED_MAX),
	END,
};

#define FIELD(member, kind, ...) \
	OL_SHEET_FIELD(struct ol_handover, member, OL_SHEET_##kind, __VA_ARGS__)
static const struct ol_sheet_field master_fields[] = {
	FIELD(instance, CHARS, 0, 32),
	FIELD(generation, UNSIGNED, 0, UINT32_MAX),
	FIELD(stderr_fd, INT, 0, FD_MOST),
	FIELD(pid_fd, INT, 0, FD_MOST),
	FIELD(folder_fd, INT, 0, FD_MOST),
	FIELD(ready, BOOL, FLAG),
	END,
};
#undef FIELD

#define FIELD(member, kind, ...) \
	OL_SHEET_FIELD( \
	    struct ol_handover_listener, member, OL_SHEET_##kind, __VA_ARGS__)
static const struct ol_sheet_field listener_fields[] = {
	FIELD(fd, INT, 0, FD_MOST),
	FIELD(backlog, INT, -1, INT32_MAX),
	FIELD(address, CHARS, 0, OL_ADDR_TEXT - 1),
	FIELD(activated, BOOL, FLAG),
	FIELD(ours, BOOL, FLAG),
	FIELD(dev, I64, ANY),
	FIELD(ino, I64, ANY),
	END,
};
#undef FIELD

#define FIELD(member, kind, ...) \
	OL_SHEET_FIELD( \
	    struct ol_handover_pool, member, OL_SHEET_##kind, __VA_ARGS__)
static const struct ol_sheet_field pool_fields[] = {
	FIELD(name, CHARS, 0, 255),
	FIELD(listener, INT, -1, LISTENERS_MOST),
	FIELD(generation, UNSIGNED, 0, UINT32_MAX),
	FIELD(was_ready, BOOL, FLAG),
	FIELD(asleep, BOOL, FLAG),
	FIELD(killed, UNSIGNED, 0, UINT32_MAX),
	FIELD(lost, I64, ANY),
	FIELD(daily_due, I64, 0, INT64_MAX),
	FIELD(daily_done, I64, 0, INT64_MAX),
	FIELD(crashes, INT, 0, INT32_MAX),
	FIELD(halted, I64, TIME),
	END,
};
#undef FIELD

#define FIELD(member, kind, ...) \
	OL_SHEET_FIELD(struct ol_rapid, member, OL_SHEET_##kind, __VA_ARGS__)
static const struct ol_sheet_field rapid_fields[] = {
	FIELD(state, INT, OL_RAPID_RUNNING, OL_RAPID_PROBATION),
	FIELD(crashes, INT, 0, OL_RAPID_MOST),
	FIELD(window, I64, TIME),
	FIELD(retry, I64, TIME),
	FIELD(n, UNSIGNED, 0, UINT32_MAX),
	FIELD(due, I64, TIME),
	END,
};
#undef FIELD

struct crash {
	int64_t at;
};
static const struct ol_sheet_field crash_fields[] = {
	OL_SHEET_FIELD(struct crash, at, OL_SHEET_I64, 0, OL_NEVER),
	END,
};

#define FIELD(member, kind, ...) \
	OL_SHEET_FIELD(struct ol_slot, member, OL_SHEET_##kind, __VA_ARGS__)
static const struct ol_sheet_field slot_fields[] = {
	FIELD(state, INT, 0, OL_SLOT_STATES - 1),
	FIELD(generation, UNSIGNED, 0, UINT32_MAX),
	FIELD(due, I64, TIME),
	FIELD(pace, I64, TIME),
	FIELD(renew_due, I64, TIME),
	FIELD(renew_pace, I64, TIME),
	FIELD(renew, BOOL, FLAG),
	FIELD(waits, BOOL, FLAG),
	FIELD(reason, INT, OL_SLOT_RELOAD, OL_SLOT_CLOCK),
	END,
};
#undef FIELD

#define FIELD(member, kind, ...) \
	OL_SHEET_FIELD(struct ol_seat, member, OL_SHEET_##kind, __VA_ARGS__)
static const struct ol_sheet_field seat_fields[] = {
	FIELD(generation, UNSIGNED, 0, UINT32_MAX),
	FIELD(started, I64, TIME),
	FIELD(ready, I64, TIME),
	FIELD(alive, I64, ANY),
	FIELD(shutdown_delay, I64, TIME),
	FIELD(shutdown_delay_max, I64, TIME),
	FIELD(simple, BOOL, FLAG),
	END,
};
#undef FIELD

#define FIELD(member, kind, ...) \
	OL_SHEET_FIELD(struct ol_leaver, member, OL_SHEET_##kind, __VA_ARGS__)
#define TIMES(member) \
	{ \
#member, OL_SHEET_I64, \
		    offsetof(struct ol_leaver, times.member), TIME \
	}
static const struct ol_sheet_field leaver_fields[] = {
	FIELD(generation, UNSIGNED, 0, UINT32_MAX),
	FIELD(state, INT, 0, OL_LEAVER_STATES - 1),
	TIMES(shutdown_delay),
	TIMES(shutdown_delay_max),
	TIMES(kill_grace),
	FIELD(t0, I64, TIME),
	FIELD(deadline, I64, TIME),
	FIELD(call, I64, ANY),
	FIELD(logged, I64, ANY),
	FIELD(called, BOOL, FLAG),
	FIELD(refused, BOOL, FLAG),
	END,
};
#undef TIMES
#undef FIELD

#define FIELD(member, kind, ...) \
	OL_SHEET_FIELD( \
	    struct ol_handover_process, member, OL_SHEET_##kind, __VA_ARGS__)
static const struct ol_sheet_field process_fields[] = {
	FIELD(generation, UNSIGNED, 1, UINT32_MAX),
	FIELD(pid, INT, 2, PID_MOST),
	FIELD(notify_fd, INT, -1, FD_MOST),
	FIELD(crash_fd, INT, -1, FD_MOST),
	FIELD(listener, INT, -1, LISTENERS_MOST),
	FIELD(accepts, INT, -1, LISTENERS_MOST),
	FIELD(tasks, I64, -1, INT64_MAX),
	FIELD(requests, I64, -1, INT64_MAX),
	FIELD(active, I64, TIME),
	FIELD(measured, I64, TIME),
	FIELD(rubbish, UNSIGNED, 0, UINT32_MAX),
	FIELD(leaving, BOOL, FLAG),
	FIELD(aborted, BOOL, FLAG),
	FIELD(killed, BOOL, FLAG),
	FIELD(simple, BOOL, FLAG),
	FIELD(stop_signal, INT, 1, 64),
	FIELD(status, CHARS, 0, 255),
	END,
};
#undef FIELD

/* --- Writing. --- */

static void
write_slot(FILE *out, const struct ol_handover_slot *s)
{
	size_t i;

	ol_sheet_write(out, "slot", slot_fields, &s->slot);
	ol_sheet_write(out, "seat", seat_fields, &s->slot.current);
	ol_sheet_write(out, "seat", seat_fields, &s->slot.next);
	for (i = 0; i < OL_SLOT_LEAVERS; i++)
		ol_sheet_write(
		    out, "leaver", leaver_fields, &s->slot.leavers[i]);
	for (i = 0; i < s->nprocesses; i++)
		ol_sheet_write(
		    out, "process", process_fields, &s->processes[i]);
}

static void
write_pool(FILE *out, const struct ol_handover_pool *p)
{
	struct crash crash;
	int k;
	size_t i;

	ol_sheet_write(out, "pool", pool_fields, p);
	ol_sheet_write(out, "rapid", rapid_fields, &p->rapid);
	for (k = 0; k < p->rapid.crashes; k++) {
		crash.at = p->rapid.times[k];
		ol_sheet_write(out, "crash", crash_fields, &crash);
	}
	for (i = 0; i < p->nslots; i++)
		write_slot(out, &p->slots[i]);
}

void
ol_handover_write(const struct ol_handover *h, FILE *out)
{
	const struct version version = { FORMAT };
	const struct end end = { (int64_t)h->nconfig };
	size_t i;

	ol_sheet_write(out, "outlast-handover", version_fields, &version);
	ol_sheet_write(out, "master", master_fields, h);
	for (i = 0; i < h->nlisteners; i++)
		ol_sheet_write(
		    out, "listener", listener_fields, &h->listeners[i]);
	for (i = 0; i < h->npools; i++)
		write_pool(out, &h->pools[i]);
	ol_sheet_write(out, "end", end_fields, &end);
	fwrite(h->config, 1, h->nconfig, out);
}

/* --- Reading. --- */

/* Room for one more at the end of an array: zeroes. */
#define GROW(array, n) \
	((array) = ol_must(reallocarray((array), (n) + 1, sizeof(*(array)))), \
	    memset(&(array)[(n)], 0, sizeof(*(array))), &(array)[(n)++])

static bool
has(const struct ol_handover_slot *s, unsigned generation)
{
	size_t i;

	for (i = 0; i < s->nprocesses; i++)
		if (s->processes[i].generation == generation)
			return true;
	return false;
}

/* Which seats somebody has is what the state says: the table relies on it. */
static int
check_slot(struct ol_sheet *in, const struct ol_handover_slot *s)
{
	bool current = s->slot.state == OL_SLOT_STARTING ||
		       s->slot.state == OL_SLOT_UP ||
		       s->slot.state == OL_SLOT_RENEWING;
	bool next = s->slot.state == OL_SLOT_RENEWING;
	size_t i, wanted = (size_t)current + next;

	if (current != has(s, s->slot.current.generation) ||
	    next != has(s, s->slot.next.generation))
		return ol_sheet_fault(in, "a seat and its process differ");
	for (i = 0; i < OL_SLOT_LEAVERS; i++) {
		if (s->slot.leavers[i].state == OL_LEAVER_GONE)
			continue;
		wanted++;
		if (!has(s, s->slot.leavers[i].generation))
			return ol_sheet_fault(in, "nobody is who leaves");
	}
	return wanted == s->nprocesses
		   ? 0
		   : ol_sheet_fault(in, "a process has no seat");
}

static int
read_slot(struct ol_sheet *in, struct ol_handover_slot *s, size_t nlisteners)
{
	const struct ol_handover_process *p;
	size_t i;

	if (ol_sheet_read(in, "slot", slot_fields, &s->slot) == -1 ||
	    ol_sheet_read(in, "seat", seat_fields, &s->slot.current) == -1 ||
	    ol_sheet_read(in, "seat", seat_fields, &s->slot.next) == -1)
		return -1;
	for (i = 0; i < OL_SLOT_LEAVERS; i++)
		if (ol_sheet_read(
			in, "leaver", leaver_fields, &s->slot.leavers[i]) == -1)
			return -1;
	while (ol_sheet_is(in, "process")) {
		p = GROW(s->processes, s->nprocesses);
		if (ol_sheet_read(in, "process", process_fields,
			&s->processes[s->nprocesses - 1]) == -1)
			return -1;
		if (p->listener >= (int)nlisteners ||
		    p->accepts >= (int)nlisteners)
			return ol_sheet_fault(in, "there is no such listener");
	}
	return check_slot(in, s);
}

static int
read_pool(struct ol_sheet *in, struct ol_handover_pool *p, size_t nlisteners)
{
	struct crash crash;
	int k;

	if (ol_sheet_read(in, "pool", pool_fields, p) == -1)
		return -1;
	if (p->listener >= (int)nlisteners)
		return ol_sheet_fault(in, "there is no such listener");
	if (ol_sheet_read(in, "rapid", rapid_fields, &p->rapid) == -1)
		return -1;
	for (k = 0; k < p->rapid.crashes; k++) {
		if (ol_sheet_read(in, "crash", crash_fields, &crash) == -1)
			return -1;
		p->rapid.times[k] = crash.at;
	}
	while (ol_sheet_is(in, "slot"))
		if (read_slot(in, GROW(p->slots, p->nslots), nlisteners) == -1)
			return -1;
	return 0;
}

static int
read_all(struct ol_handover *h, struct ol_sheet *in)
{
	struct version version;
	struct end end;

	if (ol_sheet_read(in, "outlast-handover", version_fields, &version) ==
		-1 ||
	    ol_sheet_read(in, "master", master_fields, h) == -1)
		return -1;
	while (ol_sheet_is(in, "listener"))
		if (ol_sheet_read(in, "listener", listener_fields,
			GROW(h->listeners, h->nlisteners)) == -1)
			return -1;
	while (ol_sheet_is(in, "pool"))
		if (read_pool(in, GROW(h->pools, h->npools), h->nlisteners) ==
		    -1)
			return -1;
	if (ol_sheet_read(in, "end", end_fields, &end) == -1)
		return -1;
	h->nconfig = (size_t)end.config;
	return 0;
}

int
ol_handover_read(
    struct ol_handover *h, char *text, size_t len, char *why, size_t size)
{
	struct ol_sheet in;

	memset(h, 0, sizeof(*h));
	ol_sheet_open(&in, text);
	if (read_all(h, &in) == -1)
		goto err;
	if (strlen(in.next) != h->nconfig ||
	    in.next + h->nconfig != text + len) {
		ol_sheet_fault(&in, "the configuration has another length");
		goto err;
	}
	h->config = ol_must(strdup(in.next));
	return 0;
err:
	strlcpy(why, in.why, size);
	ol_handover_fini(h);
	return -1;
}

void
ol_handover_fini(struct ol_handover *h)
{
	size_t i, k;

	for (i = 0; i < h->npools; i++) {
		for (k = 0; k < h->pools[i].nslots; k++)
			free(h->pools[i].slots[k].processes);
		free(h->pools[i].slots);
	}
	free(h->pools);
	free(h->listeners);
	free(h->config);
	memset(h, 0, sizeof(*h));
}

/* --- Descriptors. --- */

static int
set_one(int fd, bool inherit)
{
	return fd == -1 ? 0 : fcntl(fd, F_SETFD, inherit ? 0 : FD_CLOEXEC);
}

static int
set_slot(const struct ol_handover_slot *s, bool inherit)
{
	size_t i;

	for (i = 0; i < s->nprocesses; i++)
		if (set_one(s->processes[i].notify_fd, inherit) == -1 ||
		    set_one(s->processes[i].crash_fd, inherit) == -1)
			return -1;
	return 0;
}

int
ol_handover_inherit(const struct ol_handover *h, bool inherit)
{
	size_t i, k;

	if (set_one(h->stderr_fd, inherit) == -1 ||
	    set_one(h->pid_fd, inherit) == -1 ||
	    set_one(h->folder_fd, inherit) == -1)
		goto err;
	for (i = 0; i < h->nlisteners; i++)
		if (set_one(h->listeners[i].fd, inherit) == -1)
			goto err;
	for (i = 0; i < h->npools; i++)
		for (k = 0; k < h->pools[i].nslots; k++)
			if (set_slot(&h->pools[i].slots[k], inherit) == -1)
				goto err;
	return 0;
err:
	if (inherit) {
		int saved = errno;

		ol_handover_inherit(h, false);
		errno = saved;
	}
	return -1;
}
