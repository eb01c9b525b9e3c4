/* optimiser.h - one update of the weights that learn: the gradient's norm is clipped, AdamW
 * (arXiv 1711.05101) moves the weights at a rate that warms up and then falls as a cosine, and
 * their moving average follows. Masters and moments are f32, whatever the products of training
 * round their factors to. */
#ifndef GM_OPTIMISER_H
#define GM_OPTIMISER_H

#include "params.h"

typedef struct gm_optimiser_options {
  double beta1, beta2, eps;
  double clip;            /* largest norm of the gradient over all weights; 0: not clipped */
  uint64_t warmup, total; /* updates: W and T of gm_lr_factor; total 0: a constant rate */
  double average;         /* decay of the moving average, below 1; 0: none is kept */
  uint64_t most_skipped;  /* so many skipped updates in a row are an error; 0: never */
} gm_optimiser_options;

/* beta 0.9 and 0.999, eps 1e-8, clip 1, a constant rate, no average, at most 10 skipped. */
gm_optimiser_options gm_optimiser_defaults(void);

/* Changed by gm_optimiser_step alone; a state (train_state.h) restores all but the options. */
typedef struct gm_optimiser {
  gm_optimiser_options options;
  uint64_t updates; /* begun so far, skipped ones too: s of the next one's rate */
  uint64_t skipped, skipped_in_row;
} gm_optimiser;

typedef struct gm_update {
  double norm;    /* of the mean gradient, before clipping */
  double factor;  /* of the rates */
  bool skipped;   /* the gradient is not finite: nothing moved */
  size_t reached; /* weights (tensors) that have a gradient */
} gm_update;

/* The factor of the rates at update s = 0, 1, ..: s / W for s < W, then
 * (1 + cos(pi (s - W) / (T - W))) / 2, and 0 from T on. */
double gm_lr_factor(uint64_t s, uint64_t W, uint64_t T);

/* One update. The gradient is the params' sums divided by micro_batches >= 1. Only tensors that
 * are reached take part: the rest keep weights, moments and count of steps as they are. The
 * gradients are left as they were (gm_params_clear). Bit-identical for any number of threads;
 * pool may be NULL. Errors: GM_ERR_MEMORY; GM_ERR_MODEL after options.most_skipped updates in a
 * row with a gradient that is not finite. */
gm_status gm_optimiser_step(gm_optimiser *optimiser, gm_params *params, size_t micro_batches,
                            gm_pool *pool, gm_update *out, gm_error *err);

#endif
