/* test_llama_train.c - the language model while it learns: loss and gradients of a tiny LLaMA
 * against a plain forward in double precision and its differences, low-rank pairs, and what
 * must not change a bit: threads, recomputing, what else learns. */
#include "gradient_check.h"

#include "attention_lesson.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Odd sizes; heads share keys. */
enum {
  DIM = 24,
  HEADS = 4,
  KV_HEADS = 2,
  HEAD = DIM / HEADS,
  KV = KV_HEADS * HEAD,
  FFN = 19,
  LAYERS = 3,
  BASE = 17,
  ADDED = 5,
  VOCAB = BASE + ADDED,
  VECTORS = 5,
  RANK = 3
};
static const double EPS = 1e-5, THETA = 100;

/* What a rounding of the pass may come to in a gradient: at most LAYERS * 10 operations there
 * and as many back, each a sum of 24 terms, so 24 roundings at worst and 5 in practice: 300,
 * of sizes up to a few times the largest gradient. */
#define UNITS 1000

/* The tensors of a layer, then those of the ends. */
enum { NORM1, Q, K, V, O, NORM2, GATE, UP, DOWN, OF_LAYER };
enum { EMBED = OF_LAYER * LAYERS, NEW_EMBED, NORM, HEAD_W, EXTRA, ARRAYS };

static size_t shape_of(size_t array, size_t *columns) {
  static const size_t layer[OF_LAYER][2] = {{1, DIM},   {DIM, DIM}, {KV, DIM},
                                            {KV, DIM},  {DIM, DIM}, {1, DIM},
                                            {FFN, DIM}, {FFN, DIM}, {DIM, FFN}};
  static const size_t ends[][2] = {
      {BASE, DIM}, {ADDED, DIM}, {1, DIM}, {BASE, DIM}, {ADDED, DIM}};
  const size_t *shape = array < EMBED ? layer[array % OF_LAYER] : ends[array - EMBED];
  *columns = shape[1];
  return shape[0];
}

/* A low-rank pair, in both precisions. */
typedef struct pair {
  size_t array;
  gm_lora lora;
  float *a, *b, *gradient_a, *gradient_b;
  double *a64, *b64;
} pair;

typedef struct tiny {
  gm_llama llama;
  gm_llama_layer layers[LAYERS];
  float *w[ARRAYS], *vectors;
  double *w64[ARRAYS], *vectors64;
  learned_array learned[ARRAYS];
  pair pairs[2];
  size_t n_pairs;
  /* the batch */
  const size_t *lengths;
  size_t n_sequences, n_rows;
  int32_t *rows, *targets;
  gm_state_gradient extra[3];
  bool *wanted;
  size_t n_extra;
  const gm_attention_lesson *lessons;
  size_t n_lessons;
  bool recompute, bf16;
} tiny;

static gm_tensor matrix(const tiny *m, size_t array) {
  size_t columns, rows = shape_of(array, &columns);
  return f32_matrix(m->w[array], rows, columns);
}

static void build(tiny *m) {
  for (size_t i = 0; i < LAYERS; i++) {
    size_t at = i * OF_LAYER;
    m->layers[i] = (gm_llama_layer){.attention_norm = m->w[at + NORM1],
                                    .q = matrix(m, at + Q),
                                    .k = matrix(m, at + K),
                                    .v = matrix(m, at + V),
                                    .o = matrix(m, at + O),
                                    .ffn_norm = m->w[at + NORM2],
                                    .gate = matrix(m, at + GATE),
                                    .up = matrix(m, at + UP),
                                    .down = matrix(m, at + DOWN)};
  }
  m->llama = (gm_llama){.n_layers = LAYERS,
                        .dim = DIM,
                        .ffn = FFN,
                        .heads = HEADS,
                        .kv_heads = KV_HEADS,
                        .head_dim = HEAD,
                        .kv_dim = KV,
                        .base_vocab = BASE,
                        .vocab = VOCAB,
                        .context = 2048,
                        .eps = (float)EPS,
                        .theta = (float)THETA,
                        .embed = matrix(m, EMBED),
                        .new_embed = matrix(m, NEW_EMBED),
                        .norm = m->w[NORM],
                        .head = matrix(m, HEAD_W),
                        .extra_head = matrix(m, EXTRA),
                        .layers = m->layers};
}

