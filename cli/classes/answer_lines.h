/* answer_lines.h - takes descriptions out of what a language model answers: one a line, or the
 * strings of JSON. */
#ifndef CLI_ANSWER_LINES_H
#define CLI_ANSWER_LINES_H

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>

/* What was no description, and was dropped. */
typedef struct answer_drops {
  size_t reasoning;  /* stretches: <think>...</think> and the like, closed or not */
  size_t fences;     /* of code; what stands in one of text or JSON is kept */
  size_t rows;       /* of tables */
  size_t headings;   /* # lines, and lines in bold that are not a sentence */
  size_t openings;   /* lines that end in a colon: "Here are five sentences:" */
  size_t characters; /* that the server could not write */
} answer_drops;

/* Adds what describes to the list, without marks of lists and emphasis. Changes the text. False
 * if memory is short. */
bool answer_lines(json_t *list, char *text, answer_drops *drops);

/* "2 stretches of reasoning, 1 code fence"; false, and "", where nothing was dropped. */
bool answer_drops_text(const answer_drops *drops, char *out, size_t size);

#endif
