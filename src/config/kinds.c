#include <sys/types.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/text.h"
#include "config/conf.h"
#include "config/diagnostic.h"
#include "config/kinds.h"
#include "config/reader.h"
#include "config/table.h"
#include "config/values.h"
#include "config/world.h"

/* A value with its place: a word, or what follows "name=" in one. */
struct value {
	const char *text;
	struct ol_place place;
};

/* What a value must be like and where it goes. */
struct slot {
	const char *name; /* "processes", or "mode" of a parameter */
	enum ol_kind kind;
	int64_t min, max;
	void *field;
};

#define QUOTE(word) ol_diagnostic_quote(word).text

static struct value
word_value(const struct ol_word *word)
{
	return (struct value){ word->text, word->place };
}

static void
replace(char **field, const char *text)
{
	free(*field);
	*field = ol_must(strdup(text));
}

static int
tell_invalid(const struct ol_setting *s, const struct slot *slot,
    const struct value *value, const char *valid)
{
	ol_diagnostic_error(s->diagnostics, value->place,
	    "invalid value \"%s\" for \"%s\": %s", QUOTE(value->text),
	    slot->name, valid);
	return -1;
}

/* --- one value ----------------------------------------------------------- */

static int
check_range(const struct ol_setting *s, const struct slot *slot,
    const struct value *value, int64_t n)
{
	char min[OL_VALUES_TIME_SIZE], max[OL_VALUES_TIME_SIZE];

	if (n >= slot->min && n <= slot->max)
		return 0;
	if (slot->kind == OL_KIND_TIME) {
		ol_values_time_format(min, sizeof(min), slot->min);
		ol_values_time_format(max, sizeof(max), slot->max);
	} else {
		snprintf(min, sizeof(min), "%" PRId64, slot->min);
		snprintf(max, sizeof(max), "%" PRId64, slot->max);
	}
	ol_diagnostic_error(s->diagnostics, value->place,
	    "\"%s\" is out of range for \"%s\": write a value from %s to %s",
	    QUOTE(value->text), slot->name, min, max);
	return -1;
}

static int
set_time(const struct ol_setting *s, const struct slot *slot,
    const struct value *value)
{
	const char *wrong;
	int64_t n;

	if ((wrong = ol_values_time(&n, value->text)) != NULL)
		return tell_invalid(s, slot, value, wrong);
	if (check_range(s, slot, value, n) == -1)
		return -1;
	*(int64_t *)slot->field = n;
	return 0;
}

static int
set_number(const struct ol_setting *s, const struct slot *slot,
    const struct value *value)
{
	const char *wrong;
	int64_t n;

	if ((wrong = ol_values_number(&n, value->text)) != NULL)
		return tell_invalid(s, slot, value, wrong);
	if (check_range(s, slot, value, n) == -1)
		return -1;
	*(int *)slot->field = (int)n;
	return 0;
}

static int
set_mode(const struct ol_setting *s, const struct slot *slot,
    const struct value *value)
{
	const char *wrong = ol_values_mode(slot->field, value->text);

	return wrong != NULL ? tell_invalid(s, slot, value, wrong) : 0;
}

static int
set_path(const struct ol_setting *s, const struct slot *slot,
    const struct value *value)
{
	if (value->text[0] != '/')
		return tell_invalid(s, slot, value,
		    "write an absolute path, one that begins with \"/\"");
	replace(slot->field, value->text);
	return 0;
}

static int
set_group(const struct ol_setting *s, const struct slot *slot,
    const struct value *value)
{
	struct ol_conf_listen *listen = slot->field;

	if (s->world->group(value->text, &listen->gid) == -1) {
		listen->gid = (gid_t)-1;
		ol_diagnostic_error(s->diagnostics, value->place,
		    "there is no group \"%s\": create it, or name one of "
		    "\"getent group\"",
		    QUOTE(value->text));
		return -1;
	}
	replace(&listen->group, value->text);
	return 0;
}

static int
set_value(const struct ol_setting *s, const struct slot *slot,
    const struct value *value)
{
	switch (slot->kind) {
	case OL_KIND_TIME:
		return set_time(s, slot, value);
	case OL_KIND_NUMBER:
		return set_number(s, slot, value);
	case OL_KIND_MODE:
		return set_mode(s, slot, value);
	case OL_KIND_PATH:
		return set_path(s, slot, value);
	case OL_KIND_GROUP:
		return set_group(s, slot, value);
	default:
		return -1; /* kinds of whole directives */
	}
}

/* --- whole directives ---------------------------------------------------- */

