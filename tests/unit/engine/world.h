/*
 * A whole engine for a test: real SQLite in a folder of its own, and an
 * executor that is made up: the test ends each attempt by hand.
 */
#ifndef TESTS_UNIT_ENGINE_WORLD_H
#define TESTS_UNIT_ENGINE_WORLD_H

#include "engine/engine.h"
#include "run/run.h"

enum {
	WORLD_TYPES = 8,
	WORLD_TEXT = 128,
};

/* What an answer said; the texts are copied. */
struct said {
	bool there;
	enum ol_engine_answer answer;
	bool has_object;
	struct ol_object object;
	char type[WORLD_TEXT], state[WORLD_TEXT], owner[WORLD_TEXT];
	char kind[WORLD_TEXT], message[512], signal[WORLD_TEXT];
	char text[8192], progress[WORLD_TEXT], result_type[WORLD_TEXT];
	char reply[WORLD_TEXT];
	char body[256];	   /* its first bytes, as text */
	int64_t body_size; /* -1: none */
	int retry_after;
};

/* One attempt that runs. */
struct attempt {
	struct ol_running running; /* the first one */
	TAILQ_ENTRY(attempt) link;
	struct world *world;
	struct ol_id id;
	uint32_t number;
	bool by_backend;
	char type[WORLD_TEXT], owner[WORLD_TEXT], content_type[WORLD_TEXT];
	char context[512]; /* NAME=value; … */
	bool recorded;
	char payload[256];
	int64_t payload_size;
	char stops[WORLD_TEXT]; /* "cancel interrupt kill " */
	const struct ol_run_events *events;
	void *arg;
};

TAILQ_HEAD(attempts, attempt);

struct world {
	struct ol_loop *loop;
	struct ol_engine *engine;
	struct ol_programs *programs;
	struct ol_conf conf;
	struct ol_conf_task types[WORLD_TYPES];
	int ntypes;
	char folder[WORLD_TEXT];
	struct attempts attempts;
	int running, started; /* started: in all lives */
	int loaded, drained;
	int64_t deadline; /* the last on_deadline */
	bool is_open;
	void (*on_start)(struct world *, struct attempt *); /* or NULL */
	void *user;
};

/* A new folder and a configuration without types; not opened. */
void world_init(struct world *);

/* Add a type, durable full, with sensible rules, to be changed. */
struct ol_conf_task *world_type(struct world *, const char *name);

/* Open the engine, connect a spawner, and run until all is loaded. */
void world_open(struct world *);

/* The same, but for the last: it loads. */
void world_begin(struct world *);
void world_close(struct world *);

/* Close when open, and remove the folder. */
void world_fini(struct world *);

/*
 * For cmocka: a fresh world for each test, not opened, with the type "cut"; it
 * has two minutes.
 */
int world_set_up(void **state);
int world_tear_down(void **state);

/* Run the loop until *flag, or give up after some seconds: then the test
 * fails. */
void world_until(struct world *, const int *flag, int value);

/* Run the loop for so many milliseconds. */
void world_run(struct world *, int ms);

/* Each asks and waits for the answer. */
struct said world_submit(struct world *, const struct ol_engine_submit *);
struct said world_get(struct world *, const struct ol_id *);
struct said world_result(struct world *, const struct ol_id *);
struct said world_cancel(struct world *, const struct ol_id *);
struct said world_purge(struct world *, const struct ol_id *);

/* Submit such a type with nothing else; it must be taken. */
struct ol_id world_add(struct world *, const char *type);

/* Take an answer into the struct said in arg. */
void world_take(void *arg, const struct ol_engine_result *);
void world_wait(struct world *, const struct said *);

/* There is a spawner now, or none any more. */
void world_spawner(struct world *, bool connected);

/* The attempt of a task that runs; waits for it. */
struct attempt *world_attempt(struct world *, const struct ol_id *);
bool world_has_attempt(struct world *, const struct ol_id *);

/* End it. */
void world_end(struct attempt *, const struct ol_run_end *);
void world_succeed(struct attempt *, const char *result);
void world_fail(
    struct attempt *, enum ol_outcome, const char *kind, const char *message);

/* Run until the object of a task is in that state. */
struct said world_until_state(
    struct world *, const struct ol_id *, const char *state);

#endif
