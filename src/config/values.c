#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "config/values.h"

static const struct unit {
	const char *name;
	int64_t size;
} times[] = {
	{ "d", OL_SEC(86400) },
	{ "h", OL_SEC(3600) },
	{ "m", OL_SEC(60) },
	{ "s", OL_SEC(1) },
	{ "ms", OL_MSEC(1) },
};

enum { NTIMES = sizeof(times) / sizeof(times[0]) };

/* a * b + c of numbers that are not negative, at most INT64_MAX. */
static int64_t
scale(int64_t a, int64_t b, int64_t c)
{
	int64_t product, sum;

	if (__builtin_mul_overflow(a, b, &product) ||
	    __builtin_add_overflow(product, c, &sum))
		return INT64_MAX;
	return sum;
}

/* Digits at *text, which moves behind them. -1: there is none. */
static int64_t
read_digits(const char **text)
{
	int64_t value = 0;
	const char *p = *text;

	if (*p < '0' || *p > '9')
		return -1;
	for (; *p >= '0' && *p <= '9'; p++)
		value = scale(value, 10, *p - '0');
	*text = p;
	return value;
}

const char *
ol_values_number(int64_t *value, const char *text)
{
	int64_t n = read_digits(&text);

	if (n == -1 || *text != '\0')
		return "write a whole number, such as 4";
	*value = n;
	return NULL;
}

const char *
ol_values_time(int64_t *value, const char *text)
{
	static const char wrong[] = "write numbers with ms, s, m, h or d, the "
				    "larger unit first, such as 500ms, 90s or "
				    "1h30m";
	int64_t sum = 0, n;
	size_t unit = 0, len;

	do {
		if ((n = read_digits(&text)) == -1)
			return wrong;
		/* A bare number ends the value, as in nginx: "1h30". */
		len = strspn(text, "abcdefghijklmnopqrstuvwxyz");
		if (len == 0 && *text == '\0' && unit <= 3) {
			unit = 3;
			len = 0;
		} else {
			while (unit < NTIMES &&
			       (strlen(times[unit].name) != len ||
				   strncmp(times[unit].name, text, len) != 0))
				unit++;
			if (unit == NTIMES)
				return wrong;
		}
		sum = scale(n, times[unit].size, sum);
		text += len;
		unit++;
	} while (*text != '\0');
	*value = sum;
	return NULL;
}

const char *
ol_values_size(int64_t *value, const char *text)
{
	static const char wrong[] = "write a number of bytes, or one with k, "
				    "m or g, such as 64k";
	int64_t n = read_digits(&text), unit = 1;

	if (n == -1)
		return wrong;
	switch (*text) {
	case 'k':
	case 'K':
		unit = 1024;
		break;
	case 'm':
	case 'M':
		unit = 1024 * 1024;
		break;
	case 'g':
	case 'G':
		unit = 1024 * 1024 * 1024;
		break;
	case '\0':
		*value = n;
		return NULL;
	}
	if (unit == 1 || text[1] != '\0')
		return wrong;
	*value = scale(n, unit, 0);
	return NULL;
}

const char *
ol_values_mode(mode_t *value, const char *text)
{
	size_t len = strspn(text, "01234567");
	mode_t mode = 0;

	if (text[len] != '\0' || len < 3 || len > 4 ||
	    (len == 4 && text[0] != '0'))
		return "write three octal digits, such as 0660";
	for (; *text != '\0'; text++)
		mode = mode * 8 + (mode_t)(*text - '0');
	*value = mode;
	return NULL;
}

const char *
ol_values_switch(bool *value, const char *text)
{
	if (strcmp(text, "on") == 0)
		*value = true;
	else if (strcmp(text, "off") == 0)
		*value = false;
	else
		return "write on or off";
	return NULL;
}

void
ol_values_time_format(char *buf, size_t size, int64_t value)
{
	size_t n = 0, i;

	snprintf(buf, size, "0s");
	for (i = 0; i < NTIMES; i++) {
		int64_t count = value / times[i].size;

		if (count == 0)
			continue;
		n += (size_t)snprintf(buf + n, size - n, "%lld%s",
		    (long long)count, times[i].name);
		value -= count * times[i].size;
	}
}
