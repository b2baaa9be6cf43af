/* Crashes, each in a child whose report is read from a memfd. */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fastcgi.h>
#include <cmocka.h>

#include <outlast/outlast.h>

#include "peer.h"

static char dir[] = "/tmp/outlast-test-XXXXXX";
static char path[64];
static char report[16384];

/* volatile: the compiler shall not see what is wrong with them. */
static int *volatile nowhere = (int *)16;
static volatile int deepest = 1 << 30;

static void
fault(void)
{
	*nowhere = 1;
}

static enum ol_outcome
crash_in_item(struct ol_work *work, void *data)
{
	(void)data;
	ol_work_progress(work, 40, "drawing\tpage 3");
	fault();
	return OL_OK;
}

static void
crash_on_loop(struct ol_work *work, struct event_base *base, void *data)
{
	(void)base;
	(void)data;
	(void)work;
	abort();
}

static void
crash_after_done(struct ol_work *work, struct event_base *base, void *data)
{
	(void)base;
	(void)data;
	ol_work_done(work, OL_OK, NULL);
	fault();
}

/* A program that does not come to its exec(). */
static enum ol_outcome
crash_in_a_child(struct ol_work *work, void *data)
{
	int status = 0;
	pid_t pid;

	(void)data;
	if ((pid = fork()) == 0)
		abort();
	waitpid(pid, &status, 0);
	/* 1 would be: items were lost. */
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		_exit(3);
	ol_app_stop(ol_work_app(work), -1);
	return OL_OK;
}

/* A system call that a filter forbids. */
static enum ol_outcome
make_forbidden_call(struct ol_work *work, void *data)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { .len = sizeof(code) / sizeof(code[0]),
		.filter = code };

	(void)work;
	(void)data;
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == -1)
		_exit(3);
	syscall(SYS_getppid);
	_exit(4);
}

static int
overflow(int depth)
{
	volatile char here[4096];

	here[0] = (char)depth;
	return depth == deepest ? 0 : overflow(depth + 1) + here[0];
}

static enum ol_outcome
overflow_stack(struct ol_work *work, void *data)
{
	(void)work;
	(void)data;
	return overflow(0) == 0 ? OL_OK : OL_FAIL;
}

static void
on_request(struct ol_app *app, FCGX_Request *request, void *arg)
{
	(void)app;
	(void)request;
	(void)arg;
	fault();
}

static void
fault_on_error(struct ol_app *app, const struct ol_error *error, void *arg)
{
	(void)app;
	(void)error;
	(void)arg;
	fault();
}

static void
setup_item(struct ol_app *app)
{
	ol_queue_blocking(
	    app, crash_in_item, NULL, OL_WORK_OPTIONS(.name = "re\nsize"));
}

static void
setup_loop(struct ol_app *app)
{
	ol_queue_async(
	    app, crash_on_loop, NULL, OL_WORK_OPTIONS(.name = "tick"));
}

static void
setup_after_done(struct ol_app *app)
{
	ol_queue_async(
	    app, crash_after_done, NULL, OL_WORK_OPTIONS(.name = "gone"));
}

static void
setup_child(struct ol_app *app)
{
	ol_queue_blocking(app, crash_in_a_child, NULL, NULL);
}

static void
setup_forbidden(struct ol_app *app)
{
	ol_queue_blocking(app, make_forbidden_call, NULL,
	    OL_WORK_OPTIONS(.name = "forbidden"));
}

static void
setup_overflow(struct ol_app *app)
{
	ol_queue_blocking(
	    app, overflow_stack, NULL, OL_WORK_OPTIONS(.name = "deep"));
}

static void
setup_nothing(struct ol_app *app)
{
	(void)app;
}

static void
setup_main(struct ol_app *app)
{
	ol_app_on_error(app, fault_on_error, NULL);
}

typedef void setup_fn(struct ol_app *app);

