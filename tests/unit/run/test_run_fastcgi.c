/* Attempts of a task with fastcgi_pass: every way that they end. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <dirent.h>
#include <errno.h>
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

#include "base/clock.h"
#include "base/must.h"
#include "stage.h"

enum { STDOUT = 6, STDERR = 7, UNKNOWN = 11 };

static void
assert_end(const struct played *p, enum ol_outcome outcome, const char *kind)
{
	const struct ol_ending *e = &p->end.ending;

	assert_true(p->done);
	assert_int_equal(e->outcome, outcome);
	assert_string_equal(p->kind, kind);
	assert_int_equal(e->crashed, outcome == OL_OUTCOME_LOST);
	assert_int_equal(e->unreachable, strcmp(kind, "unreachable") == 0);
	assert_int_equal(p->end.exit, -1);
	assert_int_equal(p->end.signal, 0);
	assert_true(p->end.message[0] != '\0');
}

static void
assert_result(const struct played *p, const char *text)
{
	if (text == NULL) {
		assert_null(p->result);
		return;
	}
	assert_non_null(p->result);
	assert_non_null(p->result->data);
	assert_int_equal(p->result->size, strlen(text));
	assert_memory_equal(p->result->data, text, strlen(text));
}

/* Attempts hold no socket and no name any more. */
static int
count_doors(const struct stage *s)
{
	struct dirent *entry;
	DIR *dir = opendir(s->notify);
	int n = 0;

	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* --- replies ------------------------------------------------------------- */

static void
reply_whole(struct stage *s)
{
	stage_reply(s, s->arg);
	stage_end(s);
}

static void
test_replies(void **state)
{
	static const struct {
		const char *text;
		enum ol_outcome outcome;
		const char *kind, *reply, *type, *result;
	} cases[] = {
		{ "Content-Type: text/plain\r\nX-A: b\r\n\r\nhello",
		    OL_OUTCOME_OK, "",
		    "200\nContent-Type: text/plain\nX-A: b\n", "text/plain",
		    "hello" },
		{ "Status: 204 No Content\r\n\r\n", OL_OUTCOME_OK, "", "204\n",
		    NULL, NULL },
		{ "Location: /x\r\n\r\n", OL_OUTCOME_OK, "",
		    "302\nLocation: /x\n", NULL, NULL },
		{ "Status: 404 Not Found\r\nContent-Type: a/b\r\n\r\nno",
		    OL_OUTCOME_FAIL, "status", "404\nContent-Type: a/b\n",
		    "a/b", "no" },
		{ "Status: 422 X\r\n\r\nbad", OL_OUTCOME_FAIL, "status",
		    "422\n", NULL, "bad" },
		{ "Status: 500 X\r\n\r\noops", OL_OUTCOME_RETRY, "status",
		    "500\n", NULL, "oops" },
		{ "Status: 429 X\r\nRetry-After: 7\r\n\r\n", OL_OUTCOME_RETRY,
		    "status", "429\nRetry-After: 7\n", NULL, NULL },
	};
	struct played p;
	struct stage s;
	size_t i;

	(void)state;
	stage_open(&s, "");
	s.on_request = reply_whole;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s.arg = (void *)(uintptr_t)cases[i].text;
		played_run(&p, &s);
		assert_end(&p, cases[i].outcome, cases[i].kind);
		assert_string_equal(p.reply, cases[i].reply);
		if (cases[i].type != NULL)
			assert_string_equal(p.type, cases[i].type);
		else
			assert_null(p.type);
		assert_result(&p, cases[i].result);
		assert_true(p.end.ending.delay ==
			    (strstr(cases[i].text, "Retry") ? OL_SEC(7) : -1));
		played_free(&p);
	}
	assert_int_equal(s.guests, i);
	stage_close(&s);
}

static void
check_params(struct stage *s)
{
	char *value = stage_param(s, "QUERY_STRING");

	assert_string_equal(value, "a=b");
	free(value);
	value = stage_param(s, "SCRIPT_FILENAME");
	assert_string_equal(value, "/srv/x.php");
	free(value);
	value = stage_param(s, "OUTLAST_TASK_TYPE");
	assert_string_equal(value, "report");
	free(value);
	reply_whole(s);
}

