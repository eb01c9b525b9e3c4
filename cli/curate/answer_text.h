/* answer_text.h - an answer of a reply with its marks: {two dogs}[1][2] and a ball [3]. Groups
 * of marks and the phrases before them become Groma's tags. */
#ifndef CLI_ANSWER_TEXT_H
#define CLI_ANSWER_TEXT_H

#include "curate_words.h"

#include <jansson.h>

typedef struct mark_group {
  size_t begin, end;                       /* bytes of the brackets */
  size_t first, n;                         /* in marks; places from 0 */
  size_t phrase_begin, phrase_end, before; /* before: where the phrase begins with its brace */
  bool braces;
} mark_group;

typedef struct answer_text {
  char *text;    /* tidy */
  char *plain;   /* without marks and braces */
  size_t *brace; /* [length] 1 + the place of the brace's partner; 0: none */
  mark_group *groups;
  size_t n_groups;
  size_t *marks; /* from 1, as written; SIZE_MAX: too large */
  size_t n_marks;
  bool wrong_brackets; /* brackets with a digit and more than numbers, or not closed */
  bool lone_brace;     /* one without its partner */
} answer_text;

/* False if memory is short. Free with answer_text_free in any case. */
bool answer_text_read(answer_text *out, const char *text);
void answer_text_free(answer_text *answer);

/* The group's phrase without braces, for free(); NULL if memory is short. */
char *answer_phrase(const answer_text *answer, const mark_group *group);
/* {value, box_inds}; NULL if memory is short. */
json_t *answer_turn(const answer_text *answer);

#endif
