#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/must.h"
#include "base/secret.h"
#include "base/text.h"
#include "config/conf.h"
#include "config/options.h"
#include "config/values.h"

/* One word, quoted when the reader would take it apart otherwise. */
static void
write_word(FILE *out, const char *text)
{
	if (*text != '\0' && text[strcspn(text, " \t\r\n\"'\\;{}$#")] == '\0') {
		fputs(text, out);
		return;
	}
	putc('"', out);
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '\t':
			fputs("\\t", out);
			break;
		case '\r':
			fputs("\\r", out);
			break;
		case '\n':
			fputs("\\n", out);
			break;
		case '"':
		case '\\':
		case '$':
			putc('\\', out);
			__attribute__((fallthrough));
		default:
			putc(*text, out);
		}
	}
	putc('"', out);
}

/* "name=value" as one word. */
static void
write_pair(FILE *out, const char *name, const char *value)
{
	char *word;

	if (asprintf(&word, "%s=%s", name, value) == -1)
		return;
	putc(' ', out);
	write_word(out, word);
	free(word);
}

/*
 * Whether a variable most likely holds a secret: by its name, or because it is
 * an address with a password in it.
 */
static bool
is_secret(const struct ol_conf_env *env)
{
	static const char *const hints[] = { "PASS", "PWD", "SECRET", "TOKEN",
		"KEY", "CREDENTIAL", "AUTH", "DSN" };
	const char *host, *at;
	size_t i;

	if (ol_secret_param(env->name))
		return true;
	for (i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strcasestr(env->name, hints[i]) != NULL)
			return true;
	if ((host = strstr(env->value, "://")) == NULL)
		return false;
	at = strchr(host + 3, '@');
	return at != NULL && memchr(host + 3, ':', (size_t)(at - host - 3));
}

/* One dump on its way out. */
struct dump {
	FILE *out;
	bool masked;
	const char *indent;
	unsigned context;   /* OL_IN_…: which struct target is */
	const void *target; /* as in struct ol_setting */
};

/* The text of a single value; false when it is not set. */
static bool
format_value(char *buf, size_t size, enum ol_kind kind, const void *field)
{
	const struct ol_conf_listen *listen;

	switch (kind) {
	case OL_KIND_TIME_OFF:
		if (*(const int64_t *)field == 0)
			return strlcpy(buf, "off", size) > 0;
		__attribute__((fallthrough));
	case OL_KIND_TIME:
		ol_values_time_format(buf, size, *(const int64_t *)field);
		return true;
	case OL_KIND_NUMBER_OFF:
		if (*(const int *)field == 0)
			return strlcpy(buf, "off", size) > 0;
		__attribute__((fallthrough));
	case OL_KIND_NUMBER:
		snprintf(buf, size, "%d", *(const int *)field);
		return true;
	case OL_KIND_SIZE:
		ol_values_size_format(buf, size, *(const int64_t *)field);
		return true;
	case OL_KIND_SWITCH:
		return strlcpy(buf, *(const bool *)field ? "on" : "off", size) >
		       0;
	case OL_KIND_CLOCK:
		ol_values_clock_format(buf, size, field);
		return *buf != '\0';
	case OL_KIND_MODE:
		snprintf(buf, size, "0%03o", *(const mode_t *)field);
		return true;
	case OL_KIND_GROUP:
		listen = field;
		return listen->group != NULL &&
		       strlcpy(buf, listen->group, size) > 0;
	default:
		return false;
	}
}

static const char *
choice_name(const struct ol_option_choice *choices, const void *field)
{
	/* One choice alone has no field. */
	while (field != NULL && choices->name != NULL &&
	       choices->value != *(const unsigned *)field)
		choices++;
	return choices->name;
}

/* Whether a parameter without a default says nothing. */
static bool
is_unset(const struct ol_option_parameter *p, const void *field)
{
	if (p->standard != NULL)
		return false;
	if (p->kind == OL_KIND_NUMBER)
		return *(const int *)field == 0;
	if (p->kind == OL_KIND_CLOCK)
		return ((const struct ol_conf_clock *)field)->n == 0;
	return (p->kind == OL_KIND_TIME || p->kind == OL_KIND_SIZE) &&
	       *(const int64_t *)field == 0;
}

/* What the offsets of parameters count from is base. */
static void
write_parameters(FILE *out, const struct ol_option *option, const void *base)
{
	const struct ol_conf_listen *listen =
	    option->kind == OL_KIND_LISTEN || option->kind == OL_KIND_CONTROL
		? base
		: NULL;
	const struct ol_option_parameter *p;
	char buf[256];

	for (p = option->parameters; p != NULL && p->name != NULL; p++) {
		const void *field = (const char *)base + p->offset;

		if (listen != NULL && ol_addr_path(&listen->addr) == NULL &&
		    (p->kind == OL_KIND_MODE || p->kind == OL_KIND_GROUP))
			continue;
		if (p->kind == OL_KIND_CHOICE)
			write_pair(
			    out, p->name, choice_name(p->choices, field));
		else if (!is_unset(p, field) &&
			 format_value(buf, sizeof(buf), p->kind, field))
			write_pair(out, p->name, buf);
	}
}

