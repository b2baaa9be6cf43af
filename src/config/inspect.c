#include <sys/types.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "config/conf.h"
#include "config/diagnostic.h"
#include "config/reader.h"

enum { GROUPS_MAX = 64 };

#define QUOTE(word) ol_diagnostic_quote(word).text

/* Who is going to use a path. uid (uid_t)-1: this process. */
struct account {
	uid_t uid;
	gid_t groups[GROUPS_MAX];
	int ngroups;
};

/* A pool or a task: who runs what, and where. */
struct runner {
	const char *user; /* NULL: this process's */
	const char *program, *directory;
	struct ol_place program_place, directory_place;
	struct account account;
};

/* errno of why a may not use path itself with want (R_OK …), or 0. */
static int
check_mode(const struct account *a, const char *path, mode_t want)
{
	struct stat st;
	mode_t have;
	int i;

	if (a->uid == (uid_t)-1)
		return faccessat(AT_FDCWD, path, (int)want, AT_EACCESS) == 0
			   ? 0
			   : errno;
	if (stat(path, &st) == -1)
		return errno;
	have = st.st_mode & 07;
	for (i = 0; i < a->ngroups; i++)
		if (st.st_gid == a->groups[i])
			have = st.st_mode >> 3 & 07;
	if (st.st_uid == a->uid)
		have = st.st_mode >> 6 & 07;
	if (a->uid == 0)
		have =
		    (st.st_mode & 0111) != 0 || S_ISDIR(st.st_mode) ? 07 : 06;
	return (have & want) == want ? 0 : EACCES;
}

