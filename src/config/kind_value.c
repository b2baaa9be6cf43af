#include <sys/types.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "config/conf.h"
#include "config/diagnostic.h"
#include "config/kind_value.h"
#include "config/kinds.h"
#include "config/values.h"
#include "config/world.h"

#define QUOTE(word) ol_diagnostic_quote(word).text

#define ZONES	    "/usr/share/zoneinfo"
/* Without a dot: nothing outside, and no table of them. */
#define ZONE_CHARACTERS \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
	"0123456789_+-/"

void
ol_kind_value_replace(char **field, const char *text)
{
	char *copy = ol_must(strdup(text));

	free(*field);
	*field = copy;
}

int
ol_kind_value_invalid(const struct ol_setting *s, const char *name,
    const struct ol_kind_value *value, const char *valid)
{
	ol_diagnostic_error(s->diagnostics, value->place,
	    "invalid value \"%s\" for \"%s\": %s", QUOTE(value->text), name,
	    valid);
	return -1;
}

static int
invalid(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value, const char *valid)
{
	return ol_kind_value_invalid(s, slot->name, value, valid);
}

/* --- numbers, times and sizes -------------------------------------------- */

static void
format_bound(char *buf, size_t size, enum ol_kind kind, int64_t n)
{
	switch (kind) {
	case OL_KIND_TIME:
	case OL_KIND_TIME_OFF:
		ol_values_time_format(buf, size, n);
		break;
	case OL_KIND_SIZE:
		ol_values_size_format(buf, size, n);
		break;
	default:
		snprintf(buf, size, "%" PRId64, n);
	}
}

static int
check_range(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value, int64_t n)
{
	char min[OL_VALUES_TIME_SIZE], max[OL_VALUES_TIME_SIZE];

	if (n >= slot->min && n <= slot->max)
		return 0;
	format_bound(min, sizeof(min), slot->kind, slot->min);
	format_bound(max, sizeof(max), slot->kind, slot->max);
	ol_diagnostic_error(s->diagnostics, value->place,
	    "\"%s\" is out of range for \"%s\": write a value from %s to %s%s",
	    QUOTE(value->text), slot->name, min, max,
	    slot->kind == OL_KIND_TIME_OFF || slot->kind == OL_KIND_NUMBER_OFF
		? ", or off"
		: "");
	return -1;
}

static int
set_quantity(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value)
{
	const char *wrong;
	int64_t n;

	switch (slot->kind) {
	case OL_KIND_TIME:
	case OL_KIND_TIME_OFF:
		wrong = ol_values_time(&n, value->text);
		break;
	case OL_KIND_SIZE:
		wrong = ol_values_size(&n, value->text);
		break;
	default:
		wrong = slot->min < 0 ? ol_values_integer(&n, value->text)
				      : ol_values_number(&n, value->text);
	}
	if (wrong != NULL)
		return invalid(s, slot, value, wrong);
	if (check_range(s, slot, value, n) == -1)
		return -1;
	if (slot->kind == OL_KIND_NUMBER || slot->kind == OL_KIND_NUMBER_OFF)
		*(int *)slot->field = (int)n;
	else
		*(int64_t *)slot->field = n;
	return 0;
}

/* --- words of a few ------------------------------------------------------ */

static int
set_off(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value)
{
	const char *text = value->text;
	bool number = slot->kind == OL_KIND_NUMBER_OFF;

	if (strcmp(text, "off") == 0) {
		if (number)
			*(int *)slot->field = 0;
		else
			*(int64_t *)slot->field = 0;
		return 0;
	}
	if (!isdigit((unsigned char)*text))
		return invalid(s, slot, value,
		    number ? "write a whole number, or off"
			   : "write a time, such as 90s or 1h30m, or off");
	return set_quantity(s, slot, value);
}

static int
set_switch(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value)
{
	const char *wrong = ol_values_switch(slot->field, value->text);

	return wrong != NULL ? invalid(s, slot, value, wrong) : 0;
}

/* "write full, lazy or off" */
static void
list_choices(char *buf, size_t size, const struct ol_option_choice *choices)
{
	const struct ol_option_choice *c;

	if (choices[1].name == NULL) {
		snprintf(buf, size, "write %s: there is nothing else yet",
		    choices[0].name);
		return;
	}
	strlcpy(buf, "write ", size);
	for (c = choices; c->name != NULL; c++) {
		if (c != choices)
			strlcat(buf, c[1].name != NULL ? ", " : " or ", size);
		strlcat(buf, c->name, size);
	}
}

