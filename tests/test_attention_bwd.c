/* test_attention_bwd.c - attention in training and rotary positions backwards, against
 * differences of softmax(q k^T) v in double precision. */
#include "gradient_check.h"
#include "ops_bwd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct attention_case {
  gm_attention_shape shape;
  size_t rows, n_q, n_kv, n_out; /* floats */
  const float *q, *k, *v, *d_out;
} attention_case;

/* out: dq, dk, dv, out. */
static void run_attention(const gm_training *t, void *arg, float *out) {
  const attention_case *a = arg;
  float *dk = out + a->n_q, *dv = dk + a->n_kv, *y = dv + a->n_kv;
  float *lse = zeros(a->rows * a->shape.heads);
  t->c->way = GM_WAY_STEP; /* must not matter, and must be as it was */
  assert_ok(gm_attention_train(t, &a->shape, a->q, a->k, a->v, y, lse), t->c->err);
  assert_int_equal(t->c->way, GM_WAY_STEP);
  assert_ok(gm_attention_back(t, &a->shape, a->q, a->k, a->v, y, lse, a->d_out, out, dk, dv),
            t->c->err);
  free(lse);
}

typedef struct plain_attention {
  const attention_case *a;
  double *q, *k, *v, *d_out;
  double *y; /* as out, or NULL */
} plain_attention;

/* One query of one head, which sees n keys from row `first` on. */
static double query_loss(const plain_attention *p, size_t query, size_t head, size_t first,
                         size_t n) {
  const gm_attention_shape *s = &p->a->shape;
  size_t d = s->head_dim, at = head * s->kv_heads / s->heads * d;
  const double *q = p->q + query * s->q_row + head * d;
  double weights[512], max = -INFINITY, sum = 0, loss = 0;
  assert_true(n <= 512);
  for (size_t j = 0; j < n; j++) {
    weights[j] = 0;
    for (size_t i = 0; i < d; i++)
      weights[j] += q[i] * p->k[(first + j) * s->kv_row + at + i] * (double)s->scale;
    max = fmax(max, weights[j]);
  }
  for (size_t j = 0; j < n; j++) sum += weights[j] = exp(weights[j] - max);
  for (size_t i = 0; i < d; i++) {
    double y = 0;
    for (size_t j = 0; j < n; j++)
      y += weights[j] / sum * p->v[(first + j) * s->kv_row + at + i];
    size_t out = query * s->out_row + head * d + i;
    if (p->y) p->y[out] = y;
    loss += y * p->d_out[out];
  }
  return loss;
}

static double attention_loss(void *user) {
  const plain_attention *p = user;
  const gm_attention_shape *s = &p->a->shape;
  double loss = 0;
  for (size_t i = 0, first = 0; i < s->n_sequences; first += s->lengths[i++])
    for (size_t query = 0; query < s->lengths[i]; query++)
      for (size_t h = 0; h < s->heads; h++)
        loss += query_loss(p, first + query, h, first, s->causal ? query + 1 : s->lengths[i]);
  return loss;
}

/* What inference gives, sequence by sequence. */
static void expect_inference(const gm_kernels *kernels, const attention_case *a,
                             const float *y) {
  const gm_attention_shape *s = &a->shape;
  gm_compute *c = compute_open(1, kernels);
  float *want = zeros(a->n_out);
  for (size_t i = 0, first = 0; i < s->n_sequences; first += s->lengths[i++]) {
    gm_kv_span span = {a->k + first * s->kv_row, a->v + first * s->kv_row, s->lengths[i],
                       s->kv_row, s->head_dim};
    gm_attention_args args = {.q = a->q + first * s->q_row,
                              .q_row = s->q_row,
                              .spans = &span,
                              .n_spans = 1,
                              .tq = s->lengths[i],
                              .heads = s->heads,
                              .kv_heads = s->kv_heads,
                              .head_dim = s->head_dim,
                              .scale = s->scale,
                              .causal = s->causal,
                              .out = want + first * s->out_row,
                              .out_row = s->out_row};
    args.k_type = args.v_type = GM_TYPE_F32;
    if (s->lengths[i]) assert_ok(gm_attention(c, &args), c->err);
  }
  assert_same_bits(y, want, a->n_out, "the forward");
  compute_close(c);
  free(want);
}

/* q, k, v and d_out are within [-1, 1), scale is 1 / sqrt(d): scores are below sqrt(d) < 12,
 * usually below 1. A weight is off by the error of its score (a sum of d products: d / 8 units
 * at most in a lane's chain, times scale), of the exponential (2 units) and of the log-sum-exp
 * (log n + 1 < 8 units): all relative to it. The gradients are sums of n such products, in
 * chains of a tile, some 192, and over d, which is below 150; terms of random signs, so that
 * the sum is about as large as the square root of its terms' number and errors grow alike: 64
 * units for the relative errors of factors, and the chains' square root twice, below 64. */
