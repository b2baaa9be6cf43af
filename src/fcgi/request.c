#include <fastcgi.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/peer.h"
#include "fcgi/request.h"

/* What is sent without being asked for. */
#define SEND_AT (32 * 1024)

/* What the owner adds before other connections have their turn, however fast
 * it is read. */
#define TURN (256 * 1024)

void
ol_request_set_data(struct ol_request *request, void *data)
{
	request->data = data;
}

void *
ol_request_data(const struct ol_request *request)
{
	return request->data;
}

const struct ol_pair *
ol_request_params(const struct ol_request *request, size_t *n)
{
	*n = request->content->npairs;
	return request->content->pairs;
}

const char *
ol_request_param(const struct ol_request *request, const char *name)
{
	const struct ol_request_content *content = request->content;
	size_t i, len = strlen(name);

	for (i = 0; i < content->npairs; i++)
		if (content->pairs[i].name_len == len &&
		    memcmp(content->pairs[i].name, name, len) == 0)
			return content->pairs[i].value;
	return NULL;
}

int64_t
ol_request_content_length(const struct ol_request *request)
{
	return request->content->length;
}

void
ol_request_limit_body(struct ol_request *request, uint64_t max)
{
	request->content->max_body = max;
}

uint64_t
ol_request_body_length(const struct ol_request *request)
{
	return request->content->spool.len;
}

const void *
ol_request_body(const struct ol_request *request)
{
	return request->content->spool.data;
}

int
ol_request_take_body(struct ol_request *request)
{
	return ol_spool_take_file(&request->content->spool);
}

void
ol_request_forget(struct ol_request *request)
{
	ol_peer_free_content(request);
}

/* --- the answer --- */

static void
put(struct ol_request *request, const char *data, size_t len)
{
	struct ol_output *output = ol_peer_output(request->peer);

	if (output != NULL && ol_output_stream(output, OL_RECORD_STDOUT,
				  request->id, data, len) == -1)
		ol_peer_break(request->peer);
}

static void
end_headers(struct ol_request *request)
{
	if (request->headed || !request->begun)
		return;
	request->headed = true;
	put(request, "\r\n", 2);
}

/* RFC 9110 and its kin: for people who read "curl -i"; nginx adds none of its
 * own. Those that we answer, and those that applications do. */
static const char *
reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, " OK" },
		{ 201, " Created" },
		{ 202, " Accepted" },
		{ 204, " No Content" },
		{ 206, " Partial Content" },
		{ 301, " Moved Permanently" },
		{ 302, " Found" },
		{ 303, " See Other" },
		{ 304, " Not Modified" },
		{ 307, " Temporary Redirect" },
		{ 308, " Permanent Redirect" },
		{ 400, " Bad Request" },
		{ 401, " Unauthorized" },
		{ 403, " Forbidden" },
		{ 404, " Not Found" },
		{ 405, " Method Not Allowed" },
		{ 406, " Not Acceptable" },
		{ 408, " Request Timeout" },
		{ 409, " Conflict" },
		{ 410, " Gone" },
		{ 412, " Precondition Failed" },
		{ 413, " Content Too Large" },
		{ 415, " Unsupported Media Type" },
		{ 422, " Unprocessable Content" },
		{ 425, " Too Early" },
		{ 429, " Too Many Requests" },
		{ 431, " Request Header Fields Too Large" },
		{ 500, " Internal Server Error" },
		{ 501, " Not Implemented" },
		{ 502, " Bad Gateway" },
		{ 503, " Service Unavailable" },
		{ 504, " Gateway Timeout" },
	};
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

void
ol_request_status(struct ol_request *request, int status)
{
	char line[48];
	int n = snprintf(
	    line, sizeof(line), "Status: %d%s\r\n", status, reason(status));

	request->begun = true;
	put(request, line, (size_t)n);
}

static bool
is_proper(const char *text)
{
	return text[strcspn(text, "\r\n")] == '\0';
}

int
ol_request_header(
    struct ol_request *request, const char *name, const char *value)
{
	if (name[0] == '\0' || strchr(name, ':') != NULL || !is_proper(name) ||
	    !is_proper(value))
		return -1;
	put(request, name, strlen(name));
	put(request, ": ", 2);
	put(request, value, strlen(value));
	put(request, "\r\n", 2);
	return 0;
}

bool
ol_request_write(struct ol_request *request, const void *data, size_t len)
{
	struct ol_peer *peer = request->peer;
	size_t high = peer->server->options.high_water;

	end_headers(request);
	put(request, data, len);
	if (ol_output_pending(peer->output) >=
	    (high < SEND_AT ? high : SEND_AT))
		ol_request_flush(request);
	request->turn =
	    len < TURN - request->turn ? request->turn + (uint32_t)len : TURN;
	request->full = peer->broken || request->turn == TURN ||
			ol_output_pending(peer->output) >= high;
	/* Also when all of it is sent: on_drained comes from the loop. */
	if (request->full)
		ol_peer_await_room(peer);
	return !request->full;
}

void
ol_request_flush(struct ol_request *request)
{
	struct ol_peer *peer = request->peer;

	end_headers(request);
	ol_server_enter(peer->server);
	ol_peer_send(peer);
	ol_peer_settle(peer);
	ol_server_leave(peer->server);
}

void
ol_request_finish(struct ol_request *request)
{
	struct ol_server *server = request->peer->server;

	end_headers(request);
	ol_server_enter(server);
	ol_peer_end_request(request->peer, FCGI_REQUEST_COMPLETE);
	ol_server_leave(server);
}

void
ol_request_cancel(struct ol_request *request)
{
	struct ol_peer *peer = request->peer;
	struct ol_server *server = peer->server;

	ol_server_enter(server);
	if (request->begun) {
		/* Nothing that makes a part look whole. */
		request->told = false;
		server->requests--;
		ol_peer_drop(peer, OL_GONE_CLOSED, "an answer was given up");
	} else
		ol_peer_end_request(peer, FCGI_OVERLOADED);
	ol_server_leave(server);
}
