#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_engine.h"

struct ol_engine_call {
	TAILQ_ENTRY(ol_engine_call) link;
	struct ol_engine *engine;
	enum fake_operation operation;
	ol_engine_fn *fn;
	void *arg;
};

void
fake_engine_init(struct ol_engine *engine)
{
	memset(engine, 0, sizeof(*engine));
	TAILQ_INIT(&engine->calls);
	engine->answers[FAKE_AWAIT_RESULT].answer = OL_ENGINE_UNFINISHED;
	engine->answers[FAKE_AWAIT_CHANGE].answer = OL_ENGINE_UNFINISHED;
}

void
fake_engine_fini(struct ol_engine *engine)
{
	struct ol_engine_call *call;

	while ((call = TAILQ_FIRST(&engine->calls)) != NULL) {
		TAILQ_REMOVE(&engine->calls, call, link);
		free(call);
	}
	ol_body_free(engine->payload);
}

void
fake_engine_answer_one(struct ol_engine *engine)
{
	struct ol_engine_call *call = TAILQ_FIRST(&engine->calls);

	TAILQ_REMOVE(&engine->calls, call, link);
	call->fn(call->arg, &engine->answers[call->operation]);
	free(call);
}

unsigned
fake_engine_answer(struct ol_engine *engine)
{
	unsigned n = 0;

	for (; !TAILQ_EMPTY(&engine->calls); n++)
		fake_engine_answer_one(engine);
	return n;
}

void
fake_object_init(struct ol_object *object)
{
	static const char id[] = "01936b2e-5c7a-7d31-9f2b-3a6c1d0e4f58";

	memset(object, 0, sizeof(*object));
	if (ol_id_parse(&object->id, id, sizeof(id) - 1) == -1)
		abort();
	object->type = "thumbnail";
	object->state = "running";
	object->progress = -1;
	object->attempt = 1;
	object->attempts_max = 4;
	object->created = 1763673311123;
	object->started = 1763673311200;
	object->progress_text = object->owner = object->error_kind = "";
	object->error_message = object->error_signal = object->error_text = "";
	object->result_type = object->reply = "";
	object->error_exit = -1;
	object->result_bytes = -1;
}

static void __attribute__((format(printf, 2, 3)))
note(struct ol_engine *engine, const char *fmt, ...)
{
	size_t len = strlen(engine->asked);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(engine->asked + len, sizeof(engine->asked) - len, fmt, ap);
	va_end(ap);
}

static struct ol_engine_call *
ask(struct ol_engine *engine, enum fake_operation operation, ol_engine_fn *fn,
    void *arg)
{
	struct ol_engine_call *call = calloc(1, sizeof(*call));

	if (call == NULL)
		abort();
	call->engine = engine;
	call->operation = operation;
	call->fn = fn;
	call->arg = arg;
	TAILQ_INSERT_TAIL(&engine->calls, call, link);
	return call;
}

static struct ol_engine_call *
ask_for(struct ol_engine *engine, enum fake_operation operation,
    const struct ol_id *id, ol_engine_fn *fn, void *arg)
{
	static const char *const names[] = { [FAKE_GET] = "get",
		[FAKE_RESULT] = "result",
		[FAKE_AWAIT_RESULT] = "await-result",
		[FAKE_AWAIT_CHANGE] = "await-change",
		[FAKE_CANCEL] = "cancel",
		[FAKE_PURGE] = "purge" };
	char text[OL_ID_TEXT_SIZE];

	ol_id_format(id, text);
	note(engine, "%s %s\n", names[operation], text);
	return ask(engine, operation, fn, arg);
}

/* --- engine/engine.h --- */

enum ol_engine_health
ol_engine_health(const struct ol_engine *engine, const char **why)
{
	*why = engine->why;
	return engine->health;
}

void
ol_engine_cancel_call(struct ol_engine_call *call)
{
	call->engine->left++;
	TAILQ_REMOVE(&call->engine->calls, call, link);
	free(call);
}

struct ol_engine_call *
ol_engine_submit(struct ol_engine *engine, const struct ol_engine_submit *task,
    ol_engine_fn *fn, void *arg)
{
	size_t i;

	note(engine, "submit %s", task->type);
	if (task->owner[0] != '\0')
		note(engine, " owner=%s", task->owner);
	if (task->session != NULL) {
		note(engine, " session");
		memcpy(engine->session, task->session, 32);
	}
	if (task->key[0] != '\0') {
		note(engine, " key=%s", task->key);
		memcpy(engine->key_hash, task->key_hash, 32);
	}
	if (task->content_type[0] != '\0')
		note(engine, " type=%s", task->content_type);
	if (task->recorded)
		note(engine, " recorded");
	for (i = 0; i < task->ncontext; i++)
		note(engine, " %s=%s", task->context[i].name,
		    task->context[i].value);
	if (task->due != 0)
		note(engine, " due=%lld", (long long)task->due);
	if (task->delay != 0)
		note(engine, " delay=%lld", (long long)task->delay);
	if (task->priority != INT_MIN)
		note(engine, " priority=%d", task->priority);
	if (task->payload != NULL)
		note(engine, " %s=%lld",
		    task->payload->data != NULL ? "memory" : "file",
		    (long long)task->payload->size);
	note(engine, "\n");
	ol_body_free(engine->payload);
	engine->payload = ol_body_ref(task->payload);
	return ask(engine, FAKE_SUBMIT, fn, arg);
}

struct ol_engine_call *
ol_engine_get(struct ol_engine *engine, const struct ol_id *id,
    ol_engine_fn *fn, void *arg)
{
	return ask_for(engine, FAKE_GET, id, fn, arg);
}

struct ol_engine_call *
ol_engine_get_result(struct ol_engine *engine, const struct ol_id *id,
    ol_engine_fn *fn, void *arg)
{
	return ask_for(engine, FAKE_RESULT, id, fn, arg);
}

struct ol_engine_call *
ol_engine_await_result(struct ol_engine *engine, const struct ol_id *id,
    int64_t until, ol_engine_fn *fn, void *arg)
{
	engine->until = until;
	return ask_for(engine, FAKE_AWAIT_RESULT, id, fn, arg);
}

struct ol_engine_call *
ol_engine_await_change(struct ol_engine *engine, const struct ol_id *id,
    int64_t until, ol_engine_fn *fn, void *arg)
{
	engine->until = until;
	return ask_for(engine, FAKE_AWAIT_CHANGE, id, fn, arg);
}

struct ol_engine_call *
ol_engine_cancel(struct ol_engine *engine, const struct ol_id *id,
    ol_engine_fn *fn, void *arg)
{
	return ask_for(engine, FAKE_CANCEL, id, fn, arg);
}

struct ol_engine_call *
ol_engine_purge(struct ol_engine *engine, const struct ol_id *id,
    ol_engine_fn *fn, void *arg)
{
	return ask_for(engine, FAKE_PURGE, id, fn, arg);
}
