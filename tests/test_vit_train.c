/* test_vit_train.c - the transformer block that learns, against differences of a plain forward
 * in double precision; and CLIP's contrastive loss. */
#include "gradient_check.h"

#include "clip_train.h"
#include "vit_train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { C = 12, F = 20, HEADS = 3, T = 5, B = 2, ROWS = B * T };

/* The weights of a block, in the order of the arrays below. */
enum { N1W, N1B, QKV, QKV_B, OUT, OUT_B, S1, N2W, N2B, FC1, FC1_B, FC2, FC2_B, S2, N_WEIGHTS };
static const size_t sizes[N_WEIGHTS] = {C, C, 3 * C *C, 3 * C, C *C, C, C,
                                        C, C, F *C,     F,     C *F, C, C};

typedef struct fixture {
  gm_vit_shape shape;
  bool scaled;
  float *w[N_WEIGHTS], *x, *r; /* r: the loss is the sum of r * output */
  double *wd[N_WEIGHTS], *xd;
  gm_vit_block block;
} fixture;

static void make(fixture *f, gm_act act, bool causal, bool scaled, bool fused) {
  gm_rng rng = {11};
  f->shape = (gm_vit_shape){
      .dim = C, .hidden = F, .heads = HEADS, .eps = 1e-5f, .act = act, .causal = causal};
  f->scaled = scaled;
  for (size_t i = 0; i < N_WEIGHTS; i++) {
    f->w[i] = random_floats(&rng, sizes[i], -0.6f, 0.6f);
    f->wd[i] = as_doubles(f->w[i], sizes[i]);
  }
  f->x = random_floats(&rng, ROWS * C, -1, 1);
  f->xd = as_doubles(f->x, ROWS * C);
  f->r = random_floats(&rng, ROWS * C, -1, 1);
  float *const *w = f->w;
  f->block = (gm_vit_block){.norm1_w = w[N1W],
                            .norm1_b = w[N1B],
                            .out = f32_matrix(w[OUT], C, C),
                            .out_b = w[OUT_B],
                            .scale1 = scaled ? w[S1] : NULL,
                            .norm2_w = w[N2W],
                            .norm2_b = w[N2B],
                            .fc1 = f32_matrix(w[FC1], F, C),
                            .fc1_b = w[FC1_B],
                            .fc2 = f32_matrix(w[FC2], C, F),
                            .fc2_b = w[FC2_B],
                            .scale2 = scaled ? w[S2] : NULL,
                            .q = f32_matrix(w[QKV], C, C),
                            .q_b = w[QKV_B],
                            .k = f32_matrix(w[QKV] + C * C, C, C),
                            .k_b = w[QKV_B] + C,
                            .v = f32_matrix(w[QKV] + 2 * C * C, C, C),
                            .v_b = w[QKV_B] + 2 * C};
  if (fused) {
    f->block.qkv = f32_matrix(w[QKV], 3 * C, C);
    f->block.qkv_b = w[QKV_B];
  }
}

static void drop(fixture *f) {
  for (size_t i = 0; i < N_WEIGHTS; i++) {
    free(f->w[i]);
    free(f->wd[i]);
  }
  free(f->x);
  free(f->xd);
  free(f->r);
}

/* ---- the plain forward */

static void norm(double *y, const double *x, const double *w, const double *b, double eps) {
  double mean = 0, var = 0;
  for (size_t i = 0; i < C; i++) mean += x[i] / C;
  for (size_t i = 0; i < C; i++) var += (x[i] - mean) * (x[i] - mean) / C;
  for (size_t i = 0; i < C; i++) y[i] = (x[i] - mean) / sqrt(var + eps) * w[i] + b[i];
}

static void product(double *y, const double *x, const double *w, const double *b, size_t n,
                    size_t k) {
  for (size_t i = 0; i < n; i++) {
    y[i] = b[i];
    for (size_t j = 0; j < k; j++) y[i] += x[j] * w[i * k + j];
  }
}

static double act(gm_act a, double v) {
  return a == GM_ACT_GELU ? v * 0.5 * erfc(-v * sqrt(0.5)) : v / (1 + exp(-1.702 * v));
}

