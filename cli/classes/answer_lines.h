/* answer_lines.h - finds descriptions in a language model's answer: one a line, or the strings
 * of JSON. */
#ifndef CLI_ANSWER_LINES_H
#define CLI_ANSWER_LINES_H

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>

/* Parts of answers that are not descriptions and were dropped. */
typedef struct answer_drops {
  size_t reasoning;  /* passages: <think>...</think> and the like, closed or not */
  size_t fences;     /* of code; text and JSON in a fence are kept */
  size_t rows;       /* of tables */
  size_t headings;   /* # lines, and bold lines that are not sentences */
  size_t openings;   /* lines that end in a colon: "Here are five sentences:" */
  size_t characters; /* that the server wrote wrongly */
} answer_drops;

/* Adds the descriptions to the list, without list marks and emphasis. Changes the text. False
 * if memory is short. */
bool answer_lines(json_t *list, char *text, answer_drops *drops);

/* "2 stretches of reasoning, 1 code fence"; false and "" if nothing was dropped. */
bool answer_drops_text(const answer_drops *drops, char *out, size_t size);

#endif
