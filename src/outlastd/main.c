/* outlastd(8): picks what to do from the command line. */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/must.h"
#include "base/order.h"
#include "base/sealed.h"
#include "config/conf.h"
#include "ctl/reload.h"
#include "master/handover.h"
#include "master/master.h"
#include "master/pidfile.h"
#include "outlastd/serve.h"
#include "spawner/spawner.h"

struct command {
	const char *file;
	const char *extra; /* -g */
	const char *signal_name;
	int signo; /* of -s; 0: without */
	bool test;
	bool dump;
	bool quiet;
	int handover; /* of an upgrade (master/upgrade.c); -1: it is none */
};

static const struct {
	const char *name;
	int signo;
} signals[] = {
	{ "stop", SIGTERM },
	{ "quit", SIGQUIT },
	{ "reload", SIGHUP },
	{ "reopen", SIGUSR1 },
};

static void
usage(FILE *out)
{
	fputs("usage: outlastd [-c FILE] [-g 'directives;'] [-t | -T] [-q]\n"
	      "                [-s stop | quit | reload | reopen] [-v | -V]\n"
	      "                [--print-options] [-h | --help]\n"
	      "\n"
	      "  -c FILE          configuration file (" DEFAULT_FILE ")\n"
	      "  -g 'directives;' directives that win over the file\n"
	      "  -t               test the configuration and end\n"
	      "  -T               the same, and print it with every default\n"
	      "  -q               with -t and -T: no word of success\n"
	      "  -s stop          end the running outlastd within its budget\n"
	      "  -s quit          end it when its work is done, however long\n"
	      "  -s reload        read the configuration again\n"
	      "  -s reopen        open the log files again\n"
	      "  -v, --version    print the version; -V also how it was built\n"
	      "  --print-options  print the table of all directives\n"
	      "  -h, --help       print this\n",
	    out);
}

static void bad_usage(const char *what, const char *word)
    __attribute__((noreturn));

static void
bad_usage(const char *what, const char *word)
{
	fprintf(stderr, "outlastd: %s: %s; try --help\n", what, word);
	exit(EX_USAGE);
}

/* A file opened as descriptor 2 would get what was meant for people. */
static void
ensure_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd == -1)
		_exit(EX_OSERR);
	close(fd);
}

static void
set_signal(struct command *c, const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (strcmp(name, signals[i].name) == 0) {
			c->signal_name = name;
			c->signo = signals[i].signo;
			return;
		}
	bad_usage("-s takes stop, quit, reload or reopen", name);
}

static void
set_handover(struct command *c, const char *number)
{
	char *end;
	long fd = strtol(number, &end, 10);

	if (*end != '\0' || fd <= STDERR_FILENO || fd > 1 << 20 ||
	    fcntl((int)fd, F_SETFD, FD_CLOEXEC) == -1)
		bad_usage("outlastd itself uses", "--handover");
	c->handover = (int)fd;
}

static void
parse(struct command *c, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "handover", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ "print-options", no_argument, NULL, 'p' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	int ch;

	while (
	    (ch = getopt_long(argc, argv, "c:g:tTs:qvVh", longs, NULL)) != -1)
		switch (ch) {
		case 'c':
			c->file = optarg;
			break;
		case 'g':
			c->extra = optarg;
			break;
		case 'T':
			c->dump = true;
			/* FALLTHROUGH */
		case 't':
			c->test = true;
			break;
		case 's':
			set_signal(c, optarg);
			break;
		case 'q':
			c->quiet = true;
			break;
		case 'v':
			puts("outlastd " PACKAGE_VERSION);
			exit(EX_OK);
		case 'V':
			puts("outlastd " PACKAGE_VERSION "\n"
			     "compiler: " __VERSION__ "\n"
			     "configuration: " DEFAULT_FILE);
			exit(EX_OK);
		case 'o':
			set_handover(c, optarg);
			break;
		case 'p':
			ol_conf_print_table(stdout);
			exit(fflush(stdout) == 0 ? EX_OK : 1);
		case 'h':
			usage(stdout);
			exit(EX_OK);
		default:
			/* getopt_long() has said what is wrong. */
			fputs("outlastd: try --help\n", stderr);
			exit(EX_USAGE);
		}
	if (optind < argc)
		bad_usage("unexpected argument", argv[optind]);
	if (c->test && c->signo != 0)
		bad_usage("-s does not go with", c->dump ? "-T" : "-t");
}

