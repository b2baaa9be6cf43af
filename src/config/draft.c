#include <sys/types.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "config/conf.h"
#include "config/diagnostic.h"
#include "config/draft.h"
#include "config/kinds.h"
#include "config/reader.h"
#include "config/options.h"
#include "config/world.h"

/* The account of pools and tasks without "user" when started as root. */
#define RUN_USER    "outlast-run"

#define QUOTE(word) ol_diagnostic_quote(word).text

/* Where a directive stands or belongs, in words. */
struct where {
	char text[64];
};

/* --- one directive ------------------------------------------------------- */

/* " in block "pool"", or nothing at top level. */
static struct where
in_block(unsigned context)
{
	struct where where = { "" };

	if (context == OL_IN_POOL)
		strlcpy(where.text, " in block \"pool\"", sizeof(where.text));
	if (context == OL_IN_TASK)
		strlcpy(where.text, " in block \"task\"", sizeof(where.text));
	if (context == OL_IN_STORE)
		strlcpy(where.text, " in block \"store\"", sizeof(where.text));
	return where;
}

/* "at top level or in a pool or task block" */
static struct where
belongs(unsigned contexts)
{
	static const struct {
		unsigned context;
		const char *before, *name;
	} blocks[] = {
		{ OL_IN_POOL, "in a ", "pool" },
		{ OL_IN_TASK, "in a ", "task" },
		{ OL_IN_STORE, "in the ", "store" },
	};
	struct where where = { "" };
	bool any = false;
	size_t i;

	if ((contexts & OL_IN_MAIN) != 0) {
		strlcat(where.text, "at top level", sizeof(where.text));
		if (contexts != OL_IN_MAIN)
			strlcat(where.text, " or ", sizeof(where.text));
	}
	for (i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		if ((contexts & blocks[i].context) == 0)
			continue;
		strlcat(where.text, any ? " or " : blocks[i].before,
		    sizeof(where.text));
		strlcat(where.text, blocks[i].name, sizeof(where.text));
		any = true;
	}
	if (any)
		strlcat(where.text, " block", sizeof(where.text));
	return where;
}

static void
tell_unknown(struct ol_draft *draft, const struct ol_directive *d,
    unsigned context, struct ol_seen *seen)
{
	const struct ol_word *word = &d->words[0];
	const char *what = d->block ? "block" : "directive";
	struct where where = in_block(context);
	const struct ol_option *near = ol_options_nearest(word->text, context);

	if (near != NULL) {
		seen->guessed[ol_options_index(near)] = true;
		ol_diagnostic_error(draft->diagnostics, word->place,
		    "unknown %s \"%s\"%s; did you mean \"%s\"?", what,
		    QUOTE(word->text), where.text, near->name);
		return;
	}
	near = ol_options_nearest(word->text, OL_IN_ANY);
	if (near != NULL)
		ol_diagnostic_error(draft->diagnostics, word->place,
		    "unknown %s \"%s\"%s; did you mean \"%s\", which belongs "
		    "%s?",
		    what, QUOTE(word->text), where.text, near->name,
		    belongs(ol_options_contexts(near->name)).text);
	else
		ol_diagnostic_error(draft->diagnostics, word->place,
		    "unknown %s \"%s\"%s: outlast.conf(5) lists them all", what,
		    QUOTE(word->text), where.text);
}

/* The row of a directive, or NULL when an error was told. */
static const struct ol_option *
find_option(struct ol_draft *draft, const struct ol_directive *d,
    unsigned context, struct ol_seen *seen)
{
	const char *name = d->words[0].text;
	const struct ol_option *option = ol_options_find_in(name, context);
	unsigned contexts = ol_options_contexts(name);

	if (option != NULL)
		return option;
	if (contexts != 0)
		ol_diagnostic_error(draft->diagnostics, d->words[0].place,
		    "\"%s\" is not allowed%s: it belongs %s", name,
		    context == OL_IN_MAIN ? " at top level"
					  : in_block(context).text,
		    belongs(contexts).text);
	else if (!d->words[0].bad) /* a broken name was told of already */
		tell_unknown(draft, d, context, seen);
	return NULL;
}

const struct ol_option *
ol_draft_admit(struct ol_draft *draft, const struct ol_directive *d,
    unsigned context, struct ol_seen *seen)
{
	const struct ol_option *option = find_option(draft, d, context, seen);
	const struct ol_directive **first;

	if (option == NULL)
		return NULL;
	first = &seen->first[ol_options_index(option)];
	if (*first != NULL && (option->flags & OL_REPEATABLE) == 0) {
		ol_diagnostic_error(draft->diagnostics, d->words[0].place,
		    "duplicate directive \"%s\": write it once", option->name);
		ol_diagnostic_note(
		    draft->diagnostics, (*first)->words[0].place, "first here");
		return NULL;
	}
	if (*first == NULL)
		*first = d;
	return option;
}

