#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "config/conf.h"
#include "config/diagnostic.h"
#include "config/draft.h"
#include "config/kind_backend.h"
#include "config/reader.h"
#include "config/options.h"
#include "config/world.h"

enum { TASK_NAME_MAX = 64 };

#define QUOTE(word) ol_diagnostic_quote(word).text

struct ol_conf_task *
ol_conf_task_new(void)
{
	struct ol_conf_task *task = ol_must(calloc(1, sizeof(*task)));

	task->uid = (uid_t)-1;
	task->gid = (gid_t)-1;
	return task;
}

void
ol_conf_task_free(struct ol_conf_task *task)
{
	size_t i;

	if (task == NULL)
		return;
	for (i = 0; i < task->ncontext; i++)
		free(task->context[i]);
	free(task->context);
	ol_draft_free_words(task->program);
	ol_kind_backend_free(task->backend);
	ol_draft_free_env(task->env, task->nenv);
	free(task->result_type);
	free(task->user);
	free(task->directory);
	free(task->name);
	free(task);
}

/* --- checks -------------------------------------------------------------- */

/* What is wrong with the name of a task, or NULL. */
static const char *
check_name(const char *name)
{
	/* The first words of the API's paths. */
	static const char *const taken[] = { "queues", "pools", "schedules",
		"retry", "cancel", "ui", "events", "metrics", "livez",
		"readyz" };
	size_t i, len;

	len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
	if (name[len] != '\0' || len == 0 || len > TASK_NAME_MAX ||
	    name[0] < 'a')
		return "write 1 to 64 small letters, digits, \"_\" or \"-\", a "
		       "letter first";
	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strcmp(name, taken[i]) == 0)
			return "a path of the task API begins with this word; "
			       "use another name";
	return NULL;
}

/* The name of a task, or NULL when an error was told. */
static const char *
read_name(struct ol_draft *draft, const struct ol_directive *d)
{
	const struct ol_option *option = ol_options_find("task");
	const struct ol_conf_task *other;
	const struct ol_word *word;
	const char *wrong;

	if (d->bad || ol_draft_set(draft, option, d, OL_IN_MAIN, NULL) == -1)
		return NULL;
	word = &d->words[1];
	if ((wrong = check_name(word->text)) != NULL) {
		ol_diagnostic_error(draft->diagnostics, word->place,
		    "invalid task name \"%s\": %s", QUOTE(word->text), wrong);
		return NULL;
	}
	TAILQ_FOREACH (other, &draft->conf->tasks, link) {
		if (strcmp(other->name, word->text) != 0)
			continue;
		ol_diagnostic_error(draft->diagnostics, word->place,
		    "duplicate task \"%s\": every task needs a name of its "
		    "own",
		    word->text);
		ol_diagnostic_note(draft->diagnostics,
		    other->block->words[1].place, "first here");
		return NULL;
	}
	return word->text;
}

/* What the block says that means nothing to an executor of its kind. */
static void
check_foreign(
    struct ol_draft *draft, const struct ol_directive *block, bool backend)
{
	const char *name = backend ? "fastcgi_pass" : "program";
	const struct ol_option *option;
	const struct ol_directive *d;

	TAILQ_FOREACH (d, &block->children, link) {
		option = ol_options_find_in(d->words[0].text, OL_IN_TASK);
		if (option != NULL && ol_options_is_foreign(option, backend))
			ol_diagnostic_error(draft->diagnostics,
			    d->words[0].place,
			    "\"%s\" has no place beside \"%s\": %s; remove one",
			    option->name, name, option->foreign);
	}
}

/* Something must do the work, and one thing only. */
static void
check_executor(struct ol_draft *draft, const struct ol_directive *block,
    const struct ol_seen *seen)
{
	bool program = ol_draft_has(seen, OL_IN_TASK, "program");
	bool backend = ol_draft_has(seen, OL_IN_TASK, "fastcgi_pass");

	if (program || backend)
		check_foreign(draft, block, !program);
	else if (!block->incomplete)
		ol_diagnostic_error(draft->diagnostics, block->words[0].place,
		    "nothing does the work of this task: add \"program PATH "
		    "[ARGUMENT ...];\" or \"fastcgi_pass ADDRESS;\"");
}

/* What is another thing by default with a backend. */
static void
set_backend_standards(struct ol_draft *draft, struct ol_conf_task *task,
    const struct ol_seen *seen)
{
	if (ol_draft_origin(draft, seen, OL_IN_TASK, "retries") == NULL)
		task->retries = 0;
	if (ol_draft_origin(draft, seen, OL_IN_TASK, "methods") == NULL)
		task->methods = OL_METHOD_GET | OL_METHOD_POST | OL_METHOD_PUT |
				OL_METHOD_PATCH | OL_METHOD_DELETE;
}

/* No task may have more time than the whole stop has. */
static void
check_delay(struct ol_draft *draft, const struct ol_conf_task *task,
    const struct ol_seen *seen)
{
	const struct ol_directive *own, *main;
	size_t i =
	    ol_options_index(ol_options_find_in("shutdown_delay", OL_IN_TASK));

	own = seen->good[i];
	main = draft->main.good[i];
	if (own == NULL || task->shutdown_delay <= draft->conf->shutdown_delay)
		return;
	ol_diagnostic_error(draft->diagnostics, own->words[1].place,
	    "\"shutdown_delay\" of task \"%s\" is more than that at top level, "
	    "which is the budget of the whole stop: write at most as much, or "
	    "raise that one",
	    task->name);
	if (main != NULL)
		ol_diagnostic_note(draft->diagnostics, main->words[1].place,
		    "shutdown_delay is here");
}

/* A visitor's value must not take the place of one set here. */
static void
check_context(struct ol_draft *draft, const struct ol_conf_task *task,
    const struct ol_seen *seen)
{
	const struct ol_directive *context =
	    ol_draft_origin(draft, seen, OL_IN_TASK, "context");
	size_t i, k;

	for (i = 0; i < task->ncontext; i++)
		for (k = 0; k < task->nenv; k++)
			if (strcmp(task->context[i], task->env[k].name) == 0)
				ol_diagnostic_error(draft->diagnostics,
				    context->words[i + 1].place,
				    "\"context\" and \"env\" both set \"%s\" in "
				    "task \"%s\": remove one",
				    QUOTE(task->context[i]), task->name);
}

void
ol_conf_task_read(struct ol_draft *draft, const struct ol_directive *block)
{
	struct ol_conf_task *task = ol_conf_task_new();
	struct ol_seen seen = { .first = { NULL } };
	const char *name;
	bool good;

	task->block = block;
	ol_draft_fill(draft, OL_IN_TASK, task);
	name = read_name(draft, block);
	task->name = ol_must(strdup(name != NULL ? name : "?"));
	good = ol_draft_read(draft, block, OL_IN_TASK, task, &seen);
	ol_draft_check_twice(draft, block, "env", "variable");
	ol_draft_check_twice(draft, block, "fastcgi_param", "parameter");
	check_executor(draft, block, &seen);
	if (task->backend != NULL)
		set_backend_standards(draft, task, &seen);
	else
		ol_draft_run_user(
		    draft, block, &seen, &task->user, &task->uid, &task->gid);
	if (good && !draft->failed) {
		check_delay(draft, task, &seen);
		check_context(draft, task, &seen);
	}
	if (name == NULL) {
		ol_conf_task_free(task);
		return;
	}
	TAILQ_INSERT_TAIL(&draft->conf->tasks, task, link);
}
