#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/text.h"
#include "ctl/client.h"
#include "ctl/reload.h"
#include "ctl/wait.h"

/* Between two looks, in milliseconds. */
enum { LOOK_AGAIN = 100 };

static const int64_t engine_limit = OL_SEC(60);

/* "applied: log, base"; nothing for none. Whether there was something. */
static bool
print_list(const char *what, const json_t *list)
{
	const json_t *name;
	size_t i;

	if (json_array_size(list) == 0)
		return false;
	printf("%s:", what);
	json_array_foreach(list, i, name) printf("%s %s", i == 0 ? "" : ",",
	    json_string_value(name) != NULL ? json_string_value(name) : "");
	putchar('\n');
	return true;
}

static bool
print_blocks(const char *noun, const json_t *blocks)
{
	static const char *const whats[] = { "added", "changed", "recycled",
		"removed" };
	bool any = false;
	char what[64];
	size_t i;

	for (i = 0; i < sizeof(whats) / sizeof(whats[0]); i++) {
		snprintf(what, sizeof(what), "%s %s", noun, whats[i]);
		any |= print_list(what, json_object_get(blocks, whats[i]));
	}
	return any;
}

static void
print_changes(const json_t *changes)
{
	const char *name = ol_client_text(changes, "file");
	char file[512];
	bool any;

	ol_text_escape(file, sizeof(file), name, strlen(name));
	printf("reloaded %s\n", file);
	any = print_list("applied", json_object_get(changes, "applied"));
	any |= print_blocks("pools", json_object_get(changes, "pools"));
	any |= print_blocks("tasks", json_object_get(changes, "tasks"));
	any |= print_list("not applied, needs a restart",
	    json_object_get(changes, "needs_restart"));
	if (!any)
		puts("nothing has changed");
}

/* Until all pools of the list have what they were promised. */
static int
wait_for(const struct ol_ctl *ctl, const json_t *names)
{
	const char *name, *state;
	const json_t *one;
	json_t *answer;
	size_t i;
	int code;

	json_array_foreach(names, i, one)
	{
		if ((name = json_string_value(one)) == NULL)
			continue;
		answer = ol_client_ask(ctl, OL_CONTROL_POOL, name, &code);
		if (answer == NULL)
			return code;
		state =
		    ol_client_text(json_object_get(answer, "pool"), "state");
		/* One that is stopped or asleep starts nothing. */
		if (strcmp(state, "running") == 0)
			code = ol_wait_pool(ctl, &answer, OL_WAIT_READY);
		json_decref(answer);
		if (code != 0)
			return code;
	}
	return 0;
}

/* Until the engine runs by the new configuration, if there is to be one. */
static int
wait_for_engine(const struct ol_ctl *ctl)
{
	int64_t deadline = ol_clock_after(
	    ol_clock_now(), ctl->timeout != 0 ? ctl->timeout : engine_limit);
	const json_t *engine;
	json_t *answer;
	bool done;
	int code;

	for (;;) {
		answer = ol_client_ask(ctl, OL_CONTROL_STATUS, NULL, &code);
		if (answer == NULL)
			return code;
		engine = json_object_get(answer, "engine");
		done = json_is_null(engine) ||
		       !ol_client_flag(engine, "wanted") ||
		       (ol_client_flag(engine, "ready") &&
			   ol_client_flag(engine, "current"));
		json_decref(answer);
		if (done)
			return 0;
		if (ol_clock_now() >= deadline)
			return ol_ctl_fail(ctl, EX_TEMPFAIL, "timeout",
			    "the engine has not taken the configuration yet, "
			    "but it is told again: see its log and "
			    "\"outlastctl status\"");
		poll(NULL, 0, LOOK_AGAIN);
	}
}

static int
tell_and_wait(struct ol_ctl *ctl, json_t *answer)
{
	const json_t *changes = json_object_get(answer, "reload");
	const json_t *pools = json_object_get(changes, "pools");
	int code = 0;

	if (!ctl->json)
		print_changes(changes);
	fflush(stdout);
	if (!ctl->no_wait) {
		code = wait_for(ctl, json_object_get(pools, "added"));
		if (code == 0)
			code =
			    wait_for(ctl, json_object_get(pools, "recycled"));
	}
	if (!ctl->no_wait && code == 0)
		code = wait_for_engine(ctl);
	if (ctl->json && code == 0)
		code = ol_client_print(answer);
	json_decref(answer);
	return code;
}

int
ol_ctl_reload(struct ol_ctl *ctl, int n, char **arguments)
{
	json_t *answer;
	int code;

	(void)n;
	(void)arguments;
	answer = ol_client_ask(ctl, OL_CONTROL_RELOAD, NULL, &code);
	return answer == NULL ? code : tell_and_wait(ctl, answer);
}

int
ol_ctl_reload_try(struct ol_ctl *ctl)
{
	json_t *answer;
	int code;

	answer = ol_client_try(ctl, OL_CONTROL_RELOAD, NULL, &code);
	return answer == NULL ? code : tell_and_wait(ctl, answer);
}