static void tiny_open(tiny *m, const size_t *lengths, size_t n_sequences) {
  gm_rng rng = {7};
  *m = (tiny){.lengths = lengths, .n_sequences = n_sequences};
  for (size_t i = 0; i < ARRAYS; i++) {
    size_t columns, n = shape_of(i, &columns) * columns;
    bool norm = n == DIM;
    float size = norm ? 0.5f : 0.4f;
    m->w[i] = random_floats(&rng, n, norm ? 1 - size : -size, norm ? 1 + size : size);
    m->w64[i] = as_doubles(m->w[i], n);
    m->learned[i] = (learned_array){m->w[i], n};
  }
  m->vectors = random_floats(&rng, VECTORS * DIM, -1, 1);
  m->vectors64 = as_doubles(m->vectors, VECTORS * DIM);
  for (size_t s = 0; s < n_sequences; s++) m->n_rows += lengths[s];
  m->rows = malloc(m->n_rows * sizeof *m->rows);
  m->targets = malloc(m->n_rows * sizeof *m->targets);
  m->wanted = calloc(m->n_rows, sizeof *m->wanted);
  assert_non_null(m->rows);
  assert_non_null(m->targets);
  assert_non_null(m->wanted);
  for (size_t i = 0; i < m->n_rows; i++) {
    m->rows[i] = (int32_t)(gm_rng_u64(&rng) % (VOCAB + VECTORS)) - VECTORS;
    m->targets[i] = i % 3 == 1 ? -1 : (int32_t)(gm_rng_u64(&rng) % VOCAB);
  }
  build(m);
}

static void tiny_close(tiny *m) {
  for (size_t i = 0; i < ARRAYS; i++) {
    free(m->w[i]);
    free(m->w64[i]);
  }
  for (size_t i = 0; i < m->n_pairs; i++) {
    pair *p = &m->pairs[i];
    free(p->a);
    free(p->b);
    free(p->gradient_a);
    free(p->gradient_b);
    free(p->a64);
    free(p->b64);
  }
  free(m->vectors);
  free(m->vectors64);
  free(m->rows);
  free(m->targets);
  free(m->wanted);
}

/* ---- the plain forward ---- */

static void norm64(double *y, const double *x, const double *w) {
  double sum = 0;
  for (size_t k = 0; k < DIM; k++) sum += x[k] * x[k];
  double scale = 1 / sqrt(sum / DIM + EPS);
  for (size_t k = 0; k < DIM; k++) y[k] = x[k] * scale * w[k];
}

/* y (+)= x . w^T, with the array's pair. */
static void linear64(const tiny *m, size_t array, const double *x, double *y, bool add) {
  size_t columns, rows = shape_of(array, &columns);
  for (size_t r = 0; r < rows; r++) {
    double sum = add ? y[r] : 0;
    for (size_t k = 0; k < columns; k++) sum += x[k] * m->w64[array][r * columns + k];
    for (size_t p = 0; p < m->n_pairs; p++) {
      const pair *add_on = &m->pairs[p];
      if (add_on->array != array) continue;
      for (size_t i = 0; i < RANK; i++) {
        double inner = 0;
        for (size_t k = 0; k < columns; k++) inner += x[k] * add_on->a64[i * columns + k];
        sum += (double)add_on->lora.scale * inner * add_on->b64[r * RANK + i];
      }
    }
    y[r] = sum;
  }
}

static void rope64(double *x, size_t heads, size_t position) {
  for (size_t h = 0; h < heads; h++, x += HEAD)
    for (size_t k = 0; k < HEAD / 2; k++) {
      double angle = (double)position * pow(THETA, -2.0 * (double)k / HEAD);
      double a = x[k], b = x[k + HEAD / 2];
      x[k] = a * cos(angle) - b * sin(angle);
      x[k + HEAD / 2] = b * cos(angle) + a * sin(angle);
    }
}

