/* What one master hands over to the next, as text: there and back, and strict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "master/handover.h"

static struct ol_handover_process processes[2] = {
	{ .generation = 7,
	    .pid = 812,
	    .notify_fd = 9,
	    .crash_fd = 10,
	    .listener = 1,
	    .accepts = 1,
	    .tasks = 3,
	    .requests = INT64_MAX,
	    .active = 12,
	    .measured = 13,
	    .rubbish = 2,
	    .stop_signal = 15,
	    .status = "50 % of a = b\n\x80" },
	{ .generation = 6,
	    .pid = 811,
	    .notify_fd = -1,
	    .crash_fd = 11,
	    .listener = -1,
	    .accepts = -1,
	    .tasks = -1,
	    .requests = -1,
	    .leaving = true,
	    .aborted = true,
	    .killed = true,
	    .simple = true,
	    .stop_signal = 10 },
};

static struct ol_handover_slot slots[2] = {
	{ .slot = { .state = OL_SLOT_UP,
	      .generation = 7,
	      .current = { .generation = 7,
		  .started = 1,
		  .ready = OL_NEVER,
		  .alive = 3,
		  .shutdown_delay = 4,
		  .shutdown_delay_max = 5,
		  .simple = true },
	      .leavers = { [1] = { .generation = 6,
			       .state = OL_LEAVER_LAST_CALL,
			       .times = { 1, 2, 3 },
			       .t0 = 4,
			       .deadline = OL_NEVER,
			       .call = 5,
			       .logged = 6,
			       .called = true,
			       .refused = true } },
	      .due = 1,
	      .pace = 2,
	      .renew_due = 3,
	      .renew_pace = 4,
	      .renew = true,
	      .waits = true,
	      .reason = OL_SLOT_CLOCK },
	    .processes = processes,
	    .nprocesses = 2 },
	{ .slot = { .state = OL_SLOT_BACKOFF, .generation = 1, .due = 99 } },
};

static struct ol_handover_pool pools[2] = {
	{ .name = "shop",
	    .listener = 1,
	    .generation = 8,
	    .was_ready = true,
	    .asleep = true,
	    .killed = 4,
	    .lost = 5,
	    .daily_due = 6,
	    .daily_done = 7,
	    .crashes = 1,
	    .rapid = { .state = OL_RAPID_PROBATION,
		.crashes = 2,
		.window = 3,
		.retry = 4,
		.times = { 5, 6 },
		.n = 9,
		.due = 7 },
	    .slots = slots,
	    .nslots = 2 },
	{ .name = "gone", .listener = -1 },
};

static struct ol_handover_listener listeners[2] = {
	{ .fd = 5, .backlog = 1000, .address = "127.0.0.1:9000" },
	{ .fd = 6,
	    .backlog = 5,
	    .address = "unix:/a b/%",
	    .activated = true,
	    .ours = true,
	    .dev = 66,
	    .ino = INT64_MIN },
};

static char config[] = "pid /p;\npool shop {}\n";

static const struct ol_handover sample = {
	.instance = "0123456789abcdef0123456789abcdef",
	.generation = 12,
	.stderr_fd = 3,
	.pid_fd = 4,
	.folder_fd = 7,
	.ready = true,
	.listeners = listeners,
	.nlisteners = 2,
	.pools = pools,
	.npools = 2,
	.config = config,
	.nconfig = sizeof(config) - 1,
};

static char *
text_of(const struct ol_handover *h, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);

	assert_non_null(f);
	ol_handover_write(h, f);
	assert_int_equal(fclose(f), 0);
	return text;
}

/* Reads a copy. */
static int
read_copy(struct ol_handover *h, const char *text, size_t len, char why[160])
{
	char *copy = malloc(len + 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, len);
	copy[len] = '\0';
	why[0] = '\0';
	rc = ol_handover_read(h, copy, len, why, 160);
	free(copy);
	return rc;
}

