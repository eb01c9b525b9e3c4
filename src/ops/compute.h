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

/* How products and attention take their rows. The two ways sum in different orders, so a caller
 * chooses by what the rows are, never by their number: then a row's result is bit-identical
 * whatever else is computed with it. */
typedef enum gm_way {
  /* Many rows: prompts, pictures, texts. Weights are unpacked for tiles of rows. */
  GM_WAY_READ,
  /* Decoding: a row a sequence. Weights and keys are read as they lie in memory. */
  GM_WAY_STEP
} gm_way;

/* Multiply-adds between two polls of an operation: at most 0.1 s of two cores. */
#define GM_PIECE 5e9

typedef struct gm_compute {
  const gm_kernels *kernels;
  gm_pool *pool; /* may be NULL: one thread */
  gm_arena arena;
  gm_error *err; /* of the running call; may be NULL */
  /* Polled between layers and tokens; may be NULL. */
  bool (*cancelled)(void *user);
  void *cancel_user;
  /* Called at each poll: quicker work that may be done in between, with the same compute, which
   * it leaves as it was. May be NULL. */
  void (*visit)(void *user);
  void *visit_user;
  gm_way way;
  const gm_panels *panels; /* of weights, that lie ready; may be NULL */
} gm_compute;

/* n floats of scratch, or NULL with c->err set. */
float *gm_scratch_f32(gm_compute *c, size_t n, const char *what);
void *gm_scratch(gm_compute *c, size_t bytes, const char *what);

/* Between layers and tokens: lets quicker work pass; GM_ERR_CANCELLED if the caller asked to
 * stop.
 */
gm_status gm_poll(gm_compute *c);

/* gm_pool_run of a long operation, with polls in between, where nothing is half-done: after
 * about every GM_PIECE multiply-adds, of `multiply_adds` in all n_tasks. `shares` divides
 * n_tasks: of each run of n_tasks / shares neighbouring tasks, a piece has the same part, so
 * that a thread keeps to its own. */
gm_status gm_run_in_pieces(gm_compute *c, gm_task_fn fn, void *arg, size_t n_tasks,
                           size_t shares, double multiply_adds);

#endif