/*
 * What the older program hands over, and the configuration that it has in
 * force. NULL: said. h has nothing to free then.
 */
static struct ol_conf *
read_handover(const struct command *c, struct ol_handover *h)
{
	char *text, why[160];
	struct ol_conf *conf;
	size_t len;
	int rc;

	if ((text = ol_sealed_read(c->handover, &len)) == NULL) {
		fprintf(stderr, "outlastd: cannot read the handover: %s\n",
		    strerror(errno));
		return NULL;
	}
	rc = ol_handover_read(h, text, len, why, sizeof(why));
	free(text);
	if (rc == -1) {
		fprintf(stderr,
		    "outlastd: this version cannot take over from the one "
		    "that runs: %s; restart instead\n",
		    why);
		return NULL;
	}
	conf = ol_conf_load_text(h->config, h->nconfig, stderr);
	if (conf == NULL) {
		fputs("outlastd: this version does not take the configuration "
		      "in force\n",
		    stderr);
		ol_handover_fini(h);
		return NULL;
	}
	free(conf->file);
	conf->file = ol_must(strdup(c->file));
	return conf;
}

static int
take_over(const struct command *c, const char *program)
{
	struct ol_handover h;
	struct ol_conf *conf;
	struct ol_master *master;
	int code = 1;

	prctl(PR_SET_NAME, "outlastd");
	if ((conf = read_handover(c, &h)) == NULL)
		return 1;
	close(c->handover);
	if ((master = ol_master_new(conf, c->extra)) != NULL) {
		ol_master_program(master, program, c->file);
		code = ol_master_resume(master, &h);
		ol_master_free(master);
	}
	ol_handover_fini(&h);
	return code;
}

/* Whether this program could take over. */
static bool
test_handover(const struct command *c)
{
	struct ol_handover h;
	struct ol_conf *conf = read_handover(c, &h);

	if (conf == NULL)
		return false;
	ol_conf_free(conf);
	ol_handover_fini(&h);
	return true;
}

static int
test(const struct command *c, struct ol_conf *conf)
{
	int problems = ol_conf_check_world(conf, stderr, isatty(STDERR_FILENO));

	if (c->handover != -1 && !test_handover(c))
		problems++;
	if (problems == 0 && c->dump)
		ol_conf_dump_masked(conf, stdout);
	if (problems != 0)
		fprintf(stderr, "outlastd: configuration %s test failed\n",
		    conf->file);
	else if (!c->quiet)
		fprintf(stderr,
		    "outlastd: configuration %s test is successful\n",
		    conf->file);
	if (fflush(stdout) == EOF)
		return 1;
	return problems == 0 ? EX_OK : EX_CONFIG;
}

static int
send_signal(const struct command *c, const struct ol_conf *conf)
{
	pid_t pid = ol_pidfile_holder(conf->pid);

	if (pid == -1) {
		fprintf(stderr, "outlastd: cannot read pid file %s: %s\n",
		    conf->pid, strerror(errno));
		return errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE;
	}
	if (pid == 0) {
		fprintf(stderr, "outlastd: none is running (pid file %s)\n",
		    conf->pid);
		return EX_UNAVAILABLE;
	}
	if (kill(pid, c->signo) == -1) {
		fprintf(stderr, "outlastd: cannot %s pid %d: %s\n",
		    c->signal_name, (int)pid, strerror(errno));
		return errno == EPERM ? EX_NOPERM : EX_UNAVAILABLE;
	}
	return EX_OK;
}

