/* test_proposer_heads.c - gradients of the proposer's heads by central differences of a plain
 * f64 forward: on a grid with invalid proposals, and with boxes at the borders, where the
 * inverse sigmoid is held. */
#include "weight_pool.h"

#include "proposer_heads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* GRID: the first size whose outer cells have invalid proposals. */
enum { GRID = 50, CELLS = GRID * GRID, D = 8, A = 5, B = 6, Q = 9, LAYERS = 3, BOXES = 2 };
enum { BOX_HEAD = A * D + A + B * A + B + 4 * B + 4, CLASS_HEAD = D + 1 };
enum { FIRST = D * D + 3 * D + CLASS_HEAD + BOX_HEAD };
enum { LAYER = CLASS_HEAD + BOX_HEAD, HEADS = LAYERS * LAYER };

static const gm_rel_box boxes[BOXES] = {{0.3f, 0.4f, 0.2f, 0.5f}, {0.7f, 0.6f, 0.3f, 0.25f}};

/* The weights lie in the pool in the order in which the forward below takes them. */
typedef struct model {
  weight_pool pool;
  float *x, *dx; /* what the heads see */
  size_t n_x;
  gm_proposer_decoder w;
  gm_box_head box_heads[LAYERS + 1];
  gm_objectness_head classes[LAYERS];
} model;

static void take_class_head(weight_pool *pool, gm_objectness_head *w) {
  w->weight = weight_pool_matrix(pool, 1, D);
  w->bias = weight_pool_vector(pool, 1);
}

static void take_box_head(weight_pool *pool, gm_box_head *w) {
  *w = (gm_box_head){.width1 = A, .width2 = B};
  w->fc1 = weight_pool_matrix(pool, A, D);
  w->fc1_b = weight_pool_vector(pool, A);
  w->fc2 = weight_pool_matrix(pool, B, A);
  w->fc2_b = weight_pool_vector(pool, B);
  w->fc3 = weight_pool_matrix(pool, 4, B);
  w->fc3_b = weight_pool_vector(pool, 4);
}

static model *open_model(size_t n_weights, size_t n_x, uint64_t seed) {
  gm_rng rng = {seed};
  model *m = calloc(1, sizeof *m);
  assert_non_null(m);
  weight_pool_open(&m->pool, n_weights, 0.7f, seed + 100);
  m->n_x = n_x;
  m->x = random_floats(&rng, n_x, -1, 1);
  m->dx = zeros(n_x);
  m->w = (gm_proposer_decoder){
      .grid = GRID, .dim = D, .n_queries = Q, .n_layers = LAYERS, .box_heads = m->box_heads};
  return m;
}

static void close_model(model *m) {
  weight_pool_close(&m->pool);
  free(m->x);
  free(m->dx);
  free(m);
}

/* ---- the forward in f64 */

static const double *take64(const double **at, size_t n) {
  const double *taken = *at;
  *at += n;
  return taken;
}

/* y[rows, n] = x[rows, k] w^T + b, with w and b taken from *at; free() it. */
static double *linear64(const double **at, const double *x, size_t rows, size_t n, size_t k,
                        bool relu) {
  const double *w = take64(at, n * k), *b = take64(at, n);
  double *y = calloc(rows * n, sizeof *y);
  assert_non_null(y);
  for (size_t i = 0; i < rows * n; i++) {
    double sum = b[i % n];
    for (size_t e = 0; e < k; e++) sum += x[i / n * k + e] * w[i % n * k + e];
    y[i] = relu ? fmax(sum, 0) : sum;
  }
  return y;
}

static double *box_head64(const double **at, const double *x, size_t rows) {
  double *first = linear64(at, x, rows, A, D, true);
  double *second = linear64(at, first, rows, B, A, true);
  double *offset = linear64(at, second, rows, 4, B, false);
  free(first);
  free(second);
  return offset;
}

static void norm64(double *x, size_t rows, const double *w, const double *b) {
  for (size_t r = 0; r < rows; r++, x += D) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < D; i++) mean += x[i] / D;
    for (size_t i = 0; i < D; i++) square += (x[i] - mean) * (x[i] - mean) / D;
    for (size_t i = 0; i < D; i++) x[i] = (x[i] - mean) / sqrt(square + 1e-5) * w[i] + b[i];
  }
}

static double sigmoid64(double x) {
  return 1 / (1 + exp(-x));
}

static double logit64(double p) {
  return log(fmax(p, 1e-5) / fmax(1 - p, 1e-5));
}

/* The weighted losses of n proposals, with the matches given. */
static double loss64(const double *logits, const gm_box64 *found, size_t n,
                     const int32_t match[BOXES]) {
  double sum = 0, unused;
  gm_box64 unused_box;
  for (size_t i = 0; i < n; i++)
    sum += 2 * gm_focal(logits[i], match[0] == (int32_t)i || match[1] == (int32_t)i, &unused);
  for (size_t k = 0; k < BOXES; k++) {
    gm_box64 a = found[match[k]], b = {(double)boxes[k].cx, (double)boxes[k].cy,
                                       (double)boxes[k].w, (double)boxes[k].h};
    sum += 5 * (fabs(a.cx - b.cx) + fabs(a.cy - b.cy) + fabs(a.w - b.w) + fabs(a.h - b.h));
    sum += 2 * (1 - gm_giou(a, b, &unused_box));
  }
  return sum / BOXES;
}

