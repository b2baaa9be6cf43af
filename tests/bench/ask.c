/*
 * Asks a FastCGI backend with the client of src/fcgi/, as the engine does when
 * it replays a request.
 *
 *     bench_ask ADDRESS [--param NAME=VALUE]… [--body FILE]
 *
 * writes the reply to standard output: "Status: N", its headers, an empty line
 * and the content; what it wrote to its standard error goes to ours.
 *
 *     bench_ask ADDRESS [--param NAME=VALUE]… --sizes <LIST
 *
 * asks once for each line "memory N" or "file N", with a body of N bytes there
 * (tests/lib/strict.py knows which), and writes "N KIND END STATUS CONTENT".
 *
 * A CONTENT_LENGTH is added. Exit code 0: each reply was whole; 1: not; an
 * explanation is on standard error.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "fcgi/client.h"
#include "loop/loop.h"

enum {
	PERIOD = 65521, /* a prime: no record's length is a multiple */
	CONTENT = 64 * 1024,
	PARAMS_MAX = 10000,
};

struct ask {
	struct ol_loop *loop;
	struct ol_addr addr;
	struct ol_pair params[PARAMS_MAX + 1]; /* the last: CONTENT_LENGTH */
	size_t nparams;
	bool print;
	unsigned char pattern[PERIOD];
	/* of the request in work */
	enum ol_client_end how;
	int status;
	char content[CONTENT]; /* its beginning */
	size_t len;
};

static void
on_connected(void *arg)
{
	(void)arg;
}

static void
on_head(void *arg, const struct ol_reply *reply)
{
	struct ask *ask = arg;
	size_t i;

	ask->status = reply->status;
	if (!ask->print)
		return;
	printf("Status: %d\n", reply->status);
	for (i = 0; i < reply->nheaders; i++)
		printf("%s: %s\n", reply->headers[i].name,
		    reply->headers[i].value);
	putchar('\n');
}

static void
on_content(void *arg, const void *data, size_t len)
{
	struct ask *ask = arg;

	if (ask->print) {
		fwrite(data, 1, len, stdout);
		return;
	}
	if (len > CONTENT - ask->len)
		len = CONTENT - ask->len;
	memcpy(ask->content + ask->len, data, len);
	ask->len += len;
}

static void
on_error_text(void *arg, const char *text, size_t len)
{
	(void)arg;
	fwrite(text, 1, len, stderr);
}

static void
on_end(void *arg, enum ol_client_end how, const char *why)
{
	struct ask *ask = arg;

	ask->how = how;
	if (why != NULL)
		warnx("%s", why);
	ol_loop_stop(ask->loop);
}

/* Takes the reference to body. */
static void
ask_once(struct ask *ask, struct ol_body *body)
{
	static const struct ol_client_events events = {
		.on_connected = on_connected,
		.on_head = on_head,
		.on_content = on_content,
		.on_error_text = on_error_text,
		.on_end = on_end,
	};
	char length[24];
	const struct ol_client_request request = { ask->params,
		ask->nparams + 1, body };

	if (body == NULL)
		err(71, "body");
	snprintf(length, sizeof(length), "%lld", (long long)body->size);
	ask->params[ask->nparams] = (struct ol_pair){
		.name = "CONTENT_LENGTH",
		.name_len = 14,
		.value = length,
		.value_len = (uint32_t)strlen(length),
	};
	ask->status = 0;
	ask->len = 0;
	if (ol_client_new(ask->loop, &ask->addr, &request, &events, ask) ==
	    NULL)
		err(71, "client");
	ol_body_free(body);
	ol_loop_run(ask->loop);
}

/* size bytes that depend on their place and on size. */
static struct ol_body *
body_of(const struct ask *ask, bool file, size_t size)
{
	unsigned char *data = malloc(size + 1);
	struct ol_body *body;
	size_t at, n;
	int fd;

	if (data == NULL)
		err(71, NULL);
	for (at = 0; at < size; at += n) {
		size_t from = (at + size) % PERIOD;

		n = size - at < PERIOD - from ? size - at : PERIOD - from;
		memcpy(data + at, ask->pattern + from, n);
	}
	if (!file) {
		body = ol_body_new(data, size);
	} else {
		if ((fd = memfd_create("body", MFD_CLOEXEC)) == -1)
			err(71, "memfd_create");
		for (at = 0; at < size; at += n) {
			ssize_t wrote = write(fd, data + at, size - at);

			if (wrote == -1)
				err(71, "write");
			n = (size_t)wrote;
		}
		body = ol_body_file(fd, (int64_t)size);
	}
	free(data);
	return body;
}

static bool
ask_sizes(struct ask *ask)
{
	char line[64], kind[16];
	size_t size;
	bool good = true;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (sscanf(line, "%15s %zu", kind, &size) != 2)
			errx(64, "no size: %s", line);
		ask_once(ask, body_of(ask, strcmp(kind, "file") == 0, size));
		printf("%zu %s %d %d %.*s\n", size, kind, (int)ask->how,
		    ask->status, (int)ask->len, ask->content);
		good = good && ask->how == OL_CLIENT_WHOLE;
	}
	return good;
}

static struct ol_body *
body_from(const char *path)
{
	struct stat st;
	int fd;

	if (path == NULL)
		return ol_body_new("", 0);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1 ||
	    fstat(fd, &st) == -1)
		err(66, "%s", path);
	return ol_body_file(fd, st.st_size);
}

static void
add_param(struct ask *ask, const char *text)
{
	const char *value = strchr(text, '=');

	if (value == NULL || ask->nparams == PARAMS_MAX)
		errx(64, "no parameter, or too many: %s", text);
	ask->params[ask->nparams++] = (struct ol_pair){
		.name = text,
		.name_len = (uint32_t)(value - text),
		.value = value + 1,
		.value_len = (uint32_t)strlen(value + 1),
	};
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "param", required_argument, NULL, 'p' },
		{ "body", required_argument, NULL, 'b' },
		{ "sizes", no_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	static struct ask ask;
	const char *path = NULL, *wrong;
	bool sizes = false, good;
	uint32_t i;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			add_param(&ask, optarg);
			break;
		case 'b':
			path = optarg;
			break;
		case 's':
			sizes = true;
			break;
		default:
			return 64;
		}
	}
	if (optind + 1 != argc)
		errx(64, "one address is needed");
	if ((wrong = ol_addr_parse(&ask.addr, argv[optind])) != NULL)
		errx(64, "%s: %s", argv[optind], wrong);
	for (i = 0; i < PERIOD; i++)
		ask.pattern[i] = (unsigned char)(i * i * 31 + i * 7 + i / 256);
	if ((ask.loop = ol_loop_new()) == NULL)
		err(71, "loop");
	ask.print = !sizes;
	if (sizes) {
		good = ask_sizes(&ask);
	} else {
		ask_once(&ask, body_from(path));
		good = ask.how == OL_CLIENT_WHOLE;
	}
	ol_loop_free(ask.loop);
	return good ? 0 : 1;
}
