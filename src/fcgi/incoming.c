#include <fastcgi.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fcgi/incoming.h"
#include "fcgi/peer.h"
#include "fcgi/record.h"
#include "fcgi/request.h"

enum {
	HEAD_MAX = 96 * 1024, /* bytes of parameters */
	PAIRS_MAX = 4096,
};

/* --- a request in the making --- */

static bool
is_active(const struct ol_peer *peer, unsigned id)
{
	return peer->request != NULL && peer->request->id == id;
}

static void
fault(struct ol_peer *peer, const char *why)
{
	ol_peer_drop(peer, OL_GONE_FAULT, why);
}

static void
new_request(struct ol_peer *peer, unsigned id)
{
	struct ol_request *request = calloc(1, sizeof(*request));
	struct ol_request_content *content = calloc(1, sizeof(*content));

	if (request == NULL || content == NULL) {
		free(request);
		free(content);
		fault(peer, "out of memory");
		return;
	}
	content->length = -1;
	content->max_body = peer->server->options.max_body;
	ol_spool_init(&content->spool, OL_REQUEST_MEMORY);
	request->peer = peer;
	request->id = (uint16_t)id;
	request->content = content;
	peer->request = request;
}

static void
on_begin(struct ol_peer *peer, unsigned id)
{
	unsigned char end[OL_RECORD_END_SIZE];
	FCGI_BeginRequestBody body;

	memcpy(&body, peer->record.begin, sizeof(body));
	if (is_active(peer, id)) {
		fault(peer, "BEGIN_REQUEST of a request that is in work");
		return;
	}
	if (peer->request != NULL) {
		ol_record_end(end, id, FCGI_CANT_MPX_CONN);
		ol_peer_send_records(peer, end, sizeof(end));
		return;
	}
	/* Who has read the last END_REQUEST has read all before it. */
	if (ol_output_pending(peer->output) >
	    peer->server->options.high_water) {
		fault(peer, "requests are sent and no answer is read");
		return;
	}
	peer->keep = (body.flags & FCGI_KEEP_CONN) != 0;
	if ((body.roleB1 << 8 | body.roleB0) != FCGI_RESPONDER) {
		/* What follows of it is ignored; then the connection ends,
		 * unless it is kept. */
		peer->rest = true;
		peer->rest_id = (uint16_t)id;
		ol_record_end(end, id, FCGI_UNKNOWN_ROLE);
		ol_peer_send_records(peer, end, sizeof(end));
		return;
	}
	peer->rest = false;
	peer->ignored = 0;
	new_request(peer, id);
}

static void
add_to_head(struct ol_peer *peer, const unsigned char *data, size_t len)
{
	struct ol_request_content *content = peer->request->content;
	/* The rest of the record, and a byte for the last value's NUL. */
	size_t wanted = content->head_len + len + peer->reader.content + 1;

	if (wanted > content->head_size) {
		unsigned char *p;

		/* One record is the rule; many small ones are no burden. */
		if (wanted < content->head_size * 2)
			wanted = content->head_size * 2;
		p = realloc(content->head, wanted);
		if (p == NULL) {
			fault(peer, "out of memory");
			return;
		}
		content->head = p;
		content->head_size = wanted;
	}
	memcpy(content->head + content->head_len, data, len);
	content->head_len += len;
}

/* Take the parameters apart. NULL, or what is wrong with them. */
static const char *
split_head(struct ol_request_content *content)
{
	static const char name[] = "CONTENT_LENGTH";
	size_t i;
	int n = 0;

	if (content->head_len > 0)
		n = ol_pairs_count(content->head, content->head_len);
	if (n == -1)
		return "the last parameter is cut short";
	if (n > PAIRS_MAX)
		return "there are too many parameters";
	if (n == 0)
		return NULL;
	content->pairs = malloc((size_t)n * sizeof(*content->pairs));
	if (content->pairs == NULL)
		return "out of memory";
	content->npairs = (size_t)n;
	ol_pairs_split(content->head, content->head_len, content->pairs);
	for (i = 0; i < content->npairs; i++) {
		const struct ol_pair *pair = &content->pairs[i];

		if (pair->name_len == sizeof(name) - 1 &&
		    memcmp(pair->name, name, sizeof(name) - 1) == 0)
			return ol_pairs_content_length(
			    pair->value, pair->value_len, &content->length);
	}
	return NULL;
}

static void
lose_body(struct ol_request *request, enum ol_body_end how)
{
	struct ol_server *server = request->peer->server;

	ol_spool_fini(&request->content->spool);
	request->content->lost = true;
	server->events->on_body(request, how, server->arg);
}

