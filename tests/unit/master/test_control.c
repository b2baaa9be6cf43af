#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/control.h"

/* A master that knows nothing, in a process of its own. */
struct world {
	char folder[64];
	struct ol_conf_listen conf;
	pid_t pid;
};

enum { BIG = 3000 };

/* "pools" is long; all else tells what was asked. */
static void
on_request(void *arg, const struct ol_control_request *request, const char *by,
    struct ol_document *answer)
{
	int i;

	(void)arg;
	(void)by;
	ol_document_flag(answer, "ok", true);
	ol_document_text(answer, "verb", ol_control_name(request->verb));
	ol_document_text(answer, "pool", request->pool);
	if (request->verb != OL_CONTROL_POOLS)
		return;
	ol_document_array(answer, "numbers");
	for (i = 0; i < 100 * BIG; i++)
		ol_document_number(answer, NULL, 1000000 + i);
	ol_document_array_end(answer);
}

static void
on_ready(void *arg)
{
	kill(getppid(), SIGUSR1);
	(void)arg;
}

static void
serve(const struct world *w)
{
	struct ol_loop *loop = ol_loop_new();
	struct ol_timer *timer = ol_timer_new(loop, on_ready, NULL);

	if (ol_control_open(loop, &w->conf, (uid_t)-1, on_request, NULL) ==
	    NULL)
		_exit(1);
	ol_timer_at(timer, ol_clock_now());
	ol_loop_run(loop);
	_exit(0);
}

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	sigset_t usr1;
	int signo;

	strcpy(w->folder, "/tmp/outlast-test.XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	assert_int_equal(chmod(w->folder, 0711), 0);
	assert_true(asprintf(&w->conf.text, "unix:%s/control", w->folder) > 0);
	assert_null(ol_addr_parse(&w->conf.addr, w->conf.text));
	w->conf.mode = 0666;
	w->conf.gid = (gid_t)-1;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	w->pid = fork();
	if (w->pid == 0) {
		alarm(60);
		serve(w);
	}
	assert_int_equal(sigwait(&usr1, &signo), 0);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	unlink(w->conf.text + strlen("unix:"));
	rmdir(w->folder);
	free(w->conf.text);
	free(w);
	return 0;
}

static int
reach(const struct world *w)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, &w->conf.addr.u.sa, w->conf.addr.len), 0);
	return fd;
}

/* The answer, to be freed; NULL: it hung up. */
static char *
hear(int fd)
{
	char packet[OL_CONTROL_PACKET_MAX + 1], *text = NULL;
	size_t len = 0;
	ssize_t n;

	do {
		n = recv(fd, packet, sizeof(packet), 0);
		if (n <= 0) {
			free(text);
			return NULL;
		}
		assert_true(n > 1 && n <= OL_CONTROL_PACKET_MAX);
		assert_true(packet[0] == OL_CONTROL_MORE ||
			    packet[0] == OL_CONTROL_LAST);
		text = realloc(text, len + (size_t)n);
		memcpy(text + len, packet + 1, (size_t)n - 1);
		len += (size_t)n - 1;
		text[len] = '\0';
	} while (packet[0] == OL_CONTROL_MORE);
	return text;
}

static void
expect(int fd, const char *data, size_t len, const char *part)
{
	char *text;

	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
	text = hear(fd);
	assert_non_null(text);
	assert_non_null(strstr(text, part));
	free(text);
}

static void
test_requests(void **state)
{
	static const char rubbish[OL_CONTROL_REQUEST_MAX + 100] = "stop shop";
	const struct world *w = *state;
	int fd = reach(w);

	expect(fd, "status", 6, "\"verb\":\"status\",\"pool\":\"\"");
	expect(fd, "stop shop", 9, "\"verb\":\"stop\",\"pool\":\"shop\"");
	expect(fd, "stop  shop", 10, "\"kind\":\"usage\"");
	/* What was cut off must not be taken for a request. */
	expect(fd, rubbish, sizeof(rubbish), "\"kind\":\"usage\"");
	expect(fd, "\0", 1, "\"kind\":\"usage\"");
	expect(fd, "reload", 6, "\"verb\":\"reload\"");
	close(fd);
}

