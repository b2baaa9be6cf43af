#include <sys/types.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/text.h"
#include "config/conf.h"
#include "config/diagnostic.h"
#include "config/kind_backend.h"
#include "config/kind_value.h"
#include "config/kind_words.h"
#include "config/kinds.h"
#include "config/reader.h"
#include "config/options.h"

enum { PARAMETERS_MAX = 8 };

#define QUOTE(word) ol_diagnostic_quote(word).text

/* The field of the setting's row, or NULL. */
static void *
field_of(const struct ol_setting *s)
{
	size_t offset = s->context == OL_IN_POOL   ? s->option->pool
			: s->context == OL_IN_TASK ? s->option->task
						   : s->option->conf;

	return offset != 0 ? (char *)s->target + offset : NULL;
}

static struct ol_kind_slot
parameter_slot(const struct ol_setting *s, const struct ol_option_parameter *p)
{
	char *base = s->option->kind == OL_KIND_LISTEN ||
			     s->option->kind == OL_KIND_CONTROL
			 ? (char *)ol_kind_words_listen(s)
			 : s->target;

	return (struct ol_kind_slot){ p->name, p->kind, p->min, p->max,
		p->choices, base + p->offset };
}

/* --- words and parameters ------------------------------------------------ */

static const struct ol_option_parameter *
find_parameter(const struct ol_option *option, const char *name, size_t len)
{
	const struct ol_option_parameter *p;

	for (p = option->parameters; p != NULL && p->name != NULL; p++)
		if (strlen(p->name) == len && strncmp(p->name, name, len) == 0)
			return p;
	return NULL;
}

/* What follows "name=" in a word that is written as it reads. */
static struct ol_kind_value
parameter_value(const struct ol_word *word, size_t name)
{
	struct ol_kind_value value = { word->text + name + 1, word->place };

	if (!word->quoted) {
		value.place.offset += name + 1;
		value.place.column += (unsigned)(name + 1);
		value.place.width -= (unsigned)(name + 1);
		if (value.place.width == 0)
			value.place.width = 1;
	}
	return value;
}

static void
tell_surplus(const struct ol_setting *s, const struct ol_word *word)
{
	const struct ol_option *option = s->option;

	ol_diagnostic_error(s->diagnostics, word->place,
	    "too many arguments: write %s %s%s", option->name, option->syntax,
	    ol_options_is_block(option) ? "" : ";");
}

static void
tell_unknown_parameter(
    const struct ol_setting *s, const struct ol_word *word, const char *name)
{
	const struct ol_option_parameter *p;
	const char *names[PARAMETERS_MAX], *nearest;
	size_t n = 0;

	for (p = s->option->parameters; p->name != NULL && n < PARAMETERS_MAX;
	     p++)
		names[n++] = p->name;
	if ((nearest = ol_text_nearest(name, names, n)) != NULL)
		ol_diagnostic_error(s->diagnostics, word->place,
		    "unknown parameter \"%s\" of \"%s\"; did you mean \"%s\"?",
		    QUOTE(name), s->option->name, nearest);
	else
		ol_diagnostic_error(s->diagnostics, word->place,
		    "unknown parameter \"%s\": write %s %s;", QUOTE(name),
		    s->option->name, s->option->syntax);
}

static void
tell_second_parameter(const struct ol_setting *s, const char *name,
    const struct ol_word *word, const struct ol_word *first)
{
	ol_diagnostic_error(s->diagnostics, word->place,
	    "duplicate parameter \"%s\": write it once", name);
	ol_diagnostic_note(s->diagnostics, first->place, "first here");
}

static int
set_parameter(const struct ol_setting *s, size_t i, const struct ol_word **seen)
{
	const struct ol_word *word = &s->directive->words[i];
	size_t len = strcspn(word->text, "=");
	const struct ol_option_parameter *p;
	struct ol_kind_value value;
	struct ol_kind_slot slot;

	if (word->text[len] == '\0') {
		tell_surplus(s, word);
		return -1;
	}
	if ((p = find_parameter(s->option, word->text, len)) == NULL) {
		char *name = ol_must(strndup(word->text, len));

		tell_unknown_parameter(s, word, name);
		free(name);
		return -1;
	}
	if (seen[p - s->option->parameters] != NULL) {
		tell_second_parameter(
		    s, p->name, word, seen[p - s->option->parameters]);
		return -1;
	}
	seen[p - s->option->parameters] = word;
	value = parameter_value(word, len);
	slot = parameter_slot(s, p);
	return ol_kind_value_set(s, &slot, &value);
}

/* mode and group belong to a file. */
static int
check_tcp(const struct ol_setting *s, const struct ol_word *const *seen)
{
	const struct ol_conf_listen *listen = ol_kind_words_listen(s);
	const struct ol_option_parameter *p = s->option->parameters;
	int rc = 0;

	for (; p->name != NULL; p++, seen++)
		if (*seen != NULL &&
		    (p->kind == OL_KIND_MODE || p->kind == OL_KIND_GROUP) &&
		    ol_addr_path(&listen->addr) == NULL) {
			ol_diagnostic_error(s->diagnostics, (*seen)->place,
			    "\"%s\" is for unix sockets: remove it, or listen "
			    "on unix:PATH",
			    p->name);
			rc = -1;
		}
	return rc;
}

