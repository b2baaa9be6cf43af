/*
 * A newsletter's form. The page answers at once; the welcome mail is a work
 * item that is sent behind the reply, and that a recycle or a stop waits for.
 */
#include <sys/file.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <outlast/outlast.h>

#include "form.h"
#include "mail.h"

#define FORM_SIZE 4096

struct settings {
	const char *list; /* a file with one address a line */
	struct mail_settings mail;
};

/* Add the address to the list. It is on disk when this returns 0; -1: errno. */
static int
store(const char *list, const char *address)
{
	int fd = open(list, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	char line[FORM_ADDRESS_SIZE + 1];
	int len = snprintf(line, sizeof(line), "%s\n", address), error = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -1;
	/* The lock lets half a line, on a full disk, be taken back. */
	if (flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0)
		error = errno;
	else if ((n = write(fd, line, (size_t)len)) != len) {
		error = n < 0 ? errno : ENOSPC;
		if (n > 0 && ftruncate(fd, st.st_size) < 0)
			error = errno;
	} else if (fsync(fd) < 0)
		error = errno;
	close(fd);
	errno = error;
	return error == 0 ? 0 : -1;
}

/* Queue the welcome mail. The visitor is signed up whatever becomes of it. */
static void
welcome(
    struct ol_app *app, const struct settings *settings, const char *address)
{
	struct mail *mail = calloc(1, sizeof(*mail));
	int rc = OL_ENOMEM;

	if (mail != NULL) {
		mail->settings = &settings->mail;
		snprintf(mail->to, sizeof(mail->to), "%s", address);
		rc = ol_queue_blocking(app, mail_send, mail,
		    OL_WORK_OPTIONS(.name = "welcome mail", .free_data = free));
	}
	if (rc != 0) {
		fprintf(stderr, "signup: welcome mail: not queued: %s\n",
		    ol_strerror(rc));
		free(mail);
	}
}

/* The page: a sentence, and the form with the address filled in. */
static void
put_page(FCGX_Stream *out, const char *status, const char *sentence,
    const char *address)
{
	FCGX_FPrintF(out,
	    "Status: %s\r\n"
	    "Content-Type: text/html; charset=utf-8\r\n"
	    "\r\n"
	    "<!doctype html>\n"
	    "<html lang=en><title>Newsletter</title>\n"
	    "<h1>Newsletter</h1>\n"
	    "<p>%s</p>\n"
	    "<form method=post action='?'>\n"
	    "<input type=email name=address required"
	    " placeholder='you@example.org' value=\"",
	    status, sentence);
	form_put_escaped(out, address);
	FCGX_PutS("\">\n<button>Sign up</button>\n</form>\n", out);
}

static void
on_post(
    struct ol_app *app, FCGX_Request *request, const struct settings *settings)
{
	char form[FORM_SIZE + 1], address[FORM_ADDRESS_SIZE];

	form[FCGX_GetStr(form, FORM_SIZE, request->in)] = '\0';
	if (form_field(form, "address", address, sizeof(address)) < 0 ||
	    !form_address_ok(address)) {
		put_page(request->out, "422 Unprocessable Entity",
		    "This does not look like a mail address.", address);
		return;
	}
	if (store(settings->list, address) < 0) {
		fprintf(stderr, "signup: %s: %s\n", settings->list,
		    strerror(errno));
		put_page(request->out, "503 Service Unavailable",
		    "We could not note your address. Please try again.",
		    address);
		return;
	}
	welcome(app, settings, address);
	/* A page of its own for the answer, so that a reload sends nothing. */
	FCGX_PutS(
	    "Status: 303 See Other\r\nLocation: ?thanks\r\n\r\n", request->out);
}

static void
on_request(struct ol_app *app, FCGX_Request *request, void *arg)
{
	const char *method = FCGX_GetParam("REQUEST_METHOD", request->envp);
	const char *query = FCGX_GetParam("QUERY_STRING", request->envp);

	if (method != NULL && strcmp(method, "POST") == 0)
		on_post(app, request, arg);
	else if (method == NULL ||
		 (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0))
		FCGX_PutS("Status: 405 Method Not Allowed\r\n"
			  "Allow: GET, HEAD, POST\r\n\r\n",
		    request->out);
	else if (query != NULL && strcmp(query, "thanks") == 0)
		put_page(request->out, "200 OK",
		    "Thank you! A welcome mail is on its way to you.", "");
	else
		put_page(
		    request->out, "200 OK", "Good news, once a month.", "");
}

/* What fails behind a reply: the visitor cannot be told, the log can. */
static void
on_error(struct ol_app *app, const struct ol_error *error, void *arg)
{
	(void)app, (void)arg;
	fprintf(stderr, "signup: %s: %s\n",
	    error->item != NULL ? error->item : "error", error->message);
}

static const char *
setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : otherwise;
}

int
main(int argc, char **argv)
{
	/* Static: an item lost at the deadline may read it during exit(). */
	static struct settings settings;
	struct ol_app *app;
	int rc;

	settings.list = setting("SIGNUP_LIST", "addresses.txt");
	settings.mail.smtp = setting("SIGNUP_SMTP", "smtp://127.0.0.1:25");
	settings.mail.from = setting("SIGNUP_FROM", "welcome@example.org");
	settings.mail.picture = setting("SIGNUP_PICTURE", "welcome.jpg");
	if (!form_address_ok(settings.mail.from)) {
		fprintf(stderr, "signup: SIGNUP_FROM is no mail address\n");
		return 78;
	}
	if (access(settings.mail.picture, R_OK) < 0) {
		fprintf(stderr, "signup: %s: %s\n", settings.mail.picture,
		    strerror(errno));
		return 78;
	}
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    (app = ol_app_new(OL_APP_OPTIONS(.max_body = FORM_SIZE))) == NULL) {
		fprintf(stderr, "signup: cannot start\n");
		return 71;
	}
	ol_app_on_request(app, on_request, &settings);
	ol_app_on_error(app, on_error, NULL);
	if (ol_app_args(app, &argc, argv) != 0 || argc > 1) {
		fprintf(stderr, "usage: signup [--listen ADDRESS]\n");
		return 64;
	}
	rc = ol_app_run(app);
	ol_app_free(app);
	return rc;
}