static void
on_head(struct ol_peer *peer)
{
	struct ol_request *request = peer->request;
	const char *why = split_head(request->content);

	if (why != NULL) {
		fault(peer, why);
		return;
	}
	request->stage = OL_REQUEST_BODY;
	request->told = true;
	peer->server->requests++;
	peer->server->events->on_request(request, peer->server->arg);
	/* Told at once: nothing of it needs to be spooled. */
	if (peer->request == request && request->content != NULL &&
	    request->content->length > 0 &&
	    (uint64_t)request->content->length > request->content->max_body)
		lose_body(request, OL_BODY_TOO_LARGE);
}

/* Bytes that nobody gets to see. */
static void
ignore(struct ol_peer *peer, size_t len)
{
	peer->ignored += (uint32_t)len;
	if (peer->ignored > peer->server->options.max_ignored)
		fault(peer, "too much is sent that belongs to no request");
}

static void
complain_of_spool(struct ol_server *server)
{
	int saved = errno;

	if (ol_quota_take(&server->complaints, &server->log, ol_clock_now()))
		ol_log_warn(
		    &server->log, "cannot spool a body: %s", strerror(saved));
}

static void
add_to_body(struct ol_peer *peer, const unsigned char *data, size_t len)
{
	struct ol_request *request = peer->request;
	struct ol_request_content *content = request->content;

	if (content == NULL || content->lost)
		ignore(peer, len);
	else if (len > content->max_body - content->spool.len)
		lose_body(request, OL_BODY_TOO_LARGE);
	else if (ol_spool_add(&content->spool, peer->server->options.folder,
		     data, len) == -1) {
		complain_of_spool(peer->server);
		lose_body(request, OL_BODY_NO_ROOM);
	}
}

static void
on_stdin_end(struct ol_peer *peer)
{
	struct ol_request *request = peer->request;
	struct ol_request_content *content = request->content;
	struct ol_server *server = peer->server;

	request->stage = OL_REQUEST_WHOLE;
	if (content == NULL || content->lost)
		return;
	server->events->on_body(request,
	    content->length != -1 &&
		    (uint64_t)content->length != content->spool.len
		? OL_BODY_WRONG
		: OL_BODY_WHOLE,
	    server->arg);
}

static void
on_abort(struct ol_peer *peer)
{
	struct ol_request *request = peer->request;
	struct ol_server *server = peer->server;

	/* Nothing more of it is to be expected. */
	request->stage = OL_REQUEST_WHOLE;
	ol_peer_end_request(peer, FCGI_REQUEST_COMPLETE);
	if (request->told)
		server->events->on_gone(request, OL_GONE_ABORTED, server->arg);
}

/* --- management records --- */

struct answer {
	unsigned char data[128];
	size_t len;
};

static void
answer_pair(struct answer *answer, const char *name, size_t value)
{
	unsigned char *at = answer->data + answer->len;
	char text[24];
	int n = snprintf(text, sizeof(text), "%zu", value);

	at[0] = (unsigned char)strlen(name);
	at[1] = (unsigned char)n;
	memcpy(at + 2, name, at[0]);
	memcpy(at + 2 + at[0], text, at[1]);
	answer->len += 2 + (size_t)at[0] + at[1];
}

/* Each variable that was asked for, however often, once. */
static void
on_get_values(struct ol_peer *peer)
{
	size_t max = peer->server->options.max_connections;
	const struct {
		const char *name;
		size_t value;
	} known[] = { { FCGI_MAX_CONNS, max }, { FCGI_MAX_REQS, max },
		{ FCGI_MPXS_CONNS, 0 } };
	size_t len = ol_record_content(peer->reader.header), i, k;
	unsigned char *data = peer->record.collected;
	struct answer answer = { .len = OL_RECORD_HEADER };
	struct ol_pair *pairs = NULL;
	int n = ol_pairs_count(data, len);

	if (n > 0 && (pairs = calloc((size_t)n, sizeof(*pairs))) != NULL)
		ol_pairs_split(data, len, pairs);
	for (k = 0; pairs != NULL && k < 3; k++)
		for (i = 0; i < (size_t)n; i++)
			if (pairs[i].name_len == strlen(known[k].name) &&
			    memcmp(pairs[i].name, known[k].name,
				pairs[i].name_len) == 0) {
				answer_pair(
				    &answer, known[k].name, known[k].value);
				break;
			}
	ol_record_header_for(answer.data, OL_RECORD_GET_VALUES_RESULT, 0,
	    answer.len - OL_RECORD_HEADER);
	free(pairs);
	free(data);
	peer->collecting = false;
	if (n == -1)
		fault(peer, "the last name of GET_VALUES is cut short");
	else
		ol_peer_send_records(peer, answer.data, answer.len);
}