int
ol_draft_set(struct ol_draft *draft, const struct ol_option *option,
    const struct ol_directive *d, unsigned context, void *target)
{
	const struct ol_setting setting = {
		.world = draft->world,
		.diagnostics = draft->diagnostics,
		.option = option,
		.directive = d,
		.context = context,
		.target = target,
	};

	return ol_kind_set(&setting);
}

/* --- a block ------------------------------------------------------------- */

void
ol_draft_fill(struct ol_draft *draft, unsigned context, void *target)
{
	struct ol_setting setting = {
		.world = draft->world,
		.context = context,
		.target = target,
	};
	size_t i;

	for (i = 0; (setting.option = ol_options_row(i)) != NULL; i++) {
		if ((setting.option->context & context) == 0)
			continue;
		if ((context & (OL_IN_MAIN | OL_IN_STORE)) != 0 &&
		    setting.option->conf == 0)
			continue;
		setting.directive = draft->main.good[i];
		if (context != OL_IN_MAIN && setting.directive != NULL)
			ol_kind_set(&setting);
		else if (context != OL_IN_MAIN ||
			 (setting.option->flags & OL_REPEATABLE) == 0)
			ol_kind_set_standard(&setting);
	}
}

bool
ol_draft_read(struct ol_draft *draft, const struct ol_directive *block,
    unsigned context, void *target, struct ol_seen *seen)
{
	const struct ol_option *option;
	const struct ol_directive *d;
	bool good = true;

	TAILQ_FOREACH (d, &block->children, link) {
		option = ol_draft_admit(draft, d, context, seen);
		if (option == NULL)
			continue;
		if (d->bad ||
		    ol_draft_set(draft, option, d, context, target) == -1)
			good = false;
		else
			seen->good[ol_options_index(option)] = d;
	}
	return good;
}

void
ol_draft_run_user(struct ol_draft *draft, const struct ol_directive *block,
    const struct ol_seen *seen, char **user, uid_t *uid, gid_t *gid)
{
	if (draft->world->euid != 0 || draft->world->checked ||
	    ol_draft_has(seen, OL_IN_POOL | OL_IN_TASK, "user"))
		return;
	if (draft->world->user(RUN_USER, uid, gid) == 0) {
		*user = ol_must(strdup(RUN_USER));
		return;
	}
	/* It is the account that is missing: one fault for all blocks. */
	if (!draft->told_run_user)
		ol_diagnostic_error(draft->diagnostics, block->words[0].place,
		    "a block without \"user\" runs as \"" RUN_USER "\", and "
		    "there is no such user: create it (adduser --system "
		    "--group --no-create-home " RUN_USER
		    "), or add \"user NAME;\"");
	draft->told_run_user = true;
}

/* --- checks of a block --------------------------------------------------- */

void
ol_draft_check_required(struct ol_draft *draft, unsigned context,
    const struct ol_directive *block, const struct ol_seen *seen)
{
	const struct ol_option *option;
	size_t i;

	if (block->incomplete)
		return;
	for (i = 0; (option = ol_options_row(i)) != NULL; i++)
		if ((option->context & context) != 0 &&
		    (option->flags & OL_REQUIRED) != 0 &&
		    seen->first[i] == NULL && !seen->guessed[i])
			ol_diagnostic_error(draft->diagnostics,
			    block->words[0].place,
			    "a pool needs \"%s\": add \"%s %s;\"", option->name,
			    option->name, option->syntax);
}

void
ol_draft_check_twice(struct ol_draft *draft, const struct ol_directive *block,
    const char *name, const char *what)
{
	const struct ol_directive *d, *other;

	TAILQ_FOREACH (d, &block->children, link) {
		if (strcmp(d->words[0].text, name) != 0 || d->nwords < 2)
			continue;
		TAILQ_FOREACH (other, &block->children, link) {
			if (other == d)
				break;
			if (strcmp(other->words[0].text, name) != 0 ||
			    other->nwords < 2 ||
			    strcmp(other->words[1].text, d->words[1].text) != 0)
				continue;
			ol_diagnostic_error(draft->diagnostics,
			    d->words[1].place,
			    "duplicate %s \"%s\": set it once", what,
			    QUOTE(d->words[1].text));
			ol_diagnostic_note(draft->diagnostics,
			    other->words[1].place, "first here");
			break;
		}
	}
}

const struct ol_directive *
ol_draft_origin(const struct ol_draft *draft, const struct ol_seen *seen,
    unsigned context, const char *name)
{
	size_t i = ol_options_index(ol_options_find_in(name, context));

	return seen->good[i] != NULL ? seen->good[i] : draft->main.good[i];
}

bool
ol_draft_has(const struct ol_seen *seen, unsigned context, const char *name)
{
	size_t i = ol_options_index(ol_options_find_in(name, context));

	return seen->first[i] != NULL || seen->guessed[i];
}

/* --- what blocks hold ---------------------------------------------------- */

void
ol_draft_free_env(struct ol_conf_env *env, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		free(env[i].name);
		free(env[i].value);
	}
	free(env);
}

void
ol_draft_free_words(char **words)
{
	size_t i;

	for (i = 0; words != NULL && words[i] != NULL; i++)
		free(words[i]);
	free(words);
}
