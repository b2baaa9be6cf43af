/*
 * What the plain libfcgi programs and the liboutlast application of the tests
 * have in common, so that a comparison compares the libraries only.
 */
#ifndef TESTS_BENCH_HANDLER_H
#define TESTS_BENCH_HANDLER_H

#include <stdbool.h>
#include <stddef.h>

#include <fcgiapp.h>

/*
 * Open the file named by the environment variable for appending; -1 when it is
 * not set or cannot be opened.
 */
int handler_log_open(const char *variable);

/* Append one line to fd in one write(); does nothing when fd is -1. */
void handler_log(int fd, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Answer 202 and 52 bytes of JSON, having read the body to its end when drain
 * is set. A line "request METHOD URI REMOTE_USER BYTES PID" goes to log_fd.
 */
void handler_answer(FCGX_Request *, bool drain, int log_fd);

/* A fault. */
void handler_crash(void);

/*
 * The number behind "name=" in the request's query string, else missing. Never
 * negative.
 */
long handler_query_long(FCGX_Request *, const char *name, long missing);

/* Copy the text behind "name=" to dst; false when it is absent or too long. */
bool handler_query_text(
    FCGX_Request *, const char *name, char *dst, size_t size);

#endif
