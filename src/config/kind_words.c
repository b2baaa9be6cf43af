#include <sys/types.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/secret.h"
#include "config/conf.h"
#include "config/diagnostic.h"
#include "config/kind_words.h"
#include "config/kinds.h"
#include "config/reader.h"
#include "config/options.h"
#include "config/values.h"
#include "config/world.h"

enum { CONTEXT_MAX = 32 }; /* parameters of a task */

#define QUOTE(word) ol_diagnostic_quote(word).text

/* Fields of one meaning in structs that differ. */
struct account {
	char **user;
	uid_t *uid;
	gid_t *gid;
};

struct variables {
	struct ol_conf_env **env;
	size_t *n;
};

struct ol_kind_value
ol_kind_words_value(const struct ol_setting *s, size_t word)
{
	const struct ol_word *w = &s->directive->words[word];

	return (struct ol_kind_value){ w->text, w->place };
}

int
ol_kind_words_invalid(
    const struct ol_setting *s, size_t word, const char *valid)
{
	const struct ol_kind_value value = ol_kind_words_value(s, word);

	return ol_kind_value_invalid(s, s->option->name, &value, valid);
}

/* --- where outlastd listens and writes ----------------------------------- */

static int
set_log(const struct ol_setting *s)
{
	const struct ol_directive *d = s->directive;
	struct ol_conf *conf = s->target;
	struct ol_log_sink sink = { .level = OL_LOG_NOTICE };
	const char *text = d->words[1].text;
	bool level = false;
	size_t i;

	if (strcmp(text, "stderr") == 0)
		sink.target = OL_LOG_STDERR;
	else if (strcmp(text, "syslog:") == 0)
		sink.target = OL_LOG_SYSLOG;
	else if (text[0] == '/')
		sink.target = OL_LOG_FILE;
	else
		return ol_kind_words_invalid(
		    s, 1, "write stderr, syslog: or an absolute path");
	for (i = 2; i < d->nwords; i++) {
		if (!sink.json && strcmp(d->words[i].text, "json") == 0)
			sink.json = true;
		else if (!level &&
			 ol_log_level_find(d->words[i].text, &sink.level) == 0)
			level = true;
		else
			return ol_kind_words_invalid(s, i,
			    "write one level (error, warn, notice, info or "
			    "debug), and \"json\" for JSON lines");
	}
	if (sink.target == OL_LOG_FILE)
		sink.path = ol_must(strdup(text));
	conf->logs = ol_must(
	    reallocarray(conf->logs, conf->nlogs + 1, sizeof(*conf->logs)));
	conf->logs[conf->nlogs++] = sink;
	return 0;
}

struct ol_conf_listen *
ol_kind_words_listen(const struct ol_setting *s)
{
	struct ol_conf *conf;

	if (s->context == OL_IN_POOL)
		return &((struct ol_conf_pool *)s->target)->listen;
	conf = s->target;
	if (s->option->kind == OL_KIND_CONTROL)
		return &conf->control;
	return &conf->listen[conf->nlisten - 1];
}

static void
add_listen(struct ol_conf *conf)
{
	conf->listen = ol_must(reallocarray(
	    conf->listen, conf->nlisten + 1, sizeof(*conf->listen)));
	conf->listen[conf->nlisten++] =
	    (struct ol_conf_listen){ .gid = (gid_t)-1 };
}

/* One in -g takes the place of the file's as a whole. */
static void
clear_control(struct ol_conf *conf)
{
	free(conf->control.text);
	free(conf->control.group);
	conf->control = (struct ol_conf_listen){ .gid = (gid_t)-1 };
}