static int
set_log(const struct ol_setting *s)
{
	const struct ol_directive *d = s->directive;
	struct ol_conf *conf = s->target;
	struct ol_log_sink sink = { .level = OL_LOG_NOTICE };
	const struct slot slot = { .name = "log" };
	struct value value = word_value(&d->words[1]);
	bool level = false;
	size_t i;

	if (strcmp(value.text, "stderr") == 0)
		sink.target = OL_LOG_STDERR;
	else if (strcmp(value.text, "syslog:") == 0)
		sink.target = OL_LOG_SYSLOG;
	else if (value.text[0] == '/')
		sink.target = OL_LOG_FILE;
	else
		return tell_invalid(s, &slot, &value,
		    "write stderr, syslog: or an absolute path");
	for (i = 2; i < d->nwords; i++) {
		value = word_value(&d->words[i]);
		if (!sink.json && strcmp(value.text, "json") == 0)
			sink.json = true;
		else if (!level &&
			 ol_log_level_find(value.text, &sink.level) == 0)
			level = true;
		else
			return tell_invalid(s, &slot, &value,
			    "write one level (error, warn, notice, info or "
			    "debug), and \"json\" for JSON lines");
	}
	if (sink.target == OL_LOG_FILE)
		sink.path = ol_must(strdup(d->words[1].text));
	conf->logs = ol_must(
	    reallocarray(conf->logs, conf->nlogs + 1, sizeof(*conf->logs)));
	conf->logs[conf->nlogs++] = sink;
	return 0;
}

static int
set_listen(const struct ol_setting *s)
{
	struct ol_conf_pool *pool = s->target;
	struct value value = word_value(&s->directive->words[1]);
	const struct slot slot = { .name = "listen" };
	const char *wrong = ol_addr_parse(&pool->listen.addr, value.text);
	const char *path;

	if (wrong != NULL)
		return tell_invalid(s, &slot, &value, wrong);
	path = ol_addr_path(&pool->listen.addr);
	if (path != NULL && path[0] != '/')
		return tell_invalid(
		    s, &slot, &value, "write an absolute path after \"unix:\"");
	replace(&pool->listen.text, value.text);
	return 0;
}

static int
set_program(const struct ol_setting *s)
{
	const struct ol_directive *d = s->directive;
	struct ol_conf_pool *pool = s->target;
	const struct slot slot = { .name = "program" };
	struct value value = word_value(&d->words[1]);
	size_t i;

	if (value.text[0] != '/')
		return tell_invalid(s, &slot, &value,
		    "write the absolute path of the program; no PATH is "
		    "searched");
	pool->program = ol_must(calloc(d->nwords, sizeof(*pool->program)));
	for (i = 1; i < d->nwords; i++)
		pool->program[i - 1] = ol_must(strdup(d->words[i].text));
	return 0;
}

static int
set_user(const struct ol_setting *s)
{
	struct ol_conf_pool *pool = s->target;
	struct value value = word_value(&s->directive->words[1]);

	if (s->world->euid != 0) {
		ol_diagnostic_error(s->diagnostics,
		    s->directive->words[0].place,
		    "\"user\" needs outlastd to be started as root: start it "
		    "so, or remove the line");
		return -1;
	}
	if (s->world->user(value.text, &pool->uid, &pool->gid) == -1) {
		ol_diagnostic_error(s->diagnostics, value.place,
		    "there is no user \"%s\": create it, or name one of "
		    "\"getent passwd\"",
		    QUOTE(value.text));
		return -1;
	}
	replace(&pool->user, value.text);
	return 0;
}

/* What is wrong with the name of a variable, or NULL. */
static const char *
check_env_name(const char *name)
{
	static const char *const reserved[] = { "OUTLAST_", "WATCHDOG_",
		"LISTEN_" };
	size_t i;

	if (name[0] == '\0' || strchr("0123456789", name[0]) != NULL ||
	    name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0')
		return "write letters, digits and \"_\", no digit first";
	if (strcmp(name, "NOTIFY_SOCKET") == 0)
		return "outlastd sets this variable itself; remove the line";
	for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strncmp(name, reserved[i], strlen(reserved[i])) == 0)
			return "OUTLAST_*, WATCHDOG_*, LISTEN_* and "
			       "NOTIFY_SOCKET are outlastd's own; use another "
			       "name";
	return NULL;
}

