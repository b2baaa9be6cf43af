#include <ctype.h>
#include <string.h>

#include "form.h"

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static int
hex_value(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *p;

	p = c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;
	return p != NULL ? (int)(p - digits) : -1;
}

/* The decoded byte at *s, which moves on to its last byte; -1: none. */
static int
decode(const char **s)
{
	int high, low;

	if (**s == '+')
		return ' ';
	if (**s != '%')
		return (unsigned char)**s;
	if ((high = hex_value((*s)[1])) < 0 || (low = hex_value((*s)[2])) < 0)
		return -1;
	*s += 2;
	return high * 16 + low;
}

int
form_field(const char *form, const char *field, char *value, size_t size)
{
	size_t n = strlen(field), len = 0;
	int c;

	value[0] = '\0';
	while (strncmp(form, field, n) != 0 || form[n] != '=') {
		if ((form = strchr(form, '&')) == NULL)
			return -1;
		form++;
	}
	for (form += n + 1; *form != '\0' && *form != '&'; form++) {
		if ((c = decode(&form)) <= 0 || len + 1 >= size) {
			value[0] = '\0';
			return -1;
		}
		value[len++] = (char)c;
	}
	value[len] = '\0';
	return 0;
}

int
form_address_ok(const char *text)
{
	size_t local = strspn(text, ALNUM ".!#$%&'*+/=?^_`{|}~-");
	const char *domain = text + local + 1;

	if (local == 0 || local > 64 || text[local] != '@')
		return 0;
	return isalnum((unsigned char)domain[0]) &&
	       domain[strspn(domain, ALNUM ".-")] == '\0' &&
	       strlen(text) < FORM_ADDRESS_SIZE;
}

void
form_put_escaped(FCGX_Stream *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (strchr("&<>\"'", *text) != NULL)
			FCGX_FPrintF(out, "&#%d;", *text);
		else
			FCGX_PutChar((unsigned char)*text, out);
	}
}