static int
set_listen(const struct ol_setting *s)
{
	struct ol_conf_listen *listen;
	const char *text = s->directive->words[1].text, *wrong, *path;
	struct ol_addr addr = { 0 };

	if (s->option->kind == OL_KIND_CONTROL)
		clear_control(s->target);
	else if (s->context == OL_IN_MAIN)
		add_listen(s->target);
	listen = ol_kind_words_listen(s);
	if ((wrong = ol_addr_parse(&addr, text)) != NULL)
		return ol_kind_words_invalid(s, 1, wrong);
	path = ol_addr_path(&addr);
	if (path == NULL && s->option->kind == OL_KIND_CONTROL)
		return ol_kind_words_invalid(
		    s, 1, "write unix:PATH; it is for this machine alone");
	if (path != NULL && path[0] != '/')
		return ol_kind_words_invalid(
		    s, 1, "write an absolute path after \"unix:\"");
	listen->addr = addr;
	listen->access = path != NULL ? OL_ACCESS_APP : OL_ACCESS_CLIENT;
	ol_kind_value_replace(&listen->text, text);
	return 0;
}

/* --- what runs ----------------------------------------------------------- */

static int
set_program(const struct ol_setting *s)
{
	const struct ol_directive *d = s->directive;
	size_t field =
	    s->context == OL_IN_POOL ? s->option->pool : s->option->task;
	char **program;
	size_t i;

	if (d->words[1].text[0] != '/')
		return ol_kind_words_invalid(s, 1,
		    "write the absolute path of the program; no PATH is "
		    "searched");
	program = ol_must(calloc(d->nwords, sizeof(*program)));
	for (i = 1; i < d->nwords; i++)
		program[i - 1] = ol_must(strdup(d->words[i].text));
	*(char ***)(void *)((char *)s->target + field) = program;
	return 0;
}

static struct account
account_of(const struct ol_setting *s)
{
	struct ol_conf_pool *pool = s->target;
	struct ol_conf_task *task = s->target;
	struct ol_conf *conf = s->target;

	switch (s->context) {
	case OL_IN_POOL:
		return (struct account){ &pool->user, &pool->uid, &pool->gid };
	case OL_IN_TASK:
		return (struct account){ &task->user, &task->uid, &task->gid };
	default:
		return (struct account){ &conf->user, &conf->uid, &conf->gid };
	}
}

static int
set_user(const struct ol_setting *s)
{
	const struct account account = account_of(s);
	const struct ol_kind_value value = ol_kind_words_value(s, 1);

	if (s->world->euid != 0 && !s->world->checked) {
		ol_diagnostic_error(s->diagnostics,
		    s->directive->words[0].place,
		    "\"user\" needs outlastd to be started as root: start it "
		    "so, or remove the line");
		return -1;
	}
	if (s->world->user(value.text, account.uid, account.gid) == -1) {
		ol_diagnostic_error(s->diagnostics, value.place,
		    "there is no user \"%s\": create it, or name one of "
		    "\"getent passwd\"",
		    QUOTE(value.text));
		return -1;
	}
	ol_kind_value_replace(account.user, value.text);
	return 0;
}

/* --- variables ----------------------------------------------------------- */

static bool
is_variable(const char *name)
{
	return name[0] != '\0' && !isdigit((unsigned char)name[0]) &&
	       name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "abcdefghijklmnopqrstuvwxyz0123456789_")] ==
		   '\0';
}

/* Whether name is one of the list's, which ends with NULL; "X*": any X…. */
static bool
is_listed(const char *name, const char *const *list)
{
	size_t n;

	for (; *list != NULL; list++) {
		n = strlen(*list) - 1;
		if ((*list)[n] == '*' ? strncmp(name, *list, n) == 0
				      : strcmp(name, *list) == 0)
			return true;
	}
	return false;
}

/* What is wrong with the name of a variable, or NULL. */
static const char *
check_env_name(const char *name)
{
	static const char *const reserved[] = { "OUTLAST_*", "WATCHDOG_*",
		"LISTEN_*", NULL };

	if (!is_variable(name))
		return "write letters, digits and \"_\", no digit first";
	if (strcmp(name, "NOTIFY_SOCKET") == 0)
		return "outlastd sets this variable itself; remove the line";
	if (is_listed(name, reserved))
		return "OUTLAST_*, WATCHDOG_*, LISTEN_* and NOTIFY_SOCKET are "
		       "outlastd's own; use another name";
	return NULL;
}

