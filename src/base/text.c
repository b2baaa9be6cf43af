#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* The ranges are those of the Unicode Standard, table 3-7. */
size_t
ol_text_character(const char *text, size_t left)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (left < n || s[1] < low || s[1] > high)
		return 0;
	for (i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

size_t
ol_text_printable(const char *text, size_t left)
{
	const unsigned char *s = (const unsigned char *)text;

	if (s[0] < 0x80)
		return s[0] >= 0x20 && s[0] != 0x7f && s[0] != '\\';
	/* U+0080 to U+009F are control characters, too. */
	if (s[0] == 0xc2 && left > 1 && s[1] < 0xa0)
		return 0;
	return ol_text_character(text, left);
}

size_t
ol_text_escape(char *dst, size_t size, const char *src, size_t len)
{
	size_t i = 0, n = 0, cut = 0; /* where "..." still fits */

	while (i < len) {
		size_t plain = ol_text_printable(src + i, len - i);
		size_t need = plain > 0 ? plain : 4;

		if (n + need >= size) {
			n = cut + strlcpy(dst + cut, "...", size - cut);
			return n < size ? n : size - 1;
		}
		if (plain > 0)
			memcpy(dst + n, src + i, plain);
		else
			snprintf(dst + n, size - n, "\\x%02x",
			    (unsigned char)src[i]);
		i += plain > 0 ? plain : 1;
		n += need;
		if (n + 3 < size)
			cut = n;
	}
	dst[n] = '\0';
	return n;
}

size_t
ol_text_utf8(char *dst, size_t size, const char *src, size_t len)
{
	static const char unknown[] = "\xef\xbf\xbd";
	const char *from;
	size_t n, step, used = 0;

	for (; len > 0; src += step, len -= step) {
		from = src;
		if (*src == '\\')
			n = step = 1;
		else if ((n = step = ol_text_printable(src, len)) == 0) {
			from = unknown;
			n = sizeof(unknown) - 1;
			step = 1;
		}
		if (used + n >= size)
			break;
		memcpy(dst + used, from, n);
		used += n;
	}
	dst[used] = '\0';
	return used;
}

size_t
ol_text_json(char *dst, size_t size, const char *src, size_t len)
{
	const unsigned char *s = (const unsigned char *)src;
	size_t i = 0, n = 0;

	while (i < len) {
		char piece[8];
		size_t taken = 1, put;

		if (s[i] == '"' || s[i] == '\\') {
			piece[0] = '\\';
			piece[1] = (char)s[i];
			put = 2;
		} else if (s[i] == '\n' || s[i] == '\t') {
			piece[0] = '\\';
			piece[1] = s[i] == '\n' ? 'n' : 't';
			put = 2;
		} else if (s[i] < 0x20 || s[i] == 0x7f) {
			put = (size_t)snprintf(
			    piece, sizeof(piece), "\\u%04x", s[i]);
		} else if ((taken = ol_text_character(src + i, len - i)) > 0) {
			memcpy(piece, src + i, taken);
			put = taken;
		} else {
			taken = 1;
			piece[0] = '?';
			put = 1;
		}
		if (n + put >= size)
			break;
		memcpy(dst + n, piece, put);
		n += put;
		i += taken;
	}
	dst[n] = '\0';
	return n;
}

/* How many small hexadecimal digits text begins with. */
static size_t
hex(const char *text)
{
	return strspn(text, "0123456789abcdef");
}

bool
ol_text_is_traceparent(const char *text)
{
	return strlen(text) == 55 && memcmp(text, "00-", 3) == 0 &&
	       hex(text + 3) == 32 && text[35] == '-' && hex(text + 36) == 16 &&
	       text[52] == '-' && hex(text + 53) == 2 &&
	       strspn(text + 3, "0") < 32 && strspn(text + 36, "0") < 16;
}

const char *
ol_text_signal(char *dst, size_t size, int signo)
{
	const char *name = sigabbrev_np(signo);

	if (name != NULL)
		snprintf(dst, size, "SIG%s", name);
	else
		snprintf(dst, size, "signal %d", signo);
	return dst;
}

/* Levenshtein distance with a neighbours' swap as one step; words are short. */
static size_t
distance(const char *a, const char *b)
{
	enum { MAX = 40 };
	size_t la = strlen(a), lb = strlen(b), i, j;
	size_t row[3][MAX + 1];

	if (la > MAX || lb > MAX)
		return MAX;
	for (j = 0; j <= lb; j++)
		row[0][j] = j;
	for (i = 1; i <= la; i++) {
		size_t *now = row[i % 3], *up = row[(i + 2) % 3];
		const size_t *upup = row[(i + 1) % 3];

		now[0] = i;
		for (j = 1; j <= lb; j++) {
			size_t best = up[j - 1] + (a[i - 1] != b[j - 1]);

			if (up[j] + 1 < best)
				best = up[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && upup[j - 2] + 1 < best)
				best = upup[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[la % 3][lb];
}

const char *
ol_text_nearest(const char *word, const char *const *names, size_t n)
{
	const char *best = NULL;
	size_t i, best_distance = strlen(word) / 3 + 1;

	for (i = 0; i < n; i++) {
		size_t d = distance(word, names[i]);

		if (d < best_distance) {
			best_distance = d;
			best = names[i];
		}
	}
	return best;
}