static bool
is_this(const char *path)
{
	struct stat ours, there;

	return stat("/proc/self/exe", &ours) == 0 && stat(path, &there) == 0 &&
	       ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/*
 * The path that we were started from, for an upgrade: what will be found there
 * later. As it was given, because it may lead through a link that the upgrade
 * changes. malloc'ed; NULL: unknown.
 */
static char *
find_program(const char *name)
{
	char folder[PATH_MAX], target[PATH_MAX], *path;
	ssize_t n;

	if (*name == '/' && is_this(name))
		return ol_must(strdup(name));
	if (strchr(name, '/') != NULL && is_this(name) &&
	    getcwd(folder, sizeof(folder)) != NULL) {
		if (asprintf(&path, "%s/%s", folder, name) == -1)
			ol_must(NULL);
		return path;
	}
	n = readlink("/proc/self/exe", target, sizeof(target) - 1);
	if (n == -1)
		return NULL;
	target[n] = '\0';
	return ol_must(strdup(target));
}

/*
 * Ask the master, which tells what came of it; one that is too old to be asked
 * is signalled.
 */
static int
reload(const struct command *c, const struct ol_conf *conf)
{
	struct ol_ctl ctl = {
		.program = "outlastd",
		.socket = conf->control.text,
	};
	int code = ol_ctl_reload_try(&ctl);

	if (code != EX_UNAVAILABLE)
		return code;
	if ((code = send_signal(c, conf)) == EX_OK)
		fprintf(stderr,
		    "outlastd: nobody answers at %s; the running outlastd was "
		    "signalled, its log says what it has done\n",
		    conf->control.text);
	return code;
}

/*
 * We were started by ourselves (master/role.c). Whoever signals the whole
 * group means the master, which tells us what to do.
 */
static int
run_role(const char *role, int argc, char **argv)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP,
		SIGUSR1, SIGUSR2, SIGPIPE };
	size_t i;

	if (fcntl(OL_ORDER_MASTER_FD, F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(OL_ORDER_PEER_FD, F_SETFD, FD_CLOEXEC) == -1)
		bad_usage("outlastd itself uses", "--role");
	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	setproctitle_init(argc, argv, environ);
	prctl(PR_SET_NAME, "outlastd");
	if (strcmp(role, "engine") == 0) {
		setproctitle("-outlastd: engine");
		return ol_serve_run(OL_ORDER_MASTER_FD, OL_ORDER_PEER_FD);
	}
	if (strcmp(role, "spawner") == 0) {
		setproctitle("-outlastd: spawner");
		return ol_spawner_run(OL_ORDER_MASTER_FD, OL_ORDER_PEER_FD);
	}
	bad_usage("unknown role", role);
}

int
main(int argc, char **argv)
{
	struct command c = { .file = DEFAULT_FILE, .handover = -1 };
	char *program;
	struct ol_master *master;
	struct ol_conf *conf;
	int code;

	ensure_descriptors();
	if (argc == 3 && strcmp(argv[1], "--role") == 0)
		return run_role(argv[2], argc, argv);
	parse(&c, argc, argv);
	program = find_program(argv[0]);
	if (c.handover != -1 && !c.test) {
		code = take_over(&c, program);
		free(program);
		return code;
	}
	conf = ol_conf_load(c.file, c.extra, stderr, isatty(STDERR_FILENO));
	if (conf == NULL) {
		if (c.test)
			fprintf(stderr,
			    "outlastd: configuration %s test failed\n", c.file);
		return EX_CONFIG;
	}
	if (c.test || c.signo != 0) {
		code = c.test		   ? test(&c, conf)
		       : c.signo == SIGHUP ? reload(&c, conf)
					   : send_signal(&c, conf);
		ol_conf_free(conf);
		return code;
	}
	if ((master = ol_master_new(conf, c.extra)) == NULL)
		return 1;
	ol_master_program(master, program, c.file);
	code = ol_master_run(master);
	ol_master_free(master);
	return code;
}