static int
set_choice(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value)
{
	const struct ol_option_choice *c;
	char valid[128];

	for (c = slot->choices; c->name != NULL; c++) {
		if (strcmp(c->name, value->text) != 0)
			continue;
		if (slot->field != NULL)
			*(unsigned *)slot->field = c->value;
		return 0;
	}
	list_choices(valid, sizeof(valid), slot->choices);
	return invalid(s, slot, value, valid);
}

/* --- texts --------------------------------------------------------------- */

static int
set_clock(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value)
{
	const char *wrong = ol_values_clock(slot->field, value->text);

	return wrong != NULL ? invalid(s, slot, value, wrong) : 0;
}

static int
set_mode(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value)
{
	const char *wrong = ol_values_mode(slot->field, value->text);

	return wrong != NULL ? invalid(s, slot, value, wrong) : 0;
}

/* A path as it is written, without "/" at its end. */
static void
replace_path(char **field, const char *path)
{
	size_t n = strlen(path);

	ol_kind_value_replace(field, path);
	while (n > 1 && path[n - 1] == '/')
		(*field)[--n] = '\0';
}

static int
set_path(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value)
{
	if (value->text[0] != '/')
		return invalid(s, slot, value,
		    "write an absolute path, one that begins with \"/\"");
	replace_path(slot->field, value->text);
	return 0;
}

static int
set_directory(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value)
{
	char **field = slot->field;

	if (strcmp(value->text, "scratch") == 0) {
		free(*field);
		*field = NULL;
		return 0;
	}
	if (value->text[0] != '/')
		return invalid(s, slot, value,
		    "write an absolute path, one that begins with \"/\", or "
		    "scratch");
	replace_path(field, value->text);
	return 0;
}

static int
set_base(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value)
{
	const char *wrong = ol_values_base(value->text);

	if (wrong != NULL)
		return invalid(s, slot, value, wrong);
	ol_kind_value_replace(slot->field, value->text);
	return 0;
}

static int
set_type(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value)
{
	const char *wrong = ol_values_type(value->text);

	if (wrong != NULL)
		return invalid(s, slot, value, wrong);
	ol_kind_value_replace(slot->field, value->text);
	return 0;
}

/* What localtime() does not find, it takes for UTC without a word. */
static int
set_zone(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value)
{
	char *path, magic[4] = "";
	bool found = false;
	int fd;

	if (isalpha((unsigned char)*value->text) &&
	    strspn(value->text, ZONE_CHARACTERS) == strlen(value->text)) {
		if (asprintf(&path, ZONES "/%s", value->text) == -1)
			ol_must(NULL);
		fd = s->world->open_file(path);
		found = fd != -1 && read(fd, magic, sizeof(magic)) == 4 &&
			memcmp(magic, "TZif", 4) == 0;
		if (fd != -1)
			close(fd);
		free(path);
	}
	if (!found)
		return invalid(s, slot, value,
		    "write the name of a file below " ZONES
		    ", such as Europe/Vienna (Debian: package tzdata)");
	ol_kind_value_replace(slot->field, value->text);
	return 0;
}

static int
set_group(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value)
{
	struct ol_conf_listen *listen = slot->field;

	if (s->world->group(value->text, &listen->gid) == -1) {
		listen->gid = (gid_t)-1;
		ol_diagnostic_error(s->diagnostics, value->place,
		    "there is no group \"%s\": create it, or name one of "
		    "\"getent group\"",
		    QUOTE(value->text));
		return -1;
	}
	ol_kind_value_replace(&listen->group, value->text);
	return 0;
}

int
ol_kind_value_set(const struct ol_setting *s, const struct ol_kind_slot *slot,
    const struct ol_kind_value *value)
{
	switch (slot->kind) {
	case OL_KIND_TIME:
	case OL_KIND_NUMBER:
	case OL_KIND_SIZE:
		return set_quantity(s, slot, value);
	case OL_KIND_TIME_OFF:
	case OL_KIND_NUMBER_OFF:
		return set_off(s, slot, value);
	case OL_KIND_SWITCH:
		return set_switch(s, slot, value);
	case OL_KIND_CHOICE:
		return set_choice(s, slot, value);
	case OL_KIND_CLOCK:
		return set_clock(s, slot, value);
	case OL_KIND_MODE:
		return set_mode(s, slot, value);
	case OL_KIND_PATH:
		return set_path(s, slot, value);
	case OL_KIND_DIRECTORY:
		return set_directory(s, slot, value);
	case OL_KIND_BASE:
		return set_base(s, slot, value);
	case OL_KIND_TYPE:
		return set_type(s, slot, value);
	case OL_KIND_ZONE:
		return set_zone(s, slot, value);
	case OL_KIND_GROUP:
		return set_group(s, slot, value);
	default:
		return -1; /* kinds of whole directives */
	}
}
