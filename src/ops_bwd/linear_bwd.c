/* linear_bwd.c - ops_bwd.h: linear layers, with a low-rank pair where the matrix has one, and
 * tables of rows. */
#include "ops_bwd.h"
#include "product.h"
#include "row_sums.h"
#include "sizes.h"

#include <assert.h>

enum { COLUMNS = 256 }; /* of a table's gradient in a task */

enum { MOST_PAIRS = 2 };

/* Rows of w before the first, in the tensor that begins at `weights`. */
static size_t first_row(const gm_tensor *w, const void *weights) {
  size_t bytes = (size_t)((const unsigned char *)w->data - (const unsigned char *)weights);
  assert(bytes % w->row_bytes == 0);
  return bytes / w->row_bytes;
}

/* The pairs beside w, which may be some rows of the tensor that has them: one that learns, and
 * one that came with the model and stays as it is. Returns their number. */
static size_t pairs_of(const gm_training *t, const gm_tensor *w, gm_lora pairs[MOST_PAIRS]) {
  size_t n = 0;
  gm_learned *learned = gm_learned_find(t->learned, w->data);
  if (learned && learned->lora) {
    gm_lora *pair = &pairs[n++];
    *pair = *learned->lora;
    size_t offset = first_row(w, learned->weights) * pair->rank;
    pair->b += offset;
    if (pair->gradient_b) pair->gradient_b += offset;
  }
  if (w->pair) {
    const float *b = w->pair->b + first_row(w, w->pair->weights) * w->pair->rank;
    pairs[n++] = (gm_lora){.rank = w->pair->rank, .scale = 1, .a = w->pair->a, .b = b};
  }
  return n;
}

/* inner[m, rank] = scale * x a^T */
static gm_status pair_inner(const gm_training *t, const gm_lora *pair, size_t k, const float *x,
                            size_t ldx, size_t m, float *inner) {
  gm_product p = {.m = m,
                  .n = pair->rank,
                  .k = k,
                  .a = gm_rows_of(x, ldx),
                  .b = gm_rows_of(pair->a, k),
                  .y = inner,
                  .ldy = pair->rank};
  GM_TRY(gm_product_run(t, &p));
  t->c->kernels->rows.scale(inner, m * pair->rank, pair->scale);
  return GM_OK;
}

static gm_status pair_train(const gm_training *t, const gm_lora *pair, size_t n, size_t k,
                            const float *x, size_t ldx, size_t m, float *y, size_t ldy) {
  float *inner = gm_scratch_f32(t->c, m * pair->rank, "a low-rank product");
  if (!inner) return GM_ERR_MEMORY;
  GM_TRY(pair_inner(t, pair, k, x, ldx, m, inner));
  gm_product p = {.m = m,
                  .n = n,
                  .k = pair->rank,
                  .a = gm_rows_of(inner, pair->rank),
                  .b = gm_rows_of(pair->b, pair->rank),
                  .y = y,
                  .ldy = ldy,
                  .add = true};
  return gm_product_run(t, &p);
}

gm_status gm_linear_train(const gm_training *t, const gm_tensor *w, const float *bias,
                          const float *x, size_t ldx, size_t m, float *y, size_t ldy) {
  size_t n = gm_tensor_rows(w), k = gm_tensor_cols(w);
  gm_product p = {.m = m,
                  .n = n,
                  .k = k,
                  .a = gm_rows_of(x, ldx),
                  .b = gm_factor_of(w, false),
                  .bias = bias,
                  .y = y,
                  .ldy = ldy};
  GM_TRY(gm_product_run(t, &p));
  gm_lora pairs[MOST_PAIRS];
  size_t n_pairs = pairs_of(t, w, pairs);
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = GM_OK;
  for (size_t i = 0; i < n_pairs && status == GM_OK; i++) {
    status = pair_train(t, &pairs[i], n, k, x, ldx, m, y, ldy);
    gm_arena_restore(&t->c->arena, mark);
  }
  return status;
}

/* gradient[n, k] += dy[m, n]^T x[m, k] */
static gm_status add_weight_gradient(const gm_training *t, float *gradient, const float *dy,
                                     size_t lddy, const float *x, size_t ldx, size_t m,
                                     size_t n, size_t k) {
  gm_product p = {.m = n,
                  .n = k,
                  .k = m,
                  .a = gm_turned_rows_of(dy, lddy),
                  .b = gm_turned_rows_of(x, ldx),
                  .y = gradient,
                  .ldy = k,
                  .add = true};
  return gm_product_run(t, &p);
}

