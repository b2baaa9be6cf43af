#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "config/diagnostic.h"
#include "config/reader.h"

#include "fake_world.h"

struct fixture {
	struct ol_world world;
	struct ol_diagnostics *diagnostics;
	struct ol_reading *reading;
	char folder[64];
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->world = fake_world();
	f->diagnostics = ol_diagnostic_new();
	f->reading = ol_reader_new(&f->world, f->diagnostics);
	strcpy(f->folder, "/tmp/outlast-reader-XXXXXX");
	*state = f;
	return mkdtemp(f->folder) == NULL ? -1 : chdir(f->folder);
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	ol_reader_free(f->reading);
	ol_diagnostic_free(f->diagnostics);
	snprintf(command, sizeof(command), "rm -r %s", f->folder);
	free(f);
	return chdir("/") == -1 || system(command) != 0 ? -1 : 0;
}

static void
write_file(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

/* A tree on one line: a block as "name args{…}", words between bars. */
static void
print_tree(FILE *out, const struct ol_directives *list)
{
	const struct ol_directive *d;
	size_t i;

	TAILQ_FOREACH (d, list, link) {
		for (i = 0; i < d->nwords; i++)
			fprintf(out, "%s%s", i ? "|" : "", d->words[i].text);
		if (d->block) {
			putc('{', out);
			print_tree(out, &d->children);
			putc('}', out);
		}
		putc(';', out);
	}
}

static void
assert_tree(const struct ol_directives *list, const char *expected)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	print_tree(out, list);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

static void
assert_reads(struct fixture *f, const char *text, const char *expected)
{
	assert_tree(ol_reader_text(f->reading, "-g", text), expected);
	assert_int_equal(ol_diagnostic_count(f->diagnostics), 0);
}

static void
test_words(void **state)
{
	assert_reads(*state, "", "");
	assert_reads(*state, "\xef\xbb\xbf# only a comment", "");
	assert_reads(*state, "a;b c\td;e\r\n;", "a;b|c|d;e;");
	assert_reads(*state, "a#b c # d;\n;", "a#b|c;");
	assert_reads(*state, "a \"b c;{}#\" 'd \"e';", "a|b c;{}#|d \"e;");
	assert_reads(*state, "a \"\" '';", "a||;");
	assert_reads(*state, "a{b c;d{}}e;", "a{b|c;d{};};e;");
	assert_reads(*state, "a $b $ 5$;", "a|$b|$|5$;");
}

static void
test_escapes(void **state)
{
	assert_reads(*state, "a \"\\\"\\'\\\\\" '\\'';", "a|\"'\\|';");
	assert_reads(*state, "a b\\ c\\;\\{\\}\\#\\$;", "a|b c;{}#$;");
	assert_reads(*state, "a \\t\\r\\n \\d\\w;", "a|\t\r\n|\\d\\w;");
	assert_reads(*state, "a b\\\n;", "a|b\\;");
}

static void
test_variables(void **state)
{
	assert_reads(*state, "a ${NAME} x${NAME}y;", "a|a value|xa valuey;");
	assert_reads(*state, "a \"${NAME}\" '${NAME}';", "a|a value|a value;");
	assert_reads(
	    *state, "a \\$\\{NAME\\} '\\${NAME}';", "a|${NAME}|${NAME};");
}

/* nginx's grammar minds no line ends, and no indentation. */
static void
test_lines_do_not_matter(void **state)
{
	assert_reads(*state,
	    "pool shop\n{\nlisten x\n mode=0660\n group=y\n;\n"
	    "program /x\n  listen\n  --verbose\n;}",
	    "pool|shop{listen|x|mode=0660|group=y;"
	    "program|/x|listen|--verbose;};");
	assert_reads(*state, "pool\nshop\n{\nenv\nA\nB\n;\n}\npid\n/x;",
	    "pool|shop{env|A|B;};pid|/x;");
	assert_reads(*state, "  pool a {\n    env A B;\npid x;\n} b;",
	    "pool|a{env|A|B;pid|x;};b;");
	/* Quoted, a name is never taken for a directive. */
	assert_reads(*state, "pool a {\nprogram /x\n\"user\"\n;}",
	    "pool|a{program|/x|user;};");
}

static void
test_places(void **state)
{
	struct fixture *f = *state;
	const struct ol_directives *list =
	    ol_reader_text(f->reading, "-g", "# one\n\ta  'b c';\r\n\nd\\ d;");
	const struct ol_directive *d = TAILQ_FIRST(list);

	assert_int_equal(d->words[0].place.line, 2);
	assert_int_equal(d->words[0].place.column, 2);
	assert_int_equal(d->words[0].place.width, 1);
	assert_int_equal(d->words[1].place.column, 5);
	assert_int_equal(d->words[1].place.width, 5);
	assert_true(d->words[1].quoted);
	d = TAILQ_NEXT(d, link);
	assert_int_equal(d->words[0].place.line, 4);
	assert_int_equal(d->words[0].place.width, 4);
	assert_string_equal(d->words[0].place.source->name, "-g");
}

static void
test_include(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir("a[b]", 0700), 0);
	assert_int_equal(mkdir("a[b]/c", 0700), 0);
	write_file("a[b]/main", "a; include c/*.conf; include c/none-*;\n"
				"pool x { include c/2.conf; }");
	write_file("a[b]/c/2.conf", "two;");
	write_file("a[b]/c/1.conf", "one; include more;");
	write_file("a[b]/c/.hidden.conf", "hidden;");
	write_file("a[b]/c/more", "more;");
	assert_tree(ol_reader_file(f->reading, "a[b]/main"),
	    "a;one;more;two;pool|x{two;};");
	assert_int_equal(ol_diagnostic_count(f->diagnostics), 0);
}

static void
test_include_depth(void **state)
{
	struct fixture *f = *state;
	char name[16], text[32];
	int i;

	for (i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "%d", i);
		snprintf(text, sizeof(text), "a%d; include %d;", i, i + 1);
		write_file(name, text);
	}
	assert_tree(ol_reader_file(f->reading, "0"),
	    "a0;a1;a2;a3;a4;a5;a6;a7;a8;a9;a10;");
	assert_int_equal(ol_diagnostic_count(f->diagnostics), 1);
}

/* A FIFO must not hang the daemon, nor a folder or a device be read. */
static void
test_include_of_no_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkfifo("fifo", 0600), 0);
	write_file("main", "include fifo; include /dev/zero; a;");
	assert_tree(ol_reader_file(f->reading, "main"), "a;");
	assert_int_equal(ol_diagnostic_count(f->diagnostics), 2);
}

static void
test_place_of_top_level(void **state)
{
	struct fixture *f = *state;
	struct ol_place place;

	ol_reader_text(f->reading, "one", "log /a;\nlog /b;\npid /x;");
	ol_reader_text(f->reading, "two", "\npid /y;");
	place = ol_reader_place(f->reading, "pid", NULL);
	assert_string_equal(place.source->name, "two");
	assert_int_equal(place.line, 2);
	place = ol_reader_place(f->reading, "log", "/a");
	assert_string_equal(place.source->name, "one");
	assert_int_equal(place.line, 1);
	place = ol_reader_place(f->reading, "log", "/c");
	assert_string_equal(place.source->name, "one");
	assert_int_equal(place.line, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_words),
		CASE(test_escapes),
		CASE(test_variables),
		CASE(test_lines_do_not_matter),
		CASE(test_places),
		CASE(test_include),
		CASE(test_include_depth),
		CASE(test_include_of_no_file),
		CASE(test_place_of_top_level),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
