/* attention_bwd.c - ops_bwd.h: multi-head attention without the matrix of scores, backwards
 * (Dao et al. 2022), and rotary positions.
 *
 * With P the weights, the gradients are dV = P^T dO, dP = dO V^T, dS = scale * P (dP - D), dQ =
 * dS K and dK = dS^T Q, where D of a query is the sum of dO * out. A task is a kv head of a
 * sequence: it goes over pairs of a tile of keys and a tile of queries, one query head after
 * another, so its sums have one order. Tiles are transposed, [keys, queries]: then P and dS
 * come from products of rows as they lie, and what a query has (its log-sum-exp and D) is a
 * row. */
#include "ops_bwd.h"
#include "sizes.h"

#include <assert.h>
#include <string.h>

enum {
  TILE = 192,    /* keys or queries, at most */
  TILE_STEP = 12 /* tiles are multiples of it: products like whole groups of rows */
};

/* ---- forward: sequences of equal length are one call */

gm_status gm_attention_train(const gm_training *t, const gm_attention_shape *shape,
                             const float *q, const float *k, const float *v, float *out,
                             float *lse) {
  gm_way way = t->c->way;
  gm_status status = GM_OK;
  t->c->way = GM_WAY_READ;
  for (size_t i = 0, same; i < shape->n_sequences && status == GM_OK; i += same) {
    size_t n = shape->lengths[i];
    for (same = 1; i + same < shape->n_sequences && shape->lengths[i + same] == n;) same++;
    if (n == 0) continue;
    gm_kv_span span = {k, v, n, shape->kv_row, shape->head_dim};
    gm_attention_args args = {.q = q,
                              .q_row = shape->q_row,
                              .spans = &span,
                              .n_spans = 1,
                              .k_type = GM_TYPE_F32,
                              .v_type = GM_TYPE_F32,
                              .batch = same,
                              .tq = n,
                              .heads = shape->heads,
                              .kv_heads = shape->kv_heads,
                              .head_dim = shape->head_dim,
                              .scale = shape->scale,
                              .causal = shape->causal,
                              .out = out,
                              .out_row = shape->out_row,
                              .lse = lse};
    status = gm_attention(t->c, &args);
    q += same * n * shape->q_row;
    k += same * n * shape->kv_row;
    v += same * n * shape->kv_row;
    out += same * n * shape->out_row;
    lse += same * n * shape->heads;
  }
  t->c->way = way;
  return status;
}

/* ---- backward */

typedef struct back_job {
  const gm_kernels *k;
  const gm_attention_shape *shape;
  const float *q, *keys, *values, *out, *lse, *d_out;
  float *dq, *d_keys, *d_values;
  float *scratch;              /* one per worker */
  size_t scratch_floats, most; /* most: the longest sequence */
} back_job;

/* What a worker keeps while it is at a task. Rows of one head lie far apart in the activations,
 * often by a multiple of 4096 bytes, so that few of them fit a cache's sets: all are copies. */
typedef struct back_state {
  const back_job *job;
  size_t first, n, kv_head, tile;   /* rows of the sequence; keys or queries of a tile */
  float *q, *d_out, *dq;            /* [n, d], of one query head */
  float *q_columns, *d_out_columns; /* [d, n] */
  float *lse, *delta;               /* [n] */
  float *p, *dp, *ds;               /* [tile, tile]; ds is [queries, keys] */
  float *k, *v, *dk, *dv;           /* [tile, d] */
  float ones[TILE];
} back_state;

static size_t scratch_floats(const gm_attention_shape *shape, size_t most) {
  size_t floats = 5 * most * shape->head_dim + 2 * most;
  return floats + 3 * TILE * TILE + 4 * TILE * shape->head_dim;
}

static float *take(float **scratch, size_t floats) {
  float *taken = *scratch;
  *scratch += floats;
  return taken;
}