/* The output of query i over keys 0 .. i. */
static void attend64(const double *q, const double *k, const double *v, size_t i, double *out) {
  for (size_t h = 0; h < HEADS; h++) {
    size_t g = h * KV_HEADS / HEADS;
    double sum = 0, mixed[HEAD] = {0};
    for (size_t j = 0; j <= i; j++) {
      double score = 0;
      for (size_t d = 0; d < HEAD; d++)
        score += q[i * DIM + h * HEAD + d] * k[j * KV + g * HEAD + d];
      double e = exp(score / sqrt((double)HEAD));
      sum += e;
      for (size_t d = 0; d < HEAD; d++) mixed[d] += e * v[j * KV + g * HEAD + d];
    }
    for (size_t d = 0; d < HEAD; d++) out[h * HEAD + d] = mixed[d] / sum;
  }
}

static void layer64(const tiny *m, size_t layer, double *x, size_t n) {
  const size_t at = layer * OF_LAYER;
  double *q = calloc(n * (DIM + 2 * KV), sizeof *q), *k = q + n * DIM, *v = k + n * KV;
  double normed[DIM], mixed[DIM], gate[FFN], up[FFN];
  assert_non_null(q);
  for (size_t i = 0; i < n; i++) {
    norm64(normed, x + i * DIM, m->w64[at + NORM1]);
    linear64(m, at + Q, normed, q + i * DIM, false);
    linear64(m, at + K, normed, k + i * KV, false);
    linear64(m, at + V, normed, v + i * KV, false);
    rope64(q + i * DIM, HEADS, i);
    rope64(k + i * KV, KV_HEADS, i);
  }
  for (size_t i = 0; i < n; i++) {
    attend64(q, k, v, i, mixed);
    linear64(m, at + O, mixed, x + i * DIM, true);
    norm64(normed, x + i * DIM, m->w64[at + NORM2]);
    linear64(m, at + GATE, normed, gate, false);
    linear64(m, at + UP, normed, up, false);
    for (size_t f = 0; f < FFN; f++) gate[f] *= up[f] / (1 + exp(-gate[f]));
    linear64(m, at + DOWN, gate, x + i * DIM, true);
  }
  free(q);
}

static double row_loss64(const tiny *m, const double *x, int32_t target) {
  double normed[DIM], logits[VOCAB], sum = 0;
  norm64(normed, x, m->w64[NORM]);
  linear64(m, HEAD_W, normed, logits, false);
  linear64(m, EXTRA, normed, logits + BASE, false);
  for (size_t i = 0; i < VOCAB; i++) sum += exp(logits[i]);
  return log(sum) - logits[target];
}

/* What the extra gradients are the gradient of, for a sequence that begins at row `first`. */
static double extra64(const tiny *m, size_t layer, const double *x, size_t first, size_t n) {
  double sum = 0;
  for (size_t e = 0; e < m->n_extra; e++)
    for (size_t i = 0; i < m->extra[e].n; i++) {
      size_t row = m->extra[e].rows[i];
      if (m->extra[e].layer != layer || row < first || row >= first + n) continue;
      for (size_t k = 0; k < DIM; k++)
        sum += (double)m->extra[e].d[i * DIM + k] * x[(row - first) * DIM + k];
    }
  return sum;
}

enum { LESSON_LAYER = 2 };
static const double LESSON_WEIGHT = 0.7;

/* The lessons of a sequence, given the input of their layer. */
static double lessons64(const tiny *m, const double *x, size_t first, size_t n) {
  const size_t at = (LESSON_LAYER - 1) * OF_LAYER;
  double sum = 0, normed[DIM];
  double *q = calloc(n * (DIM + KV), sizeof *q), *k = q + n * DIM;
  assert_non_null(q);
  for (size_t i = 0; i < n; i++) {
    norm64(normed, x + i * DIM, m->w64[at + NORM1]);
    linear64(m, at + Q, normed, q + i * DIM, false);
    linear64(m, at + K, normed, k + i * KV, false);
    rope64(q + i * DIM, HEADS, i);
    rope64(k + i * KV, KV_HEADS, i);
  }
  for (size_t e = 0; e < m->n_lessons; e++) {
    const gm_attention_lesson *l = &m->lessons[e];
    if (l->row < first || l->row >= first + n) continue;
    const size_t i = l->row - first, group = l->head * KV_HEADS / HEADS;
    double total = 0, there = 0;
    for (size_t j = 0; j <= i; j++) {
      double score = 0;
      for (size_t c = 0; c < HEAD; c++)
        score += q[i * DIM + l->head * HEAD + c] * k[j * KV + group * HEAD + c];
      score /= sqrt((double)HEAD);
      total += exp(score);
      if (j == l->look_at - first) there = score;
    }
    sum += LESSON_WEIGHT * (log(total) - there) / (double)m->n_lessons;
  }
  free(q);
  return sum;
}

