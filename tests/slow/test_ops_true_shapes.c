/* test_ops_true_shapes.c - attention and convolution at the sizes of Groma-7B: samples of the
 * result against double precision, and the scratch that they take. */
#include "ops_support.h"

#include <math.h>
#include <stdlib.h>

/* ---- attention */

typedef struct attention_shape {
  size_t tq, tk, heads, head_dim;
  bool causal;
} attention_shape;

/* Query i of a head; keys and values are [heads, tk, head_dim]. */
static void expect_attention(const attention_shape *s, const float *q, const float *k,
                             const float *v, size_t i, size_t head, double *want) {
  size_t d = s->head_dim, seen = s->causal ? s->tk - s->tq + i + 1 : s->tk;
  const float *query = q + (i * s->heads + head) * d;
  double *p = malloc(seen * sizeof *p), sum = 0;
  assert_non_null(p);
  for (size_t j = 0; j < seen; j++) {
    double dot = 0;
    for (size_t l = 0; l < d; l++)
      dot += (double)query[l] * (double)k[(head * s->tk + j) * d + l];
    sum += p[j] = exp(dot / sqrt((double)d));
  }
  for (size_t l = 0; l < d; l++) {
    want[l] = 0;
    for (size_t j = 0; j < seen; j++)
      want[l] += p[j] / sum * (double)v[(head * s->tk + j) * d + l];
  }
  free(p);
}

static void check_attention(const attention_shape *s) {
  gm_rng rng = {s->tk};
  size_t width = s->heads * s->head_dim;
  float *q = random_floats(&rng, s->tq * width, -2, 2), *out = zeros(s->tq * width);
  float *k = random_floats(&rng, s->tk * width, -2, 2);
  float *v = random_floats(&rng, s->tk * width, -1, 1);
  gm_compute *c = compute_open(2, NULL);
  gm_kv_span span = {k, v, s->tk, s->head_dim, s->tk * s->head_dim};
  gm_attention_args args = {.q = q,
                            .q_row = width,
                            .spans = &span,
                            .n_spans = 1,
                            .tq = s->tq,
                            .heads = s->heads,
                            .kv_heads = s->heads,
                            .head_dim = s->head_dim,
                            .scale = 1 / sqrtf((float)s->head_dim),
                            .causal = s->causal,
                            .out = out,
                            .out_row = width};
  assert_ok(gm_attention(c, &args), c->err);
  double want[GM_MAX_HEAD_DIM];
  for (size_t i = 0; i < s->tq * s->heads; i += 1 + s->tq * s->heads / 200) {
    size_t query = i / s->heads, head = i % s->heads;
    expect_attention(s, q, k, v, query, head, want);
    /* As in test_attention.c, with scores four times as large: a score is a sum of head_dim
     * products of at most 4, over sqrt(head_dim). */
    double dim = (double)s->head_dim;
    assert_within(out + query * width + head * s->head_dim, want, s->head_dim,
                  UNIT * (8 * (dim + 2) * sqrt(dim) + 2 * (double)s->tk + 16), "attention");
  }
  compute_close(c);
  free(q), free(k), free(v), free(out);
}

static void test_attention_of_dinov2_and_llama(void **state) {
  (void)state;
  check_attention(&(attention_shape){1025, 1025, 16, 64, false});
  check_attention(&(attention_shape){560, 560, 32, 128, true});
  check_attention(&(attention_shape){1, 2048, 32, 128, true});
}

/* ---- convolution */

/* Output channel o at a position of map `map`. */
static double expect_conv(const gm_conv_args *a, size_t map, size_t y, size_t x, size_t o) {
  size_t ci = a->weight->shape[3], co = a->weight->shape[2];
  const float *w = a->weight->data;
  double sum = 0;
  for (size_t tap = 0; tap < 9; tap++) {
    size_t row = y + tap / 3 - 1, column = x + tap % 3 - 1; /* wraps if outside */
    if (row >= a->h || column >= a->w) continue;
    for (size_t i = 0; i < ci; i++)
      sum += (double)a->x[((map * a->h + row) * a->w + column) * ci + i] *
             (double)w[(tap * co + o) * ci + i];
  }
  return sum;
}

static void check_conv(size_t b, size_t side, size_t channels) {
  enum { SAMPLES = 300 };
  gm_rng rng = {side};
  float *x = random_floats(&rng, b * side * side * channels, 0, 1);
  float *w = random_floats(&rng, 9 * channels * channels, -1, 1);
  float *y = zeros(b * side * side * channels);
  gm_tensor weight = {.type = GM_TYPE_F32,
                      .n_dims = 4,
                      .shape = {3, 3, channels, channels},
                      .row_bytes = channels * sizeof *w,
                      .data = w};
  gm_conv_args args = {.x = x, .b = b, .h = side, .w = side, .weight = &weight, .y = y};
  gm_compute *c = compute_open(2, NULL);
  assert_ok(gm_conv3x3(c, &args), c->err);
  /* The sum of 9216 products of deviation 1/3 is about 32, its largest over a map about 160;
   * the errors are 1e-6 of that (winograd_points.h), and the project allows 1e-5. */
  for (size_t i = 0; i < SAMPLES; i++) {
    size_t at = gm_rng_u64(&rng) % (b * side * side * channels);
    size_t position = at / channels;
    double want = expect_conv(&args, position / side / side, position / side % side,
                              position % side, at % channels);
    assert_within(&y[at], &want, 1, 160 * 1e-5, "convolution");
  }
  /* 64 MB of transformed input, and panels, products and lists of two threads. */
  assert_in_range(c->arena.peak, 1, 100 << 20);
  compute_close(c);
  free(x), free(w), free(y);
}

static void test_conv_of_region_encoder(void **state) {
  (void)state;
  check_conv(1, 128, 1024);
  check_conv(1, 32, 1024);
  check_conv(12, 14, 1024);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_attention_of_dinov2_and_llama),
      cmocka_unit_test(test_conv_of_region_encoder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
