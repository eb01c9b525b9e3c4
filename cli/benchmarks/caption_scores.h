/* caption_scores.h - how near captions are to references: BLEU-1 to -4, ROUGE-L and CIDEr-D as
 * coco-caption computes them. */
#ifndef CLI_CAPTION_SCORES_H
#define CLI_CAPTION_SCORES_H

#include "name_table.h"
#include "text_buffer.h"

enum { CAPTION_GRAMS = 4 }; /* n-grams of 1 to 4 words */

/* Words as numbers; n 0: no word is left. */
typedef struct caption_words {
  const int32_t *words;
  size_t n;
} caption_words;

typedef struct caption_entry {
  caption_words candidate;
  const caption_words *references; /* [n_references], at least one */
  size_t n_references;
} caption_entry;

typedef struct caption_figures {
  double bleu[CAPTION_GRAMS]; /* of the whole set (Papineni et al. 2002) */
  double rouge_l;             /* mean over entries (Lin 2004), beta 1.2 */
  double cider_d;             /* mean over entries (Vedantam et al. 2015), sigma 6, times 10 */
} caption_figures;

/* n >= 1. GM_ERR_MEMORY. */
gm_status caption_score(caption_figures *out, const caption_entry *entries, size_t n,
                        gm_error *err);

#endif