/* match[BOXES] is filled in first where it is not known yet (-1). */
static double judge64(const double *logits, const gm_box64 *found, size_t n,
                      int32_t match[BOXES]) {
  if (match[0] < 0) {
    gm_error err;
    float *rounded = zeros(n);
    for (size_t i = 0; i < n; i++) rounded[i] = (float)logits[i];
    assert_ok(gm_detect_match(rounded, found, n, boxes, BOXES, match, &err), &err);
    free(rounded);
  }
  return loss64(logits, found, n, match);
}

typedef double (*forward64)(const double *weights, const double *x,
                            int32_t match[LAYERS][BOXES]);

/* True where the cell's proposal is valid; out: its logits. */
static bool proposal64(double out[4], size_t cell) {
  double p[4] = {((double)(cell % GRID) + 0.5) / GRID, ((double)(cell / GRID) + 0.5) / GRID,
                 0.05, 0.05};
  bool outer = cell % GRID == 0 || cell % GRID == GRID - 1 || cell / GRID == 0 ||
               cell / GRID == GRID - 1;
  for (size_t k = 0; k < 4; k++) out[k] = outer ? INFINITY : log(p[k] / (1 - p[k]));
  return !outer;
}

static double first_stage64(const double *weights, const double *x,
                            int32_t match[LAYERS][BOXES]) {
  const double *at = weights;
  double *masked = calloc(CELLS * D, sizeof *masked), logits[4];
  gm_box64 *found = calloc(CELLS, sizeof *found);
  assert_non_null(masked);
  assert_non_null(found);
  for (size_t i = 0; i < CELLS; i++)
    if (proposal64(logits, i)) memcpy(masked + i * D, x + i * D, D * sizeof *masked);
  double *query = linear64(&at, masked, CELLS, D, D, false);
  const double *norm_w = take64(&at, D), *norm_b = take64(&at, D);
  norm64(query, CELLS, norm_w, norm_b);
  double *score = linear64(&at, query, CELLS, 1, D, false);
  double *offset = box_head64(&at, query, CELLS);
  for (size_t i = 0; i < CELLS; i++) {
    proposal64(logits, i);
    for (size_t k = 0; k < 4; k++) (&found[i].cx)[k] = sigmoid64(offset[4 * i + k] + logits[k]);
  }
  double loss = judge64(score, found, CELLS, match[0]);
  free(masked);
  free(found);
  free(query);
  free(score);
  free(offset);
  return loss;
}

/* What the last bias of a layer's box head is: offsets so large that from a reference at the
 * border, or from an ordinary one, the first layers' boxes come to where the inverse sigmoid is
 * held, while the next layer's offset takes the box back to where it has a slope. */
static const float box_bias[LAYERS] = {-3, 11, -11};

/* Reference boxes: ordinary ones, and coordinates at both borders. */
static float reference_at(size_t i) {
  static const float some[] = {0.3f, 0, 0.7f, 1, 0.5f, 1e-6f, 0.1f, 0.999999f};
  return some[i * 5 % 8];
}

static double layer_heads64(const double *weights, const double *x,
                            int32_t match[LAYERS][BOXES]) {
  const double *at = weights;
  double loss = 0, *offset[LAYERS];
  gm_box64 found[Q];
  for (size_t l = 0; l < LAYERS; l++) {
    double *score = linear64(&at, x + l * Q * D, Q, 1, D, false);
    offset[l] = box_head64(&at, x + l * Q * D, Q);
    for (size_t i = 0; i < 4 * Q; i++) {
      double base = (double)reference_at(i);
      if (l) base = sigmoid64(offset[l - 1][i] + logit64(base));
      (&found[0].cx)[i] = sigmoid64(offset[l][i] + logit64(base));
    }
    loss += judge64(score, found, Q, match[l]);
    free(score);
  }
  for (size_t l = 0; l < LAYERS; l++) free(offset[l]);
  return loss;
}

/* ---- comparison */

/* The derivative along a random direction over values [begin, end) of the weights, or of x. */
static double along(const model *m, forward64 forward, int32_t match[LAYERS][BOXES], bool of_x,
                    const double *direction, double step) {
  double *weights = calloc(m->pool.n, sizeof *weights), *x = calloc(m->n_x, sizeof *x);
  assert_non_null(weights);
  assert_non_null(x);
  for (size_t i = 0; i < m->pool.n; i++)
    weights[i] = (double)m->pool.weights[i] + (of_x ? 0 : step * direction[i]);
  for (size_t i = 0; i < m->n_x; i++) x[i] = (double)m->x[i] + (of_x ? step * direction[i] : 0);
  double loss = forward(weights, x, match);
  free(weights);
  free(x);
  return loss;
}