static void
test_params_arrive(void **state)
{
	static char ok[] = "X: y\n\n";
	struct played p;
	struct stage s;

	(void)state;
	stage_open(&s, "fastcgi_param SCRIPT_FILENAME /srv/x.php;");
	s.on_request = check_params;
	s.arg = ok;
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_OK, "");
	played_free(&p);
	stage_close(&s);
}

/* A program's task whose type is now a backend's, without a request. */
static void
test_no_request(void **state)
{
	struct ol_run_job job = stage_get;
	struct played p = { 0 };
	struct stage s;

	(void)state;
	stage_open(&s, "");
	job.recorded = false;
	played_start(&p, &s, &job);
	played_wait(&p);
	assert_end(&p, OL_OUTCOME_FAIL, "refused");
	assert_non_null(strstr(p.end.message, "add \"request METHOD URI;\""));
	assert_null(p.reply);
	stage_turn(&s);
	assert_int_equal(s.guests, 0);
	played_free(&p);
	stage_close(&s);
}

/* --- what is no reply ---------------------------------------------------- */

static void
test_unreachable_and_back(void **state)
{
	static char ok[] = "X: y\n\n";
	struct played p;
	struct stage s;

	(void)state;
	stage_open(&s, "");
	stage_deafen(&s);
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_INTERRUPTED, "unreachable");
	assert_non_null(strstr(p.end.message, "b.sock"));
	assert_null(p.reply);
	played_free(&p);
	stage_listen(&s);
	s.on_request = reply_whole;
	s.arg = ok;
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_OK, "");
	played_free(&p);
	stage_close(&s);
}

static void
close_early(struct stage *s)
{
	const char *text = s->arg;

	if (text == NULL) {
		shutdown(s->guest.fd, SHUT_RDWR);
		return;
	}
	stage_reply(s, text);
	s->guest.hang_up = true;
}

static void
test_closed_early(void **state)
{
	static char head[] = "Content-Type: text/plain\n\nhalf of";
	static char *const texts[] = { NULL, head };
	struct played p;
	struct stage s;
	size_t i;

	(void)state;
	stage_open(&s, "");
	s.on_request = close_early;
	for (i = 0; i < 2; i++) {
		s.arg = texts[i];
		played_run(&p, &s);
		assert_end(&p, OL_OUTCOME_LOST, "crashed");
		/* Half a reply is none. */
		assert_null(p.reply);
		assert_null(p.result);
		played_free(&p);
	}
	stage_close(&s);
}

static void
say_rubbish(struct stage *s)
{
	stage_say(s, UNKNOWN, "12345678", 8);
}

static void
test_bad_reply(void **state)
{
	static char bad[] = "no header\n\n";
	struct played p;
	struct stage s;

	(void)state;
	stage_open(&s, "");
	s.on_request = say_rubbish;
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_RETRY, "bad_reply");
	played_free(&p);
	s.on_request = reply_whole;
	s.arg = bad;
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_RETRY, "bad_reply");
	assert_null(p.reply);
	played_free(&p);
	stage_close(&s);
}

/* Less than its Content-Length is no reply; more is, and a failure's is not
 * counted. */
static void
test_cut_reply(void **state)
{
	static char cut[] = "Content-Length: 10\n\nhalf";
	static char more[] = "Content-Length: 2\n\nhalf";
	static char failed[] = "Status: 404\nContent-Length: 10\n\nhalf";
	static const struct ol_run_variable head[] = {
		{ "REQUEST_METHOD", "HEAD" },
	};
	struct ol_run_job job = stage_get;
	struct played p = { 0 };
	struct stage s;

	(void)state;
	stage_open(&s, "");
	s.on_request = reply_whole;
	s.arg = cut;
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_RETRY, "bad_reply");
	assert_non_null(strstr(p.end.message, "has 4 bytes"));
	assert_null(p.reply);
	assert_null(p.result);
	played_free(&p);
	s.arg = more;
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_OK, "");
	assert_result(&p, "half");
	played_free(&p);
	s.arg = failed;
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_FAIL, "status");
	assert_result(&p, "half");
	played_free(&p);
	/* Nobody sends what was not asked for. */
	s.arg = cut;
	job.context = head;
	job.ncontext = 1;
	played_start(&p, &s, &job);
	played_wait(&p);
	assert_end(&p, OL_OUTCOME_OK, "");
	played_free(&p);
	stage_close(&s);
}