/* Run a child that crashes; its signal, and its words in report. */
static int
crash(setup_fn *setup, const char *uri)
{
	char listen[80], program[] = "test", option[] = "--listen", text[16];
	char *argv[] = { program, option, listen, NULL };
	const struct rlimit none = { 0 };
	int fd = memfd_create("report", 0), argc = 3, status;
	struct ol_app *app;
	ssize_t n;
	pid_t pid;

	if ((pid = fork()) == 0) {
		alarm(30);
		setrlimit(RLIMIT_CORE, &none);
		/* cmocka's handlers, or a sanitizer's, would be called next. */
		signal(SIGSEGV, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		signal(SIGSYS, SIG_DFL);
		snprintf(text, sizeof(text), "%d", fd);
		setenv("OUTLAST_CRASH_FD", text, 1);
		snprintf(listen, sizeof(listen), "unix:%s", path);
		app = ol_app_new(NULL);
		ol_app_args(app, &argc, argv);
		ol_app_on_request(app, on_request, NULL);
		setup(app);
		_exit(ol_app_run(app));
	}
	if (uri != NULL) {
		struct reply *reply = calloc(1, sizeof(*reply));
		int conn = peer_connect(path);

		peer_get(conn, uri, 0, reply);
		close(conn);
		free(reply);
	} else if (setup == setup_main) {
		int conn = peer_connect(path);

		assert_int_equal(write(conn, "not FastCGI", 11), 11);
		peer_readable(conn, 5000);
		close(conn);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	n = pread(fd, report, sizeof(report) - 1, 0);
	assert_true(n >= 0);
	report[n] = '\0';
	close(fd);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
assert_first_line(const char *expected)
{
	char line[256];

	snprintf(
	    line, sizeof(line), "%.*s", (int)strcspn(report, "\n"), report);
	assert_string_equal(line, expected);
	assert_non_null(strstr(report, "\npid: "));
	assert_non_null(strstr(report, "\nbacktrace:\n"));
	/* Frames follow. */
	assert_non_null(strstr(strstr(report, "\nbacktrace:\n"), "[0x"));
}

static void
test_in_an_item(void **state)
{
	(void)state;
	assert_int_equal(crash(setup_item, NULL), SIGSEGV);
	assert_first_line("SIGSEGV at 0x10 in work item \"re?size\" "
			  "(40 % drawing?page 3)");
	assert_non_null(strstr(report, "(background thread)"));
}

static void
test_on_the_background_loop(void **state)
{
	(void)state;
	assert_int_equal(crash(setup_loop, NULL), SIGABRT);
	assert_first_line("SIGABRT in work item \"tick\"");
	assert_non_null(strstr(report, "(background loop)"));
}

/* The item is gone, and so must be its name. */
static void
test_after_the_items_end(void **state)
{
	(void)state;
	assert_int_equal(crash(setup_after_done, NULL), SIGSEGV);
	assert_first_line("SIGSEGV at 0x10 in the background loop");
}

static void
test_a_forked_childs_crash_is_not_ours(void **state)
{
	(void)state;
	assert_int_equal(crash(setup_child, NULL), 0);
	assert_string_equal(report, "");
}

/* Which returns from the handler behind the call, not to it. */
static void
test_a_forbidden_system_call(void **state)
{
	(void)state;
	assert_int_equal(crash(setup_forbidden, NULL), SIGSYS);
	assert_int_equal(strncmp(report, "SIGSYS at 0x", 12), 0);
}

static void
test_in_a_request(void **state)
{
	(void)state;
	assert_int_equal(crash(setup_nothing, "/pay?card=1"), SIGSEGV);
	assert_first_line("SIGSEGV at 0x10 in request GET /pay?card=1");
}

/* A bad record is told to the error handler on the main loop. */
static void
test_on_the_main_loop(void **state)
{
	(void)state;
	assert_int_equal(crash(setup_main, NULL), SIGSEGV);
	assert_first_line("SIGSEGV at 0x10 in the main thread");
}

/* The handler has a stack of its own. */
static void
test_stack_overflow(void **state)
{
	(void)state;
	assert_int_equal(crash(setup_overflow, NULL), SIGSEGV);
	assert_int_equal(strncmp(report, "SIGSEGV at 0x", 13), 0);
	assert_non_null(strstr(report, "in work item \"deep\""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_an_item),
		cmocka_unit_test(test_on_the_background_loop),
		cmocka_unit_test(test_after_the_items_end),
		cmocka_unit_test(test_a_forked_childs_crash_is_not_ours),
		cmocka_unit_test(test_a_forbidden_system_call),
		cmocka_unit_test(test_in_a_request),
		cmocka_unit_test(test_on_the_main_loop),
		cmocka_unit_test(test_stack_overflow),
	};
	int rc;

	alarm(120);
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/s", dir);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	rmdir(dir);
	return rc;
}