static void
there_and_back(void **state)
{
	struct ol_handover h;
	size_t len, again_len;
	char why[160], *text, *again;
	const struct ol_slot *slot;

	(void)state;
	text = text_of(&sample, &len);
	if (read_copy(&h, text, len, why) == -1)
		fail_msg("%s", why);
	again = text_of(&h, &again_len);
	assert_string_equal(again, text);
	assert_string_equal(h.instance, sample.instance);
	assert_string_equal(h.config, config);
	assert_string_equal(h.listeners[1].address, "unix:/a b/%");
	assert_int_equal(h.npools, 2);
	assert_int_equal(h.pools[0].rapid.times[1], 6);
	slot = &h.pools[0].slots[0].slot;
	assert_int_equal(slot->current.ready, OL_NEVER);
	assert_int_equal(slot->leavers[1].times.kill_grace, 3);
	assert_true(slot->leavers[1].deadline == OL_NEVER);
	assert_string_equal(
	    h.pools[0].slots[0].processes[0].status, processes[0].status);
	assert_true(h.pools[0].slots[0].processes[1].killed);
	ol_handover_fini(&h);
	free(again);
	free(text);
}

/* The text with one piece replaced by another, once. */
static char *
with(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *changed;

	if (at == NULL)
		fail_msg("\"%s\" is not in it", from);
	assert_int_not_equal(asprintf(&changed, "%.*s%s%s", (int)(at - text),
				 text, to, at + strlen(from)),
	    -1);
	return changed;
}

static void
faults(void **state)
{
	static const struct {
		const char *from, *to, *why;
	} all[] = {
		{ "version=1", "version=2", "\"version\" is not a number" },
		{ "version=1", "version=01", "\"version\" is not a number" },
		{ "version=1", "version=+1", "\"version\" is not a number" },
		{ "outlast-handover", "outlast", "it is not \"outlast-h" },
		{ " stderr_fd=3", "", "\"stderr_fd=\" is missing" },
		{ "stderr_fd=3", "stderr_fd=-1", "\"stderr_fd\" is not a num" },
		{ "stderr_fd=3 ", "stderr_fd=3 x=1 ",
		    "\"pid_fd=\" is missing" },
		{ "ready=1\n", "ready=2\n", "\"ready\" is not a number" },
		{ "ready=1\n", "ready=1 more=1\n", "there is too much in it" },
		{ "name=shop", "name=%00shop", "\"name\" is no such text" },
		{ "name=shop", "name=%4Ashop", "\"name\" is no such text" },
		{ "name=shop listener=1", "name=shop listener=2",
		    "no such listener" },
		{ "accepts=1", "accepts=2", "no such listener" },
		{ "pid=812", "pid=1", "\"pid\" is not a number" },
		{ "pid=812", "pid=99999999999999999999", "is not a number" },
		{ "process generation=7", "process generation=8",
		    "a seat and its process differ" },
		{ "process generation=6", "process generation=5",
		    "nobody is who leaves" },
		{ "slot state=3", "slot state=1", "a seat and its process" },
		{ "slot state=3", "slot state=9", "\"state\" is not a number" },
		{ "leaver generation=6 state=2", "leaver generation=6 state=0",
		    "a process has no seat" },
		{ "crash at=5\n", "", "it is not \"crash\"" },
		{ "end config=21", "end config=20", "another length" },
		{ "end config=21", "end config=23", "another length" },
		{ "end config=21\n", "", "it is not \"end\"" },
	};
	struct ol_handover h;
	char why[160], *text, *changed;
	size_t len, i;

	(void)state;
	text = text_of(&sample, &len);
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		changed = with(text, all[i].from, all[i].to);
		if (read_copy(&h, changed, strlen(changed), why) == 0)
			fail_msg("\"%s\" is taken", all[i].to);
		if (strstr(why, all[i].why) == NULL)
			fail_msg("\"%s\": %s", all[i].to, why);
		free(changed);
	}
	free(text);
}

/* Cut anywhere, or with any byte another: refused, or what it then says. */
static void
damaged(void **state)
{
	struct ol_handover h;
	char why[160], *text, saved;
	size_t len, i, k;
	static const char bytes[] = { '\n', ' ', '=', '%', '-', '0', '9', 'x',
		'\x01', '\xff' };

	(void)state;
	text = text_of(&sample, &len);
	for (i = 0; i < len; i++)
		assert_int_equal(read_copy(&h, text, i, why), -1);
	for (i = 0; i < len; i++)
		for (k = 0; k < sizeof(bytes); k++) {
			saved = text[i];
			text[i] = bytes[k];
			if (read_copy(&h, text, len, why) == 0)
				ol_handover_fini(&h);
			else
				assert_string_not_equal(why, "");
			text[i] = saved;
		}
	free(text);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(faults),
		cmocka_unit_test(damaged),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