static void
test_relative_location(void **state)
{
	static char text[] = "Location: done.php\n\n";
	static const struct ol_run_variable get[] = {
		{ "REQUEST_METHOD", "GET" },
		{ "REQUEST_URI", "/shop/slow.php?a=b" },
	};
	struct ol_run_job job = stage_get;
	struct played p = { 0 };
	struct stage s;

	(void)state;
	stage_open(&s, "request GET /other/slow.php;");
	s.on_request = reply_whole;
	s.arg = text;
	job.context = get;
	played_start(&p, &s, &job);
	played_wait(&p);
	assert_string_equal(p.reply, "302\nLocation: /shop/done.php\n");
	played_free(&p);
	job.recorded = false;
	job.ncontext = 0;
	played_start(&p, &s, &job);
	played_wait(&p);
	assert_string_equal(p.reply, "302\nLocation: /other/done.php\n");
	played_free(&p);
	stage_close(&s);
}

/* A body that our own disk has lost is no crash of the backend. */
static void
test_body_lost(void **state)
{
	char path[] = "/tmp/outlast-body.XXXXXX";
	struct ol_run_job job = stage_get;
	int fd = mkstemp(path);
	struct played p = { 0 };
	struct stage s;

	(void)state;
	unlink(path);
	assert_int_equal(ftruncate(fd, 300000), 0);
	stage_open(&s, "");
	job.payload = ol_body_file(fd, 300001);
	played_start(&p, &s, &job);
	played_wait(&p);
	assert_int_equal(p.end.ending.outcome, OL_OUTCOME_LOST);
	assert_false(p.end.ending.crashed);
	assert_string_equal(p.kind, "refused");
	assert_non_null(strstr(p.end.message, "body of the request cannot"));
	played_free(&p);
	ol_body_free(job.payload);
	stage_close(&s);
}

static void
complain(struct stage *s)
{
	stage_say(s, STDERR, "PHP Warning: ", 13);
	stage_reply(s, "Status: 500 X\n\n");
	stage_say(s, STDERR, "oh no\n", 6);
	stage_end(s);
}

static void
test_error_text(void **state)
{
	struct played p;
	struct stage s;

	(void)state;
	stage_open(&s, "");
	s.on_request = complain;
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_RETRY, "status");
	assert_string_equal(p.errors, "PHP Warning: oh no\n");
	played_free(&p);
	stage_close(&s);
}

/* --- results ------------------------------------------------------------- */

static void
reply_large(struct stage *s)
{
	size_t size = *(const size_t *)s->arg, i;
	unsigned char *text = ol_must(malloc(size + 1));

	for (i = 0; i < size; i++)
		text[i] = (unsigned char)(i % 251);
	stage_reply(s, "X: y\n\n");
	if (size > 0)
		stage_say(s, STDOUT, text, size);
	stage_end(s);
	free(text);
}

static void
assert_large(const struct ol_body *body, size_t size)
{
	unsigned char *text = ol_must(malloc(size + 1));
	size_t i;

	assert_non_null(body);
	assert_int_equal(body->size, size);
	if (body->data != NULL)
		memcpy(text, body->data, size);
	else
		assert_int_equal(pread(body->fd, text, size, 0), size);
	for (i = 0; i < size; i++)
		if (text[i] != i % 251)
			fail_msg("byte %zu", i);
	free(text);
}

