#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "config/arena.h"
#include "config/diagnostic.h"
#include "config/lexer.h"
#include "config/world.h"

struct lexer {
	struct ol_tokens *tokens;
	struct ol_arena *arena;
	const struct ol_world *world;
	const struct ol_source *source;
	struct ol_diagnostics *diagnostics;
	size_t at;	   /* the next byte */
	size_t line_start; /* of its line */
	size_t line_end;   /* its newline, or the end */
	unsigned line;
	unsigned indent;
	bool first;    /* no token in this line yet */
	bool told_nul; /* a binary file is one error, not thousands */
	char *word;    /* OL_LEXER_WORD_MAX bytes */
	size_t len;    /* of word; beyond the limit: only counted */
};

static struct ol_place
place_at(const struct lexer *l, size_t from, size_t to)
{
	return (struct ol_place){
		.source = l->source,
		.offset = from,
		.line = l->line,
		.column = (unsigned)(from - l->line_start + 1),
		.width = to > from ? (unsigned)(to - from) : 1,
	};
}

static struct ol_token *
add_token(struct lexer *l, enum ol_token_type type, size_t from, size_t to)
{
	struct ol_tokens *tokens = l->tokens;
	struct ol_token *token;

	/* Grows at 0, 64, 128, 256 … tokens. */
	if (tokens->n == 0 ||
	    (tokens->n >= 64 && (tokens->n & (tokens->n - 1)) == 0))
		tokens->list = ol_must(reallocarray(tokens->list,
		    tokens->n == 0 ? 64 : tokens->n * 2,
		    sizeof(*tokens->list)));
	token = &tokens->list[tokens->n++];
	*token = (struct ol_token){
		.type = type,
		.first = l->first,
		.indent = l->indent,
		.place = place_at(l, from, to),
	};
	l->first = false;
	return token;
}