static void
write_logs(const struct dump *dump)
{
	const struct ol_conf *conf = dump->target;
	FILE *out = dump->out;
	size_t i;

	for (i = 0; i < conf->nlogs; i++) {
		const struct ol_log_sink *sink = &conf->logs[i];

		fputs("log ", out);
		write_word(out, sink->target == OL_LOG_STDERR	? "stderr"
				: sink->target == OL_LOG_SYSLOG ? "syslog:"
								: sink->path);
		fprintf(out, " %s%s;\n", ol_log_level_name(sink->level),
		    sink->json ? " json" : "");
	}
}

/* name is that of the directive: "env", "fastcgi_param". */
static void
write_variables(const struct dump *dump, const char *name,
    const struct ol_conf_env *env, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		fprintf(dump->out, "%s%s %s ", dump->indent, name, env[i].name);
		write_word(dump->out, dump->masked && is_secret(&env[i])
					  ? "********"
					  : env[i].value);
		fputs(";\n", dump->out);
	}
}

static void
write_env(const struct dump *dump)
{
	const struct ol_conf_pool *pool = dump->target;
	const struct ol_conf_task *task = dump->target;

	if (dump->context == OL_IN_TASK)
		write_variables(dump, "env", task->env, task->nenv);
	else
		write_variables(dump, "env", pool->env, pool->nenv);
}

/* indent, name and words, of which NULL is the last; words NULL: none. */
static void
write_words(const struct dump *dump, const char *name, const char *const *words)
{
	size_t length = 0;

	fprintf(dump->out, "%s%s", dump->indent, name);
	for (; words != NULL && *words != NULL; words++) {
		/* The reader bounds a line, not a directive. */
		if (length > 4000) {
			fprintf(dump->out, "\n%s       ", dump->indent);
			length = 0;
		}
		length += strlen(*words);
		putc(' ', dump->out);
		write_word(dump->out, *words);
	}
}

static void
write_listens(const struct dump *dump, const struct ol_option *option)
{
	const struct ol_conf *conf = dump->target;
	const struct ol_conf_pool *pool = dump->target;
	bool of_pool = dump->context == OL_IN_POOL;
	const struct ol_conf_listen *l = of_pool ? &pool->listen : conf->listen;
	size_t n = of_pool ? 1 : conf->nlisten, i;

	if (option->kind == OL_KIND_CONTROL) {
		l = &conf->control;
		n = 1;
	}
	for (i = 0; i < n; i++) {
		const char *words[] = { l[i].text, NULL };

		write_words(dump, option->name, words);
		write_parameters(dump->out, option, &l[i]);
		fputs(";\n", dump->out);
	}
}

static void
write_backoff(const struct dump *dump, const struct ol_option *option)
{
	const struct ol_conf_task *task = dump->target;
	char buf[OL_VALUES_TIME_SIZE];
	const char *words[] = {
		task->backoff_exponential ? "exponential" : "fixed", buf, NULL
	};

	ol_values_time_format(buf, sizeof(buf), task->backoff);
	write_words(dump, option->name, words);
	if (task->backoff_exponential)
		write_parameters(dump->out, option, task);
	fputs(";\n", dump->out);
}

static void
write_rapid(const struct dump *dump, const struct ol_option *option)
{
	const struct ol_conf_pool *pool = dump->target;
	char number[16], window[OL_VALUES_TIME_SIZE];
	const char *words[] = { number, window, NULL };

	if (pool->rapid_crashes == 0) {
		words[0] = "off";
		words[1] = NULL;
	}
	snprintf(number, sizeof(number), "%d", pool->rapid_crashes);
	ol_values_time_format(window, sizeof(window), pool->rapid_window);
	write_words(dump, option->name, words);
	if (pool->rapid_crashes != 0)
		write_parameters(dump->out, option, pool);
	fputs(";\n", dump->out);
}

static void
write_methods(const struct dump *dump, const struct ol_option *option)
{
	static const char *const names[] = { "GET", "POST", "PUT", "PATCH",
		"DELETE" };
	const struct ol_conf_task *task = dump->target;
	const char *words[6] = { NULL };
	size_t i, n = 0;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((task->methods & 1u << i) != 0)
			words[n++] = names[i];
	write_words(dump, option->name, words);
	fputs(";\n", dump->out);
}