static void check(const gm_kernels *kernels, gm_attention_shape s, size_t sampled) {
  attention_case a = {.shape = s};
  size_t longest = 1;
  for (size_t i = 0; i < s.n_sequences; i++) {
    a.rows += s.lengths[i];
    longest = s.lengths[i] > longest ? s.lengths[i] : longest;
  }
  a.shape.q_row = s.heads * s.head_dim + 3;
  a.shape.kv_row = s.kv_heads * s.head_dim + 1;
  a.shape.out_row = s.heads * s.head_dim + 2;
  a.shape.scale = 1 / sqrtf((float)s.head_dim);
  a.n_q = a.rows * a.shape.q_row;
  a.n_kv = a.rows * a.shape.kv_row;
  a.n_out = a.rows * a.shape.out_row;
  gm_rng rng = {a.rows * s.head_dim};
  float *q = random_floats(&rng, a.n_q, -1, 1), *k = random_floats(&rng, a.n_kv, -1, 1);
  float *v = random_floats(&rng, a.n_kv, -1, 1), *d_out = random_floats(&rng, a.n_out, -1, 1);
  a.q = q, a.k = k, a.v = v, a.d_out = d_out;
  size_t all = a.n_q + 2 * a.n_kv + a.n_out;
  float *out = run_training(kernels, run_attention, &a, NULL, 0, NULL, all, "attention");
  float *dk = out + a.n_q, *dv = dk + a.n_kv, *y = dv + a.n_kv;
  expect_inference(kernels, &a, y);
  plain_attention p = {.a = &a,
                       .q = as_doubles(q, a.n_q),
                       .k = as_doubles(k, a.n_kv),
                       .v = as_doubles(v, a.n_kv),
                       .d_out = as_doubles(d_out, a.n_out),
                       .y = as_doubles(y, a.n_out)};
  (void)attention_loss(&p);
  assert_within(y, p.y, a.n_out, 64 * UNIT, "the forward");
  free(p.y);
  p.y = NULL;
  /* By q and k it is 0 where there is one key: a difference of two terms as large as a weight.
   */
  double least = 1 / (double)longest;
  assert_gradient(attention_loss, &p, p.q, out, a.n_q, sampled, 128, least, "by q");
  assert_gradient(attention_loss, &p, p.k, dk, a.n_kv, sampled, 128, least, "by k");
  assert_gradient(attention_loss, &p, p.v, dv, a.n_kv, sampled, 128, 0, "by v");
  free(q), free(k), free(v), free(d_out), free(out);
  free(p.q), free(p.k), free(p.v), free(p.d_out);
}

static void test_small(void **state) {
  (void)state;
  for (size_t i = 0; gm_kernels_at(i); i++) {
    const gm_kernels *k = gm_kernels_at(i);
    for (int causal = 0; causal < 2; causal++) {
      gm_attention_shape s = {.heads = 2, .kv_heads = 2, .head_dim = 5, .causal = causal};
      s.lengths = (size_t[]){1}, s.n_sequences = 1;
      check(k, s, 0);
      s.lengths = (size_t[]){7}, s.kv_heads = 1;
      check(k, s, 0);
      /* Equal neighbours, an empty one, different ones; three query heads for a kv head. */
      s.lengths = (size_t[]){3, 3, 0, 8, 1}, s.n_sequences = 5;
      s.heads = 6, s.head_dim = 8, s.kv_heads = 2;
      check(k, s, 60);
    }
  }
}

/* More than a tile: 193 keys are two tiles of 108 and 85, 400 are three. */
static void test_tiles(void **state) {
  (void)state;
  gm_attention_shape s = {.heads = 2, .kv_heads = 1, .head_dim = 6};
  s.lengths = (size_t[]){193, 5}, s.n_sequences = 2;
  check(NULL, s, 6);
  s.causal = true;
  check(NULL, s, 6);
  s.lengths = (size_t[]){400}, s.n_sequences = 1, s.heads = 1;
  check(NULL, s, 3);
  s.lengths = (size_t[]){30}, s.head_dim = 144;
  check(NULL, s, 20);
}

static void test_no_rows(void **state) {
  (void)state;
  gm_training *t = training_open(1, NULL, NULL, 0);
  gm_attention_shape s = {.heads = 1, .kv_heads = 1, .head_dim = 4};
  float x[4] = {0};
  assert_ok(gm_attention_train(t, &s, x, x, x, x, x), NULL);
  assert_ok(gm_attention_back(t, &s, x, x, x, x, x, x, x, x, x), NULL);
  training_close(t);
}

/* The rotation there and back is the identity, and the transpose of an orthogonal matrix is its
 * inverse: what is left are the roundings of four products, and of cos^2 + sin^2. */
static void test_rope_back(void **state) {
  (void)state;
  enum { ROWS = 7, HEADS = 3, DIM = 10, ROW = HEADS * DIM + 2 };
  gm_training *t = training_open(2, NULL, NULL, 0);
  gm_rng rng = {5};
  float *x = random_floats(&rng, ROWS * ROW, -1, 1), table[ROWS * DIM];
  double *want = as_doubles(x, ROWS * ROW);
  gm_rope_table(t->c, table, ROWS, DIM, 40, 10000);
  gm_rope(t->c, x, ROW, ROWS, HEADS, DIM, table);
  assert_true(fabs((double)x[0] - want[0]) > 1e-3);
  gm_rope_back(t, x, ROW, ROWS, HEADS, DIM, table);
  assert_within(x, want, ROWS * ROW, 8 * UNIT, "there and back");
  training_close(t);
  free(x), free(want);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_small),
      cmocka_unit_test(test_tiles),
      cmocka_unit_test(test_no_rows),
      cmocka_unit_test(test_rope_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