static void
test_long_answer(void **state)
{
	const struct world *w = *state;
	int fd = reach(w);
	char *text;

	assert_int_equal(send(fd, "pools", 5, 0), 5);
	/* It waits for us to read, and answers others meanwhile. */
	expect(reach(w), "status", 6, "\"ok\":true");
	text = hear(fd);
	assert_non_null(text);
	assert_true(strlen(text) > 100 * BIG * 8);
	assert_string_equal(text + strlen(text) - 10, ",1299999]}");
	free(text);
	expect(fd, "status", 6, "\"ok\":true");
	close(fd);
}

static int
descriptors(pid_t pid)
{
	char path[32];
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* Nobody can make it keep what was sent along. */
static void
test_descriptors(void **state)
{
	const struct world *w = *state;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = (char[]){ "status" }, .iov_len = 6 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
	int fd = reach(w), sent = STDERR_FILENO, before, i;

	expect(fd, "status", 6, "\"ok\":true");
	before = descriptors(w->pid);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &sent, sizeof(sent));
	for (i = 0; i < 10; i++) {
		assert_int_equal(sendmsg(fd, &msg, 0), 6);
		free(hear(fd));
	}
	assert_int_equal(descriptors(w->pid), before);
	close(fd);
}

/* Those who say nothing, or do not read, are hung up on for others. */
static void
test_idle_peers(void **state)
{
	const struct world *w = *state;
	int fds[OL_CONTROL_PEERS], last, i;

	for (i = 0; i < OL_CONTROL_PEERS; i++)
		fds[i] = reach(w);
	assert_int_equal(send(fds[0], "pools", 5, 0), 5);
	last = reach(w);
	expect(last, "status", 6, "\"ok\":true");
	for (i = 1; i < OL_CONTROL_PEERS; i++) {
		char byte;

		assert_int_equal(recv(fds[i], &byte, 1, 0), 0);
		close(fds[i]);
	}
	assert_null(hear(fds[0]));
	close(fds[0]);
	close(last);
}

static void
ask_as_nobody(const struct world *w, int told)
{
	int fd, i;

	if (setgid(65534) == -1 || setuid(65534) == -1)
		_exit(1);
	fd = reach(w);
	expect(fd, "status", 6, "\"ok\":true");
	expect(fd, "stop shop", 9, "\"kind\":\"permission\"");
	expect(fd, "recycle shop", 12, "\"kind\":\"permission\"");
	expect(fd, "reload", 6, "\"kind\":\"permission\"");
	/* They cannot take all the room. */
	for (i = 0; i < OL_CONTROL_PEERS * 2; i++)
		reach(w);
	assert_int_equal(write(told, "", 1), 1);
	pause();
}

static void
test_readers(void **state)
{
	const struct world *w = *state;
	int64_t began;
	int fd, ends[2];
	char byte;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		alarm(30);
		ask_as_nobody(w, ends[1]);
		_exit(0);
	}
	close(ends[1]);
	/* Nothing: it has failed. */
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	began = ol_clock_now();
	fd = reach(w);
	expect(fd, "stop shop", 9, "\"ok\":true");
	assert_true(ol_clock_now() - began < OL_CONTROL_PATIENCE);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The path of a dead one is taken, that of a live one is not. */
static void
test_path(void **state)
{
	const struct world *w = *state;
	struct ol_loop *loop = ol_loop_new();
	const char *path = w->conf.text + strlen("unix:");
	struct ol_control *control;
	struct stat st;

	assert_null(
	    ol_control_open(loop, &w->conf, (uid_t)-1, on_request, NULL));
	expect(reach(w), "status", 6, "\"ok\":true");
	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	control = ol_control_open(loop, &w->conf, (uid_t)-1, on_request, NULL);
	assert_non_null(control);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	ol_control_close(control);
	assert_int_equal(lstat(path, &st), -1);
	ol_loop_free(loop);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_requests),
		TEST(test_long_answer),
		TEST(test_descriptors),
		TEST(test_idle_peers),
		TEST(test_readers),
		TEST(test_path),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
