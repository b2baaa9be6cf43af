/*
 * The answers that all routes share. Each of them ends the exchange, but for
 * ol_answer_begin(), ol_answer_task() and ol_answer_refused(). Objects are
 * borrowed.
 */
#ifndef OL_API_ANSWER_H
#define OL_API_ANSWER_H

#include "api/exchange.h"

/*
 * Status and the headers that every answer has; those of the task when object
 * is not NULL.
 */
void ol_answer_begin(
    struct ol_exchange *, int status, const struct ol_object *object);

/* The same without Cache-Control: a replayed answer has its own word on it. */
void ol_answer_task(
    struct ol_exchange *, int status, const struct ol_object *object);

/* An error; with the object's headers, and its address, unless that is NULL. */
void ol_answer_refusal(
    struct ol_exchange *, const struct ol_refusal *, const struct ol_object *);

/* Its status and headers. */
void ol_answer_refused(
    struct ol_exchange *, const struct ol_refusal *, const struct ol_object *);

/* The same without details. */
void ol_answer_problem(struct ol_exchange *, enum ol_problem);

/* The task object behind headers that were begun. */
void ol_answer_object(struct ol_exchange *, const struct ol_object *);

/* len bytes of that type behind headers that were begun. */
void ol_answer_content(
    struct ol_exchange *, const char *type, const char *text, size_t len);

/* 204 and the methods that there are. */
void ol_answer_allow(struct ol_exchange *, unsigned methods);

/* Plain text, one line. */
void ol_answer_text(struct ol_exchange *, int status, const char *text);

/* What the engine says when it does not do what was asked. */
void ol_answer_engine(struct ol_exchange *, const struct ol_engine_result *);

/* There is no such task, or it is not to be seen. */
void ol_answer_unknown(struct ol_exchange *);

/* When it is worth to ask again, in seconds. */
int ol_answer_wait(const struct ol_object *);

/* The same as Retry-After, unless the task has ended. */
void ol_answer_retry_after(struct ol_exchange *, const struct ol_object *);

/* The address of id below the exchange's base, with rest behind it. */
#define OL_ANSWER_ADDRESS_SIZE 512
void ol_answer_address(const struct ol_exchange *, const struct ol_id *,
    const char *rest, char *buf);

#endif