/* With u = scale * x a^T: the gradient of b is dy^T u, that by u is dy b, that of a is
 * scale * (dy b)^T x, and dx += scale * (dy b) a. */
static gm_status pair_back(const gm_training *t, const gm_lora *pair, size_t n, size_t k,
                           const float *x, size_t ldx, const float *dy, size_t lddy, size_t m,
                           float *dx, size_t lddx) {
  size_t rank = pair->rank;
  float *inner = gm_scratch_f32(t->c, m * rank, "a low-rank product");
  if (!inner) return GM_ERR_MEMORY;
  if (pair->gradient_b) {
    GM_TRY(pair_inner(t, pair, k, x, ldx, m, inner));
    GM_TRY(add_weight_gradient(t, pair->gradient_b, dy, lddy, inner, rank, m, n, rank));
  }
  gm_product p = {.m = m,
                  .n = rank,
                  .k = n,
                  .a = gm_rows_of(dy, lddy),
                  .b = gm_turned_rows_of(pair->b, rank),
                  .y = inner,
                  .ldy = rank};
  GM_TRY(gm_product_run(t, &p));
  t->c->kernels->rows.scale(inner, m * rank, pair->scale);
  if (pair->gradient_a)
    GM_TRY(add_weight_gradient(t, pair->gradient_a, inner, rank, x, ldx, m, rank, k));
  if (!dx) return GM_OK;
  p = (gm_product){.m = m,
                   .n = k,
                   .k = rank,
                   .a = gm_rows_of(inner, rank),
                   .b = gm_turned_rows_of(pair->a, k),
                   .y = dx,
                   .ldy = lddx,
                   .add = true};
  return gm_product_run(t, &p);
}

gm_status gm_linear_back(const gm_training *t, const gm_tensor *w, const float *bias,
                         const float *x, size_t ldx, const float *dy, size_t lddy, size_t m,
                         float *dx, size_t lddx, bool add) {
  size_t n = gm_tensor_rows(w), k = gm_tensor_cols(w);
  if (dx) {
    gm_product p = {.m = m,
                    .n = k,
                    .k = n,
                    .a = gm_rows_of(dy, lddy),
                    .b = gm_factor_of(w, true),
                    .y = dx,
                    .ldy = lddx,
                    .add = add};
    GM_TRY(gm_product_run(t, &p));
  }
  float *gradient = gm_gradient(t, w->data);
  if (gradient) GM_TRY(add_weight_gradient(t, gradient, dy, lddy, x, ldx, m, n, k));
  float *of_bias = gm_gradient(t, bias);
  if (of_bias) gm_add_sum_of_rows(t, of_bias, dy, lddy, m, n);
  gm_learned *learned = gm_learned_find(t->learned, w->data);
  if (learned) learned->reached = true; /* by its pair alone too */
  gm_lora pairs[MOST_PAIRS];
  size_t n_pairs = pairs_of(t, w, pairs);
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = GM_OK;
  for (size_t i = 0; i < n_pairs && status == GM_OK; i++) {
    status = pair_back(t, &pairs[i], n, k, x, ldx, dy, lddy, m, dx, lddx);
    gm_arena_restore(&t->c->arena, mark);
  }
  return status;
}

typedef struct rows_job {
  const gm_kernels *kernels;
  float *gradient;
  size_t rows, k; /* of the table */
  const int32_t *ids;
  size_t n;
  const float *dy;
  size_t lddy;
} rows_job;

static void rows_task(void *arg, size_t task, size_t worker) {
  const rows_job *job = arg;
  (void)worker;
  size_t column = task * COLUMNS, n = gm_min_size(COLUMNS, job->k - column);
  for (size_t i = 0; i < job->n; i++) {
    assert(job->ids[i] >= 0 && (size_t)job->ids[i] < job->rows);
    float *to = job->gradient + (size_t)job->ids[i] * job->k + column;
    job->kernels->rows.add(to, to, job->dy + i * job->lddy + column, n);
  }
}

void gm_get_rows_back(const gm_training *t, const gm_tensor *table, const int32_t *ids,
                      size_t n, const float *dy, size_t lddy) {
  float *gradient = gm_gradient(t, table->data);
  if (!gradient) return;
  size_t k = gm_tensor_cols(table);
  rows_job job = {t->c->kernels, gradient, gm_tensor_rows(table), k, ids, n, dy, lddy};
  gm_pool_run(t->c->pool, rows_task, &job, gm_ceil_div(k, COLUMNS));
}
