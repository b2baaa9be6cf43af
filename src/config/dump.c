#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "config/conf.h"
#include "config/table.h"
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

	for (i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strcasestr(env->name, hints[i]) != NULL)
			return true;
	if ((host = strstr(env->value, "://")) == NULL)
		return false;
	at = strchr(host + 3, '@');
	return at != NULL && memchr(host + 3, ':', (size_t)(at - host - 3));
}

/* The text of a single value; false when it is not set. */
static bool
format_value(char *buf, size_t size, enum ol_kind kind, const void *field)
{
	const struct ol_conf_listen *listen;
	const char *text;

	switch (kind) {
	case OL_KIND_TIME:
		ol_values_time_format(buf, size, *(const int64_t *)field);
		return true;
	case OL_KIND_NUMBER:
		snprintf(buf, size, "%d", *(const int *)field);
		return true;
	case OL_KIND_MODE:
		snprintf(buf, size, "0%03o", *(const mode_t *)field);
		return true;
	case OL_KIND_GROUP:
		listen = field;
		text = listen->group;
		break;
	default:
		text = NULL;
	}
	if (text == NULL)
		return false;
	strlcpy(buf, text, size);
	return true;
}

static void
write_parameters(
    FILE *out, const struct ol_option *option, const struct ol_conf_pool *pool)
{
	const struct ol_option_parameter *p;
	char buf[256];

	for (p = option->parameters; p->name != NULL; p++) {
		if (option->kind == OL_KIND_LISTEN &&
		    p->kind != OL_KIND_NUMBER &&
		    ol_addr_path(&pool->listen.addr) == NULL)
			continue;
		if (format_value(buf, sizeof(buf), p->kind,
			(const char *)pool + p->offset))
			write_pair(out, p->name, buf);
	}
}

static void
write_logs(FILE *out, const char *indent, const struct ol_conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nlogs; i++) {
		const struct ol_log_sink *sink = &conf->logs[i];

		fprintf(out, "%slog ", indent);
		write_word(out, sink->target == OL_LOG_STDERR	? "stderr"
				: sink->target == OL_LOG_SYSLOG ? "syslog:"
								: sink->path);
		fprintf(out, " %s%s;\n", ol_log_level_name(sink->level),
		    sink->json ? " json" : "");
	}
}

static void
write_env(FILE *out, const char *indent, const struct ol_conf_pool *pool)
{
	size_t i;

	for (i = 0; i < pool->nenv; i++) {
		fprintf(out, "%senv %s ", indent, pool->env[i].name);
		write_word(out,
		    is_secret(&pool->env[i]) ? "********" : pool->env[i].value);
		fputs(";\n", out);
	}
}

static void
write_words(
    FILE *out, const char *indent, const char *name, const char *const *words)
{
	size_t length = 0;

	fprintf(out, "%s%s", indent, name);
	for (; *words != NULL; words++) {
		/* The reader bounds a line, not a directive. */
		if (length > 4000) {
			fprintf(out, "\n%s       ", indent);
			length = 0;
		}
		length += strlen(*words);
		putc(' ', out);
		write_word(out, *words);
	}
}

/*
 * The field of a row as directives, one a line after indent. Nothing for one
 * that is not set.
 */
static void
write_option(FILE *out, const char *indent, const struct ol_option *option,
    const void *target)
{
	const void *field = (const char *)target + option->offset;
	const struct ol_conf_pool *pool = target;
	const char *words[2] = { NULL };
	char buf[OL_VALUES_TIME_SIZE];

	switch (option->kind) {
	case OL_KIND_LOG:
		write_logs(out, indent, target);
		return;
	case OL_KIND_ENV:
		write_env(out, indent, pool);
		return;
	case OL_KIND_PROGRAM:
		write_words(out, indent, option->name,
		    (const char *const *)pool->program);
		break;
	case OL_KIND_LISTEN:
		words[0] = pool->listen.text;
		write_words(out, indent, option->name, words);
		write_parameters(out, option, pool);
		break;
	case OL_KIND_SET:
		if (pool->recycle_time == 0)
			return;
		write_words(out, indent, option->name, words);
		write_parameters(out, option, pool);
		break;
	case OL_KIND_USER:
	case OL_KIND_PATH:
		words[0] = *(char *const *)field;
		if (words[0] == NULL)
			return;
		write_words(out, indent, option->name, words);
		break;
	default:
		if (!format_value(buf, sizeof(buf), option->kind, field))
			return;
		words[0] = buf;
		write_words(out, indent, option->name, words);
	}
	fputs(";\n", out);
}

static void
write_pool(FILE *out, const struct ol_conf_pool *pool)
{
	const struct ol_option *option;
	size_t i;

	fprintf(out, "pool %s {\n", pool->name);
	for (i = 0; (option = ol_table_row(i)) != NULL; i++)
		if ((option->context & OL_IN_POOL) != 0 &&
		    option->kind != OL_KIND_INCLUDE)
			write_option(out, "    ", option, pool);
	fputs("}\n", out);
}

void
ol_conf_dump(const struct ol_conf *conf, FILE *out)
{
	const struct ol_conf_pool *pool;
	const struct ol_option *option;
	char name[512];
	size_t i;

	ol_text_escape(name, sizeof(name), conf->file, strlen(conf->file));
	fprintf(out, "# %s, merged, with every default\n", name);
	for (i = 0; (option = ol_table_row(i)) != NULL; i++)
		if (option->context == OL_IN_MAIN &&
		    option->kind != OL_KIND_POOL)
			write_option(out, "", option, conf);
	TAILQ_FOREACH (pool, &conf->pools, link)
		write_pool(out, pool);
}