static int
set_env(const struct ol_setting *s)
{
	const struct ol_directive *d = s->directive;
	struct ol_conf_pool *pool = s->target;
	struct ol_conf_task *task = s->target;
	struct variables v = { &pool->env, &pool->nenv };
	const char *wrong = check_env_name(d->words[1].text);

	if (wrong != NULL)
		return ol_kind_words_invalid(s, 1, wrong);
	if (s->context == OL_IN_TASK)
		v = (struct variables){ &task->env, &task->nenv };
	*v.env = ol_must(reallocarray(*v.env, *v.n + 1, sizeof(**v.env)));
	(*v.env)[(*v.n)++] = (struct ol_conf_env){
		.name = ol_must(strdup(d->words[1].text)),
		.value = ol_must(strdup(d->words[2].text)),
	};
	return 0;
}

/*
 * What is wrong with a parameter for the program's environment, or NULL. Its
 * value is a visitor's: it must not lead the program, its shell, its loader or
 * the libraries in it anywhere, nor carry a secret of the visitor's.
 */
static const char *
check_context_name(const char *name)
{
	static const char *const risky[] = { "HTTP_PROXY", "HTTPS_PROXY",
		"ALL_PROXY", "FTP_PROXY", "NO_PROXY", "LD_*", "PATH", "HOME",
		"SHELL", "USER", "LOGNAME", "PWD", "OLDPWD", "CDPATH", "TMPDIR",
		"TMP", "TEMP", "TEMPDIR", "IFS", "ENV", "BASH*", "SHELLOPTS",
		"GLOBIGNORE", "POSIXLY_CORRECT", "PS4", "PROMPT_COMMAND",
		"TERM", "TERMINFO*", "TERMCAP", "EDITOR", "VISUAL", "PAGER",
		"BROWSER", "LANG", "LANGUAGE", "LC_*", "LOCPATH", "NLSPATH",
		"TZ", "TZDIR", "GCONV_PATH", "GETCONF_*", "HOSTALIASES",
		"LOCALDOMAIN", "RES_OPTIONS", "RESOLV_*", "MALLOC_*", "GLIBC_*",
		"PYTHON*", "PERL*", "RUBY*", "GEM_*", "NODE_*", "NPM_*", "PHP*",
		"JAVA_*", "JDK_*", "CLASSPATH", "LUA_*", "TCL*", "GIT_*",
		"SSH_*", "SSL_*", "OPENSSL_*", "CURL_*", "PG*", "MYSQL_*",
		"MAGICK_*", "DYLD_*", "XDG_*", "TRACEPARENT", NULL };
	static const char *const own[] = { "OUTLAST_*", "NOTIFY_SOCKET",
		"WATCHDOG_*", "LISTEN_*", NULL };

	if (!is_variable(name) || strlen(name) > 64)
		return "write 1 to 64 letters, digits and \"_\", no digit "
		       "first";
	if (is_listed(name, own))
		return "outlastd sets variables of this name itself";
	if (ol_secret_param(name))
		return "what identifies a visitor is not given to programs; "
		       "take the owner of the task instead, OUTLAST_OWNER";
	if (is_listed(name, risky))
		return "a variable of this name changes how programs work, "
		       "and a visitor's value must not; give it another name "
		       "with fastcgi_param";
	return NULL;
}

static void
clear_context(struct ol_conf_task *task)
{
	size_t i;

	for (i = 0; i < task->ncontext; i++)
		free(task->context[i]);
	free(task->context);
	task->context = NULL;
	task->ncontext = 0;
}

static int
set_context(const struct ol_setting *s)
{
	const struct ol_directive *d = s->directive;
	struct ol_conf_task *task = s->target;
	const char *wrong;
	size_t i, k;
	int rc = 0;

	clear_context(task);
	if (d->nwords - 1 > CONTEXT_MAX)
		return ol_kind_words_invalid(
		    s, CONTEXT_MAX + 1, "write at most 32 names");
	task->context = ol_must(calloc(d->nwords, sizeof(*task->context)));
	for (i = 1; i < d->nwords; i++) {
		char *name = ol_must(strdup(d->words[i].text));

		task->context[task->ncontext++] = name;
		for (k = 0; name[k] != '\0'; k++)
			name[k] = (char)toupper((unsigned char)name[k]);
		wrong = check_context_name(name);
		for (k = 0; wrong == NULL && k < task->ncontext - 1; k++)
			if (strcmp(task->context[k], name) == 0)
				wrong = "write each name once";
		if (wrong != NULL)
			rc = ol_kind_words_invalid(s, i, wrong);
	}
	return rc;
}

