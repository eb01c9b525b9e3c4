/* compute.c - see compute.h. */
#include "compute.h"

#include "checked.h"
#include "sizes.h"

#include <assert.h>

void *gm_scratch(gm_compute *c, size_t bytes, const char *what) {
  void *block = gm_arena_alloc(&c->arena, bytes);
  if (!block) (void)gm_fail_memory(c->err, what, bytes);
  return block;
}

float *gm_scratch_f32(gm_compute *c, size_t n, const char *what) {
  size_t bytes;
  if (!gm_mul_size(n, sizeof(float), &bytes)) {
    (void)gm_fail_memory(c->err, what, SIZE_MAX);
    return NULL;
  }
  return gm_scratch(c, bytes, what);
}

gm_status gm_poll(gm_compute *c) {
  if (c->visit) c->visit(c->visit_user);
  if (c->cancelled && c->cancelled(c->cancel_user))
    return gm_fail(c->err, GM_ERR_CANCELLED, "cancelled by the caller");
  return GM_OK;
}

/* Tasks [first, first + n) of each share. */
typedef struct piece {
  gm_task_fn fn;
  void *arg;
  size_t first, n, share_tasks;
} piece;

static void piece_task(void *arg, size_t task, size_t worker) {
  const piece *p = arg;
  p->fn(p->arg, task / p->n * p->share_tasks + p->first + task % p->n, worker);
}

gm_status gm_run_in_pieces(gm_compute *c, gm_task_fn fn, void *arg, size_t n_tasks,
                           size_t shares, double multiply_adds) {
  assert(shares > 0 && n_tasks % shares == 0);
  piece p = {.fn = fn, .arg = arg, .share_tasks = n_tasks / shares};
  size_t pieces = 1 + (size_t)(multiply_adds / GM_PIECE);
  size_t most = gm_ceil_div(p.share_tasks, pieces), threads = gm_pool_threads(c->pool);
  if (shares == 1) most = gm_ceil_div(most, threads) * threads; /* none ends early */
  for (; p.first < p.share_tasks; p.first += p.n) {
    if (p.first > 0) GM_TRY(gm_poll(c));
    p.n = gm_min_size(most, p.share_tasks - p.first);
    gm_pool_run(c->pool, piece_task, &p, p.n * shares);
  }
  return GM_OK;
}
