/* test_proposer_layers.c - gradients of the proposer's layers, with dropout, by central
 * differences of their own forward. That the forward is right is shown by test_train_detect,
 * whose goldens have no dropout. */
#include "weight_pool.h"

#include "proposer_layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRID = 5, CELLS = GRID * GRID, D = 16, HEADS = 2, POINTS = 2, F = 24, QUERIES = 11 };
enum { SAMPLES = HEADS * POINTS, NORM = 2 * D, SQUARE = D * D + D };
enum {
  ATTENTION = 3 * SAMPLES * (D + 1) + 2 * SQUARE,
  FFN = F * (D + 1) + D * (F + 1) + NORM,
  ENCODER = ATTENTION + NORM + FFN,
  DECODER = 4 * SQUARE + NORM + ATTENTION + NORM + FFN
};

static void take_linear(weight_pool *pool, gm_tensor *w, const float **b, size_t n, size_t k) {
  *w = weight_pool_matrix(pool, n, k);
  *b = weight_pool_vector(pool, n);
}

static void take_attention(weight_pool *pool, gm_deform_attention *w) {
  *w = (gm_deform_attention){.dim = D, .heads = HEADS, .points = POINTS};
  take_linear(pool, &w->offsets, &w->offsets_b, 2 * SAMPLES, D);
  take_linear(pool, &w->weights, &w->weights_b, SAMPLES, D);
  take_linear(pool, &w->value, &w->value_b, D, D);
  take_linear(pool, &w->out, &w->out_b, D, D);
}

static void take_norm(weight_pool *pool, const float **w, const float **b) {
  *w = weight_pool_vector(pool, D);
  *b = weight_pool_vector(pool, D);
}

static void take_ffn(weight_pool *pool, gm_proposer_ffn *w) {
  *w = (gm_proposer_ffn){.dim = D, .hidden = F};
  take_linear(pool, &w->fc1, &w->fc1_b, F, D);
  take_linear(pool, &w->fc2, &w->fc2_b, D, F);
  take_norm(pool, &w->norm_w, &w->norm_b);
}

/* One layer, what it is given, and the gradients by that. In the encoder the map is x. */
typedef struct layer {
  weight_pool pool;
  bool decodes;
  gm_proposer_encoder_layer encoder;
  gm_proposer_decoder_layer decoder;
  size_t rows;
  float *x, *position, *map, *dx, *d_position, *d_map;
  float *share; /* [rows, D]: the loss is the sum of y * share */
  gm_reference *references;
} layer;

static gm_deform_view view_of(const layer *l) {
  return (gm_deform_view){l->position, l->decodes ? l->map : l->x, l->references, l->rows,
                          GRID};
}

static layer *open_layer(bool decodes) {
  layer *l = calloc(1, sizeof *l);
  gm_rng rng = {decodes + 1u};
  assert_non_null(l);
  weight_pool_open(&l->pool, decodes ? DECODER : ENCODER, 0.5f, decodes + 10u);
  l->pool.t.dropout = 0.3f;
  l->pool.t.drop_key = 77;
  l->decodes = decodes;
  l->rows = decodes ? QUERIES : CELLS;
  if (decodes) {
    gm_proposer_decoder_layer *w = &l->decoder;
    take_linear(&l->pool, &w->q, &w->q_b, D, D);
    take_linear(&l->pool, &w->k, &w->k_b, D, D);
    take_linear(&l->pool, &w->v, &w->v_b, D, D);
    take_linear(&l->pool, &w->out, &w->out_b, D, D);
    take_norm(&l->pool, &w->self_norm_w, &w->self_norm_b);
    take_attention(&l->pool, &w->cross);
    take_norm(&l->pool, &w->cross_norm_w, &w->cross_norm_b);
    take_ffn(&l->pool, &w->ffn);
  } else {
    take_attention(&l->pool, &l->encoder.attention);
    take_norm(&l->pool, &l->encoder.norm_w, &l->encoder.norm_b);
    take_ffn(&l->pool, &l->encoder.ffn);
  }
  assert_int_equal(l->pool.taken, l->pool.n);
  size_t n = l->rows * D;
  l->x = random_floats(&rng, n, -1, 1);
  l->position = random_floats(&rng, n, -1, 1);
  l->map = random_floats(&rng, CELLS * D, -1, 1);
  l->share = random_floats(&rng, n, -1, 1);
  l->dx = zeros(n);
  l->d_position = zeros(n);
  l->d_map = zeros(CELLS * D);
  l->references = calloc(l->rows, sizeof *l->references);
  assert_non_null(l->references);
  for (size_t i = 0; i < l->rows; i++)
    l->references[i] =
        (gm_reference){(float)gm_rng_unit(&rng), (float)gm_rng_unit(&rng), 0.15f, 0.1f};
  return l;
}