static void
test_result_sizes(void **state)
{
	static const size_t sizes[] = { 1, 32 * 1024, 32 * 1024 + 1,
		100 * 1024 };
	size_t size, i;
	struct played p;
	struct stage s;

	(void)state;
	stage_open(&s, "max_result 100k;");
	s.on_request = reply_large;
	s.arg = &size;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size = sizes[i];
		played_run(&p, &s);
		assert_end(&p, OL_OUTCOME_OK, "");
		assert_large(p.result, size);
		/* Only a large one is in a file. */
		assert_int_equal(p.result->data == NULL, size > 32 * 1024);
		played_free(&p);
	}
	/* More is too much, and the rest of it is not waited for. */
	for (i = 0; i < 2; i++) {
		size = i == 0 ? 100 * 1024 + 1 : 4 << 20;
		played_run(&p, &s);
		assert_end(&p, OL_OUTCOME_FAIL, "result_too_large");
		assert_non_null(strstr(p.end.message, "102400 bytes"));
		assert_null(p.result);
		assert_null(p.reply);
		played_free(&p);
	}
	stage_close(&s);
}

/* There is no room for it. */
static void
test_result_unkept(void **state)
{
	struct ol_backends_options options = { .spool = -1 };
	size_t size = 40000;
	struct played p;
	struct stage s;

	(void)state;
	stage_open(&s, "");
	ol_backends_free(s.backends);
	options.loop = s.loop;
	s.backends = ol_backends_new(&options);
	s.on_request = reply_large;
	s.arg = &size;
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_RETRY, "refused");
	assert_non_null(strstr(p.end.message, "cannot be kept"));
	assert_null(p.reply);
	played_free(&p);
	stage_close(&s);
}

/* --- time ---------------------------------------------------------------- */

static void
reply_half(struct stage *s)
{
	stage_reply(s, "X: y\n\nhalf");
}

static void
test_timeout(void **state)
{
	struct played p;
	struct stage s;

	(void)state;
	stage_open(&s, "timeout 100ms;");
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_FAIL, "timeout");
	assert_non_null(strstr(p.end.message, "0.1 s"));
	played_free(&p);
	stage_close(&s);
	/* Half a reply does not help; and it may be tried again. */
	stage_open(&s, "timeout 100ms; retry_on timeout;");
	s.on_request = reply_half;
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_RETRY, "timeout");
	/* The connection was closed. */
	stage_until(&s, &s.guest_left);
	played_free(&p);
	stage_close(&s);
}

/* A host that drops what comes was not reached, however long that takes. */
static void
test_never_connected(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int listener = socket(AF_INET, SOCK_STREAM, 0), full[8];
	struct ol_conf_task *task;
	socklen_t len = sizeof(in);
	struct played p;
	struct stage s;
	size_t i;

	(void)state;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(listener, 0), 0);
	getsockname(listener, (struct sockaddr *)&in, &len);
	/* Its backlog is full: the kernel answers no more. */
	for (i = 0; i < 8; i++) {
		full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(full[i], (struct sockaddr *)&in, len);
	}
	stage_open(&s, "timeout 200ms;");
	task = TAILQ_FIRST(&s.conf->tasks);
	memset(&task->backend->addr, 0, sizeof(task->backend->addr));
	task->backend->addr.u.in = in;
	task->backend->addr.len = len;
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_INTERRUPTED, "unreachable");
	assert_non_null(strstr(p.end.message, "127.0.0.1:"));
	played_free(&p);
	stage_close(&s);
	for (i = 0; i < 8; i++)
		close(full[i]);
	close(listener);
}

static void
ask_for_time(struct stage *s)
{
	assert_int_equal(stage_notify(s, "EXTEND_TIMEOUT_USEC=60000000\n"), 0);
	stage_later(s, 2500, reply_whole);
}

static void
test_extension(void **state)
{
	static char ok[] = "X: y\n\n";
	struct played p;
	struct stage s;

	(void)state;
	stage_open(&s, "timeout 2s;");
	s.on_request = ask_for_time;
	s.arg = ok;
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_OK, "");
	assert_true(p.extended == OL_SEC(60));
	played_free(&p);
	stage_close(&s);
}

/* --- the notify socket --------------------------------------------------- */

