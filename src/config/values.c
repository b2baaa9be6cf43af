#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "config/conf.h"
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
ol_values_integer(int64_t *value, const char *text)
{
	bool minus = *text == '-';
	const char *wrong = ol_values_number(value, minus ? text + 1 : text);

	if (wrong != NULL)
		return "write a whole number, such as 4 or -4";
	if (minus)
		*value = -*value;
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

/* "HH:MM" as minutes, -1 for anything else. */
static int
read_minutes(const char *text)
{
	static const char digits[] = "0123456789";
	int hour, minute;

	if (strspn(text, digits) != 2 || text[2] != ':' ||
	    strspn(text + 3, digits) != 2)
		return -1;
	hour = (text[0] - '0') * 10 + (text[1] - '0');
	minute = (text[3] - '0') * 10 + (text[4] - '0');
	return hour < 24 && minute < 60 ? hour * 60 + minute : -1;
}

const char *
ol_values_clock(struct ol_conf_clock *value, const char *text)
{
	static const char wrong[] =
	    "write times of the day, such as 03:00 or 03:00,15:30";
	struct ol_conf_clock clock = { .n = 0 };
	int minutes, i;

	for (;; text += 6) {
		minutes = read_minutes(text);
		if (minutes == -1 || (text[5] != ',' && text[5] != '\0'))
			return wrong;
		for (i = clock.n; i > 0 && clock.minutes[i - 1] > minutes; i--)
			;
		if (i > 0 && clock.minutes[i - 1] == minutes)
			return "write each time once";
		if (clock.n == OL_CONF_CLOCK_MAX)
			return "write at most 24 times";
		memmove(&clock.minutes[i + 1], &clock.minutes[i],
		    (size_t)(clock.n++ - i) * sizeof(clock.minutes[0]));
		clock.minutes[i] = (short)minutes;
		if (text[5] == '\0')
			break;
	}
	*value = clock;
	return NULL;
}

void
ol_values_clock_format(
    char *buf, size_t size, const struct ol_conf_clock *value)
{
	size_t len = 0;
	int i;

	*buf = '\0';
	for (i = 0; i < value->n && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%02d:%02d",
		    i > 0 ? "," : "", value->minutes[i] / 60,
		    value->minutes[i] % 60);
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

const char *
ol_values_base(const char *text)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "abcdefghijklmnopqrstuvwxyz0123456789"
				   "-._~!&'()*+,=:@";
	size_t n;

	if (*text != '/')
		return "write a path that begins with \"/\", such as /tasks";
	do {
		text++;
		n = strspn(text, good);
		if (text[n] != '\0' && text[n] != '/')
			return "write letters, digits and -._~ between the "
			       "\"/\", such as /ops/tasks";
		if (n == 0)
			return *text == '\0' ? "write it without \"/\" at its "
					       "end, such as /tasks"
					     : "write one \"/\" in a row";
		if (text[0] == '.' && (n == 1 || (n == 2 && text[1] == '.')))
			return "write it without \".\" and \"..\": nginx "
			       "resolves them";
		text += n;
	} while (*text != '\0');
	return NULL;
}

const char *
ol_values_type(const char *text)
{
	static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789"
				    "!#$&-^_.+";
	static const char wrong[] = "write a media type, such as image/jpeg or "
				    "\"text/plain; charset=utf-8\"";
	size_t n = strspn(text, token);

	if (n == 0 || text[n] != '/')
		return wrong;
	text += n + 1;
	n = strspn(text, token);
	if (n == 0 || (text[n] != '\0' && text[n] != ';'))
		return wrong;
	for (text += n; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			return wrong;
	return NULL;
}

void
ol_values_size_format(char *buf, size_t size, int64_t value)
{
	static const char *const units[] = { "", "k", "m", "g" };
	size_t i = 0;

	while (i < 3 && value > 0 && value % 1024 == 0) {
		value /= 1024;
		i++;
	}
	snprintf(buf, size, "%lld%s", (long long)value, units[i]);
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
