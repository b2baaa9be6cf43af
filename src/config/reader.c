#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "config/arena.h"
#include "config/diagnostic.h"
#include "config/lexer.h"
#include "config/reader.h"
#include "config/options.h"
#include "config/world.h"

struct ol_reading {
	const struct ol_world *world;
	struct ol_diagnostics *diagnostics;
	struct ol_arena *arena;
	struct ol_source *sources, **last;
	unsigned nsources;
	size_t bytes;
	struct tree *trees; /* the latest first */
};

/* What one call of the owner's made. */
struct tree {
	struct tree *next;
	struct ol_directives list;
};

/* One source on its way into the tree. */
struct parser {
	struct ol_reading *reading;
	struct ol_tokens tokens;
	size_t at; /* the next token */
	/*
	 * What the count of braces says of the whole file: so many "}" or "{"
	 * are missing. Only then is indentation believed.
	 */
	int missing_close;
	int missing_open;
	int depth;
	unsigned context; /* OL_IN_…, of the block that is being read */
};

/* The block that is being read. */
struct frame {
	struct ol_directives *into;
	struct ol_directive *opener;  /* NULL: the file's top level */
	const struct ol_token *start; /* the opener's name */
	unsigned body;		      /* indentation of the first child */
	bool inner;		      /* body is known */
};

static void parse_block(struct parser *, struct frame *);

struct ol_reading *
ol_reader_new(const struct ol_world *world, struct ol_diagnostics *diagnostics)
{
	struct ol_reading *reading = ol_must(calloc(1, sizeof(*reading)));

	reading->world = world;
	reading->diagnostics = diagnostics;
	reading->arena = ol_arena_new();
	reading->last = &reading->sources;
	return reading;
}

void
ol_reader_free(struct ol_reading *reading)
{
	struct ol_source *source, *next;

	if (reading == NULL)
		return;
	for (source = reading->sources; source != NULL; source = next) {
		next = source->next;
		ol_source_free(source);
	}
	ol_arena_free(reading->arena);
	free(reading);
}

static const struct ol_token *
peek(const struct parser *p)
{
	return &p->tokens.list[p->at];
}

/* The row of a name: of that for the block that is being read, if it has one.
 */
static const struct ol_option *
find_row(const struct parser *p, const char *name)
{
	const struct ol_option *option = ol_options_find_in(name, p->context);

	return option != NULL ? option : ol_options_find(name);
}

/* The same; of the one that was meant, when it is misspelt. */
static const struct ol_option *
meant(const struct parser *p, const char *name)
{
	const struct ol_option *option = find_row(p, name);

	return option != NULL ? option : ol_options_nearest(name, OL_IN_ANY);
}

static bool
is_block(const struct ol_option *option)
{
	return option != NULL && ol_options_is_block(option);
}

/* What stands in a block; in one that is none, what stood around it. */
static unsigned
inner_context(const struct parser *p, const struct ol_option *option)
{
	if (!is_block(option))
		return p->context;
	return option->kind == OL_KIND_POOL   ? OL_IN_POOL
	       : option->kind == OL_KIND_TASK ? OL_IN_TASK
					      : OL_IN_STORE;
}

/*
 * Whether "{" ends the words from token on. Nobody means one that is farther
 * away than this looks.
 */
static bool
opens_soon(const struct ol_token *token)
{
	int i;

	for (i = 0; i < 16 && token->type == OL_TOKEN_WORD; i++)
		token++;
	return token->type == OL_TOKEN_OPEN;
}

/*
 * Whether the word at token, which may be the n-th of the directive begun at
 * start, rather begins another directive: the ";" or "{" before it is missing.
 * nginx's grammar does not mind line ends, so this asks for a reason: a known
 * name where a directive would stand, or a word too many.
 */
static bool
begins_another(const struct parser *p, const struct ol_token *start,
    const struct ol_option *option, const struct ol_token *token, size_t n)
{
	bool known;

	if (token->quoted || strpbrk(token->text, "=/:") != NULL)
		return false;
	if (is_block(option) && n >= 2 && !opens_soon(token))
		return token->first || ol_options_find(token->text) != NULL;
	if (!token->first)
		return false;
	known = ol_options_find(token->text) != NULL;
	if (start->first && token->indent <= start->indent &&
	    (known || meant(p, token->text) != NULL))
		return true;
	if (option == NULL || option->most == UINT32_MAX)
		return false;
	return n > option->most;
}

