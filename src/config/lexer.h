/*
 * The words of a source, by nginx's rules: blanks separate, ";", "{" and "}"
 * stand for themselves, "#" at the start of a word begins a comment. In a word
 * a backslash takes the meaning from "'\;{}$# and a blank, \t \r \n are control
 * bytes, any other backslash stays; ${NAME} is taken from the environment. A
 * quoted word ends in its own line.
 */
#ifndef OL_CONFIG_LEXER_H
#define OL_CONFIG_LEXER_H

#include <stdbool.h>
#include <stddef.h>

#include "config/source.h"

struct ol_arena;
struct ol_diagnostics;
struct ol_world;

enum {
	OL_LEXER_WORD_MAX = 16384,    /* bytes of a word, variables put in */
	OL_LEXER_TOKENS_MAX = 200000, /* of one file */
};

enum ol_token_type {
	OL_TOKEN_WORD,
	OL_TOKEN_SEMICOLON,
	OL_TOKEN_OPEN,
	OL_TOKEN_CLOSE,
	OL_TOKEN_END,
};

struct ol_token {
	enum ol_token_type type;
	bool first;	 /* nothing but blanks before it in its line */
	bool quoted;	 /* words: any quote, backslash or variable in it */
	bool bad;	 /* words: an error was told, the text is a guess */
	unsigned indent; /* columns of blanks before its line */
	struct ol_place place;
	const char *text; /* words only */
};

/* The last one is always OL_TOKEN_END. */
struct ol_tokens {
	struct ol_token *list; /* the caller frees it */
	size_t n;
};

/* Cut source up. Texts live in arena; errors go to the diagnostics. */
void ol_lexer_run(struct ol_tokens *, struct ol_arena *,
    const struct ol_world *, const struct ol_source *, struct ol_diagnostics *);

#endif
