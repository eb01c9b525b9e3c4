/* tune_pass.h - what the files of one step of tuning share: the pass over a batch. */
#ifndef GM_TUNE_PASS_H
#define GM_TUNE_PASS_H

#include "bridge_train.h"
#include "dinov2_train.h"
#include "llama_train.h"
#include "region_train.h"
#include "tune_step.h"

enum { GM_TUNE_PROPOSAL_STATES = 4 }; /* the proposer sees the mean of so many last states */

typedef struct gm_tune_pass {
  const gm_training *t;
  const gm_tune_model *m;
  const gm_lesson_rule *rule;
  const gm_tune_batch *batch;
  gm_rng rng;
  size_t n, cells, C, tokens, D; /* pictures; tokens: image tokens of one */
  size_t n_states;               /* L + 1 */
  float **states, **d_states;    /* [n_states][n, 1+cells, C]; NULL where not used */
  gm_dinov2_kept vision;
  bool *sees;                   /* [n] whether states and features of a picture are there */
  float *features, *d_features; /* [n, cells, C] */
  gm_proposals *proposals;      /* [n] */
  gm_lesson *lessons;           /* [n] */
  size_t n_sequences;
  /* vectors: image tokens of all pictures, then of the pictures' different regions */
  gm_region_picture *pictures; /* [n] */
  size_t n_image, n_regions;
  float *vectors, *d_vectors;
  gm_bridge_kept bridge;
  gm_region_kept *regions;
  const float **outputs;        /* [n] */
  float **d_outputs;            /* [n] */
  gm_ids rows, targets, places; /* places: of each sequence's regions among the vectors */
  size_t *lengths;
  gm_llama_pass words;
  bool to_vectors; /* gradients go into the vectors */
} gm_tune_pass;

/* Of a picture's hidden state; NULL where states is. */
static inline float *gm_tune_state(const gm_tune_pass *s, float *const *states, size_t i,
                                   size_t picture) {
  return states[i] ? states[i] + picture * (1 + s->cells) * s->C : NULL;
}
/* Zeros in the arena; NULL after a failure. */
float *gm_tune_zeros(gm_compute *c, size_t n, const char *what);

/* States and features of all pictures, from what was kept of them or by the vision encoder. */
gm_status gm_tune_see(gm_tune_pass *s);
/* Proposals of all pictures: those of inference, with both sources' scores. */
gm_status gm_tune_propose(gm_tune_pass *s);
/* For words alone: proposals, from what was kept of the pictures or by the vision encoder. */
gm_status gm_tune_see_proposals(gm_tune_pass *s);
/* And vectors of image and regions (s->pictures), to s->vectors. */
gm_status gm_tune_see_vectors(gm_tune_pass *s);

#endif
