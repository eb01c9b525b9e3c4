/* grounded_text.h - generated token ids of Groma -> text without tags, and its phrases with
 * their regions, while the ids stream.
 *
 * An answer reads "<p> A tree </p> <roi> <r0> <r4> </roi> on a hill." Its text is "A tree on a
 * hill.", its one phrase "A tree", span [0, 6), regions 0 and 4.
 *
 * Text. Tags and special tokens are removed and count as white space. A run of white space
 * becomes one space, or none before , . ; : ! ? ) and at either end. Invalid UTF-8 bytes, NUL
 * and <unk> become U+FFFD. Text between tags is kept, even if the tags are out of order.
 *
 * Phrases. <p> .. </p> is a phrase; its span excludes white space at its ends. A region token
 * belongs to the phrase that ended last, if no visible text has followed; <roi> and </roi> do
 * not matter for this. What a model may do wrong, and the result:
 *   a region without a phrase     an empty phrase, its span empty, where the text ends there
 *   a second <roi> right after    its regions are added to the same phrase
 *   <p>, <roi>, <rK> inside <p>   the open phrase ends there
 *   </p>, </roi> without a start  ignored
 *   no </p> or </roi> at the end  as if they stood there
 *   region K >= n_regions         left out: there is no such box
 *   a region twice in a phrase    counted once
 *   a phrase without regions      stays text, but is not among the phrases */
#ifndef GM_GROUNDED_TEXT_H
#define GM_GROUNDED_TEXT_H

#include "llama_tokenizer.h"

typedef struct gm_grounded_phrase {
  size_t begin, end;              /* bytes of the text; the phrase's own words */
  size_t first_region, n_regions; /* in the array of regions; n_regions >= 1 once finished */
  float present;                  /* of its first region, as it was given */
} gm_grounded_phrase;

struct gm_grounded_text;

typedef struct gm_grounded_text_params {
  const gm_llama_tokenizer *tokenizer; /* must outlive the parser */
  size_t n_regions;                    /* the picture's number of regions */
  /* Called with text as it becomes final, in whole characters. All pieces together are the
   * final text. May be NULL. */
  void (*text)(void *user, const char *text, size_t length);
  void *user;
  /* Called with a phrase when it cannot get more regions: when text follows it, or at the end.
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
  float present;  /* set it before a region is pushed: how sure the model was to name one */

  /* the parser's state */
  gm_llama_stream stream;
  gm_text piece;      /* what the last id decoded to */
  bool space;         /* white space was seen since the last visible character */
  bool in_phrase;     /* between <p> and </p> */
  bool phrase_begun;  /* and a visible character has come */
  bool can_take;      /* the last phrase can take regions: no visible text since it ended */
  size_t phrase_from; /* begin of the open phrase */
} gm_grounded_text;

/* Starts an answer. Errors: GM_ERR_MEMORY. */
gm_status gm_grounded_text_begin(gm_grounded_text *g, const gm_grounded_text_params *params,
                                 gm_error *err);
/* The next generated id. Errors: GM_ERR_ARGUMENT (id out of range), GM_ERR_MEMORY. */
gm_status gm_grounded_text_push(gm_grounded_text *g, int32_t id, gm_error *err);
/* Ends the answer, which may be cut anywhere. */
gm_status gm_grounded_text_finish(gm_grounded_text *g, gm_error *err);
void gm_grounded_text_free(gm_grounded_text *g);

/* K of the region token "<rK>" (decimal, no leading zeros, below 2^20), or -1 for any other
 * name. */
int32_t gm_region_number(const char *token);

#endif