static void
copy_words(struct parser *p, struct ol_directive *d,
    const struct ol_token *first, size_t n)
{
	size_t i;

	d->words = ol_arena_alloc(p->reading->arena, n * sizeof(*d->words));
	d->nwords = n;
	for (i = 0; i < n; i++) {
		d->words[i] = (struct ol_word){
			.text = first[i].text,
			.quoted = first[i].quoted,
			.bad = first[i].bad,
			.place = first[i].place,
		};
		if (first[i].bad)
			d->bad = true;
	}
}

static void
parse_children(
    struct parser *p, struct ol_directive *d, const struct ol_token *start)
{
	struct frame frame = {
		.into = &d->children,
		.opener = d,
		.start = start,
	};
	unsigned context = p->context;

	d->block = true;
	p->context = inner_context(p, meant(p, start->text));
	p->depth++;
	parse_block(p, &frame);
	p->depth--;
	p->context = context;
}

/* A block begins where no word stands before it, or too deep: pass over it. */
static void
skip_block(struct parser *p)
{
	int depth = 0;

	do {
		if (peek(p)->type == OL_TOKEN_OPEN)
			depth++;
		else if (peek(p)->type == OL_TOKEN_CLOSE)
			depth--;
		else if (peek(p)->type == OL_TOKEN_END)
			return;
		p->at++;
	} while (depth > 0);
}

/* "{" at the next token, after a directive's words. */
static void
parse_open(struct parser *p, struct ol_directive *d,
    const struct ol_option *option, const struct ol_token *start)
{
	struct ol_diagnostics *diagnostics = p->reading->diagnostics;

	if (ol_options_find(d->words[0].text) != NULL && !is_block(option)) {
		ol_diagnostic_error(diagnostics, peek(p)->place,
		    "\"%s\" is no block: it ends with \";\" (%s %s;)",
		    option->name, option->name, option->syntax);
		d->bad = true;
		if (p->missing_close > 0 && peek(p)[1].first &&
		    peek(p)[1].indent <= start->indent) {
			/* "{" in place of ";": nothing closes it. */
			p->missing_close--;
			p->at++;
			return;
		}
		skip_block(p);
		return;
	}
	if (p->depth >= OL_READER_NESTING_MAX) {
		ol_diagnostic_error(diagnostics, peek(p)->place,
		    "blocks are nested deeper than %d", OL_READER_NESTING_MAX);
		d->bad = true;
		skip_block(p);
		return;
	}
	p->at++;
	parse_children(p, d, start);
}

/* ";" at the next token, after a directive's words. */
static void
parse_semicolon(struct parser *p, struct ol_directive *d,
    const struct ol_option *option, const struct ol_token *start)
{
	if (ol_options_find(d->words[0].text) == NULL || !is_block(option)) {
		p->at++;
		return;
	}
	ol_diagnostic_error(p->reading->diagnostics, peek(p)->place,
	    "\"%s\" is a block: \"{\" is needed here, not \";\" (%s %s)",
	    option->name, option->name, option->syntax);
	d->bad = d->incomplete = true;
	p->at++;
	if (p->missing_open > 0 && p->depth < OL_READER_NESTING_MAX) {
		p->missing_open--;
		parse_children(p, d, start);
	}
}

/* The words ended without a mark. */
static void
parse_unended(struct parser *p, struct ol_directive *d,
    const struct ol_option *option, const struct ol_token *start)
{
	const struct ol_word *last = &d->words[d->nwords - 1];
	bool block = is_block(option);

	/* With its quote a word may have swallowed the mark. */
	if (!last->bad)
		ol_diagnostic_error(p->reading->diagnostics,
		    ol_source_after(last->place),
		    block ? "missing \"{\" after \"%s\""
			  : "missing \";\" after \"%s\"",
		    ol_diagnostic_quote(last->text).text);
	d->unended = true;
	if (block && p->depth < OL_READER_NESTING_MAX) {
		if (p->missing_open > 0)
			p->missing_open--;
		parse_children(p, d, start);
	}
}

