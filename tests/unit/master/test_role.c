/* The role that is started is this program: see become(). */
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/channel.h"
#include "base/order.h"
#include "master/role.h"

/* What a role sees, in one line. */
struct seen {
	char role[16];
	int descriptors; /* open ones above 4 */
	int peer;	 /* bytes read from it */
	int stdin_size;	 /* read from descriptor 0 */
	bool same_output, new_privileges, has_secret, has_path, blocked;
	bool ignored;
	uid_t uid, euid;
	gid_t gid;
	int groups;
	pid_t session;
	char directory[64];
};

static int
become(const char *role)
{
	struct seen seen = { .uid = getuid(),
		.euid = geteuid(),
		.gid = getgid(),
		.groups = getgroups(0, NULL),
		.session = getsid(0) };
	struct sigaction action;
	sigset_t blocked;
	char byte[8];
	int fd;

	strlcpy(seen.role, role, sizeof(seen.role));
	for (fd = OL_ORDER_PEER_FD + 1; fd < 1024; fd++)
		seen.descriptors += fcntl(fd, F_GETFD) != -1;
	seen.peer = (int)recv(OL_ORDER_PEER_FD, byte, sizeof(byte), 0);
	seen.stdin_size = (int)read(STDIN_FILENO, byte, sizeof(byte));
	seen.same_output = fcntl(STDOUT_FILENO, F_GETFD) != -1 &&
			   fcntl(STDERR_FILENO, F_GETFD) != -1;
	seen.new_privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0;
	seen.has_secret = getenv("SECRET") != NULL;
	seen.has_path = getenv("PATH") != NULL;
	sigprocmask(SIG_SETMASK, NULL, &blocked);
	seen.blocked = sigismember(&blocked, SIGTERM) == 1;
	sigaction(SIGTERM, NULL, &action);
	seen.ignored = action.sa_handler == SIG_IGN;
	if (getcwd(seen.directory, sizeof(seen.directory)) == NULL)
		seen.directory[0] = '\0';
	return send(OL_ORDER_MASTER_FD, &seen, sizeof(seen), 0) == -1;
}

/* Start one and read what it sees. */
static struct seen
start(const struct ol_role_options *options, int *status)
{
	struct seen seen = { 0 };
	struct pollfd wait = { .events = POLLIN };
	pid_t pid = ol_role_start(options, &wait.fd);

	assert_true(pid > 0);
	assert_int_equal(poll(&wait, 1, 10000), 1);
	(void)recv(wait.fd, &seen, sizeof(seen), 0);
	close(wait.fd);
	assert_int_equal(waitpid(pid, status, 0), pid);
	return seen;
}

static void
test_what_it_has(void **state)
{
	struct ol_role_options options = { .name = "engine" };
	int ends[2], status, extra;
	struct seen seen;
	sigset_t term;

	(void)state;
	assert_int_equal(ol_channel_pair(ends), 0);
	assert_int_equal(send(ends[1], "hello", 5, 0), 5);
	options.peer = ends[0];
	/* What must not arrive there. */
	extra = dup(ends[1]);
	setenv("SECRET", "x", 1);
	setenv("PATH", "/bin", 1);
	signal(SIGTERM, SIG_IGN);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	seen = start(&options, &status);
	sigprocmask(SIG_UNBLOCK, &term, NULL);
	signal(SIGTERM, SIG_DFL);
	assert_int_equal(status, 0);
	assert_string_equal(seen.role, "engine");
	assert_int_equal(seen.descriptors, 0);
	assert_int_equal(seen.peer, 5);
	assert_int_equal(seen.stdin_size, 0);
	assert_true(seen.same_output);
	assert_false(seen.new_privileges);
	assert_false(seen.has_secret);
	assert_true(seen.has_path);
	assert_false(seen.blocked);
	assert_false(seen.ignored);
	assert_int_equal(seen.uid, getuid());
	assert_int_not_equal(seen.session, getsid(0));
	assert_string_equal(seen.directory, "/");
	close(extra);
	close(ends[0]);
	close(ends[1]);
}

/* Ours are where its own are to be. */
static void
test_low_descriptors(void **state)
{
	struct ol_role_options options = { .name = "spawner" };
	int ends[2], status, low, other;
	struct seen seen;

	(void)state;
	assert_int_equal(ol_channel_pair(ends), 0);
	assert_int_equal(send(ends[1], "hi", 2, 0), 2);
	/* The peer as 3, where the master's end goes. */
	low = fcntl(OL_ORDER_MASTER_FD, F_GETFD) == -1
		  ? -1
		  : fcntl(OL_ORDER_MASTER_FD, F_DUPFD_CLOEXEC, 100);
	other = ends[0];
	if (ends[0] != OL_ORDER_MASTER_FD && ends[1] != OL_ORDER_MASTER_FD)
		other = dup2(ends[0], OL_ORDER_MASTER_FD);
	options.peer = other;
	seen = start(&options, &status);
	assert_int_equal(status, 0);
	assert_int_equal(seen.peer, 2);
	assert_int_equal(seen.descriptors, 0);
	if (low != -1) {
		dup2(low, OL_ORDER_MASTER_FD);
		close(low);
	}
	close(ends[0]);
	close(ends[1]);
}

static void
test_another_user(void **state)
{
	struct ol_role_options options = {
		.name = "engine", .user = "nobody", .uid = 65534, .gid = 65534
	};
	int ends[2], status;
	struct seen seen;

	(void)state;
	assert_int_equal(ol_channel_pair(ends), 0);
	assert_int_equal(send(ends[1], "hi", 2, 0), 2);
	options.peer = ends[0];
	seen = start(&options, &status);
	if (geteuid() != 0) {
		/* It must not go on as somebody else. */
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 127);
	} else {
		assert_int_equal(status, 0);
		assert_int_equal(seen.uid, 65534);
		assert_int_equal(seen.euid, 65534);
		assert_int_equal(seen.gid, 65534);
		assert_true(seen.groups <= 1);
	}
	close(ends[0]);
	close(ends[1]);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_has),
		cmocka_unit_test(test_low_descriptors),
		cmocka_unit_test(test_another_user),
	};

	alarm(60);
	if (argc == 3 && strcmp(argv[1], "--role") == 0)
		return become(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