/* --- rules of a task ----------------------------------------------------- */

static int
set_backoff(const struct ol_setting *s)
{
	const struct ol_option *option = s->option;
	struct ol_conf_task *task = s->target;
	const char *text = s->directive->words[1].text;
	const struct ol_kind_value value = ol_kind_words_value(s, 2);
	const struct ol_kind_slot slot = { option->name, OL_KIND_TIME,
		option->min, option->max, NULL, &task->backoff };

	if (strcmp(text, "exponential") == 0)
		task->backoff_exponential = true;
	else if (strcmp(text, "fixed") == 0)
		task->backoff_exponential = false;
	else
		return ol_kind_words_invalid(
		    s, 1, "write exponential or fixed");
	return ol_kind_value_set(s, &slot, &value);
}

static int
set_rapid(const struct ol_setting *s)
{
	const struct ol_option *option = s->option;
	const struct ol_directive *d = s->directive;
	struct ol_conf_pool *pool = s->target;
	struct ol_kind_slot slot = { option->name, OL_KIND_NUMBER, option->min,
		option->max, NULL, &pool->rapid_crashes };
	struct ol_kind_value value = ol_kind_words_value(s, 1);

	if (strcmp(d->words[1].text, "off") == 0) {
		if (d->nwords > 2)
			return ol_kind_words_invalid(s, 2, "write off alone");
		pool->rapid_crashes = 0;
		return 0;
	}
	if (ol_kind_value_set(s, &slot, &value) == -1)
		return -1;
	if (d->nwords < 3)
		return ol_kind_words_invalid(
		    s, 1, "write a number of crashes and a time, such as 5 5m");
	value = ol_kind_words_value(s, 2);
	slot = (struct ol_kind_slot){ option->name, OL_KIND_TIME, 1000000000,
		86400 * INT64_C(1000000000), NULL, &pool->rapid_window };
	return ol_kind_value_set(s, &slot, &value);
}

static int
set_methods(const struct ol_setting *s)
{
	static const struct {
		const char *name;
		unsigned method;
	} methods[] = {
		{ "GET", OL_METHOD_GET },
		{ "POST", OL_METHOD_POST },
		{ "PUT", OL_METHOD_PUT },
		{ "PATCH", OL_METHOD_PATCH },
		{ "DELETE", OL_METHOD_DELETE },
	};
	enum { NMETHODS = sizeof(methods) / sizeof(methods[0]) };
	struct ol_conf_task *task = s->target;
	size_t i, k;

	task->methods = 0;
	for (i = 1; i < s->directive->nwords; i++) {
		for (k = 0; k < NMETHODS; k++)
			if (strcmp(s->directive->words[i].text,
				methods[k].name) == 0)
				break;
		if (k == NMETHODS)
			return ol_kind_words_invalid(s, i,
			    "write some of GET, POST, PUT, PATCH and DELETE; "
			    "others never submit");
		if ((task->methods & methods[k].method) != 0)
			return ol_kind_words_invalid(
			    s, i, "write each method once");
		task->methods |= methods[k].method;
	}
	return 0;
}

int
ol_kind_words_set(const struct ol_setting *s)
{
	switch (s->option->kind) {
	case OL_KIND_LOG:
		return set_log(s);
	case OL_KIND_LISTEN:
	case OL_KIND_CONTROL:
		return set_listen(s);
	case OL_KIND_PROGRAM:
		return set_program(s);
	case OL_KIND_USER:
		return set_user(s);
	case OL_KIND_ENV:
		return set_env(s);
	case OL_KIND_BACKOFF:
		return set_backoff(s);
	case OL_KIND_RAPID:
		return set_rapid(s);
	case OL_KIND_METHODS:
		return set_methods(s);
	case OL_KIND_CONTEXT:
		return set_context(s);
	default:
		return -1; /* kinds of one value */
	}
}