static int
set_env(const struct ol_setting *s)
{
	const struct ol_directive *d = s->directive;
	struct ol_conf_pool *pool = s->target;
	const struct slot slot = { .name = "env" };
	struct value value = word_value(&d->words[1]);
	const char *wrong = check_env_name(value.text);

	if (wrong != NULL)
		return tell_invalid(s, &slot, &value, wrong);
	pool->env = ol_must(
	    reallocarray(pool->env, pool->nenv + 1, sizeof(*pool->env)));
	pool->env[pool->nenv++] = (struct ol_conf_env){
		.name = ol_must(strdup(d->words[1].text)),
		.value = ol_must(strdup(d->words[2].text)),
	};
	return 0;
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
static struct value
parameter_value(const struct ol_word *word, size_t name)
{
	struct value value = { word->text + name + 1, word->place };

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
	    option->kind == OL_KIND_POOL ? "" : ";");
}

static void
tell_unknown_parameter(
    const struct ol_setting *s, const struct ol_word *word, const char *name)
{
	const struct ol_option_parameter *p;
	const char *names[8], *nearest;
	size_t n = 0;

	for (p = s->option->parameters; p->name != NULL && n < 8; p++)
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
	struct value value;
	struct slot slot;

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
	slot = (struct slot){ p->name, p->kind, p->min, p->max,
		(char *)s->target + p->offset };
	return set_value(s, &slot, &value);
}

/* mode and group belong to a file. */
static int
check_tcp(const struct ol_setting *s, const struct ol_word *const *seen)
{
	const struct ol_conf_pool *pool = s->target;
	const struct ol_option_parameter *p = s->option->parameters;
	int rc = 0;

	for (; p->name != NULL; p++, seen++)
		if (*seen != NULL && p->kind != OL_KIND_NUMBER &&
		    pool->listen.text != NULL &&
		    ol_addr_path(&pool->listen.addr) == NULL) {
			ol_diagnostic_error(s->diagnostics, (*seen)->place,
			    "\"%s\" is for unix sockets: remove it, or listen "
			    "on unix:PATH",
			    p->name);
			rc = -1;
		}
	return rc;
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
		    option->syntax, option->kind == OL_KIND_POOL ? "" : ";");
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
	struct slot slot;
	struct value value;

	switch (option->kind) {
	case OL_KIND_INCLUDE:
	case OL_KIND_POOL:
	case OL_KIND_SET:
		return 0;
	case OL_KIND_LOG:
		return set_log(s);
	case OL_KIND_LISTEN:
		return set_listen(s);
	case OL_KIND_PROGRAM:
		return set_program(s);
	case OL_KIND_USER:
		return set_user(s);
	case OL_KIND_ENV:
		return set_env(s);
	default:
		slot = (struct slot){ option->name, option->kind, option->min,
			option->max, (char *)s->target + option->offset };
		value = word_value(&s->directive->words[1]);
		return set_value(s, &slot, &value);
	}
}

int
ol_kind_set(const struct ol_setting *s)
{
	const struct ol_word *seen[8] = { NULL };
	int rc = 0;
	size_t i;

	if (check_arity(s) == -1)
		return -1;
	if (set_words(s) == -1)
		rc = -1;
	if (s->option->parameters == NULL)
		return rc;
	for (i = s->option->most + 1; i < s->directive->nwords; i++)
		if (set_parameter(s, i, seen) == -1)
			rc = -1;
	if (s->option->kind == OL_KIND_LISTEN && rc == 0)
		rc = check_tcp(s, seen);
	return rc;
}

void
ol_kind_set_standard(
    const struct ol_world *world, const struct ol_option *option, void *target)
{
	const struct ol_option_parameter *p;
	struct ol_diagnostics *diagnostics = ol_diagnostic_new();
	struct ol_word words[4] = { { .text = option->name } };
	struct ol_directive d = { .words = words, .nwords = 1 };
	struct ol_setting s = { world, diagnostics, option, &d, target };
	char *text, *rest, *word;

	rest = text =
	    option->standard == NULL ? NULL : ol_must(strdup(option->standard));
	while (rest != NULL && (word = strsep(&rest, " ")) != NULL &&
	       d.nwords < sizeof(words) / sizeof(words[0]))
		words[d.nwords++].text = word;
	if (text != NULL)
		set_words(&s);
	for (p = option->parameters; p != NULL && p->name != NULL; p++) {
		struct slot slot = { p->name, p->kind, p->min, p->max,
			(char *)target + p->offset };
		struct value value = { .text = p->standard };

		if (p->standard != NULL)
			set_value(&s, &slot, &value);
	}
	free(text);
	ol_diagnostic_free(diagnostics);
}
