/* sampler.h - logits -> the next token.
 *
 * Greedy takes the largest logit (the first of equals). Otherwise, as Hugging Face's warpers in
 * their order: logits / temperature, the top_k largest, of these the fewest whose probabilities
 * reach top_p, then one draw of the seeded generator. */
#ifndef GM_SAMPLER_H
#define GM_SAMPLER_H

#include "rng.h"
#include "status.h"

/* As in gm_ask_params. */
typedef struct gm_sampling {
  float temperature; /* 0: greedy */
  uint32_t top_k;    /* 0: all */
  float top_p;       /* 0 or 1: all */
  uint64_t seed;
} gm_sampling;

typedef struct gm_sampler_item {
  float value;
  int32_t id;
} gm_sampler_item;

/* One sequence's sampler; a batch has one each, so that no answer depends on the others. */
typedef struct gm_sampler {
  gm_sampling params;
  gm_rng rng;
  gm_sampler_item *items; /* [vocab], NULL while greedy */
  size_t vocab;
} gm_sampler;

/* stream tells the sequences of a batch apart: the same seed and stream, the same draws.
 * GM_ERR_ARGUMENT where a setting is not a number or out of range. */
gm_status gm_sampler_init(gm_sampler *sampler, const gm_sampling *params, uint64_t stream,
                          size_t vocab, gm_error *err);
void gm_sampler_clear(gm_sampler *sampler);

/* Next token of logits[vocab]. */
int32_t gm_sample(gm_sampler *sampler, const float *logits);

/* Index of the largest of x[n], n >= 1; the first of equals; NaN never wins. */
size_t gm_argmax(const float *x, size_t n);

/* probability[i] = softmax of logits[ids[i]] over the n ids alone. */
void gm_softmax_among(float *probability, const float *logits, const int32_t *ids, size_t n);

#endif