/* As check_mode(), every folder on the way included. path is absolute. */
static int
check_path(const struct account *a, const char *path, mode_t want)
{
	char *folder = ol_must(strdup(path)), *slash = folder;
	int error = 0;

	while (error == 0 && (slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		error = check_mode(a, folder, X_OK);
		*slash = '/';
	}
	free(folder);
	return error != 0 ? error : check_mode(a, path, want);
}

/* The value of a directive of a block (NULL: top level), else the block. */
static struct ol_place
place_of(const struct ol_conf *conf, const struct ol_directive *block,
    const char *name)
{
	const struct ol_directive *d =
	    block != NULL ? ol_reader_find(&block->children, name) : NULL;

	if (d != NULL)
		return d->words[1].place;
	if (block != NULL)
		return block->words[0].place;
	return ol_reader_place(conf->reading, name, NULL);
}

static struct account
account_of(const char *user, uid_t uid, gid_t gid)
{
	struct account a = { .uid = uid, .ngroups = GROUPS_MAX };

	if (user != NULL && getgrouplist(user, gid, a.groups, &a.ngroups) == -1)
		a.ngroups = GROUPS_MAX; /* the first ones will do */
	return a;
}

static const char *
name_of(const char *user)
{
	return user != NULL ? user : "this user";
}

static void
check_program(const struct runner *r, struct ol_diagnostics *diagnostics)
{
	const char *path = r->program;
	int error = check_path(&r->account, path, X_OK);
	struct stat st;

	if (error == 0 && stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		ol_diagnostic_error(diagnostics, r->program_place,
		    "\"%s\" is not a file: name the program itself",
		    QUOTE(path));
		return;
	}
	if (error == EACCES)
		ol_diagnostic_error(diagnostics, r->program_place,
		    "%s may not execute \"%s\": check the modes of the file "
		    "and of the folders above it",
		    name_of(r->user), QUOTE(path));
	else if (error != 0)
		ol_diagnostic_error(diagnostics, r->program_place,
		    "cannot execute \"%s\": %s", QUOTE(path), strerror(error));
}

static void
check_directory(const struct runner *r, struct ol_diagnostics *diagnostics)
{
	int error = check_path(&r->account, r->directory, X_OK);
	struct stat st;

	if (error == 0 && stat(r->directory, &st) == 0 && !S_ISDIR(st.st_mode))
		error = ENOTDIR;
	if (error != 0)
		ol_diagnostic_error(diagnostics, r->directory_place,
		    "%s cannot work in \"%s\": %s", name_of(r->user),
		    QUOTE(r->directory), strerror(error));
}

/*
 * The folder of path must take new files of this process. That of the pid file
 * is made by outlastd, with what else is in it, when only that one is missing.
 */
static void
check_folder(const struct ol_conf *conf, struct ol_place place,
    const char *path, struct ol_diagnostics *diagnostics)
{
	const struct account self = { .uid = (uid_t)-1 };
	char *folder = ol_must(strdup(path));
	char *slash = strrchr(folder, '/');
	size_t len = (size_t)(slash - folder);
	struct stat st;
	int error;

	slash[slash == folder ? 1 : 0] = '\0';
	if (slash != folder && stat(folder, &st) == -1 && errno == ENOENT &&
	    strncmp(conf->pid, path, len + 1) == 0 &&
	    strchr(conf->pid + len + 1, '/') == NULL) {
		slash = strrchr(folder, '/');
		slash[slash == folder ? 1 : 0] = '\0';
	}
	if ((error = check_path(&self, folder, W_OK | X_OK)) != 0)
		ol_diagnostic_error(diagnostics, place,
		    "the folder \"%s\" cannot be written to: %s", QUOTE(folder),
		    strerror(error));
	free(folder);
}

/* Beside the pid file is the socket on which a process says that it is ready.
 */
static void
check_notify(const struct ol_conf *conf, const struct ol_conf_pool *pool,
    const struct account *a, struct ol_diagnostics *diagnostics)
{
	char *folder = ol_must(strdup(conf->pid));

	*strrchr(folder, '/') = '\0';
	if (*folder != '\0' && check_path(a, folder, X_OK) == EACCES)
		ol_diagnostic_error(diagnostics, place_of(conf, NULL, "pid"),
		    "%s of pool \"%s\" cannot reach its notify socket in "
		    "\"%s\": check the modes of that folder and of those above "
		    "it",
		    pool->user, pool->name, QUOTE(folder));
	free(folder);
}

/* What may be at a socket's path: nothing, or a socket. */
static void
check_socket(const struct ol_conf *conf, struct ol_place place,
    const char *path, struct ol_diagnostics *diagnostics)
{
	struct stat st;

	check_folder(conf, place, path, diagnostics);
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		ol_diagnostic_error(diagnostics, place,
		    "\"%s\" exists and is not a socket: remove it, or listen "
		    "elsewhere",
		    QUOTE(path));
}

static void
check_pool(const struct ol_conf *conf, const struct ol_conf_pool *pool,
    struct ol_diagnostics *diagnostics)
{
	const struct runner r = {
		.user = pool->user,
		.program = pool->program[0],
		.directory = pool->directory,
		.program_place = place_of(conf, pool->block, "program"),
		.directory_place = place_of(conf, pool->block, "directory"),
		.account = account_of(pool->user, pool->uid, pool->gid),
	};
	struct runner teller = r;
	const char *socket = ol_addr_path(&pool->listen.addr);

	check_program(&r, diagnostics);
	if (pool->on_crash != NULL) {
		teller.program = pool->on_crash[0];
		teller.program_place = place_of(conf, pool->block, "on_crash");
		check_program(&teller, diagnostics);
	}
	check_directory(&r, diagnostics);
	if (pool->user != NULL)
		check_notify(conf, pool, &r.account, diagnostics);
	if (socket != NULL)
		check_socket(conf, place_of(conf, pool->block, "listen"),
		    socket, diagnostics);
}

/*
 * The folder of the store. outlastd makes it when only that one is missing, and
 * puts right the modes of one that is its own.
 */
static void
check_state(const struct ol_conf *conf, struct ol_diagnostics *diagnostics)
{
	struct ol_place place = place_of(conf, NULL, "state");
	struct stat st;

	if (lstat(conf->state, &st) == -1) {
		if (errno == ENOENT)
			check_folder(conf, place, conf->state, diagnostics);
		else
			ol_diagnostic_error(diagnostics, place,
			    "cannot keep tasks in \"%s\": %s",
			    QUOTE(conf->state), strerror(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode))
		ol_diagnostic_error(diagnostics, place,
		    "cannot keep tasks in \"%s\": it is no folder",
		    QUOTE(conf->state));
	else if (st.st_uid != geteuid() && st.st_uid != conf->uid)
		ol_diagnostic_error(diagnostics, place,
		    "cannot keep tasks in \"%s\": it belongs to somebody else "
		    "than %s; name another folder, or change its owner",
		    QUOTE(conf->state), name_of(conf->user));
}

/* Below it are the folders and sockets of attempts. */
static void
check_way(const struct ol_conf *conf, const struct ol_conf_task *task,
    const struct account *a, struct ol_diagnostics *diagnostics)
{
	char *folder = ol_must(strdup(conf->state));

	*strrchr(folder, '/') = '\0';
	if (*folder != '\0' && check_path(a, folder, X_OK) == EACCES)
		ol_diagnostic_error(diagnostics, place_of(conf, NULL, "state"),
		    "%s of task \"%s\" cannot reach the folders of its "
		    "attempts in \"%s\": check the modes of the folders above "
		    "it",
		    name_of(task->user), task->name, QUOTE(conf->state));
	free(folder);
}

/* A backend may be started later than we are; but not as a file. */
static void
check_backend(const struct ol_conf *conf, const struct ol_conf_task *task,
    struct ol_diagnostics *diagnostics)
{
	const struct account engine =
	    account_of(conf->user, conf->uid, conf->gid);
	struct ol_place place = place_of(conf, task->block, "fastcgi_pass");
	const char *path = ol_addr_path(&task->backend->addr);
	struct stat st;
	int error;

	if (path == NULL)
		return;
	error = check_path(&engine, path, W_OK);
	if (error == 0 && stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		ol_diagnostic_error(diagnostics, place,
		    "\"%s\" is not a socket: name that of the backend",
		    QUOTE(path));
	else if (error == EACCES)
		ol_diagnostic_error(diagnostics, place,
		    "%s may not connect to \"%s\": add that user to the "
		    "socket's group (php-fpm: listen.group), or check the "
		    "modes of the folders above it",
		    name_of(conf->user), QUOTE(path));
	else if (error != 0)
		ol_diagnostic_warning(diagnostics, place,
		    "nobody listens on \"%s\" now: %s; tasks wait until "
		    "somebody does",
		    QUOTE(path), strerror(error));
}

static void
check_program_task(const struct ol_conf *conf, const struct ol_conf_task *task,
    struct ol_diagnostics *diagnostics)
{
	/* NULL: what is said of it is said at top level. */
	const struct ol_directive *own =
	    ol_reader_find(&task->block->children, "directory") != NULL
		? task->block
		: NULL;
	const struct runner r = {
		.user = task->user,
		.program = task->program[0],
		.directory = task->directory,
		.program_place = place_of(conf, task->block, "program"),
		.directory_place = place_of(conf, own, "directory"),
		.account = account_of(task->user, task->uid, task->gid),
	};

	check_program(&r, diagnostics);
	check_way(conf, task, &r.account, diagnostics);
	if (task->directory != NULL)
		check_directory(&r, diagnostics);
}

/* What tasks need, and nothing else does. */
static void
check_tasks(const struct ol_conf *conf, struct ol_diagnostics *diagnostics)
{
	const struct ol_conf_task *task;
	const char *socket;
	size_t i;

	if (TAILQ_EMPTY(&conf->tasks))
		return;
	check_state(conf, diagnostics);
	for (i = 0; i < conf->nlisten; i++)
		if ((socket = ol_addr_path(&conf->listen[i].addr)) != NULL)
			check_socket(conf,
			    ol_reader_place(
				conf->reading, "listen", conf->listen[i].text),
			    socket, diagnostics);
	TAILQ_FOREACH (task, &conf->tasks, link)
		if (task->backend != NULL)
			check_backend(conf, task, diagnostics);
		else
			check_program_task(conf, task, diagnostics);
}

static void
check_log(const struct ol_conf *conf, const char *path,
    struct ol_diagnostics *diagnostics)
{
	struct ol_place place = ol_reader_place(conf->reading, "log", path);
	struct stat st;

	if (stat(path, &st) == -1) {
		check_folder(conf, place, path, diagnostics);
		return;
	}
	if (S_ISDIR(st.st_mode))
		ol_diagnostic_error(diagnostics, place,
		    "\"%s\" is a folder: name a file", QUOTE(path));
	else if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == -1)
		ol_diagnostic_error(diagnostics, place,
		    "\"%s\" cannot be written to: %s", QUOTE(path),
		    strerror(errno));
}

int
ol_conf_check_world(const struct ol_conf *conf, FILE *errors, bool colour)
{
	struct ol_diagnostics *diagnostics = ol_diagnostic_new();
	const struct ol_conf_pool *pool;
	size_t i;
	int n;

	check_folder(conf, place_of(conf, NULL, "pid"), conf->pid, diagnostics);
	for (i = 0; i < conf->nlogs; i++)
		if (conf->logs[i].target == OL_LOG_FILE)
			check_log(conf, conf->logs[i].path, diagnostics);
	TAILQ_FOREACH (pool, &conf->pools, link)
		check_pool(conf, pool, diagnostics);
	check_tasks(conf, diagnostics);
	if (errors != NULL)
		ol_diagnostic_print(diagnostics, errors, colour);
	n = (int)ol_diagnostic_count(diagnostics);
	ol_diagnostic_free(diagnostics);
	return n;
}