static double loss(void *user) {
  const fixture *f = user;
  double *const *w = f->wd, x[ROWS][C], y[C], qkv[ROWS][3 * C], total = 0;
  double eps = f->shape.eps, scale = 1 / sqrt((double)C / HEADS);
  memcpy(x, f->xd, sizeof x);
  for (size_t r = 0; r < ROWS; r++) {
    norm(y, x[r], w[N1W], w[N1B], eps);
    product(qkv[r], y, w[QKV], w[QKV_B], 3 * C, C);
  }
  for (size_t r = 0; r < ROWS; r++) {
    size_t first = r / T * T, n = f->shape.causal ? r - first + 1 : T;
    double mixed[C] = {0}, hidden[F], p[T], sum;
    for (size_t h = 0; h < HEADS; h++) {
      size_t d = C / HEADS, at = h * d;
      sum = 0;
      for (size_t j = 0; j < n; j++) {
        double s = 0;
        for (size_t k = 0; k < d; k++) s += qkv[r][at + k] * qkv[first + j][C + at + k];
        sum += p[j] = exp(s * scale);
      }
      for (size_t j = 0; j < n; j++)
        for (size_t k = 0; k < d; k++)
          mixed[at + k] += p[j] / sum * qkv[first + j][2 * C + at + k];
    }
    product(y, mixed, w[OUT], w[OUT_B], C, C);
    for (size_t i = 0; i < C; i++) x[r][i] += y[i] * (f->scaled ? w[S1][i] : 1);
    norm(y, x[r], w[N2W], w[N2B], eps);
    product(hidden, y, w[FC1], w[FC1_B], F, C);
    for (size_t i = 0; i < F; i++) hidden[i] = act(f->shape.act, hidden[i]);
    product(y, hidden, w[FC2], w[FC2_B], C, F);
    for (size_t i = 0; i < C; i++) {
      x[r][i] += y[i] * (f->scaled ? w[S2][i] : 1);
      total += f->r[r * C + i] * x[r][i];
    }
  }
  return total;
}

/* ---- the passes under test */

/* out[2 * ROWS * C]: the output, then the gradient by the input. */
static void pass(const gm_training *t, void *arg, float *out) {
  fixture *f = arg;
  float *d = out + ROWS * C;
  gm_vit_kept kept;
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  memcpy(out, f->x, ROWS * C * sizeof *out);
  memcpy(d, f->r, ROWS * C * sizeof *d);
  assert_int_equal(gm_vit_block_train(t, &f->block, &f->shape, out, B, T, &kept), GM_OK);
  assert_int_equal(gm_vit_block_back(t, &f->block, &f->shape, d, B, T, &kept), GM_OK);
  gm_arena_restore(&t->c->arena, mark);
}

static void recomputed_pass(const gm_training *t, void *arg, float *out) {
  gm_training again = *t;
  again.recompute = true;
  pass(&again, arg, out);
}

static size_t arrays_of(const fixture *f, learned_array out[N_WEIGHTS]) {
  size_t n = 0;
  for (size_t i = 0; i < N_WEIGHTS; i++)
    if (f->scaled || (i != S1 && i != S2)) out[n++] = (learned_array){f->w[i], sizes[i]};
  return n;
}

/* The longest chain: two norms, five products of at most 3 C = 36 terms, a softmax, and their
 * backward passes: about 200 roundings of numbers that are a few times the result. */
static const double units = 2000;

static void check(gm_act a, bool causal, bool scaled, bool fused) {
  fixture f;
  make(&f, a, causal, scaled, fused);
  learned_array arrays[N_WEIGHTS];
  size_t n = arrays_of(&f, arrays);
  float *out = run_training(NULL, pass, &f, arrays, n, NULL, 2 * ROWS * C, "a block");
  double sum = 0;
  for (size_t i = 0; i < ROWS * C; i++) sum += (double)out[i] * f.r[i];
  assert_true(fabs(sum - loss(&f)) < units * UNIT * ROWS);
  assert_gradient(loss, &f, f.xd, out + ROWS * C, ROWS * C, 0, units, 0, "the input");
  const float *g = out + 2 * ROWS * C;
  for (size_t i = 0; i < N_WEIGHTS; i++) {
    if (!f.scaled && (i == S1 || i == S2)) continue;
    assert_gradient(loss, &f, f.wd[i], g, sizes[i], 60, units, 0.1, "a weight");
    g += sizes[i];
  }
  float *again =
      run_training(NULL, recomputed_pass, &f, arrays, n, NULL, 2 * ROWS * C, "recomputed");
  assert_same_bits(again, out, (size_t)(g - out), "recomputed");
  free(again);
  free(out);
  drop(&f);
}

