#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/answer.h"
#include "api/page.h"
#include "api/wait.h"

void
ol_answer_address(const struct ol_exchange *x, const struct ol_id *id,
    const char *rest, char *buf)
{
	/* The base "/" is empty. */
	size_t len = x->base[1] == '\0' ? 0 : strlen(x->base);

	memcpy(buf, x->base, len);
	buf[len++] = '/';
	ol_id_format(id, buf + len);
	len += OL_ID_TEXT_SIZE - 1;
	strlcpy(buf + len, rest, OL_ANSWER_ADDRESS_SIZE - len);
}

void
ol_answer_task(
    struct ol_exchange *x, int status, const struct ol_object *object)
{
	char id[OL_ID_TEXT_SIZE];

	ol_request_status(x->request, status);
	ol_request_header(x->request, "X-Content-Type-Options", "nosniff");
	if (object == NULL)
		return;
	ol_id_format(&object->id, id);
	ol_request_header(x->request, "Outlast-Task-Id", id);
	ol_request_header(x->request, "Outlast-State", object->state);
	if (x->is_duplicate)
		ol_request_header(x->request, "Outlast-Duplicate", "1");
	ol_wait_header(x);
}

void
ol_answer_begin(
    struct ol_exchange *x, int status, const struct ol_object *object)
{
	ol_answer_task(x, status, object);
	ol_request_header(x->request, "Cache-Control", "no-store");
}

void
ol_answer_content(
    struct ol_exchange *x, const char *type, const char *text, size_t len)
{
	char length[24];

	snprintf(length, sizeof(length), "%zu", len);
	ol_request_header(x->request, "Content-Type", type);
	ol_request_header(x->request, "Content-Length", length);
	if (!x->head_only)
		ol_request_write(x->request, text, len);
	ol_exchange_finish(x);
}

static void
content_json(struct ol_exchange *x, const char *type)
{
	const struct ol_json *json = &x->api->json;

	if (json->failed) {
		if (ol_exchange_may_complain(x))
			ol_log_error(
			    &x->api->log, "out of memory for an answer");
		ol_exchange_break(x);
		return;
	}
	ol_answer_content(x, type, json->text, json->len);
}

static void
seconds(struct ol_exchange *x, int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	ol_request_header(x->request, "Retry-After", text);
}

void
ol_answer_refused(struct ol_exchange *x, const struct ol_refusal *refusal,
    const struct ol_object *object)
{
	char allow[OL_ENVELOPE_ALLOW_SIZE];

	ol_answer_begin(x, ol_problem_kind(refusal->problem)->status, object);
	if (refusal->allow != 0) {
		ol_envelope_allow(refusal->allow, allow);
		ol_request_header(x->request, "Allow", allow);
	}
	if (refusal->retry_after > 0)
		seconds(x, refusal->retry_after);
}

void
ol_answer_refusal(struct ol_exchange *x, const struct ol_refusal *refusal,
    const struct ol_object *object)
{
	const struct ol_problem_kind *kind = ol_problem_kind(refusal->problem);
	char instance[OL_ANSWER_ADDRESS_SIZE];
	const char *detail = refusal->detail;

	/* What is wrong with it is the administrator's to know. */
	if (refusal->problem == OL_PROBLEM_MISCONFIGURED) {
		if (ol_exchange_may_complain(x))
			ol_log_error(&x->api->log, "%s; a request for \"%s\"",
			    detail,
			    x->question == NULL
				? ""
				: ol_envelope_param(
				      &x->question->envelope, "DOCUMENT_URI"));
		detail = "";
	}
	if (x->as_page) {
		ol_page_refuse(x, refusal, object);
		return;
	}
	instance[0] = '\0';
	if (object != NULL)
		ol_answer_address(x, &object->id, "", instance);
	ol_answer_refused(x, refusal, object);
	ol_json_problem(&x->api->json, kind, detail, instance);
	content_json(x, "application/problem+json");
}

void
ol_answer_problem(struct ol_exchange *x, enum ol_problem problem)
{
	struct ol_refusal refusal = { .problem = problem };

	ol_answer_refusal(x, &refusal, NULL);
}

void
ol_answer_object(struct ol_exchange *x, const struct ol_object *object)
{
	ol_json_object(&x->api->json, object, x->base);
	content_json(x, "application/json");
}

void
ol_answer_allow(struct ol_exchange *x, unsigned methods)
{
	char allow[OL_ENVELOPE_ALLOW_SIZE];

	ol_envelope_allow(methods, allow);
	ol_answer_begin(x, 204, NULL);
	ol_request_header(x->request, "Allow", allow);
	ol_exchange_finish(x);
}

void
ol_answer_text(struct ol_exchange *x, int status, const char *text)
{
	char line[256];

	snprintf(line, sizeof(line), "%s\n", text);
	ol_answer_begin(x, status, NULL);
	if (status == 503)
		seconds(x, 1);
	ol_answer_content(x, "text/plain; charset=utf-8", line, strlen(line));
}

int
ol_answer_wait(const struct ol_object *object)
{
	int64_t left = 1;

	if (object->due != 0)
		left = object->due / 1000 - time(NULL) + 1;
	/* Not too far: it may be run by hand, or cancelled. */
	return left < 1 ? 1 : left > 60 ? 60 : (int)left;
}

void
ol_answer_retry_after(struct ol_exchange *x, const struct ol_object *object)
{
	if (!object->ended)
		seconds(x, ol_answer_wait(object));
}

void
ol_answer_unknown(struct ol_exchange *x)
{
	struct ol_refusal refusal;

	ol_problem_refuse(&refusal, OL_PROBLEM_NOT_FOUND,
	    "there is no such task, or it is somebody else's");
	ol_answer_refusal(x, &refusal, NULL);
}

void
ol_answer_engine(struct ol_exchange *x, const struct ol_engine_result *result)
{
	static const struct {
		enum ol_problem problem;
		const char *detail;
	} says[] = {
		[OL_ENGINE_CONFLICT] = { OL_PROBLEM_KEY_REUSED, "" },
		[OL_ENGINE_IN_FLIGHT] = { OL_PROBLEM_KEY_IN_FLIGHT, "" },
		[OL_ENGINE_FULL] = { OL_PROBLEM_QUEUE_FULL,
		    "as many tasks of this type wait as may" },
		[OL_ENGINE_NOT_TAKEN] = { OL_PROBLEM_UNAVAILABLE, "" },
		[OL_ENGINE_UNSURE] = { OL_PROBLEM_UNSURE, "" },
		[OL_ENGINE_UNFINISHED] = { OL_PROBLEM_NOT_ENDED, "" },
		[OL_ENGINE_GONE] = { OL_PROBLEM_RESULT_GONE, "" },
	};
	enum ol_problem problem = says[result->answer].problem;
	struct ol_refusal refusal;
	int status;

	if (result->answer == OL_ENGINE_UNKNOWN) {
		ol_answer_unknown(x);
		return;
	}
	/* Yes, but without the object that the question was for. */
	if (problem == OL_PROBLEM_NONE)
		problem = OL_PROBLEM_UNAVAILABLE;
	ol_problem_refuse(&refusal, problem, "%s",
	    result->why != NULL ? result->why : says[result->answer].detail);
	status = ol_problem_kind(problem)->status;
	if (status == 503 || status == 409)
		refusal.retry_after =
		    result->retry_after > 0 ? result->retry_after : 1;
	/* Of another's request with the same key nothing is told. */
	ol_answer_refusal(x, &refusal, status == 422 ? NULL : result->object);
}
