/* proposer_train.h - stage 1: the region proposer learns from pictures with boxes.
 *
 * The vision encoder stays as it is; its features come in. Pictures are computed one after
 * another, since they share only the number of boxes that the losses are divided by: memory
 * does not depend on how many there are. */
#ifndef GM_PROPOSER_TRAIN_H
#define GM_PROPOSER_TRAIN_H

#include "detect_loss.h"
#include "proposer_decoder.h"
#include "proposer_encoder.h"
#include "sample.h"
#include "training.h"

enum { GM_SOURCES = 2 };

typedef struct gm_proposer_learner {
  gm_proposer_encoder encoder;
  gm_proposer_decoder decoder;
  gm_objectness_head *classes[GM_SOURCES]; /* [L] each, owned: of every layer */
} gm_proposer_learner;

/* Views of the file, which must outlive it. C: width of the features. On failure
 * gm_proposer_learner_free is still to be called. Errors: GM_ERR_MODEL, GM_ERR_MEMORY. */
gm_status gm_proposer_learner_load(gm_proposer_learner *w, const gm_model_file *file,
                                   const gm_groma_hparams *hparams, size_t C, gm_error *err);
void gm_proposer_learner_free(gm_proposer_learner *w);

typedef struct gm_detect_picture {
  const float *features;   /* [n*n, C]: the mean of the encoder's last four hidden states */
  const gm_rel_box *boxes; /* [n_boxes] */
  size_t n_boxes;
  float *
      d_features; /* [n*n, C]: the gradient by the features is written here; NULL: not wanted */
} gm_detect_picture;

/* A chunk: pictures of one source, whose class heads learn. The other source's get no gradient
 * at all. */
typedef struct gm_detect_batch {
  const gm_detect_picture *pictures; /* [n] */
  size_t n;
  gm_source source;
  /* Gradients are of scale times the loss; 0: no backward pass. Of a step of k chunks: 1 / k.
   */
  double scale;
  uint64_t first; /* number of the step's pictures before these; for dropout */
} gm_detect_batch;

/* Arrays are the caller's. */
typedef struct gm_detect_result {
  double loss;             /* the weighted sum of all outputs' losses */
  gm_detect_loss *outputs; /* [L + 1]: of the decoder's layers, then of the proposals */
  float *logits;           /* [n, q] of the last layer; or NULL */
  gm_rel_box *boxes;       /* [n, q] of the last layer; or NULL */
} gm_detect_result;

/* One chunk's losses, and its gradients added. Polls between layers. Positions that were
 * derived from weights must be fresh (gm_proposer_encoder_refresh).
 * Errors: GM_ERR_MODEL where outputs are not numbers any more, GM_ERR_MEMORY, GM_ERR_CANCELLED.
 */
gm_status gm_proposer_train(const gm_training *t, const gm_proposer_learner *w,
                            const gm_detect_batch *batch, gm_detect_result *result);

#endif
