#include <stdio.h>

#include "ctl/client.h"
#include "ctl/show.h"
#include "ctl/wait.h"

/* Shows what is in it, or all of it as JSON; ends it. */
static int
print(const struct ol_ctl *ctl, json_t *answer, const char *said)
{
	const json_t *pool = json_object_get(answer, "pool");
	json_t *list;
	int code = 0;

	if (ctl->json) {
		code = ol_client_print(answer);
		json_decref(answer);
		return code;
	}
	if (pool == NULL)
		ol_show_pools(json_object_get(answer, "pools"));
	else if (said != NULL)
		printf("pool %s: %s\n", ol_client_text(pool, "name"), said);
	else {
		list = json_pack("[O]", pool);
		ol_show_pools(list);
		json_decref(list);
		printf("listen %s, program %s\n",
		    ol_client_text(pool, "listen"),
		    ol_client_text(pool, "program"));
		ol_show_pool(pool);
	}
	json_decref(answer);
	return fflush(stdout) == 0 ? 0 : 1;
}

int
ol_ctl_pool_list(struct ol_ctl *ctl, int n, char **arguments)
{
	json_t *answer;
	int code;

	(void)n;
	(void)arguments;
	answer = ol_client_ask(ctl, OL_CONTROL_POOLS, NULL, &code);
	return answer == NULL ? code : print(ctl, answer, NULL);
}

int
ol_ctl_pool_show(struct ol_ctl *ctl, int n, char **arguments)
{
	json_t *answer;
	int code;

	(void)n;
	answer = ol_client_ask(ctl, OL_CONTROL_POOL, arguments[0], &code);
	return answer == NULL ? code : print(ctl, answer, NULL);
}

/* Say so, and wait until it is done; said[0] is printed then, or said[1]. */
static int
change(struct ol_ctl *ctl, enum ol_control_verb verb, const char *pool,
    enum ol_wait_for what, const char *const *said)
{
	json_t *answer;
	int code;

	answer = ol_client_ask(ctl, verb, pool, &code);
	if (answer == NULL)
		return code;
	if (!ctl->no_wait && (code = ol_wait_pool(ctl, &answer, what)) != 0) {
		json_decref(answer);
		return code;
	}
	return print(ctl, answer, said[ctl->no_wait]);
}

int
ol_ctl_pool_recycle(struct ol_ctl *ctl, int n, char **arguments)
{
	static const char *const said[] = {
		"recycled, the new processes are ready", "is being recycled"
	};

	(void)n;
	return change(
	    ctl, OL_CONTROL_RECYCLE, arguments[0], OL_WAIT_READY, said);
}

int
ol_ctl_pool_stop(struct ol_ctl *ctl, int n, char **arguments)
{
	static const char *const said[] = {
		"stopped; \"outlastctl pool start\" starts it", "is stopping"
	};

	(void)n;
	return change(ctl, OL_CONTROL_STOP, arguments[0], OL_WAIT_GONE, said);
}

int
ol_ctl_pool_start(struct ol_ctl *ctl, int n, char **arguments)
{
	static const char *const said[] = { "started", "is starting" };

	(void)n;
	return change(ctl, OL_CONTROL_START, arguments[0], OL_WAIT_READY, said);
}