static const double *input64(const tiny *m, int32_t row) {
  if (row < 0) return m->vectors64 + (size_t)(-1 - row) * DIM;
  return row < BASE ? m->w64[EMBED] + (size_t)row * DIM
                    : m->w64[NEW_EMBED] + (size_t)(row - BASE) * DIM;
}

static double loss64(void *user) {
  const tiny *m = user;
  double loss = 0, extra = 0;
  size_t count = 0;
  for (size_t s = 0, first = 0; s < m->n_sequences; first += m->lengths[s++]) {
    size_t n = m->lengths[s];
    double *x = calloc(n * DIM, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
      memcpy(x + i * DIM, input64(m, m->rows[first + i]), DIM * sizeof *x);
    for (size_t layer = 0; layer <= LAYERS; layer++) {
      extra += extra64(m, layer, x, first, n);
      if (layer + 1 == LESSON_LAYER) extra += lessons64(m, x, first, n);
      if (layer < LAYERS) layer64(m, layer, x, n);
    }
    for (size_t i = 0; i < n; i++) {
      if (m->targets[first + i] < 0) continue;
      loss += row_loss64(m, x + i * DIM, m->targets[first + i]);
      count++;
    }
    free(x);
  }
  return loss / (double)count + extra;
}

/* ---- the pass ---- */

/* Where the last layer's state has a row of the batch. */
static size_t place_of(const gm_llama_pass *pass, size_t row) {
  for (size_t j = 0; j < pass->n_asked; j++)
    if (pass->asked[j] == row) return j;
  fail_msg("row %zu was not asked for", row);
  return 0;
}

/* Their loss goes to *loss as well. */
static void take_lessons(const tiny *m, gm_llama_pass *pass, gm_attention_gradient *looks,
                         double *loss) {
  gm_compute *c = pass->t->c;
  float *d_q = gm_scratch_f32(c, m->n_rows * DIM, ""),
        *d_k = gm_scratch_f32(c, m->n_rows * KV, "");
  size_t right;
  double own;
  assert_true(d_q && d_k);
  memset(d_q, 0, m->n_rows * DIM * sizeof *d_q);
  memset(d_k, 0, m->n_rows * KV * sizeof *d_k);
  assert_int_equal(gm_attention_lessons(pass, LESSON_LAYER, m->lessons, m->n_lessons,
                                        LESSON_WEIGHT, d_q, d_k, &own, &right),
                   GM_OK);
  assert_true(right <= m->n_lessons);
  *looks = (gm_attention_gradient){LESSON_LAYER, d_q, d_k};
  pass->looks = looks;
  *loss += LESSON_WEIGHT * own;
}

/* out: the loss, then the gradient by the vectors (NULL user: not wanted). */
static void step(const gm_training *training, void *user, float *out) {
  tiny *m = user;
  gm_training t = *training;
  gm_error err;
  t.recompute = m->recompute;
  t.bf16 = m->bf16;
  t.c->err = &err;
  const gm_llama_batch batch = {m->lengths, m->n_sequences, m->n_rows, m->rows,
                                m->vectors, m->targets,     m->wanted, out + 1};
  gm_llama_pass pass;
  double loss;
  gm_arena_mark mark = gm_arena_save(&t.c->arena);
  assert_ok(gm_llama_train_forward(&pass, &t, &m->llama, &batch), &err);
  assert_ok(gm_llama_train_loss(&pass, &loss), &err);
  gm_state_gradient extra[3];
  size_t rows[3][8];
  for (size_t e = 0; e < m->n_extra; e++) {
    extra[e] = m->extra[e];
    if (extra[e].layer < LAYERS) continue;
    for (size_t i = 0; i < extra[e].n; i++) rows[e][i] = place_of(&pass, extra[e].rows[i]);
    extra[e].rows = rows[e];
  }
  gm_attention_gradient looks;
  if (m->n_lessons > 0) take_lessons(m, &pass, &looks, &loss);
  assert_ok(gm_llama_train_back(&pass, extra, m->n_extra), &err);
  gm_arena_restore(&t.c->arena, mark);
  out[0] = (float)loss;
}

static const size_t lengths[] = {7, 1, 12};

static void gradients_equal_differences(void **state) {
  (void)state;
  tiny m;
  gm_rng rng = {3};
  tiny_open(&m, lengths, 3);
  /* Gradients from elsewhere at every kind of state. */
  static const size_t rows[] = {2, 9, 19, 2};
  float *d = random_floats(&rng, 4 * DIM, -0.02f, 0.02f);
  m.n_extra = 3;
  m.extra[0] = (gm_state_gradient){0, 4, rows, d};
  m.extra[1] = (gm_state_gradient){2, 3, rows, d};
  m.extra[2] = (gm_state_gradient){LAYERS, 2, rows + 1, d};
  m.targets[9] = -1; /* one row of the last state that has no target */
  m.wanted[9] = m.wanted[19] = true;
  float *out = run_training(NULL, step, &m, m.learned, ARRAYS, NULL, 1 + VECTORS * DIM, "step");

  size_t n_extra = m.n_extra;
  m.n_extra = 0;
  assert_float_equal(out[0], (float)loss64(&m), 1e-5f);
  m.n_extra = n_extra;
  assert_gradient(loss64, &m, m.vectors64, out + 1, VECTORS * DIM, 0, UNITS, 0, "vectors");
  const float *gradient = out + 1 + VECTORS * DIM;
  for (size_t i = 0; i < ARRAYS; gradient += m.learned[i++].n) {
    char what[32];
    snprintf(what, sizeof what, "array %zu", i);
    assert_gradient(loss64, &m, m.w64[i], gradient, m.learned[i].n, 12, UNITS, 0, what);
  }

  m.recompute = true;
  float *again =
      run_training(NULL, step, &m, m.learned, ARRAYS, NULL, 1 + VECTORS * DIM, "step");
  assert_same_bits(again, out, (size_t)(gradient - out), "computed again");
  free(again);
  free(out);
  free(d);
  tiny_close(&m);
}

static void lessons_of_attention_equal_differences(void **state) {
  (void)state;
  /* In the first and the last sequence; two of one row, and a row that looks at itself. */
  static const gm_attention_lesson lessons[] = {
      {3, 1, 0}, {3, 2, 3}, {12, 8, 1}, {19, 19, 2}, {17, 10, 0}};
  tiny m;
  tiny_open(&m, lengths, 3);
  m.lessons = lessons;
  m.n_lessons = sizeof lessons / sizeof *lessons;
  float *out = run_training(NULL, step, &m, m.learned, ARRAYS, NULL, 1 + VECTORS * DIM, "step");
  assert_float_equal(out[0], (float)loss64(&m), 1e-5f);
  assert_gradient(loss64, &m, m.vectors64, out + 1, VECTORS * DIM, 0, UNITS, 0, "vectors");
  const float *gradient = out + 1 + VECTORS * DIM;
  for (size_t i = 0; i < ARRAYS; gradient += m.learned[i++].n)
    if (i / OF_LAYER < LESSON_LAYER)
      assert_gradient(loss64, &m, m.w64[i], gradient, m.learned[i].n, 12, UNITS, 0, "a layer");
  free(out);
  tiny_close(&m);
}

/* Without vectors: the backward stops at the weight. */
static void step_for_weights(const gm_training *t, void *user, float *out) {
  tiny *m = user;
  (void)out;
  gm_error err;
  const gm_llama_batch batch = {m->lengths, m->n_sequences, m->n_rows, m->rows,
                                m->vectors, m->targets,     m->wanted, NULL};
  gm_llama_pass pass;
  double loss;
  t->c->err = &err;
  assert_ok(gm_llama_train_forward(&pass, t, &m->llama, &batch), &err);
  assert_ok(gm_llama_train_loss(&pass, &loss), &err);
  assert_ok(gm_llama_train_back(&pass, NULL, 0), &err);
}

static void a_weight_learns_alone_as_with_others(void **state) {
  (void)state;
  tiny m;
  tiny_open(&m, lengths, 3);
  gm_training *all = training_open(1, NULL, m.learned, ARRAYS);
  step_for_weights(all, &m, NULL);
  for (size_t i = 0; i < ARRAYS; i++) {
    gm_training *alone = training_open(1, NULL, &m.learned[i], 1);
    step_for_weights(alone, &m, NULL);
    assert_true(training_reached(alone, m.w[i]));
    assert_same_bits(training_gradient(alone, m.w[i]), training_gradient(all, m.w[i]),
                     m.learned[i].n, "a weight alone");
    training_close(alone);
  }
  training_close(all);
  tiny_close(&m);
}

static bool count_poll(void *user) {
  ++*(size_t *)user;
  return false;
}

/* Polls stand for work: two a layer and direction. */
static void nothing_is_computed_for_nobody(void **state) {
  (void)state;
  tiny m;
  tiny_open(&m, lengths, 3);
  size_t polls[LAYERS + 2];
  for (size_t i = 0; i < LAYERS + 2; i++) {
    const size_t array = i < LAYERS ? i * OF_LAYER + UP : HEAD_W;
    gm_training *t = training_open(1, NULL, &m.learned[array], i <= LAYERS);
    polls[i] = 0;
    t->c->cancelled = count_poll;
    t->c->cancel_user = &polls[i];
    step_for_weights(t, &m, NULL);
    training_close(t);
  }
  for (size_t i = 0; i < LAYERS; i++) assert_true(polls[i] >= polls[i + 1] + 2);
  assert_true(polls[LAYERS] >= polls[LAYERS + 1]);
  tiny_close(&m);
}

/* ---- pairs ---- */

static void add_pair(tiny *m, size_t array, gm_rng *rng) {
  size_t columns, rows = shape_of(array, &columns);
  pair *p = &m->pairs[m->n_pairs++];
  p->array = array;
  p->a = random_floats(rng, RANK * columns, -0.5f, 0.5f);
  p->b = random_floats(rng, rows * RANK, -0.5f, 0.5f);
  p->a64 = as_doubles(p->a, RANK * columns);
  p->b64 = as_doubles(p->b, rows * RANK);
  p->gradient_a = zeros(RANK * columns);
  p->gradient_b = zeros(rows * RANK);
  p->lora = (gm_lora){RANK, 0.7f, p->a, p->b, p->gradient_a, p->gradient_b};
}

static void pairs_learn(void **state) {
  (void)state;
  tiny m;
  gm_rng rng = {11};
  tiny_open(&m, lengths, 3);
  add_pair(&m, OF_LAYER + Q, &rng);
  add_pair(&m, 2 * OF_LAYER + DOWN, &rng);
  const learned_array arrays[] = {m.learned[OF_LAYER + Q], m.learned[2 * OF_LAYER + DOWN]};
  gm_training *t = training_open(2, NULL, arrays, 2);
  for (size_t i = 0; i < 2; i++) {
    gm_learned *learned = gm_learned_find(t->learned, m.w[m.pairs[i].array]);
    free(learned->gradient);
    learned->gradient = NULL; /* only the pair learns */
    learned->lora = &m.pairs[i].lora;
  }
  step_for_weights(t, &m, NULL);
  for (size_t i = 0; i < 2; i++) {
    pair *p = &m.pairs[i];
    size_t columns, rows = shape_of(p->array, &columns);
    assert_gradient(loss64, &m, p->a64, p->gradient_a, RANK * columns, 0, UNITS, 0, "a");
    assert_gradient(loss64, &m, p->b64, p->gradient_b, rows * RANK, 0, UNITS, 0, "b");
  }
  training_close(t);
  tiny_close(&m);
}

/* More targets than have their logits in memory at once. */
static void many_targets(void **state) {
  (void)state;
  static const size_t long_ones[] = {260, 10};
  tiny m;
  tiny_open(&m, long_ones, 2);
  float *out = run_training(NULL, step, &m, m.learned, ARRAYS, NULL, 1 + VECTORS * DIM, "step");
  assert_float_equal(out[0], (float)loss64(&m), 1e-5f);
  const float *gradient = out + 1 + VECTORS * DIM;
  for (size_t i = 0; i < ARRAYS; gradient += m.learned[i++].n)
    if (i == OF_LAYER + V || i == EXTRA)
      assert_gradient(loss64, &m, m.w64[i], gradient, m.learned[i].n, 3, UNITS, 0, "weight");
  free(out);
  tiny_close(&m);
}

/* Factors have 8 bits, so a product is off by 2^-8 of the sum of its terms' sizes at most.
 * States and logits have sizes about 1, in three layers and a head: 4 * 4 such products and
 * their rounding errors, mostly of both signs, leave the loss within 2 %. */
static void factors_of_bf16_change_little(void **state) {
  (void)state;
  tiny m;
  tiny_open(&m, lengths, 3);
  const size_t n = 1 + VECTORS * DIM;
  float *exact = run_training(NULL, step, &m, m.learned, ARRAYS, NULL, n, "f32");
  m.bf16 = true;
  float *rounded = run_training(NULL, step, &m, m.learned, ARRAYS, NULL, n, "bf16");
  m.recompute = true;
  float *again = run_training(NULL, step, &m, m.learned, ARRAYS, NULL, n, "bf16");
  if (gm_kernels_best()->rounds[GM_TYPE_F16]) assert_true(rounded[0] != exact[0]);
  assert_true(fabsf(rounded[0] - exact[0]) <= 0.02f * exact[0]);
  double dot = 0, a = 0, b = 0;
  for (size_t i = 1; i < n; i++) {
    dot += (double)exact[i] * (double)rounded[i];
    a += (double)exact[i] * (double)exact[i];
    b += (double)rounded[i] * (double)rounded[i];
  }
  assert_true(dot >= 0.999 * sqrt(a * b)); /* an error of 4 % of the length at right angles */
  assert_same_bits(again, rounded, n, "computed again");
  free(exact);
  free(rounded);
  free(again);
  tiny_close(&m);
}

/* Where nothing learns there is a loss all the same. */
static void a_loss_without_gradients(void **state) {
  (void)state;
  tiny m;
  tiny_open(&m, lengths, 3);
  gm_training *t = training_open(2, NULL, NULL, 0);
  const gm_llama_batch batch = {m.lengths, m.n_sequences, m.n_rows, m.rows,
                                m.vectors, m.targets,     NULL,     NULL};
  gm_llama_pass pass;
  gm_error err;
  double loss;
  assert_ok(gm_llama_train_forward(&pass, t, &m.llama, &batch), &err);
  assert_ok(gm_llama_train_loss(&pass, &loss), &err);
  assert_float_equal((float)loss, (float)loss64(&m), 1e-5f);
  assert_false(pass.learns);
  assert_null(pass.d);
  training_close(t);
  tiny_close(&m);
}

static void no_target_gives_no_loss(void **state) {
  (void)state;
  tiny m;
  tiny_open(&m, lengths, 3);
  for (size_t i = 0; i < m.n_rows; i++) m.targets[i] = -1;
  float *out = run_training(NULL, step, &m, m.learned, ARRAYS, NULL, 1 + VECTORS * DIM, "step");
  size_t n = 1 + VECTORS * DIM;
  for (size_t i = 0; i < ARRAYS; i++) n += m.learned[i].n;
  for (size_t i = 0; i < n; i++) assert_true(out[i] == 0);
  free(out);
  tiny_close(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_equal_differences),
      cmocka_unit_test(lessons_of_attention_equal_differences),
      cmocka_unit_test(a_weight_learns_alone_as_with_others),
      cmocka_unit_test(nothing_is_computed_for_nobody),
      cmocka_unit_test(pairs_learn),
      cmocka_unit_test(many_targets),
      cmocka_unit_test(factors_of_bf16_change_little),
      cmocka_unit_test(a_loss_without_gradients),
      cmocka_unit_test(no_target_gives_no_loss),
  };
  return cmocka_run_group_tests_name("llama_train", tests, NULL, NULL);
}
