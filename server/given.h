/* given.h - earlier answers of a conversation as clients send them back: words, and beside them
 * "grounding" as it was in the reply. */
#ifndef SRV_GIVEN_H
#define SRV_GIVEN_H

#include "gromatic.h"

#include <jansson.h>

/* Adds the phrases of a "grounding" to out as [begin, end, [index, ...]], their spans moved by
 * `at` bytes. False: it is not a list of phrases as a reply has them. */
bool srv_given_read(json_t *out, const json_t *grounding, size_t at);

/* What the library takes of a text and the phrases that were read. */
typedef struct srv_given {
  gm_given given;
  gm_given_phrase *phrases;
  int32_t *regions;
} srv_given;
/* text and phrases must outlive it. False: no memory. Free it in any case. */
bool srv_given_make(srv_given *out, const char *text, const json_t *phrases);
void srv_given_free(srv_given *given);

#endif