static void
on_management(struct ol_peer *peer, unsigned type)
{
	FCGI_UnknownTypeRecord unknown = { .body = {
					       .type = (unsigned char)type } };

	if (type == OL_RECORD_GET_VALUES) {
		on_get_values(peer);
		return;
	}
	ol_record_header_for((unsigned char *)&unknown.header,
	    OL_RECORD_UNKNOWN_TYPE, 0, sizeof(unknown.body));
	ol_peer_send_records(peer, &unknown, sizeof(unknown));
}

/* --- records --- */

/* May a record of that type of the active request come now? */
static bool
in_turn(const struct ol_request *request, unsigned type)
{
	switch (type) {
	case OL_RECORD_BEGIN:
	case OL_RECORD_ABORT:
		return true;
	case OL_RECORD_PARAMS:
		return request->stage == OL_REQUEST_HEAD;
	case OL_RECORD_STDIN:
		return request->stage == OL_REQUEST_BODY;
	default:
		return false;
	}
}

static void
on_header(struct ol_peer *peer)
{
	const unsigned char *header = peer->reader.header;
	unsigned type = ol_record_type(header), id = ol_record_id(header);
	size_t content = ol_record_content(header);

	if (header[0] != FCGI_VERSION_1)
		fault(peer, "the FastCGI version is not 1");
	else if (type == OL_RECORD_BEGIN && id != 0 &&
		 content != sizeof(FCGI_BeginRequestBody))
		fault(peer, "BEGIN_REQUEST has a wrong length");
	else if (!is_active(peer, id)) {
		/* Of a request that is over, or never was (§3.3): ignored. */
		ignore(peer, ol_record_length(header));
		if (peer->dead || id != 0 || type != OL_RECORD_GET_VALUES)
			return;
		/* With a byte more, for the last value's NUL. */
		peer->record.collected = malloc(content + 1);
		if (peer->record.collected == NULL)
			fault(peer, "out of memory");
		else
			peer->collecting = true;
	} else if (!in_turn(peer->request, type))
		fault(peer, "a record out of turn");
	else if (type == OL_RECORD_PARAMS &&
		 peer->request->content->head_len + content > HEAD_MAX)
		fault(peer, "the parameters are too large");
}

static void
on_content(struct ol_peer *peer, const unsigned char *data, size_t len)
{
	const unsigned char *header = peer->reader.header;
	unsigned type = ol_record_type(header), id = ol_record_id(header);
	size_t at = ol_record_content(header) - peer->reader.content - len;

	if (id == 0) {
		if (type == OL_RECORD_GET_VALUES)
			memcpy(peer->record.collected + at, data, len);
	} else if (type == OL_RECORD_BEGIN)
		memcpy(peer->record.begin + at, data, len);
	else if (!is_active(peer, id))
		return;
	else if (type == OL_RECORD_PARAMS)
		add_to_head(peer, data, len);
	else if (type == OL_RECORD_STDIN)
		add_to_body(peer, data, len);
}

static void
on_record(struct ol_peer *peer)
{
	const unsigned char *header = peer->reader.header;
	unsigned type = ol_record_type(header), id = ol_record_id(header);
	bool last = ol_record_content(header) == 0;

	if (id == 0)
		on_management(peer, type);
	else if (type == OL_RECORD_BEGIN)
		on_begin(peer, id);
	else if (is_active(peer, id)) {
		if (type == OL_RECORD_ABORT)
			on_abort(peer);
		else if (last && type == OL_RECORD_PARAMS)
			on_head(peer);
		else if (last && type == OL_RECORD_STDIN)
			on_stdin_end(peer);
	} else if (peer->rest && id == peer->rest_id && last &&
		   type == OL_RECORD_STDIN) {
		peer->rest = false;
		ol_peer_send(peer); /* or close it, at last */
	}
}

void
ol_incoming_take(struct ol_peer *peer, const unsigned char *data, size_t len)
{
	const unsigned char *piece;
	size_t n;

	peer->fresh = false;
	while (!peer->dead)
		switch (
		    ol_reader_take(&peer->reader, &data, &len, &piece, &n)) {
		case OL_READER_MORE:
			return;
		case OL_READER_HEADER:
			on_header(peer);
			break;
		case OL_READER_CONTENT:
			on_content(peer, piece, n);
			break;
		case OL_READER_END:
			on_record(peer);
			break;
		}
}
