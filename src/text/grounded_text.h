/* grounded_text.h - generated token ids of Groma -> text without tags, and the phrases in it
 * that are tied to regions; as they stream.
 *
 * An answer reads "<p> A tree </p> <roi> <r0> <r4> </roi> on a hill." Its text is "A tree on a
 * hill.", its one phrase "A tree", span [0, 6), regions 0 and 4.
 *
 * Text. Tags and special tokens are taken out and count as white space, and so do runs of white
 * space: one space, none before , . ; : ! ? ) and none at either end. Bytes that are no valid
 * UTF-8, NUL and <unk> become U+FFFD. Text between any tags, in order or not, is kept.
 *
 * Phrases. <p> .. </p> is one; its span leaves out white space at its ends. A region token
 * belongs to the phrase that ended last, if no visible text has come since, wherever <roi> and
 * </roi> stand. What a model may do wrong, and what becomes of it:
 *   a region without a phrase     an empty phrase, its span empty, where the text ends there
 *   a second <roi> right after    its regions are added to the same phrase
 *   <p>, <roi>, <rK> inside <p>   the open phrase ends there
 *   </p>, </roi> without a start  ignored
 *   no </p> or </roi> at the end  as if they stood there
 *   region K >= n_regions         left out: there is no such box
 *   a region twice in a phrase    counted once
 *   a phrase without regions      stays text, but is not among the phrases
 */
#ifndef GM_GROUNDED_TEXT_H
#define GM_GROUNDED_TEXT_H

#include "llama_tokenizer.h"

typedef struct gm_grounded_phrase {
  size_t begin, end;              /* bytes of the text; the phrase's own words */
  size_t first_region, n_regions; /* in the array of regions; n_regions >= 1 once finished */
} gm_grounded_phrase;

struct gm_grounded_text;

typedef struct gm_grounded_text_params {
  const gm_llama_tokenizer *tokenizer; /* must outlive the parser */
  size_t n_regions;                    /* regions that the picture has */
  /* Called with text as it becomes certain: whole characters, and all pieces together are the
   * final text. May be NULL. */
  void (*text)(void *user, const char *text, size_t length);
  void *user;
  /* Called with a phrase once it takes no more regions: when text follows it, or at the end.
   * May be NULL. */
  void (*phrase)(void *user, const struct gm_grounded_text *g,
                 const gm_grounded_phrase *phrase);
} gm_grounded_text_params;

/* A parser and, when finished, its result: text, phrases, regions. */
typedef struct gm_grounded_text {
  gm_grounded_text_params params;
  gm_text text;                /* the answer's text so far */
  gm_grounded_phrase *phrases; /* [n_phrases], in the order of the text; complete only after
                                  gm_grounded_text_finish */
  size_t n_phrases, phrases_capacity;
  gm_ids regions; /* region numbers of all phrases, one after another */

  /* where the parser stands */
  gm_llama_stream stream;
  gm_text piece;      /* what the last id decoded to */
  bool space;         /* white space was seen since the last visible character */
  bool in_phrase;     /* between <p> and </p> */
  bool phrase_begun;  /* and a visible character has come */
  bool can_take;      /* the last phrase takes regions: no visible text since it ended */
  size_t phrase_from; /* begin of the open phrase */
} gm_grounded_text;

/* Starts an answer. Errors: GM_ERR_MEMORY. */
gm_status gm_grounded_text_begin(gm_grounded_text *g, const gm_grounded_text_params *params,
                                 gm_error *err);
/* The next generated id. Errors: GM_ERR_ARGUMENT (id out of range), GM_ERR_MEMORY. */
gm_status gm_grounded_text_push(gm_grounded_text *g, int32_t id, gm_error *err);
/* The end of the answer, wherever it was cut. */
gm_status gm_grounded_text_finish(gm_grounded_text *g, gm_error *err);
void gm_grounded_text_free(gm_grounded_text *g);

/* K of the region token "<rK>" (decimal, no leading zeros, below 2^20), or -1 for any other
 * name. */
int32_t gm_region_number(const char *token);

#endif