/* ReLU's kinks bend the differences: with steps of 1e-6 one of some 10,000 units may be passed,
 * which changes the slope by far less than the bound. The gradients are f32: 1e-4 of the sum of
 * magnitudes covers sums of CELLS terms. */
static void compare(const model *m, forward64 forward, double loss) {
  enum { ROUNDS = 12 };
  const double step = 1e-6;
  int32_t match[LAYERS][BOXES];
  gm_rng rng = {11};
  memset(match, -1, sizeof match);
  size_t most = m->n_x > m->pool.n ? m->n_x : m->pool.n;
  double *direction = calloc(most, sizeof *direction);
  assert_non_null(direction);
  double want_loss = along(m, forward, match, false, direction, 0);
  if (!(fabs(loss - want_loss) <= 1e-5 * want_loss))
    fail_msg("loss %.8g, wanted %.8g", loss, want_loss);
  for (size_t round = 0; round < 2 * ROUNDS; round++) {
    bool of_x = round % 2;
    size_t n = of_x ? m->n_x : m->pool.n;
    const float *gradient = of_x ? m->dx : m->pool.gradient;
    double found = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
      /* A part of the values each time, so that no part hides behind another. */
      size_t part = i * (ROUNDS / 2) / n;
      direction[i] = round / 2 < ROUNDS / 2 && part != round / 2 ? 0 : gm_rng_unit(&rng) - 0.5;
      found += direction[i] * (double)gradient[i];
      size += fabs(direction[i] * (double)gradient[i]);
    }
    double want = (along(m, forward, match, of_x, direction, step) -
                   along(m, forward, match, of_x, direction, -step)) /
                  (2 * step);
    assert_true(size > 0);
    if (!(fabs(found - want) <= 1e-4 * size + 1e-7))
      fail_msg("round %zu: derivative %.8g, wanted %.8g (%.3g in all)", round, found, want,
               size);
  }
  free(direction);
}

static const gm_detect_goal goal = {boxes, BOXES, BOXES, 1};

static void first_stage(void **state) {
  (void)state;
  model *m = open_model(FIRST, CELLS * D, 1);
  m->w.memory = weight_pool_matrix(&m->pool, D, D);
  m->w.memory_b = weight_pool_vector(&m->pool, D);
  m->w.memory_norm_w = weight_pool_vector(&m->pool, D);
  m->w.memory_norm_b = weight_pool_vector(&m->pool, D);
  take_class_head(&m->pool, &m->w.score);
  take_box_head(&m->pool, &m->box_heads[LAYERS]);
  gm_first_stage_kept kept;
  gm_rel_box reference[Q];
  gm_detect_loss loss = {0, 0, 0};
  assert_ok(gm_first_stage_train(&m->pool.t, &m->w, m->x, &goal, reference, &loss, &kept),
            &m->pool.err);
  assert_ok(gm_first_stage_back(&m->pool.t, &m->w, &kept, m->dx), &m->pool.err);
  compare(m, first_stage64, gm_detect_total(loss));
  /* Invalid proposals: nothing flows to the memory or to the box. */
  for (size_t i = 0; i < CELLS; i++) {
    double logits[4];
    if (proposal64(logits, i)) continue;
    for (size_t k = 0; k < D; k++) assert_true(m->dx[i * D + k] == 0);
    for (size_t k = 0; k < 4; k++) assert_true(kept.d_offset[4 * i + k] == 0);
    assert_true(kept.d_logits[i] != 0);
  }
  close_model(m);
}

static void layer_heads(void **state) {
  (void)state;
  model *m = open_model(HEADS, LAYERS * Q * D, 2);
  float *states[LAYERS], reference[4 * Q];
  for (size_t l = 0; l < LAYERS; l++) {
    take_class_head(&m->pool, &m->classes[l]);
    take_box_head(&m->pool, &m->box_heads[l]);
    for (size_t k = 0; k < 4; k++) m->pool.weights[(l + 1) * LAYER - 4 + k] += box_bias[l];
    states[l] = m->x + l * Q * D;
  }
  for (size_t i = 0; i < 4 * Q; i++) reference[i] = reference_at(i);
  gm_layer_heads_kept kept[LAYERS];
  gm_detect_loss losses[LAYERS] = {{0, 0, 0}};
  assert_ok(gm_layer_heads_train(&m->pool.t, &m->w, m->classes, states, (gm_rel_box *)reference,
                                 &goal, losses, kept),
            &m->pool.err);
  double loss = 0;
  for (size_t l = 0; l < LAYERS; l++) {
    loss += gm_detect_total(losses[l]);
    assert_ok(gm_layer_heads_back(&m->pool.t, &m->w, m->classes, l, states[l], &kept[l],
                                  m->dx + l * Q * D),
              &m->pool.err);
  }
  compare(m, layer_heads64, loss);
  close_model(m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(first_stage),
      cmocka_unit_test(layer_heads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
