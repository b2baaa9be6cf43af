#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ctl/client.h"
#include "ctl/show.h"

static void
show_engine(const json_t *engine)
{
	if (!json_is_object(engine)) {
		puts("engine: none, there are no tasks");
		return;
	}
	if (ol_client_number(engine, "pid") == 0) {
		puts("engine: not running, it is started again by itself; see "
		     "the log");
		return;
	}
	printf(
	    "engine: %s, pid %lld, spawner pid %lld, %lld task%s running%s\n",
	    ol_client_flag(engine, "ready") ? "ready" : "starting",
	    (long long)ol_client_number(engine, "pid"),
	    (long long)ol_client_number(engine, "spawner_pid"),
	    (long long)ol_client_number(engine, "running"),
	    ol_client_number(engine, "running") == 1 ? "" : "s",
	    ol_client_flag(engine, "current")
		? ""
		: ", has not taken the configuration in force yet");
}

int
ol_ctl_status(struct ol_ctl *ctl, int n, char **arguments)
{
	json_t *answer, *pools;
	char span[OL_SHOW_SPAN], file[512];
	const char *name;
	int code;

	(void)n;
	(void)arguments;
	answer = ol_client_ask(ctl, OL_CONTROL_STATUS, NULL, &code);
	if (answer == NULL)
		return code;
	if (ctl->json) {
		code = ol_client_print(answer);
		json_decref(answer);
		return code;
	}
	name = ol_client_text(answer, "file");
	ol_text_escape(file, sizeof(file), name, strlen(name));
	printf("outlastd %s, %s since %s (%s), pid %lld, %s\n",
	    ol_client_text(answer, "version"), ol_client_text(answer, "state"),
	    ol_client_text(answer, "since"),
	    ol_show_span(span, ol_client_number(answer, "uptime_ms")),
	    (long long)ol_client_number(answer, "pid"), file);
	show_engine(json_object_get(answer, "engine"));
	pools = json_object_get(answer, "pools");
	if (json_array_size(pools) > 0)
		ol_show_pools(pools);
	json_decref(answer);
	return fflush(stdout) == 0 ? 0 : 1;
}