/* "max" is for "exponential", and no less than the first delay. */
static int
check_backoff(const struct ol_setting *s, const struct ol_word *max)
{
	struct ol_conf_task *task = s->target;

	if (max != NULL && !task->backoff_exponential) {
		ol_diagnostic_error(s->diagnostics, max->place,
		    "\"max\" is for exponential: remove it");
		return -1;
	}
	if (max != NULL && task->backoff_max < task->backoff) {
		ol_diagnostic_error(s->diagnostics, max->place,
		    "\"max\" is less than the first delay: write at least as "
		    "much");
		return -1;
	}
	if (!task->backoff_exponential || task->backoff_max < task->backoff)
		task->backoff_max = task->backoff;
	return 0;
}

/* What parameters and words have to do with each other. */
static int
check_parameters(const struct ol_setting *s, const struct ol_word *const *seen)
{
	struct ol_conf *conf = s->target;

	switch (s->option->kind) {
	case OL_KIND_LISTEN:
		return check_tcp(s, seen);
	case OL_KIND_BACKOFF:
		return check_backoff(s, seen[0]);
	default:
		break;
	}
	/* retain: failed ones are not forgotten before the others unasked. */
	if (s->context == OL_IN_STORE && seen[0] == NULL &&
	    conf->store.retain_failed < conf->store.retain)
		conf->store.retain_failed = conf->store.retain;
	return 0;
}

static int
check_arity(const struct ol_setting *s)
{
	const struct ol_option *option = s->option;
	const struct ol_directive *d = s->directive;
	unsigned least = option->least;

	if (option->kind == OL_KIND_SET)
		least = 1;
	if (d->nwords - 1 < least) {
		if (d->unended)
			return -1;
		ol_diagnostic_error(s->diagnostics,
		    ol_source_after(d->words[d->nwords - 1].place),
		    "too few arguments: write %s %s%s", option->name,
		    option->syntax, ol_options_is_block(option) ? "" : ";");
		return -1;
	}
	if (option->parameters == NULL && d->nwords - 1 > option->most) {
		tell_surplus(s, &d->words[option->most + 1]);
		return -1;
	}
	return 0;
}

static int
set_words(const struct ol_setting *s)
{
	const struct ol_option *option = s->option;
	struct ol_kind_slot slot;
	struct ol_kind_value value;

	switch (option->kind) {
	case OL_KIND_INCLUDE:
	case OL_KIND_POOL:
	case OL_KIND_TASK:
	case OL_KIND_STORE:
	case OL_KIND_SET:
		return 0;
	case OL_KIND_LOG:
	case OL_KIND_LISTEN:
	case OL_KIND_CONTROL:
	case OL_KIND_PROGRAM:
	case OL_KIND_USER:
	case OL_KIND_ENV:
	case OL_KIND_BACKOFF:
	case OL_KIND_RAPID:
	case OL_KIND_METHODS:
	case OL_KIND_CONTEXT:
		return ol_kind_words_set(s);
	case OL_KIND_BACKEND:
	case OL_KIND_PARAM:
	case OL_KIND_DROP:
	case OL_KIND_REQUEST:
		return ol_kind_backend_set(s);
	default:
		slot = (struct ol_kind_slot){ option->name, option->kind,
			option->min, option->max, option->choices,
			field_of(s) };
		value = ol_kind_words_value(s, 1);
		return ol_kind_value_set(s, &slot, &value);
	}
}

/* What parameters mean that are not written: a directive is taken as a whole.
 */
static void
set_parameter_standards(const struct ol_setting *setting)
{
	const struct ol_option_parameter *p = setting->option->parameters;
	struct ol_setting s = *setting;

	s.diagnostics = NULL;
	for (; p != NULL && p->name != NULL; p++) {
		struct ol_kind_slot slot = parameter_slot(&s, p);
		struct ol_kind_value value = { .text = p->standard };

		if (p->standard != NULL)
			ol_kind_value_set(&s, &slot, &value);
		else if (p->kind == OL_KIND_NUMBER)
			*(int *)slot.field = 0;
		else if (p->kind == OL_KIND_CLOCK)
			((struct ol_conf_clock *)slot.field)->n = 0;
		else if (p->kind == OL_KIND_TIME || p->kind == OL_KIND_SIZE)
			*(int64_t *)slot.field = 0;
	}
}

int
ol_kind_set(const struct ol_setting *s)
{
	const struct ol_word *seen[PARAMETERS_MAX] = { NULL };
	int rc = 0;
	size_t i;

	if (check_arity(s) == -1)
		return -1;
	if (set_words(s) == -1)
		rc = -1;
	if (s->option->parameters == NULL)
		return rc;
	set_parameter_standards(s);
	for (i = s->option->most + 1; i < s->directive->nwords; i++)
		if (set_parameter(s, i, seen) == -1)
			rc = -1;
	if (rc == 0)
		rc = check_parameters(s, seen);
	return rc;
}

void
ol_kind_set_standard(const struct ol_setting *setting)
{
	const struct ol_option *option = setting->option;
	struct ol_word words[4] = { { .text = option->name } };
	struct ol_directive d = { .words = words, .nwords = 1 };
	struct ol_setting s = *setting;
	char *text, *rest, *word;

	s.directive = &d;
	s.diagnostics = NULL;
	rest = text =
	    option->standard == NULL ? NULL : ol_must(strdup(option->standard));
	while (rest != NULL && (word = strsep(&rest, " ")) != NULL &&
	       d.nwords < sizeof(words) / sizeof(words[0]))
		words[d.nwords++].text = word;
	if (text != NULL)
		set_words(&s);
	set_parameter_standards(&s);
	free(text);
}
