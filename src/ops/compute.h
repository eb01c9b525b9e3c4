/* compute.h - what every forward pass is given: kernels, threads, scratch, cancellation,
 * errors.
 *
 * One gm_compute serves one call at a time. Convention of all forward passes and operations:
 * they return gm_status and describe a failure in c->err; scratch comes from c->arena between a
 * save and a restore. */
#ifndef GM_COMPUTE_H
#define GM_COMPUTE_H

#include "arena.h"
#include "kernels.h"
#include "panels.h"
#include "status.h"
#include "threads.h"

typedef struct gm_compute {
  const gm_kernels *kernels;
  gm_pool *pool; /* may be NULL: one thread */
  gm_arena arena;
  gm_error *err; /* of the running call; may be NULL */
  /* Polled between layers and tokens; may be NULL. */
  bool (*cancelled)(void *user);
  void *cancel_user;
  /* Matrix products, attention and convolutions go the way of many rows whatever their number,
   * so that a row's result is the same to the bit in every batch (see linear.c, attention.c,
   * conv_winograd.h). */
  bool steady;
  const gm_panels *panels; /* of weights, that lie ready; may be NULL */
} gm_compute;

/* n floats of scratch, or NULL with c->err set. */
float *gm_scratch_f32(gm_compute *c, size_t n, const char *what);
void *gm_scratch(gm_compute *c, size_t bytes, const char *what);

/* GM_ERR_CANCELLED if the caller asked to stop. */
gm_status gm_poll(gm_compute *c);

#endif