/* One of the directives that make a backend; nothing for one that is not set.
 */
static void
write_backend(const struct dump *dump, const struct ol_option *option)
{
	const struct ol_conf_task *task = dump->target;
	const struct ol_conf_backend *backend = task->backend;
	const char *words[] = { NULL, NULL, NULL, NULL };
	size_t i;

	switch (option->kind) {
	case OL_KIND_BACKEND:
		words[0] = backend->text;
		break;
	case OL_KIND_REQUEST:
		words[0] = backend->method;
		words[1] = backend->uri;
		words[2] = backend->content_type;
		break;
	case OL_KIND_PARAM:
		write_variables(
		    dump, option->name, backend->params, backend->nparams);
		return;
	default:
		for (i = 0; i < backend->ndrop; i++)
			fprintf(dump->out, "%s%s %s;\n", dump->indent,
			    option->name, backend->drop[i]);
		return;
	}
	if (words[0] == NULL)
		return;
	write_words(dump, option->name, words);
	fputs(";\n", dump->out);
}

/* Parameters alone; nothing when none is set. */
static void
write_set(const struct dump *dump, const struct ol_option *option)
{
	const struct ol_option_parameter *p = option->parameters;

	while (p->name != NULL &&
	       is_unset(p, (const char *)dump->target + p->offset))
		p++;
	if (p->name == NULL)
		return;
	write_words(dump, option->name, NULL);
	write_parameters(dump->out, option, dump->target);
	fputs(";\n", dump->out);
}

/* One word and the parameters; nothing for a word that is not set. */
static void
write_value(
    const struct dump *dump, const struct ol_option *option, const void *field)
{
	const char *words[2] = { NULL };
	char buf[OL_VALUES_TIME_SIZE];

	switch (option->kind) {
	case OL_KIND_USER:
	case OL_KIND_PATH:
	case OL_KIND_BASE:
	case OL_KIND_TYPE:
	case OL_KIND_ZONE:
		words[0] = *(char *const *)field;
		break;
	case OL_KIND_DIRECTORY:
		words[0] = *(char *const *)field;
		if (words[0] == NULL)
			words[0] = "scratch";
		break;
	case OL_KIND_CHOICE:
		words[0] = choice_name(option->choices, field);
		break;
	default:
		if (format_value(buf, sizeof(buf), option->kind, field))
			words[0] = buf;
	}
	if (words[0] == NULL)
		return;
	write_words(dump, option->name, words);
	write_parameters(dump->out, option, dump->target);
	fputs(";\n", dump->out);
}

/*
 * The field of a row as directives, one a line. Nothing for one that is not
 * set.
 */
static void
write_option(const struct dump *dump, const struct ol_option *option)
{
	size_t offset = dump->context == OL_IN_POOL   ? option->pool
			: dump->context == OL_IN_TASK ? option->task
						      : option->conf;
	const void *field =
	    offset != 0 ? (const char *)dump->target + offset : NULL;
	const struct ol_conf_task *task = dump->target;

	switch (option->kind) {
	case OL_KIND_INCLUDE:
	case OL_KIND_POOL:
	case OL_KIND_TASK:
	case OL_KIND_STORE:
		return;
	case OL_KIND_LOG:
		write_logs(dump);
		return;
	case OL_KIND_ENV:
		write_env(dump);
		return;
	case OL_KIND_LISTEN:
	case OL_KIND_CONTROL:
		write_listens(dump, option);
		return;
	case OL_KIND_BACKOFF:
		write_backoff(dump, option);
		return;
	case OL_KIND_RAPID:
		write_rapid(dump, option);
		return;
	case OL_KIND_METHODS:
		write_methods(dump, option);
		return;
	case OL_KIND_BACKEND:
	case OL_KIND_PARAM:
	case OL_KIND_DROP:
	case OL_KIND_REQUEST:
		write_backend(dump, option);
		return;
	case OL_KIND_SET:
		write_set(dump, option);
		return;
	case OL_KIND_CONTEXT:
		if (task->ncontext == 0)
			return;
		write_words(
		    dump, option->name, (const char *const *)task->context);
		break;
	case OL_KIND_PROGRAM:
		if (*(const char *const *const *)field == NULL)
			return;
		write_words(
		    dump, option->name, *(const char *const *const *)field);
		break;
	default:
		write_value(dump, option, field);
		return;
	}
	fputs(";\n", dump->out);
}

