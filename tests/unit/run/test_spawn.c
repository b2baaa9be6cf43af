/* The wire between the engine and the spawner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/channel.h"
#include "run/spawn.h"

static unsigned char message[OL_SPAWN_MAX];

static void
round_trip(const struct ol_spawn *m, struct ol_spawn *back)
{
	size_t nfds = m->verb == OL_SPAWN_START ? OL_SPAWN_FDS : 0;
	size_t len = ol_spawn_format(m, message), i;
	unsigned char *copy;

	assert_true(len > 0);
	assert_int_equal(ol_spawn_parse(back, message, len, nfds), 0);
	assert_int_equal(back->verb, m->verb);
	assert_true(back->tag == m->tag);
	/* Each beginning of it is none (an environment may end anywhere). */
	for (i = 0; i < len && m->env_size == 0; i++) {
		struct ol_spawn cut;

		copy = malloc(i + 1);
		memcpy(copy, message, i);
		assert_int_equal(ol_spawn_parse(&cut, copy, i, nfds), -1);
		free(copy);
	}
	/* Nor is it one with another number of descriptors. */
	assert_int_equal(ol_spawn_parse(back, message, len, nfds + 1), -1);
	assert_int_equal(
	    ol_spawn_parse(back, message, len, nfds == 0 ? 4 : 3), -1);
	assert_int_equal(ol_spawn_parse(back, message, len, nfds), 0);
}

static void
test_start(void **state)
{
	static const char env[] = "A=1\0B_2=x=y\0C=";
	struct ol_spawn m = { .verb = OL_SPAWN_START,
		.tag = UINT64_MAX,
		.generation = 7,
		.type = "thumbnail",
		.attempt = "id/3",
		.env = env,
		.env_size = sizeof(env) };
	struct ol_spawn back;

	(void)state;
	round_trip(&m, &back);
	assert_int_equal(back.generation, 7);
	assert_string_equal(back.type, "thumbnail");
	assert_string_equal(back.attempt, "id/3");
	assert_int_equal(back.env_size, sizeof(env));
	assert_memory_equal(back.env, env, sizeof(env));
	m.env_size = 0;
	round_trip(&m, &back);
	m.type = "";
	assert_int_equal(ol_spawn_format(&m, message), 0);
}

static void
test_bad_environments(void **state)
{
	static const struct {
		const char *env;
		size_t size;
	} bad[] = {
		{ "A", 2 },
		{ "=1", 3 },
		{ "a=1", 4 },
		{ "A B=1", 6 },
		{ "1A=1", 5 },
		{ "A=1", 3 }, /* no NUL */
		{ "A=1\0\0", 5 },
		{ "A\xc3=1", 5 },
		{ "LD-X=1", 7 },
	};
	struct ol_spawn m = {
		.verb = OL_SPAWN_START, .type = "t", .attempt = ""
	};
	size_t i;
	char *big;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		m.env = bad[i].env;
		m.env_size = bad[i].size;
		if (ol_spawn_format(&m, message) != 0)
			fail_msg("bad environment %zu was taken", i);
	}
	big = malloc(OL_SPAWN_ENV_MAX + 1);
	memset(big, 'x', OL_SPAWN_ENV_MAX + 1);
	big[0] = 'A';
	big[1] = '=';
	big[OL_SPAWN_ENV_MAX - 1] = '\0';
	m.env = big;
	m.env_size = OL_SPAWN_ENV_MAX;
	assert_true(ol_spawn_format(&m, message) > 0);
	big[OL_SPAWN_ENV_MAX - 1] = 'x';
	big[OL_SPAWN_ENV_MAX] = '\0';
	m.env_size++;
	assert_int_equal(ol_spawn_format(&m, message), 0);
	free(big);
}

static void
test_answers(void **state)
{
	struct ol_spawn m = { .verb = OL_SPAWN_TERM, .tag = 3 }, back;

	(void)state;
	round_trip(&m, &back);
	m.verb = OL_SPAWN_KILL;
	round_trip(&m, &back);
	m = (struct ol_spawn){ .verb = OL_SPAWN_REFUSED,
		.error = 13,
		.text = "cannot execute \\x01" };
	round_trip(&m, &back);
	assert_int_equal(back.error, 13);
	assert_string_equal(back.text, m.text);
	m.text = "two\nlines";
	assert_int_equal(ol_spawn_format(&m, message), 0);
	m = (struct ol_spawn){ .verb = OL_SPAWN_EXITED,
		.status = 256,
		.leftovers = 4,
		.user_usec = 1,
		.system_usec = 2,
		.max_rss = 3 };
	round_trip(&m, &back);
	assert_int_equal(back.status, 256);
	assert_int_equal(back.leftovers, 4);
	assert_int_equal(back.max_rss, 3);
	m.max_rss = -1;
	assert_int_equal(ol_spawn_format(&m, message), 0);
	memset(message, 0, sizeof(message));
	assert_int_equal(ol_spawn_parse(&back, message, 9, 0), -1);
	message[0] = 7;
	assert_int_equal(ol_spawn_parse(&back, message, 9, 0), -1);
}

/* The longest one goes through a channel, and others with it. */
static void
test_channel(void **state)
{
	static unsigned char got[OL_SPAWN_MAX];
	char *big = malloc(OL_SPAWN_ENV_MAX);
	struct ol_spawn m = { .verb = OL_SPAWN_START,
		.type = "t",
		.attempt = "",
		.env = big,
		.env_size = OL_SPAWN_ENV_MAX };
	int ends[2], fds[OL_CHANNEL_FDS], three[OL_SPAWN_FDS] = { 0, 1, 2, 2 };
	size_t len, nfds;
	ssize_t n;
	int i;

	(void)state;
	memset(big, 'x', OL_SPAWN_ENV_MAX);
	memcpy(big, "A=", 2);
	big[OL_SPAWN_ENV_MAX - 1] = '\0';
	assert_int_equal(ol_channel_pair(ends), 0);
	ol_spawn_prepare(ends[0]);
	len = ol_spawn_format(&m, message);
	for (i = 0; i < 2; i++)
		assert_int_equal(
		    ol_channel_send(ends[0], message, len, three, OL_SPAWN_FDS),
		    0);
	n = ol_channel_receive(ends[1], got, sizeof(got), fds, &nfds);
	assert_int_equal(n, len);
	assert_int_equal(nfds, OL_SPAWN_FDS);
	assert_memory_equal(got, message, len);
	while (nfds > 0)
		close(fds[--nfds]);
	close(ends[0]);
	close(ends[1]);
	free(big);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start),
		cmocka_unit_test(test_bad_environments),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_channel),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