static bool
is_listed(const char *path)
{
	FILE *in = fopen("/proc/net/unix", "r");
	bool found = false;
	char *line = NULL;
	size_t size = 0;

	assert_non_null(in);
	while (getline(&line, &size, in) != -1)
		found = found || strstr(line, path) != NULL;
	free(line);
	fclose(in);
	return found;
}

static void
report(struct stage *s)
{
	char *path = stage_param(s, "OUTLAST_NOTIFY");
	char *other = stage_param(s, "NOTIFY_SOCKET");
	struct stat st;

	assert_string_equal(path, other);
	assert_int_equal(strlen(path), strlen(s->notify) + 1 + 32);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0666);
	/* Nobody reads there how it is called; the control: our listener. */
	assert_false(is_listed(path));
	assert_true(is_listed("/b.sock"));
	assert_int_equal(count_doors(s), 1);
	assert_int_equal(
	    stage_notify(s, "X_OUTLAST_PROGRESS=45 drawing page 3\n"), 0);
	assert_int_equal(stage_notify(s, "rubbish"), 0);
	reply_whole(s);
	free(path);
	free(other);
}

static void
test_progress(void **state)
{
	static char ok[] = "X: y\n\n";
	struct played p;
	struct stage s;

	(void)state;
	stage_open(&s, "");
	s.on_request = report;
	s.arg = ok;
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_OK, "");
	assert_int_equal(p.reports, 1);
	assert_int_equal(p.percent, 45);
	assert_string_equal(p.progress, "drawing page 3");
	assert_int_equal(count_doors(&s), 0);
	played_free(&p);
	stage_close(&s);
}

static void
check_no_door(struct stage *s)
{
	char *path = stage_param(s, "OUTLAST_NOTIFY");

	assert_null(path);
	reply_whole(s);
}

/* Leftovers go; without a folder it works as well. */
static void
test_doors(void **state)
{
	static char ok[] = "X: y\n\n";
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct ol_backends_options options = { 0 };
	struct played p;
	struct stage s;
	int fd;

	(void)state;
	stage_open(&s, "");
	options.loop = s.loop;
	options.spool = s.spool;
	options.notify = s.notify;
	ol_backends_free(s.backends);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/left", s.notify);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
	assert_int_equal(count_doors(&s), 1);
	s.backends = ol_backends_new(&options);
	assert_int_equal(count_doors(&s), 0);
	/* The folder is gone. */
	assert_int_equal(rmdir(s.notify), 0);
	s.on_request = check_no_door;
	s.arg = ok;
	played_run(&p, &s);
	assert_end(&p, OL_OUTCOME_OK, "");
	played_free(&p);
	assert_int_equal(mkdir(s.notify, 0711), 0);
	stage_close(&s);
}

/* --- being stopped ------------------------------------------------------- */

enum moment { AT_ONCE, CONNECTED, ASKED, HALF, MOMENTS };

static void
begin_at(struct played *p, struct stage *s, enum moment moment)
{
	const bool *whole = &s->guest.whole;

	*p = (struct played){ 0 };
	s->on_request = moment == HALF ? reply_half : NULL;
	played_start(p, s, &stage_get);
	if (moment >= CONNECTED)
		stage_turn(s);
	if (moment >= ASKED)
		stage_until(s, whole);
	if (moment == HALF)
		stage_turn(s);
	assert_false(p->done);
}

static void
assert_left(struct stage *s)
{
	/* It may not even have come. */
	stage_turn(s);
	if (s->guest.fd != -1)
		stage_until(s, &s->guest_left);
	assert_int_equal(count_doors(s), 0);
}

static void
test_stop(void **state)
{
	static const enum ol_run_stop hows[] = { OL_RUN_CANCEL, OL_RUN_KILL };
	enum moment moment;
	struct played p;
	struct stage s;
	size_t i;

	(void)state;
	stage_open(&s, "");
	for (i = 0; i < 2; i++)
		for (moment = AT_ONCE; moment < MOMENTS; moment++) {
			begin_at(&p, &s, moment);
			ol_run_stop(p.running, hows[i]);
			assert_false(p.done);
			/* Once more is no more. */
			ol_run_stop(p.running, hows[i]);
			played_wait(&p);
			assert_end(&p, OL_OUTCOME_INTERRUPTED, "");
			assert_null(p.reply);
			assert_null(p.result);
			assert_left(&s);
			played_free(&p);
		}
	stage_close(&s);
}

