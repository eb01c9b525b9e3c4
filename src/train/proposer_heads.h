/* proposer_heads.h - the proposer's heads in training: logits and boxes of every decoder layer
 * and of the first stage's proposals, their losses, and the gradient by the states. For one
 * picture. Memory, places and errors as in proposer_layers.h; also GM_ERR_MODEL where outputs
 * are not numbers. */
#ifndef GM_PROPOSER_HEADS_H
#define GM_PROPOSER_HEADS_H

#include "detect_loss.h"
#include "ops_bwd.h"
#include "proposer_decoder.h"

/* What a picture's outputs are compared with. */
typedef struct gm_detect_goal {
  const gm_rel_box *boxes; /* [n] */
  size_t n;
  double count; /* that losses are divided by */
  double scale; /* of the gradient */
} gm_detect_goal;

typedef struct gm_box_head_kept {
  float *first, *second, *offset; /* [rows, A], [rows, B], [rows, 4]: the outputs */
} gm_box_head_kept;

gm_status gm_box_head_train(const gm_training *t, const gm_box_head *w, const float *x,
                            size_t rows, size_t d, gm_box_head_kept *kept);
/* dx[rows, d] += ... */
gm_status gm_box_head_back(const gm_training *t, const gm_box_head *w, const float *x,
                           size_t rows, size_t d, const gm_box_head_kept *kept,
                           const float *d_offset, float *dx);

/* The first stage. */
typedef struct gm_first_stage_kept {
  float *masked, *projected, *stats, *query; /* [n*n, d], [n*n, d], [n*n, 2], [n*n, d] */
  float *logits, *d_logits, *d_offset;       /* [n*n], [n*n], [n*n, 4] */
  gm_box_head_kept box;
} gm_first_stage_kept;

/* reference[q]: the boxes of the best cells, falling score. Adds the losses of all proposals to
 * *loss. */
gm_status gm_first_stage_train(const gm_training *t, const gm_proposer_decoder *w,
                               const float *memory, const gm_detect_goal *goal,
                               gm_rel_box *reference, gm_detect_loss *loss,
                               gm_first_stage_kept *kept);
/* d_memory[n*n, d] += ... */
gm_status gm_first_stage_back(const gm_training *t, const gm_proposer_decoder *w,
                              const gm_first_stage_kept *kept, float *d_memory);

/* Of one decoder layer. */
typedef struct gm_layer_heads_kept {
  float *logits;    /* [q] */
  gm_box64 *boxes;  /* [q] */
  float *d_logits;  /* [q] */
  double *d_offset; /* [q, 4] */
  gm_box_head_kept box;
} gm_layer_heads_kept;

/* states[L][q, d]: outputs of the layers; classes[L]: their heads; kept[L]. Adds the losses of
 * layer l to losses[l]. */
gm_status gm_layer_heads_train(const gm_training *t, const gm_proposer_decoder *w,
                               const gm_objectness_head *classes, float *const *states,
                               const gm_rel_box *reference, const gm_detect_goal *goal,
                               gm_detect_loss *losses, gm_layer_heads_kept *kept);
/* d_states[q, d] += ... of layer l. */
gm_status gm_layer_heads_back(const gm_training *t, const gm_proposer_decoder *w,
                              const gm_objectness_head *classes, size_t layer,
                              const float *states, const gm_layer_heads_kept *kept,
                              float *d_states);

#endif
