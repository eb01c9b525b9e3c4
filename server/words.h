/* words.h - text as it comes, of which nothing at or after a stop is shown. */
#ifndef SRV_WORDS_H
#define SRV_WORDS_H

#include "plan.h"

enum { SRV_MAX_STOPS = 16 };

/* The member `name` of the plan's JSON: a string or up to 16 of them; false after an answer. */
bool srv_stops_read(srv_job *job, const char *name, const char *stops[SRV_MAX_STOPS],
                    size_t *n);

typedef struct srv_words {
  const char *const *stops;
  size_t n_stops;
  char *text; /* all so far */
  size_t n, shown;
  const char *stopped; /* the stop that was found, at n; NULL: none */
} srv_words;
/* Adds a piece. The bytes [shown before, shown), whole characters, may be given to the client.
 * False: no memory. */
bool srv_words_add(srv_words *words, const char *piece, size_t n);
/* The text is over: all that is left is shown. */
void srv_words_end(srv_words *words);

#endif