static void
finish_half(struct stage *s)
{
	if (s->on_request == NULL)
		stage_reply(s, "X: y\n\n");
	stage_end(s);
}

/* It is let go on; then its reply counts, or the kill. */
static void
test_interrupt(void **state)
{
	enum moment moment;
	struct played p;
	struct stage s;

	(void)state;
	stage_open(&s, "");
	for (moment = AT_ONCE; moment < MOMENTS; moment++) {
		begin_at(&p, &s, moment);
		ol_run_stop(p.running, OL_RUN_INTERRUPT);
		stage_turn(&s);
		stage_until(&s, &s.guest.whole);
		assert_false(p.done);
		finish_half(&s);
		played_wait(&p);
		assert_end(&p, OL_OUTCOME_OK, "");
		played_free(&p);
		begin_at(&p, &s, moment);
		ol_run_stop(p.running, OL_RUN_INTERRUPT);
		ol_run_stop(p.running, OL_RUN_KILL);
		played_wait(&p);
		assert_end(&p, OL_OUTCOME_INTERRUPTED, "");
		assert_left(&s);
		played_free(&p);
	}
	stage_close(&s);
}

static void
test_forget(void **state)
{
	struct ol_backends_options options = { 0 };
	enum moment moment;
	struct played p;
	struct stage s;

	(void)state;
	stage_open(&s, "");
	options.loop = s.loop;
	options.spool = s.spool;
	options.notify = s.notify;
	for (moment = AT_ONCE; moment < MOMENTS; moment++) {
		begin_at(&p, &s, moment);
		ol_run_forget(p.running);
		assert_left(&s);
		assert_false(p.done);
		/* After it was stopped, before its end was told. */
		begin_at(&p, &s, moment);
		ol_run_stop(p.running, OL_RUN_CANCEL);
		ol_run_forget(p.running);
		assert_left(&s);
		assert_false(p.done);
		/* With all the others. */
		begin_at(&p, &s, moment);
		ol_backends_free(s.backends);
		s.backends = ol_backends_new(&options);
		assert_left(&s);
		assert_false(p.done);
	}
	stage_close(&s);
}

static void
only_report(struct stage *s)
{
	assert_int_equal(stage_notify(s, "X_OUTLAST_PROGRESS=1 a\n"), 0);
}

static void
cancel_it(struct played *p)
{
	ol_run_stop(p->running, OL_RUN_CANCEL);
	assert_false(p->done);
}

static void
forget_it(struct played *p)
{
	ol_run_forget(p->running);
}

static void
test_stop_within_a_callback(void **state)
{
	struct played p = { .on_progress = cancel_it };
	struct stage s;

	(void)state;
	stage_open(&s, "");
	s.on_request = only_report;
	played_start(&p, &s, &stage_get);
	played_wait(&p);
	assert_end(&p, OL_OUTCOME_INTERRUPTED, "");
	assert_int_equal(p.reports, 1);
	assert_left(&s);
	played_free(&p);
	p = (struct played){ .on_progress = forget_it };
	s.guest_left = false;
	played_start(&p, &s, &stage_get);
	stage_until(&s, &s.guest_left);
	assert_false(p.done);
	assert_int_equal(p.reports, 1);
	assert_left(&s);
	stage_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_params_arrive),
		cmocka_unit_test(test_no_request),
		cmocka_unit_test(test_unreachable_and_back),
		cmocka_unit_test(test_closed_early),
		cmocka_unit_test(test_bad_reply),
		cmocka_unit_test(test_cut_reply),
		cmocka_unit_test(test_relative_location),
		cmocka_unit_test(test_body_lost),
		cmocka_unit_test(test_error_text),
		cmocka_unit_test(test_result_sizes),
		cmocka_unit_test(test_result_unkept),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_never_connected),
		cmocka_unit_test(test_extension),
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_doors),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_stop_within_a_callback),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