static back_state start_task(const back_job *job, float *scratch, size_t sequence,
                             size_t kv_head) {
  size_t d = job->shape->head_dim, n = job->shape->lengths[sequence];
  size_t tiles = gm_ceil_div(n, TILE);
  back_state s = {.job = job,
                  .n = n,
                  .kv_head = kv_head,
                  .tile = gm_ceil_div(gm_ceil_div(n, tiles), TILE_STEP) * TILE_STEP};
  for (size_t i = 0; i < TILE; i++) s.ones[i] = 1;
  for (size_t i = 0; i < sequence; i++) s.first += job->shape->lengths[i];
  float **rows[] = {&s.q, &s.d_out, &s.dq, &s.q_columns, &s.d_out_columns};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) *rows[i] = take(&scratch, n * d);
  s.lse = take(&scratch, n);
  s.delta = take(&scratch, n);
  float **squares[] = {&s.p, &s.dp, &s.ds};
  for (size_t i = 0; i < 3; i++) *squares[i] = take(&scratch, TILE * TILE);
  float **tile_rows[] = {&s.k, &s.v, &s.dk, &s.dv};
  for (size_t i = 0; i < 4; i++) *tile_rows[i] = take(&scratch, TILE * d);
  return s;
}

static void copy_rows(float *to, size_t to_row, const float *from, size_t from_row, size_t rows,
                      size_t d) {
  for (size_t i = 0; i < rows; i++)
    memcpy(to + i * to_row, from + i * from_row, d * sizeof *to);
}

static void load_queries(back_state *s, size_t head) {
  const back_job *job = s->job;
  const gm_attention_shape *shape = job->shape;
  const gm_row_kernels *k = &job->k->rows;
  size_t d = shape->head_dim;
  const float *out = job->out + s->first * shape->out_row + head * d;
  copy_rows(s->q, d, job->q + s->first * shape->q_row + head * d, shape->q_row, s->n, d);
  copy_rows(s->d_out, d, job->d_out + s->first * shape->out_row + head * d, shape->out_row,
            s->n, d);
  k->transpose(s->q_columns, s->n, s->q, d, s->n, d);
  k->transpose(s->d_out_columns, s->n, s->d_out, d, s->n, d);
  for (size_t i = 0; i < s->n; i++) {
    s->lse[i] = job->lse[(s->first + i) * shape->heads + head];
    k->kv[GM_TYPE_F32].dots(&s->delta[i], s->d_out + i * d, out + i * shape->out_row, d, 1, d);
  }
}

/* One tile of keys against one of queries: nk keys from k0 on, nq queries from q0 on. */
static void back_tile(back_state *s, size_t k0, size_t nk, size_t q0, size_t nq, bool first) {
  const gm_attention_shape *shape = s->job->shape;
  const gm_row_kernels *k = &s->job->k->rows;
  const gm_train_kernels *train = &s->job->k->train;
  const float *keep = first ? NULL : s->ones;
  size_t d = shape->head_dim;
  k->tile_product(s->p, TILE, NULL, s->k, d, s->q_columns + q0, s->n, nk, nq, d);
  k->tile_product(s->dp, TILE, NULL, s->v, d, s->d_out_columns + q0, s->n, nk, nq, d);
  for (size_t j = 0; j < nk; j++) {
    float *p = s->p + j * TILE, *dp = s->dp + j * TILE;
    size_t blind = shape->causal && k0 + j > q0 ? gm_min_size(k0 + j - q0, nq) : 0;
    memset(p, 0, blind * sizeof *p);
    memset(dp, 0, blind * sizeof *dp);
    train->softmax_again(p + blind, s->lse + q0 + blind, shape->scale, nq - blind);
    train->softmax_back(dp + blind, p + blind, s->delta + q0 + blind, shape->scale, nq - blind);
  }
  k->tile_product(s->dv, d, keep, s->p, TILE, s->d_out + q0 * d, d, nk, d, nq);
  k->tile_product(s->dk, d, keep, s->dp, TILE, s->q + q0 * d, d, nk, d, nq);
  k->transpose(s->ds, TILE, s->dp, TILE, nk, nq);
  k->tile_product(s->dq + q0 * d, d, k0 == 0 ? NULL : s->ones, s->ds, TILE, s->k, d, nq, d, nk);
}

/* A tile's gradient, of the group's first query head or added to it. */
static void store_keys(const back_state *s, float *to, const float *from, size_t k0, size_t nk,
                       bool add) {
  const gm_attention_shape *shape = s->job->shape;
  size_t d = shape->head_dim, row = shape->kv_row;
  to += (s->first + k0) * row + s->kv_head * d;
  if (!add) copy_rows(to, row, from, d, nk, d);
  for (size_t i = 0; add && i < nk; i++)
    s->job->k->rows.add(to + i * row, to + i * row, from + i * d, d);
}

