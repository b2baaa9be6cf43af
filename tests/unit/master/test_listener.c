#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/must.h"
#include "master/listener.h"

struct fixture {
	char folder[32];
	char path[64];
	char text[80];
	struct ol_conf_listen conf;
	struct ol_listeners all;
};

static int
set_up(void **state)
{
	struct fixture *f = ol_must(calloc(1, sizeof(*f)));

	strcpy(f->folder, "/tmp/outlast-test-XXXXXX");
	ol_must(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/s", f->folder);
	snprintf(f->text, sizeof(f->text), "unix:%s", f->path);
	f->conf = (struct ol_conf_listen){
		.text = f->text, .mode = 0640, .gid = (gid_t)-1, .backlog = 10
	};
	assert_null(ol_addr_parse(&f->conf.addr, f->text));
	LIST_INIT(&f->all);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	rmdir(f->folder);
	free(f);
	return 0;
}

static int
dial(const struct fixture *f)
{
	int rc, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	rc = connect(fd, &f->conf.addr.u.sa, f->conf.addr.len);
	close(fd);
	return rc;
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void
test_same_address_same_socket(void **state)
{
	struct fixture *f = *state;
	struct ol_listener *a, *b;

	a = ol_listener_get(&f->all, &f->conf, 0);
	assert_non_null(a);
	assert_int_equal(mode_of(f->path), 0640);
	assert_true(fcntl(ol_listener_fd(a), F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(ol_listener_fd(a), F_GETFD) & FD_CLOEXEC);
	f->conf.mode = 0666;
	f->conf.backlog = 20;
	b = ol_listener_get(&f->all, &f->conf, 0);
	assert_ptr_equal(a, b);
	assert_int_equal(mode_of(f->path), 0640);
	ol_listener_apply(a, &f->conf);
	assert_int_equal(mode_of(f->path), 0666);
	ol_listener_unref(a);
	assert_int_equal(dial(f), 0);
	ol_listener_unref(b);
	assert_int_equal(access(f->path, F_OK), -1);
	assert_true(LIST_EMPTY(&f->all));
}

static void
test_backlog_changes_in_place(void **state)
{
	struct fixture *f = *state;
	struct ol_listener *l;
	int i, n = 0, fds[8];

	f->conf.backlog = 1;
	l = ol_listener_get(&f->all, &f->conf, 0);
	f->conf.backlog = 5;
	ol_listener_apply(l, &f->conf);
	for (i = 0; i < 8; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		n += connect(fds[i], &f->conf.addr.u.sa, f->conf.addr.len) == 0;
	}
	assert_int_equal(n, 6); /* unix sockets: one more than the backlog */
	for (i = 0; i < 8; i++)
		close(fds[i]);
	ol_listener_unref(l);
}

static void
test_live_server_is_an_error(void **state)
{
	struct fixture *f = *state;
	int fd = ol_addr_listen(&f->conf.addr, 5, 0600);

	assert_null(ol_listener_get(&f->all, &f->conf, 0));
	/* Some other pid of the past does not make it ours either. */
	assert_null(ol_listener_get(&f->all, &f->conf, getpid() + 1));
	assert_int_equal(access(f->path, F_OK), 0);
	assert_int_equal(dial(f), 0);
	close(fd);
}

static void
test_file_is_an_error(void **state)
{
	struct fixture *f = *state;

	close(open(f->path, O_CREAT | O_WRONLY, 0600));
	assert_null(ol_listener_get(&f->all, &f->conf, 0));
	assert_int_equal(access(f->path, F_OK), 0);
}

static void
test_dead_socket_is_taken_over(void **state)
{
	struct fixture *f = *state;
	struct ol_listener *l;

	close(ol_addr_listen(&f->conf.addr, 5, 0600));
	assert_int_equal(access(f->path, F_OK), 0);
	l = ol_listener_get(&f->all, &f->conf, 0);
	assert_non_null(l);
	assert_int_equal(dial(f), 0);
	ol_listener_unref(l);
}

/* A master was killed; its process still has the socket open. */
static void
test_orphans_of_our_predecessor(void **state)
{
	struct fixture *f = *state;
	int pipes[2], status;
	struct ol_listener *l;
	pid_t master, orphan;

	assert_int_equal(pipe(pipes), 0);
	if ((master = fork()) == 0) {
		if (ol_addr_listen(&f->conf.addr, 5, 0600) == -1)
			_exit(1);
		if ((orphan = fork()) == 0) {
			pause();
			_exit(0);
		}
		if (write(pipes[1], &orphan, sizeof(orphan)) == -1)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(
	    read(pipes[0], &orphan, sizeof(orphan)), sizeof(orphan));
	assert_int_equal(waitpid(master, &status, 0), master);
	assert_int_equal(dial(f), 0);
	assert_null(ol_listener_get(&f->all, &f->conf, 0));
	l = ol_listener_get(&f->all, &f->conf, master);
	assert_non_null(l);
	assert_int_equal(dial(f), 0);
	assert_int_equal(kill(orphan, SIGKILL), 0);
	ol_listener_unref(l);
	close(pipes[0]);
	close(pipes[1]);
}

static void
test_foreign_path_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct ol_listener *l = ol_listener_get(&f->all, &f->conf, 0);
	int fd;

	assert_int_equal(unlink(f->path), 0);
	fd = ol_addr_listen(&f->conf.addr, 5, 0600);
	assert_true(fd >= 0);
	f->conf.mode = 0666;
	ol_listener_apply(l, &f->conf);
	assert_int_equal(mode_of(f->path), 0600);
	ol_listener_unref(l);
	assert_int_equal(access(f->path, F_OK), 0);
	close(fd);
}

static void
test_lost_path_is_made_anew(void **state)
{
	struct fixture *f = *state;
	struct ol_listener *l, *anew;

	l = ol_listener_get(&f->all, &f->conf, 0);
	assert_int_equal(unlink(f->path), 0);
	anew = ol_listener_get(&f->all, &f->conf, 0);
	assert_non_null(anew);
	assert_ptr_not_equal(l, anew);
	assert_int_equal(dial(f), 0);
	assert_ptr_equal(ol_listener_get(&f->all, &f->conf, 0), anew);
	ol_listener_unref(anew);
	/* The old one does not take the new one's path with it. */
	ol_listener_unref(l);
	assert_int_equal(dial(f), 0);
	ol_listener_unref(anew);
	assert_true(LIST_EMPTY(&f->all));
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_same_address_same_socket),
		TEST(test_backlog_changes_in_place),
		TEST(test_live_server_is_an_error),
		TEST(test_file_is_an_error),
		TEST(test_dead_socket_is_taken_over),
		TEST(test_orphans_of_our_predecessor),
		TEST(test_foreign_path_is_left_alone),
		TEST(test_lost_path_is_made_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