static void gradients_are_those_of_the_plain_block(void **state) {
  (void)state;
  check(GM_ACT_GELU, false, true, false);
  check(GM_ACT_QUICK_GELU, true, false, true);
  check(GM_ACT_QUICK_GELU, false, false, false);
}

/* Nothing learns: the gradient by the input is the same, and no weight is touched. */
static void a_frozen_block_passes_the_gradient_on(void **state) {
  (void)state;
  fixture f;
  make(&f, GM_ACT_GELU, false, true, false);
  learned_array arrays[N_WEIGHTS];
  size_t n = arrays_of(&f, arrays);
  float *all = run_training(NULL, pass, &f, arrays, n, NULL, 2 * ROWS * C, "learning");
  float *none = run_training(NULL, pass, &f, NULL, 0, NULL, 2 * ROWS * C, "frozen");
  assert_same_bits(none, all, 2 * ROWS * C, "frozen");
  gm_training *t = training_open(1, NULL, arrays + 1, 1);
  assert_true(gm_vit_block_learns(t, &f.block));
  training_close(t);
  t = training_open(1, NULL, NULL, 0);
  assert_false(gm_vit_block_learns(t, &f.block));
  training_close(t);
  free(all);
  free(none);
  drop(&f);
}

/* ---- contrastive loss */

enum { N = 4, D = 6 };
static const int32_t labels[N] = {0, 1, 0, 2};

typedef struct pairs {
  float *images, *texts, scale;
  double *imaged, *textd, scaled;
} pairs;

/* Mean of both directions; the right ones share the target equally. */
static double contrastive(void *user) {
  const pairs *p = user;
  double total = 0, logits[N][N];
  for (size_t i = 0; i < N; i++)
    for (size_t j = 0; j < N; j++) {
      logits[i][j] = 0;
      for (size_t k = 0; k < D; k++)
        logits[i][j] += p->scaled * p->imaged[i * D + k] * p->textd[j * D + k];
    }
  for (size_t way = 0; way < 2; way++)
    for (size_t i = 0; i < N; i++) {
      double sum = 0, right = 0, mean = 0;
      for (size_t j = 0; j < N; j++) {
        double v = way ? logits[j][i] : logits[i][j];
        sum += exp(v);
        if (labels[i] == labels[j]) {
          right++;
          mean += v;
        }
      }
      total += (log(sum) - mean / right) / (2 * N);
    }
  return total;
}

static void contrastive_loss_has_its_gradients(void **state) {
  (void)state;
  gm_rng rng = {5};
  pairs p = {.images = random_floats(&rng, N * D, -1, 1),
             .texts = random_floats(&rng, N * D, -1, 1),
             .scale = 1.7f};
  p.imaged = as_doubles(p.images, N * D);
  p.textd = as_doubles(p.texts, N * D);
  p.scaled = p.scale;
  float d_images[N * D], d_texts[N * D], d_scale;
  double found;
  gm_training *t = training_open(1, NULL, NULL, 0);
  assert_int_equal(gm_contrastive_loss(t, p.images, p.texts, labels, N, D, p.scale, &found,
                                       d_images, d_texts, &d_scale),
                   GM_OK);
  training_close(t);
  /* Cosines are rounded once, exponents of at most 6 amplify that. */
  assert_true(fabs(found - contrastive(&p)) < 20 * UNIT);
  assert_gradient(contrastive, &p, p.imaged, d_images, N * D, 0, 50, 0, "pictures");
  assert_gradient(contrastive, &p, p.textd, d_texts, N * D, 0, 50, 0, "texts");
  assert_gradient(contrastive, &p, &p.scaled, &d_scale, 1, 0, 50, 0, "the scale");
  free(p.images);
  free(p.texts);
  free(p.imaged);
  free(p.textd);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(gradients_are_those_of_the_plain_block),
      cmocka_unit_test(a_frozen_block_passes_the_gradient_on),
      cmocka_unit_test(contrastive_loss_has_its_gradients),
  };
  return cmocka_run_group_tests_name("vit_train", tests, NULL, NULL);
}