static struct ol_directive *
parse_directive(struct parser *p)
{
	const struct ol_token *start = peek(p);
	const struct ol_option *option = meant(p, start->text);
	struct ol_directive *d;
	size_t n = 1;

	d = ol_arena_alloc(p->reading->arena, sizeof(*d));
	TAILQ_INIT(&d->children);
	while (start[n].type == OL_TOKEN_WORD &&
	       !begins_another(p, start, option, &start[n], n))
		n++;
	copy_words(p, d, start, n);
	p->at += n;
	switch (peek(p)->type) {
	case OL_TOKEN_OPEN:
		parse_open(p, d, option, start);
		break;
	case OL_TOKEN_SEMICOLON:
		parse_semicolon(p, d, option, start);
		break;
	case OL_TOKEN_WORD:
	case OL_TOKEN_CLOSE:
	case OL_TOKEN_END:
		parse_unended(p, d, option, start);
		break;
	}
	return d;
}

/* --- include ------------------------------------------------------------- */

static void read_source(struct ol_reading *, struct ol_source *,
    unsigned context, struct ol_directives *);

static void
add_source(struct ol_reading *reading, struct ol_source *source)
{
	source->order = reading->nsources++;
	reading->bytes += source->size;
	*reading->last = source;
	reading->last = &source->next;
}

/* One file of an include. -1: an error was told. */
static int
include_file(struct ol_reading *reading, const char *path,
    const struct ol_place *from, unsigned context, struct ol_directives *into)
{
	struct ol_diagnostics *diagnostics = reading->diagnostics;
	const struct ol_source *above;
	struct ol_source *source;
	const char *reason, *what = NULL;
	int depth = 0;

	source = ol_source_open(reading->world, path, &reason);
	if (source == NULL) {
		ol_diagnostic_error(diagnostics, *from,
		    "cannot read \"%s\": %s", ol_diagnostic_quote(path).text,
		    reason);
		return -1;
	}
	for (above = from->source; above != NULL; above = above->from.source) {
		depth++;
		if (above->file && above->dev == source->dev &&
		    above->ino == source->ino)
			what = "is being read already: files include each "
			       "other in a circle";
	}
	if (what == NULL && depth > OL_READER_INCLUDES_MAX)
		what = "is one include too deep: 10 is the limit";
	if (what == NULL && reading->nsources >= OL_READER_FILES_MAX)
		what = "is one file too many: 1000 is the limit";
	if (what == NULL && reading->bytes + source->size > OL_READER_BYTES_MAX)
		what = "is too much: 16 MiB is the limit of all files";
	if (what != NULL) {
		ol_diagnostic_error(diagnostics, *from, "\"%s\" %s",
		    ol_diagnostic_quote(path).text, what);
		ol_source_free(source);
		return -1;
	}
	source->from = *from;
	add_source(reading, source);
	read_source(reading, source, context, into);
	return 0;
}

/*
 * name relative to the folder of the including file. In a pattern that folder
 * stands for itself, whatever is in its name. Malloc'ed.
 */
static char *
beside(const char *file, const char *name, bool pattern)
{
	const char *slash = name[0] == '/' ? NULL : strrchr(file, '/');
	size_t n = slash != NULL ? (size_t)(slash - file + 1) : 0, i, k = 0;
	size_t name_size = strlen(name) + 1;
	char *path = ol_must(malloc(n * 2 + name_size));

	for (i = 0; i < n; i++) {
		if (pattern && strchr("*?[\\", file[i]) != NULL)
			path[k++] = '\\';
		path[k++] = file[i];
	}
	memcpy(path + k, name, name_size);
	return path;
}