static void close_layer(layer *l) {
  weight_pool_close(&l->pool);
  free(l->x);
  free(l->position);
  free(l->map);
  free(l->share);
  free(l->dx);
  free(l->d_position);
  free(l->d_map);
  free(l->references);
  free(l);
}

/* The loss; with its gradients where `back`. */
static double run_layer(layer *l, uint64_t place, bool back) {
  gm_training *t = &l->pool.t;
  gm_deform_view view = view_of(l);
  gm_encoder_layer_kept encoder;
  gm_decoder_layer_kept decoder;
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  float *y = zeros(l->rows * D);
  gm_status status =
      l->decodes
          ? gm_decoder_layer_train(t, &l->decoder, HEADS, &view, l->x, place, y, &decoder)
          : gm_encoder_layer_train(t, &l->encoder, &view, l->x, place, y, &encoder);
  assert_ok(status, &l->pool.err);
  double loss = 0;
  for (size_t i = 0; i < l->rows * D; i++) loss += (double)y[i] * (double)l->share[i];
  if (back) {
    status = l->decodes ? gm_decoder_layer_back(t, &l->decoder, HEADS, &view, &decoder, place,
                                                l->share, l->dx, l->d_position, l->d_map)
                        : gm_encoder_layer_back(t, &l->encoder, &view, &encoder, place,
                                                l->share, l->dx, l->d_position);
    assert_ok(status, &l->pool.err);
  }
  gm_arena_restore(&t->c->arena, mark);
  free(y);
  return loss;
}

/* The derivative along a random direction over values[first, end), against their gradient. The
 * loss is a sum of some 300 f32 values of about 1, whose rounding (6e-8 each, at random) makes
 * 3e-3 of the quotient at most. Larger steps pass kinks of ReLU and of bilinear reading. */
static void check_along(layer *l, float *values, const float *gradient, size_t first,
                        size_t end, const char *what) {
  const float step = 2e-4f;
  gm_rng rng = {first + end};
  float *old = zeros(end), *direction = random_floats(&rng, end, -1, 1);
  double found = 0, size = 0, loss[2];
  memcpy(old, values, end * sizeof *old);
  for (size_t i = first; i < end; i++) {
    found += (double)direction[i] * (double)gradient[i];
    size += fabs((double)direction[i] * (double)gradient[i]);
  }
  for (int side = 0; side < 2; side++) {
    for (size_t i = first; i < end; i++)
      values[i] = old[i] + (side ? step : -step) * direction[i];
    loss[side] = run_layer(l, 3, false);
  }
  memcpy(values, old, end * sizeof *old);
  double want = (loss[1] - loss[0]) / (2 * (double)step);
  if (!(size > 0 && fabs(found - want) <= 1e-4 * size + 5e-3))
    fail_msg("%s from %zu: derivative %.6g, wanted %.6g (%.3g in all)", what, first, found,
             want, size);
  free(old);
  free(direction);
}

static void check_layer(bool decodes) {
  enum { PARTS = 12 };
  layer *l = open_layer(decodes);
  double loss = run_layer(l, 3, true);
  assert_true(loss == run_layer(l, 3, false));
  assert_true(loss != run_layer(l, 4, false)); /* other masks */
  size_t n = l->rows * D;
  check_along(l, l->x, l->dx, 0, n, "x");
  check_along(l, l->position, l->d_position, 0, n, "position");
  if (decodes) check_along(l, l->map, l->d_map, 0, CELLS * D, "map");
  for (size_t k = 0; k < PARTS; k++)
    check_along(l, l->pool.weights, l->pool.gradient, l->pool.n * k / PARTS,
                l->pool.n * (k + 1) / PARTS, "weights");
  close_layer(l);
}

static void encoder_layer(void **state) {
  (void)state;
  check_layer(false);
}

static void decoder_layer(void **state) {
  (void)state;
  check_layer(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(encoder_layer),
      cmocka_unit_test(decoder_layer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
