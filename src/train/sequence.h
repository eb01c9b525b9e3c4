/* sequence.h - a sample and the proposer's boxes -> what the language model learns from: ids
 * with the index tokens of regions filled in, and which of them are answers.
 *
 *   <s> system USER: ... Image: <image>. Regions: <region>. ASSISTANT: greeting
 *   USER: question ASSISTANT: answer   USER: question ASSISTANT: answer ...
 *
 * The parts are joined by </s> where answers end with it, else by single spaces. The text is
 * tokenised as a whole. Regions are chosen among the predicted boxes, the boxes that questions
 * refer to (score 1) and those of answers (score 0.2), so that a referred box is always there
 * and a true box where nothing was predicted. They are shuffled, since with a fixed order a
 * region's place would give the answer away. Each mark <refer_box> or <ground_box> becomes the
 * index token of the region that overlaps its box most. */
#ifndef GM_SEQUENCE_H
#define GM_SEQUENCE_H

#include "prompt.h"
#include "sample.h"

enum { GM_SEQUENCE_IDS = 2048 }; /* the usual max_ids */

typedef struct gm_sequence_rule {
  gm_region_rule regions; /* max_regions: at most the prompt's n_region_tokens */
  bool eos;               /* </s> after the greeting and each answer, which learns it */
  bool shuffle;           /* false: regions in score order */
  size_t max_ids;         /* before image and regions are put in */
  bool measure;           /* boxes of answers are not among the candidates, as in inference */
} gm_sequence_rule;

/* Zero-initialised it is empty. */
typedef struct gm_sequence {
  gm_ids ids;          /* <image>, <region> and <refer_feat> stand for vectors */
  gm_ids labels;       /* [ids.n]: the id where it belongs to an answer, else -1 */
  gm_rel_box *regions; /* [n_regions], in the order of their index tokens */
  size_t n_regions;
  gm_ids features; /* for each <refer_feat> in turn its region */
  size_t n_turns;  /* that fitted; 0: not even the first, and all else is empty */
} gm_sequence;

/* What the proposer found in the sample's picture. */
typedef struct gm_proposals {
  const gm_rel_box *boxes; /* [n] */
  const float *scores;     /* [n] */
  size_t n;
} gm_proposals;

/* Turns that do not fit into rule->max_ids are left out from the end, with their boxes. seed is
 * of the shuffle. GM_ERR_ARGUMENT where the text holds a token that has no place in it, or
 * marks and boxes of the sample do not match; GM_ERR_MEMORY. After a failure out is empty. */
gm_status gm_sequence_build(gm_sequence *out, const gm_sequence_rule *rule,
                            const gm_prompt *prompt, const gm_sample *sample,
                            const gm_proposals *proposals, uint64_t seed, gm_error *err);
void gm_sequence_free(gm_sequence *sequence);

/* Appends a sequence as the language model reads it (llama_train.h): to rows the ids, with -1 -
 * v in place of vector v; to targets what each row is to predict, -1 where that is nothing. Its
 * n_image image tokens are the vectors from first_image on, its regions' those from
 * first_region on. */
gm_status gm_sequence_rows(const gm_sequence *sequence, const gm_prompt *prompt, size_t n_image,
                           size_t first_image, size_t first_region, gm_ids *rows,
                           gm_ids *targets, gm_error *err);

#endif