/* Begin the line at l->at; passes over lines that are too long. */
static void
begin_line(struct lexer *l)
{
	const struct ol_source *s = l->source;
	const char *newline;
	size_t i;

	for (;;) {
		l->line++;
		l->line_start = l->at;
		newline = memchr(s->text + l->at, '\n', s->size - l->at);
		l->line_end =
		    newline != NULL ? (size_t)(newline - s->text) : s->size;
		if (s->handed ||
		    l->line_end - l->line_start <= OL_SOURCE_LINE_MAX)
			break;
		ol_diagnostic_error(l->diagnostics,
		    place_at(l, l->line_start + OL_SOURCE_LINE_MAX,
			l->line_start + OL_SOURCE_LINE_MAX + 1),
		    "the line is longer than %d bytes and was passed over: "
		    "break it, or check that this is a configuration file",
		    OL_SOURCE_LINE_MAX);
		l->at = l->line_end;
		if (l->at == s->size)
			return;
		l->at++;
	}
	l->first = true;
	l->indent = 0;
	for (i = l->at; i < l->line_end; i++) {
		if (s->text[i] == '\t')
			l->indent = l->indent / 8 * 8 + 8;
		else if (s->text[i] == ' ')
			l->indent++;
		else
			break;
	}
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
ends_word(char c)
{
	return is_blank(c) || c == ';' || c == '{' || c == '}';
}

static void
add_bytes(struct lexer *l, const char *bytes, size_t n)
{
	if (l->len + n <= OL_LEXER_WORD_MAX)
		memcpy(l->word + l->len, bytes, n);
	l->len = l->len + n <= OL_LEXER_WORD_MAX ? l->len + n
						 : OL_LEXER_WORD_MAX + 1;
}

/*
 * A backslash at l->at. The last byte of a line is never escaped: the line's
 * end stays the end of what goes wrong in it.
 */
static void
lex_escape(struct lexer *l)
{
	static const char plain[] = "\"'\\;{}$# ";
	const char *text = l->source->text;
	char c = l->at + 1 < l->line_end ? text[l->at + 1] : '\0';
	const char *control = c == 't'	 ? "\t"
			      : c == 'r' ? "\r"
			      : c == 'n' ? "\n"
					 : NULL;

	if (control != NULL) {
		add_bytes(l, control, 1);
		l->at += 2;
	} else if (c != '\0' && strchr(plain, c) != NULL) {
		add_bytes(l, &c, 1);
		l->at += 2;
	} else {
		add_bytes(l, "\\", 1);
		l->at++;
	}
}

/* "${" at l->at. Returns false when an error was told. */
static bool
lex_variable(struct lexer *l)
{
	const char *text = l->source->text, *value;
	size_t start = l->at, end = start + 2;
	char *name;

	while (end < l->line_end &&
	       ((text[end] >= 'A' && text[end] <= 'Z') ||
		   (text[end] >= 'a' && text[end] <= 'z') || text[end] == '_' ||
		   (end > start + 2 && text[end] >= '0' && text[end] <= '9')))
		end++;
	if (end == l->line_end || text[end] != '}' || end == start + 2) {
		ol_diagnostic_error(l->diagnostics, place_at(l, start, end),
		    "\"${\" needs a name of letters, digits and \"_\", then "
		    "\"}\"; to write the two characters quote the word, "
		    "with a backslash before \"$\"");
		while (end < l->line_end && !ends_word(text[end]) &&
		       text[end] != '"' && text[end] != '\'')
			end++;
		l->at = end + (end < l->line_end && text[end] == '}');
		return false;
	}
	l->at = end + 1;
	name = ol_arena_copy(l->arena, text + start + 2, end - start - 2);
	if ((value = l->world->variable(name)) == NULL) {
		ol_diagnostic_error(l->diagnostics, place_at(l, start, l->at),
		    "the environment has no %s: set it before outlastd starts, "
		    "or write the value here",
		    ol_diagnostic_quote(name).text);
		return false;
	}
	add_bytes(l, value, strlen(value));
	return true;
}

/* One byte, escape or variable of a word. False: an error was told. */
static bool
lex_piece(struct lexer *l, struct ol_token *token)
{
	const char *text = l->source->text;
	char c = text[l->at];

	if (c == '\\') {
		token->quoted = true;
		lex_escape(l);
		return true;
	}
	if (c == '$' && l->at + 1 < l->line_end && text[l->at + 1] == '{') {
		token->quoted = true;
		return lex_variable(l);
	}
	l->at++;
	if (c == '\0') {
		if (!l->told_nul)
			ol_diagnostic_error(l->diagnostics,
			    place_at(l, l->at - 1, l->at),
			    "NUL byte: this is not a text file, or it was "
			    "damaged; remove the byte");
		l->told_nul = true;
		return false;
	}
	add_bytes(l, &c, 1);
	return true;
}

/*
 * Where a quote that is never closed was probably meant to be: before the last
 * ";" or "{" of the line when only "}" or a comment follows, else at its end.
 */
static size_t
guess_quote_end(const struct lexer *l, size_t from)
{
	const char *text = l->source->text;
	size_t i = l->line_end, k;

	while (i > from) {
		i--;
		if (text[i] != ';' && text[i] != '{')
			continue;
		for (k = i + 1;
		     k < l->line_end && (is_blank(text[k]) || text[k] == '}');)
			k++;
		if (k == l->line_end || text[k] == '#')
			return i;
	}
	for (i = l->line_end; i > from && is_blank(text[i - 1]);)
		i--;
	return i;
}

static void
lex_quoted(struct lexer *l, struct ol_token *token)
{
	const char *text = l->source->text;
	size_t start = l->at;
	char quote = text[l->at++];

	token->quoted = true;
	while (l->at < l->line_end && text[l->at] != quote)
		if (!lex_piece(l, token))
			token->bad = true;
	if (l->at < l->line_end) {
		l->at++;
		if (l->at == l->line_end || ends_word(text[l->at]))
			return;
		ol_diagnostic_error(l->diagnostics,
		    place_at(l, l->at, l->at + 1),
		    "a blank or \";\" is needed after the closing %c: quote "
		    "the whole word, or write \\%c for the character",
		    quote, quote);
		token->bad = true;
		while (l->at < l->line_end && !ends_word(text[l->at]))
			l->at++;
		return;
	}
	ol_diagnostic_error(l->diagnostics, place_at(l, start, start + 1),
	    "missing closing quote: a quoted word ends in its own line, with "
	    "%c",
	    quote);
	token->bad = true;
	l->at = guess_quote_end(l, start + 1);
}

static void
lex_plain(struct lexer *l, struct ol_token *token)
{
	const char *text = l->source->text;
	bool told = false;

	while (l->at < l->line_end && !ends_word(text[l->at])) {
		char c = text[l->at];

		if ((c == '"' || c == '\'') && !told) {
			ol_diagnostic_error(l->diagnostics,
			    place_at(l, l->at, l->at + 1),
			    "a quote in the middle of a word: quote the whole "
			    "word, as in \"name=a value\", or write \\%c",
			    c);
			token->bad = told = true;
		}
		if (!lex_piece(l, token))
			token->bad = true;
	}
}

static void
lex_word(struct lexer *l)
{
	size_t start = l->at;
	char c = l->source->text[start];
	struct ol_token *token = add_token(l, OL_TOKEN_WORD, start, start);

	l->len = 0;
	if (c == '"' || c == '\'')
		lex_quoted(l, token);
	else
		lex_plain(l, token);
	token->place.width = (unsigned)(l->at - start);
	if (l->len > OL_LEXER_WORD_MAX) {
		ol_diagnostic_error(l->diagnostics, token->place,
		    "with its variables the word is longer than %d bytes",
		    OL_LEXER_WORD_MAX);
		token->bad = true;
		l->len = 0;
	}
	token->text = ol_arena_copy(l->arena, l->word, l->len);
}

static void
lex_next(struct lexer *l)
{
	switch (l->source->text[l->at]) {
	case ' ':
	case '\t':
	case '\r':
		l->at++;
		break;
	case '#':
		l->at = l->line_end;
		break;
	case ';':
		add_token(l, OL_TOKEN_SEMICOLON, l->at, l->at + 1);
		l->at++;
		break;
	case '{':
		add_token(l, OL_TOKEN_OPEN, l->at, l->at + 1);
		l->at++;
		break;
	case '}':
		add_token(l, OL_TOKEN_CLOSE, l->at, l->at + 1);
		l->at++;
		break;
	default:
		lex_word(l);
	}
}

void
ol_lexer_run(struct ol_tokens *tokens, struct ol_arena *arena,
    const struct ol_world *world, const struct ol_source *source,
    struct ol_diagnostics *diagnostics)
{
	struct lexer l = {
		.tokens = tokens,
		.arena = arena,
		.world = world,
		.source = source,
		.diagnostics = diagnostics,
	};

	*tokens = (struct ol_tokens){ .list = NULL };
	l.word = ol_must(malloc(OL_LEXER_WORD_MAX));
	if (source->size >= 3 && memcmp(source->text, "\xef\xbb\xbf", 3) == 0)
		l.at = 3; /* a byte order mark */
	begin_line(&l);
	while (l.at < source->size) {
		if (tokens->n >= OL_LEXER_TOKENS_MAX && !source->handed) {
			ol_diagnostic_error(diagnostics,
			    place_at(&l, l.at, l.at + 1),
			    "the file has more than %d words; the rest was "
			    "not read",
			    OL_LEXER_TOKENS_MAX);
			break;
		}
		if (l.at == l.line_end) {
			l.at++;
			begin_line(&l);
			continue;
		}
		lex_next(&l);
	}
	add_token(&l, OL_TOKEN_END, l.at, l.at);
	free(l.word);
}