static void back_task(void *arg, size_t task, size_t worker) {
  const back_job *job = arg;
  const gm_attention_shape *shape = job->shape;
  size_t d = shape->head_dim, group = shape->heads / shape->kv_heads;
  size_t sequence = task / shape->kv_heads, kv_head = task % shape->kv_heads;
  if (shape->lengths[sequence] == 0) return;
  back_state s =
      start_task(job, job->scratch + worker * job->scratch_floats, sequence, kv_head);
  size_t keys_at = s.first * shape->kv_row + kv_head * d;
  for (size_t g = 0; g < group; g++) {
    size_t head = kv_head * group + g;
    load_queries(&s, head);
    for (size_t k0 = 0; k0 < s.n; k0 += s.tile) {
      size_t nk = gm_min_size(s.tile, s.n - k0), start = shape->causal ? k0 : 0;
      copy_rows(s.k, d, job->keys + keys_at + k0 * shape->kv_row, shape->kv_row, nk, d);
      copy_rows(s.v, d, job->values + keys_at + k0 * shape->kv_row, shape->kv_row, nk, d);
      for (size_t q0 = start; q0 < s.n; q0 += s.tile)
        back_tile(&s, k0, nk, q0, gm_min_size(s.tile, s.n - q0), q0 == start);
      store_keys(&s, job->d_keys, s.dk, k0, nk, g > 0);
      store_keys(&s, job->d_values, s.dv, k0, nk, g > 0);
    }
    copy_rows(job->dq + s.first * shape->q_row + head * d, shape->q_row, s.dq, d, s.n, d);
  }
}

gm_status gm_attention_back(const gm_training *t, const gm_attention_shape *shape,
                            const float *q, const float *k, const float *v, const float *out,
                            const float *lse, const float *d_out, float *dq, float *dk,
                            float *dv) {
  gm_compute *c = t->c;
  back_job job = {.k = c->kernels,
                  .shape = shape,
                  .q = q,
                  .keys = k,
                  .values = v,
                  .out = out,
                  .lse = lse,
                  .d_out = d_out,
                  .dq = dq,
                  .d_keys = dk,
                  .d_values = dv};
  assert(shape->heads % shape->kv_heads == 0 && shape->head_dim <= GM_MAX_HEAD_DIM);
  double pairs = 0;
  for (size_t i = 0; i < shape->n_sequences; i++) {
    job.most = gm_max_size(job.most, shape->lengths[i]);
    pairs += (double)shape->lengths[i] * (double)shape->lengths[i];
  }
  if (job.most == 0) return GM_OK;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  job.scratch_floats = gm_ceil_div(scratch_floats(shape, job.most), 16) * 16;
  job.scratch =
      gm_scratch_f32(c, gm_pool_threads(c->pool) * job.scratch_floats, "attention's gradient");
  if (!job.scratch) return GM_ERR_MEMORY;
  double work = 5 * pairs * (double)(shape->heads * shape->head_dim);
  gm_status status =
      gm_run_in_pieces(c, back_task, &job, shape->n_sequences * shape->kv_heads, 1, work);
  gm_arena_restore(&c->arena, mark);
  return status;
}

/* ---- rotary positions: the rotation by the negative angle */

typedef struct rope_job {
  const gm_row_kernels *k;
  float *x;
  size_t x_row, heads, head_dim;
  const float *table;
} rope_job;

static void rope_back_task(void *arg, size_t row, size_t worker) {
  (void)worker;
  const rope_job *job = arg;
  float sines[GM_MAX_HEAD_DIM / 2];
  size_t half = job->head_dim / 2;
  const float *cosines = job->table + row * job->head_dim;
  for (size_t i = 0; i < half; i++) sines[i] = -cosines[half + i];
  for (size_t h = 0; h < job->heads; h++)
    job->k->rotate(job->x + row * job->x_row + h * job->head_dim, cosines, sines, half);
}

void gm_rope_back(const gm_training *t, float *dx, size_t x_row, size_t rows, size_t heads,
                  size_t head_dim, const float *table) {
  assert(head_dim % 2 == 0 && head_dim <= GM_MAX_HEAD_DIM && x_row >= heads * head_dim);
  rope_job job = {&t->c->kernels->rows, dx, x_row, heads, head_dim, table};
  gm_pool_run(t->c->pool, rope_back_task, &job, rows);
}
