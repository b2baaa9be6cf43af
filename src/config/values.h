/*
 * Values of directives, from text and back. Every reader returns NULL, or a
 * static sentence that says which forms are valid; *value is then unchanged.
 */
#ifndef OL_CONFIG_VALUES_H
#define OL_CONFIG_VALUES_H

#include <sys/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Digits. INT64_MAX for anything above it. */
const char *ol_values_number(int64_t *value, const char *text);

/* The same, perhaps after "-". */
const char *ol_values_integer(int64_t *value, const char *text);

/*
 * Nanoseconds: numbers with ms, s, m, h or d, the larger unit first ("1h30m",
 * "500ms"); a bare number is seconds. INT64_MAX for anything above it.
 */
const char *ol_values_time(int64_t *value, const char *text);

/* Bytes: a number, or one with k, m or g. INT64_MAX for anything above it. */
const char *ol_values_size(int64_t *value, const char *text);

/* Three octal digits, with or without a leading 0. */
const char *ol_values_mode(mode_t *value, const char *text);

struct ol_conf_clock;

/* Times of the day, "03:00,15:00": each once, in any order; sorted. */
const char *ol_values_clock(struct ol_conf_clock *value, const char *text);

/* on, off */
const char *ol_values_switch(bool *value, const char *text);

/*
 * What is wrong with a path of URLs as nginx would write it in a location, or
 * NULL: "/tasks", no "/" at its end, nothing that has to be escaped.
 */
const char *ol_values_base(const char *text);

/* What is wrong with a media type, as a header has it, or NULL. */
const char *ol_values_type(const char *text);

/*
 * The shortest exact form of a time, such as "1h30m"; whole milliseconds.
 * size must be at least OL_VALUES_TIME_SIZE.
 */
#define OL_VALUES_TIME_SIZE 48
void ol_values_time_format(char *buf, size_t size, int64_t value);

/* The same for times of the day; OL_VALUES_CLOCK_SIZE. */
#define OL_VALUES_CLOCK_SIZE 160
void ol_values_clock_format(
    char *buf, size_t size, const struct ol_conf_clock *value);

/* The same for bytes, such as "64k"; 24 bytes are enough. */
void ol_values_size_format(char *buf, size_t size, int64_t value);

#endif