/* Replace an include directive by what it names. -1: an error was told. */
static int
include(struct ol_reading *reading, const struct ol_directive *d,
    unsigned context, struct ol_directives *into)
{
	const struct ol_word *word = &d->words[1];
	bool pattern;
	glob_t found;
	char *path;
	size_t i;
	int rc = 0;

	if (d->bad)
		return -1;
	if (d->nwords != 2) {
		ol_diagnostic_error(reading->diagnostics, d->words[0].place,
		    "\"include\" takes one file or pattern: include FILE;");
		return -1;
	}
	pattern = strpbrk(word->text, "*?[") != NULL;
	path = beside(word->place.source->name, word->text, pattern);
	if (!pattern) {
		rc = include_file(reading, path, &word->place, context, into);
		free(path);
		return rc;
	}
	switch (reading->world->expand(path, &found)) {
	case 0:
		for (i = 0; i < found.gl_pathc; i++)
			if (include_file(reading, found.gl_pathv[i],
				&word->place, context, into) == -1)
				rc = -1;
		break;
	case GLOB_NOMATCH:
		break; /* an empty conf.d is no fault */
	default:
		ol_diagnostic_error(reading->diagnostics, word->place,
		    "cannot expand \"%s\": %s",
		    ol_diagnostic_quote(word->text).text, strerror(errno));
		rc = -1;
	}
	globfree(&found);
	free(path);
	return rc;
}

/* --- blocks -------------------------------------------------------------- */

/*
 * Whether the next word shows that the block should have ended before it: it
 * stands as far left as the block itself, or belongs at top level only.
 */
static bool
left_block(const struct parser *p, const struct frame *frame)
{
	const struct ol_token *token = peek(p);
	const struct ol_option *option;

	if (p->missing_close == 0 || frame->opener == NULL || !token->first ||
	    !frame->start->first || token->indent > frame->start->indent)
		return false;
	option = ol_options_find(token->text);
	return (frame->inner && frame->body > frame->start->indent) ||
	       (option != NULL &&
		   ol_options_contexts(option->name) == OL_IN_MAIN);
}

/*
 * Whether the "}" at the next token is one too many within this block: it is
 * indented like a child, and a child follows.
 */
static bool
stray_inside(const struct parser *p, const struct frame *frame)
{
	const struct ol_token *token = peek(p), *next = token + 1;

	return p->missing_open > 0 && frame->opener != NULL &&
	       frame->start->first && token->first &&
	       token->indent > frame->start->indent &&
	       (next->type == OL_TOKEN_WORD || next->type == OL_TOKEN_CLOSE) &&
	       next->first &&
	       (next->type == OL_TOKEN_CLOSE ||
		   next->indent > frame->start->indent);
}

static void
tell_unclosed(struct parser *p, const struct frame *frame)
{
	const struct ol_word *name = &frame->opener->words[0];

	ol_diagnostic_error(p->reading->diagnostics, name->place,
	    "missing \"}\": the block \"%s\" that begins here is never closed",
	    ol_diagnostic_quote(name->text).text);
}

/* "}" at the next token. True: the block ends here. */
static bool
parse_close(struct parser *p, const struct frame *frame)
{
	bool stray = stray_inside(p, frame);

	if (frame->opener != NULL && !stray) {
		p->at++;
		return true;
	}
	ol_diagnostic_error(p->reading->diagnostics, peek(p)->place,
	    "unexpected \"}\": %s",
	    stray ? "the block goes on after it; remove it"
		  : "no block is open here; remove it, or look for a missing "
		    "\"{\" above");
	if (p->missing_open > 0)
		p->missing_open--;
	p->at++;
	return false;
}

static void
parse_word(struct parser *p, struct frame *frame)
{
	struct ol_directive *d;
	const struct ol_option *option;

	if (!frame->inner) {
		frame->inner = true;
		frame->body = peek(p)->indent;
	}
	d = parse_directive(p);
	option = ol_options_find(d->words[0].text);
	if (option == NULL || option->kind != OL_KIND_INCLUDE) {
		TAILQ_INSERT_TAIL(frame->into, d, link);
		return;
	}
	if (include(p->reading, d, p->context, frame->into) == -1 &&
	    frame->opener != NULL)
		frame->opener->incomplete = true;
}

/* The directives up to the end of the block or of the source. */
static void
parse_block(struct parser *p, struct frame *frame)
{
	struct ol_diagnostics *diagnostics = p->reading->diagnostics;

	for (;;) {
		switch (peek(p)->type) {
		case OL_TOKEN_WORD:
			if (left_block(p, frame)) {
				p->missing_close--;
				tell_unclosed(p, frame);
				return;
			}
			parse_word(p, frame);
			break;
		case OL_TOKEN_SEMICOLON:
			ol_diagnostic_error(diagnostics, peek(p)->place,
			    "unexpected \";\": no directive stands before it; "
			    "remove it");
			p->at++;
			break;
		case OL_TOKEN_OPEN:
			ol_diagnostic_error(diagnostics, peek(p)->place,
			    "unexpected \"{\": a block needs a name before "
			    "it, such as \"pool shop {\"");
			skip_block(p);
			break;
		case OL_TOKEN_CLOSE:
			if (parse_close(p, frame))
				return;
			break;
		case OL_TOKEN_END:
			if (frame->opener != NULL)
				tell_unclosed(p, frame);
			return;
		}
	}
}

