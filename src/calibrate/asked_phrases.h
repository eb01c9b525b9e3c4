/* asked_phrases.h - an annotated picture -> phrases that are there and phrases that are not, to
 * fit a head with. */
#ifndef GM_ASKED_PHRASES_H
#define GM_ASKED_PHRASES_H

#include "gromatic_train.h"
#include "rng.h"
#include "status.h"

typedef enum gm_phrase_kind {
  GM_PHRASE_THERE,
  GM_PHRASE_NOUN,      /* a name that the picture does not have */
  GM_PHRASE_NEAR,      /* one that is like a name that it has */
  GM_PHRASE_PLACE,     /* a name that it has, at a place where it is not; or the reverse */
  GM_PHRASE_ATTRIBUTE, /* an expression of the picture with another colour */
  GM_PHRASE_KINDS
} gm_phrase_kind;
extern const char *const gm_phrase_kind_names[GM_PHRASE_KINDS];

typedef struct gm_asked_phrase {
  char *text;
  gm_phrase_kind kind;
  /* Of what is there: the box, or the name of which any object is right. */
  gm_box box;
  const char *name; /* NULL: the box */
} gm_asked_phrase;

typedef struct gm_asked_phrases {
  gm_asked_phrase *all; /* [n] */
  size_t n, capacity;
} gm_asked_phrases;

/* The names of all pictures, each once, and for each the one that is most like it. */
typedef struct gm_phrase_names {
  const char **names; /* [n] with articles */
  const char **nouns; /* [n] without */
  size_t n;
  size_t *near; /* [n]; SIZE_MAX: not known */
} gm_phrase_names;

/* Adds the picture's phrases, about as many that are not there as that are. Errors:
 * GM_ERR_MEMORY. Free them after a failure too. */
gm_status gm_asked_phrases_add(gm_asked_phrases *out, const gm_tune_picture *picture,
                               uint32_t width, uint32_t height, const gm_phrase_names *names,
                               gm_rng *rng, gm_error *err);
void gm_asked_phrases_free(gm_asked_phrases *phrases);

/* Whether the box is what the phrase names: IoU of at least 0.5. */
bool gm_asked_phrase_is(const gm_asked_phrase *phrase, const gm_tune_picture *picture,
                        gm_box box);

#endif