/* The rows of a context that have a field in its struct. */
static void
write_rows(const struct dump *dump)
{
	const struct ol_conf_task *task =
	    dump->context == OL_IN_TASK ? dump->target : NULL;
	const struct ol_option *option;
	size_t i;

	for (i = 0; (option = ol_options_row(i)) != NULL; i++) {
		if ((option->context & dump->context) == 0)
			continue;
		if (task != NULL &&
		    ol_options_is_foreign(option, task->backend != NULL))
			continue;
		/* Every task has its own. */
		if ((dump->context & (OL_IN_MAIN | OL_IN_STORE)) != 0 &&
		    option->conf == 0)
			continue;
		write_option(dump, option);
	}
}

static void
write_block(struct dump dump, const char *type, const char *name,
    unsigned context, const void *target)
{
	dump.indent = "    ";
	dump.context = context;
	dump.target = target;
	fprintf(dump.out, "%s %s {\n", type, name);
	write_rows(&dump);
	fputs("}\n", dump.out);
}

static void
write_all(const struct ol_conf *conf, FILE *out, bool masked)
{
	const struct dump dump = {
		.out = out,
		.masked = masked,
		.indent = "",
		.context = OL_IN_MAIN,
		.target = conf,
	};
	const struct ol_conf_pool *pool;
	const struct ol_conf_task *task;
	char name[512];

	ol_text_escape(name, sizeof(name), conf->file, strlen(conf->file));
	fprintf(out, "# %s, merged, with every default\n", name);
	write_rows(&dump);
	write_block(dump, "store", "sqlite", OL_IN_STORE, conf);
	TAILQ_FOREACH (pool, &conf->pools, link)
		write_block(dump, "pool", pool->name, OL_IN_POOL, pool);
	TAILQ_FOREACH (task, &conf->tasks, link)
		write_block(dump, "task", task->name, OL_IN_TASK, task);
}

void
ol_conf_dump(const struct ol_conf *conf, FILE *out)
{
	write_all(conf, out, false);
}

void
ol_conf_dump_masked(const struct ol_conf *conf, FILE *out)
{
	write_all(conf, out, true);
}

/* --- two configurations -------------------------------------------------- */

/* What a row, or without one all rows of a block, say. To be freed. */
static char *
text_of(unsigned context, const void *target, const struct ol_option *option)
{
	char *text = NULL;
	size_t size;
	const struct dump dump = {
		.out = ol_must(open_memstream(&text, &size)),
		.indent = "",
		.context = context,
		.target = target,
	};

	if (option != NULL)
		write_option(&dump, option);
	else
		write_rows(&dump);
	if (fclose(dump.out) == EOF)
		ol_must(NULL);
	return text;
}

static bool
is_same(unsigned context, const void *a, const void *b,
    const struct ol_option *option)
{
	char *one = text_of(context, a, option);
	char *other = text_of(context, b, option);
	bool same = strcmp(one, other) == 0;

	free(one);
	free(other);
	return same;
}

void
ol_conf_differences(const struct ol_conf *old, const struct ol_conf *now,
    void (*fn)(void *arg, const char *directive, bool reloadable), void *arg)
{
	const struct ol_option *option;
	size_t i;

	for (i = 0; (option = ol_options_row(i)) != NULL; i++) {
		unsigned context = option->context & (OL_IN_MAIN | OL_IN_STORE);

		if (context != 0 && option->conf != 0 &&
		    !is_same(context, old, now, option))
			fn(arg, option->name,
			    (option->flags & OL_RELOADABLE) != 0);
	}
}

bool
ol_conf_same_pool(const struct ol_conf_pool *a, const struct ol_conf_pool *b)
{
	return is_same(OL_IN_POOL, a, b, NULL);
}

bool
ol_conf_same_task(const struct ol_conf_task *a, const struct ol_conf_task *b)
{
	return is_same(OL_IN_TASK, a, b, NULL);
}

void
ol_conf_print_table(FILE *out)
{
	static const struct {
		unsigned flag;
		const char *name;
	} flags[] = {
		{ OL_REQUIRED, "required" },
		{ OL_REPEATABLE, "repeatable" },
		{ OL_RELOADABLE, "reloadable" },
	};
	const struct ol_option *option;
	const char *standard, *comma;
	size_t i, k;

	for (i = 0; (option = ol_options_row(i)) != NULL; i++) {
		standard = option->standard_shown != NULL
			       ? option->standard_shown
			       : option->standard;
		fprintf(out, "%s\t%s\t%s\t%s\t", option->name,
		    ol_options_context(option).text, option->syntax,
		    standard != NULL ? standard : "-");
		comma = "";
		for (k = 0; k < sizeof(flags) / sizeof(flags[0]); k++) {
			if ((option->flags & flags[k].flag) == 0)
				continue;
			fprintf(out, "%s%s", comma, flags[k].name);
			comma = ",";
		}
		fprintf(
		    out, "%s\t%s\n", *comma == '\0' ? "-" : "", option->help);
	}
}