/* How many "}" and "{" the whole file lacks. */
static void
count_braces(struct parser *p)
{
	size_t i;

	for (i = 0; i < p->tokens.n; i++) {
		if (p->tokens.list[i].type == OL_TOKEN_OPEN)
			p->missing_close++;
		else if (p->tokens.list[i].type != OL_TOKEN_CLOSE)
			continue;
		else if (p->missing_close > 0)
			p->missing_close--;
		else
			p->missing_open++;
	}
}

static void
read_source(struct ol_reading *reading, struct ol_source *source,
    unsigned context, struct ol_directives *into)
{
	struct parser p = { .reading = reading, .context = context };
	struct frame frame = { .into = into };

	ol_lexer_run(&p.tokens, reading->arena, reading->world, source,
	    reading->diagnostics);
	count_braces(&p);
	parse_block(&p, &frame);
	free(p.tokens.list);
}

static struct ol_directives *
add_tree(struct ol_reading *reading)
{
	struct tree *tree = ol_arena_alloc(reading->arena, sizeof(*tree));

	TAILQ_INIT(&tree->list);
	tree->next = reading->trees;
	reading->trees = tree;
	return &tree->list;
}

/* Errors are placed by source: one that cannot be had is empty. */
static void
tell_no_source(struct ol_reading *reading, const char *name, const char *what,
    const char *reason)
{
	struct ol_source *source = ol_source_new(name, "");

	add_source(reading, source);
	ol_diagnostic_error(reading->diagnostics, ol_source_place(source),
	    "%s%s", what, reason);
}

const struct ol_directives *
ol_reader_file(struct ol_reading *reading, const char *path)
{
	struct ol_directives *list = add_tree(reading);
	struct ol_source *source;
	const char *reason;

	source = ol_source_open(reading->world, path, &reason);
	if (source == NULL) {
		tell_no_source(reading, path, "cannot read the file: ", reason);
		return list;
	}
	add_source(reading, source);
	read_source(reading, source, OL_IN_MAIN, list);
	return list;
}

const struct ol_directives *
ol_reader_text(struct ol_reading *reading, const char *name, const char *text)
{
	struct ol_directives *list = add_tree(reading);
	struct ol_source *source = ol_source_new(name, text);

	if (source == NULL) {
		tell_no_source(
		    reading, name, "the text is larger than 1 MiB", "");
		return list;
	}
	add_source(reading, source);
	read_source(reading, source, OL_IN_MAIN, list);
	return list;
}

const struct ol_directives *
ol_reader_handed(
    struct ol_reading *reading, const char *name, const char *text, size_t len)
{
	struct ol_directives *list = add_tree(reading);
	struct ol_source *source = ol_source_handed(name, text, len);

	add_source(reading, source);
	read_source(reading, source, OL_IN_MAIN, list);
	return list;
}

const struct ol_directive *
ol_reader_find(const struct ol_directives *list, const char *name)
{
	const struct ol_directive *d;

	TAILQ_FOREACH (d, list, link)
		if (strcmp(d->words[0].text, name) == 0)
			return d;
	return NULL;
}

struct ol_place
ol_reader_place(
    const struct ol_reading *reading, const char *name, const char *argument)
{
	struct ol_place place = ol_source_place(reading->sources);
	const struct ol_directive *d;
	const struct tree *tree;
	bool found = false;

	for (tree = reading->trees; tree != NULL && !found; tree = tree->next)
		TAILQ_FOREACH (d, &tree->list, link) {
			if (strcmp(d->words[0].text, name) != 0 ||
			    d->nwords < 2 ||
			    (argument != NULL &&
				strcmp(d->words[1].text, argument) != 0))
				continue;
			place = d->words[1].place;
			found = true;
		}
	return place;
}
