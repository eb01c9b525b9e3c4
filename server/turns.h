/* turns.h - the messages of a chat as clients send them: texts by role, and one picture. */
#ifndef SRV_TURNS_H
#define SRV_TURNS_H

#include "plan.h"

/* Reads plan->json's "messages" (OpenAI's form) into plan->texts: question, answer, question,
 * ..., question; and the picture into plan->picture. System messages go before the first
 * question. False after an answer: roles out of order, no picture, two pictures, other media.
 */
bool srv_turns_read(srv_job *job);

/* "stop" of the plan's JSON: a string or up to 16 of them; false after an answer. */
bool srv_stops_read(srv_job *job, const char *stops[16], size_t *n);

/* Text as it comes, of which nothing at or after a stop is shown. */
typedef struct srv_words {
  const char *const *stops;
  size_t n_stops;
  char *text; /* all so far */
  size_t n, shown;
  bool stopped; /* n is the place of the stop */
} srv_words;
/* Adds a piece. The bytes [shown before, shown) may be given to the client. False: no memory.
 */
bool srv_words_add(srv_words *words, const char *piece, size_t n);
/* The text is over: all that is left is shown. */
void srv_words_end(srv_words *words);

#endif
