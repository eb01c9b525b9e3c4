/* test_towers_train.c - DINOv2 of groma-mini and both towers of clip-mini that learn: the
 * forward is inference's, and each tensor's gradient is the slope of the loss along it. */
#include "clip_support.h"
#include "ops_support.h"
#include "vision_support.h"

#include "clip_train.h"
#include "dinov2_train.h"
#include "params.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PICTURES = 2 };

/* A loss over weights in training. With `backward`, adds the gradients too. */
typedef struct model model;
struct model {
  gm_training t;
  gm_params *params;
  double (*loss)(model *m, bool backward);
  float *pixels, *r;
  gm_dinov2 dinov2;
  gm_clip_model *clip;
  int32_t *ids;
  size_t *ends, n_texts;
  gm_error err;
};

static void open_training(model *m, const gm_model_file *file, const char *const *parts,
                          size_t n_parts) {
  gm_learn_rule rules[4] = {0};
  for (size_t i = 0; i < n_parts; i++)
    rules[i] = (gm_learn_rule){.which = {.part = parts[i]}, .how = GM_LEARN_WHOLE};
  assert_ok(gm_params_create(&m->params, file, rules, n_parts, false, 1, &m->err), &m->err);
  m->t = (gm_training){.c = compute_open(0, NULL), .learned = &m->params->learned};
  m->t.c->err = &m->err;
  gm_params_clear(m->params, NULL);
}

static void close_training(model *m) {
  compute_close((gm_compute *)m->t.c);
  gm_params_free(m->params);
  free(m->pixels);
  free(m->r);
  free(m->ids);
  free(m->ends);
}

static void random_pixels(model *m, size_t side) {
  gm_rng rng = {17};
  m->pixels = random_floats(&rng, PICTURES * 3 * side * side, -1.5f, 1.5f);
}

/* The loss along a tensor's gradient g rises by |g|^2 for a unit of step. The step moves the
 * loss by 5e-4 of itself, or less where it would move the tensor by more than a fiftieth; steps
 * that move the loss by less than 1e-4 are left out (keys' biases, whose gradient is 0 in
 * theory). The f32 sums of the loss are good to about 1e-6 of it (or of 0.5), so the slope to
 * 5e-3; the five-point difference takes the third derivative out. Wrong or missing terms change
 * the slope by far more than the 2 per cent that are allowed. */
static void check_slopes(model *m) {
  size_t seen = 0;
  double at = m->loss(m, true);
  for (size_t i = 0; i < m->params->n; i++) {
    gm_param *p = &m->params->all[i];
    double square = 0;
    for (size_t k = 0; k < p->n; k++) square += (double)p->gradient[k] * p->gradient[k];
    double h = 5e-4 * fmax(fabs(at), 0.5) / square;
    double size = 0;
    for (size_t k = 0; k < p->n; k++) size += (double)p->value[k] * p->value[k];
    /* No longer than a fiftieth of the tensor, or of 0.1 for one that is zero. */
    double longest = 0.02 * sqrt(fmax(size, 0.01)) / sqrt(square);
    if (h > longest) h = longest;
    if (!p->learned->reached || h * square < 1e-4 * fmax(fabs(at), 0.5)) continue;
    float *kept = malloc(p->n * sizeof *kept);
    memcpy(kept, p->value, p->n * sizeof *kept);
    static const double steps[4] = {1, -1, 2, -2};
    double side[4];
    for (int s = 0; s < 4; s++) {
      for (size_t k = 0; k < p->n; k++)
        p->value[k] = kept[k] + (float)(steps[s] * h * p->gradient[k]);
      side[s] = m->loss(m, false);
    }
    memcpy(p->value, kept, p->n * sizeof *kept);
    free(kept);
    double slope = (8 * (side[0] - side[1]) - (side[2] - side[3])) / (12 * h),
           off = fabs(slope / square - 1);
    if (off > 0.02) print_error("%s: slope %g, |gradient|^2 %g\n", p->name, slope, square);
    assert_true(off <= 0.02);
    seen++;
  }
  print_message("%zu of %zu tensors\n", seen, m->params->n);
  assert_true(seen * 10 >= m->params->n * 7);
}

/* ---- DINOv2: the loss is a fixed mixture of the last three states */

static double dinov2_loss(model *m, bool backward) {
  const gm_dinov2 *w = &m->dinov2;
  gm_compute *c = m->t.c;
  size_t n = PICTURES * (1 + w->grid * w->grid) * w->shape.dim, L = w->layers;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  assert_ok(gm_dinov2_refresh(&m->dinov2, &m->err), &m->err);
  float *keep[16] = {NULL};
  const float *d[16] = {NULL};
  for (size_t i = L - 2; i <= L; i++) {
    keep[i] = gm_scratch_f32(c, n, "states");
    d[i] = m->r;
  }
  gm_dinov2_kept kept;
  assert_ok(gm_dinov2_train(&m->t, w, m->pixels, PICTURES, keep, &kept), &m->err);
  double loss = 0;
  for (size_t i = L - 2; i <= L; i++)
    for (size_t k = 0; k < n; k++) loss += (double)m->r[k] * keep[i][k];
  if (backward) assert_ok(gm_dinov2_back(&m->t, w, PICTURES, d, &kept), &m->err);
  gm_arena_restore(&c->arena, mark);
  return loss;
}

static void test_dinov2(void **state) {
  (void)state;
  gm_model_file *file = converted_model(GM_TEST_DATA "/models/groma-mini", "f32");
  model m = {.loss = dinov2_loss};
  static const char *const parts[] = {"vision"};
  open_training(&m, file, parts, 1);
  gm_groma_hparams hparams;
  assert_ok(gm_groma_hparams_read(&hparams, file, &m.err), &m.err);
  assert_ok(gm_dinov2_load(&m.dinov2, m.params->view, &hparams, &m.err), &m.err);
  const gm_dinov2 *w = &m.dinov2;
  size_t tokens = 1 + w->grid * w->grid, n = tokens * w->shape.dim, L = w->layers;
  random_pixels(&m, w->image_size);
  gm_rng rng = {3};
  m.r = random_floats(&rng, PICTURES * n, -1, 1);

  /* Each entry is inference's picture: 1e-4 of numbers below 10, for other orders of sums. */
  float *keep[16] = {NULL}, *all = zeros(PICTURES * n), *one = zeros(n);
  gm_dinov2_kept kept;
  keep[L] = all;
  gm_arena_mark mark = gm_arena_save(&m.t.c->arena);
  assert_ok(gm_dinov2_train(&m.t, w, m.pixels, PICTURES, keep, &kept), &m.err);
  gm_arena_restore(&m.t.c->arena, mark);
  keep[L] = one;
  for (size_t i = 0; i < PICTURES; i++) {
    const float *pixels = m.pixels + i * 3 * w->image_size * w->image_size;
    assert_ok(gm_dinov2_forward(m.t.c, w, pixels, keep), &m.err);
    assert_close(all + i * n, one, n, 1e-4, "states");
  }
  free(all);
  free(one);
  check_slopes(&m);
  gm_dinov2_free(&m.dinov2);
  close_training(&m);
  gm_model_file_close(file);
}

/* ---- CLIP: the contrastive loss of pictures and texts */

static double clip_loss(model *m, bool backward) {
  gm_clip_model *clip = m->clip;
  gm_compute *c = m->t.c;
  size_t D = clip->features;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  assert_ok(gm_clip_vision_refresh(&clip->vision, &m->err), &m->err);
  gm_clip_text_refresh(&clip->text);
  float images[PICTURES * 1024], texts[PICTURES * 1024], d_images[PICTURES * 1024],
      d_texts[PICTURES * 1024];
  assert_true(D <= 1024);
  gm_clip_vision_kept vision;
  gm_clip_text_kept text;
  assert_ok(gm_clip_vision_train(&m->t, &clip->vision, m->pixels, PICTURES, images, &vision),
            &m->err);
  assert_ok(gm_clip_text_train(&m->t, &clip->text, m->ids, m->ends, PICTURES, texts, &text),
            &m->err);
  static const int32_t labels[PICTURES] = {0, 1};
  double loss;
  assert_ok(gm_contrastive_loss(&m->t, images, texts, labels, PICTURES, D, 10, &loss, d_images,
                                d_texts, NULL),
            &m->err);
  if (backward) {
    assert_ok(gm_clip_vision_back(&m->t, &clip->vision, PICTURES, images, d_images, &vision),
              &m->err);
    assert_ok(
        gm_clip_text_back(&m->t, &clip->text, m->ids, m->ends, PICTURES, texts, d_texts, &text),
        &m->err);
  }
  gm_arena_restore(&c->arena, mark);
  return loss;
}

static void test_clip(void **state) {
  (void)state;
  gm_model_file *file = converted_model(GM_MODELS "/clip-mini", "f32");
  model m = {.loss = clip_loss};
  static const char *const parts[] = {"vision", "text"};
  open_training(&m, file, parts, 2);
  assert_ok(gm_clip_model_load(&m.clip, m.params->view, &m.err), &m.err);
  const gm_clip_model *clip = m.clip;
  size_t context = clip->text.context, D = clip->features;
  random_pixels(&m, clip->vision.image_size);
  m.ids = calloc(PICTURES * context, sizeof *m.ids);
  m.ends = calloc(PICTURES, sizeof *m.ends);
  static const char *const texts[PICTURES] = {"a photo of a dog.", "a red apple"};
  gm_error err;
  for (size_t i = 0; i < PICTURES; i++) {
    size_t used;
    assert_ok(gm_clip_encode_context(clip->tokenizer, texts[i], strlen(texts[i]), GM_CLIP_PLAIN,
                                     m.ids + i * context, context, &used, &err),
              &err);
    m.ends[i] = used - 1;
  }

  /* The features are inference's, up to other orders of sums. */
  float *found = zeros(PICTURES * D), *wanted = zeros(PICTURES * D);
  gm_clip_vision_kept vision;
  gm_clip_text_kept text;
  gm_arena_mark mark = gm_arena_save(&m.t.c->arena);
  assert_ok(gm_clip_vision_train(&m.t, &clip->vision, m.pixels, PICTURES, found, &vision),
            &m.err);
  assert_ok(gm_clip_vision_forward(m.t.c, &clip->vision, m.pixels, PICTURES, wanted), &m.err);
  assert_close(found, wanted, PICTURES * D, 1e-5, "picture features");
  assert_ok(gm_clip_text_train(&m.t, &clip->text, m.ids, m.ends, PICTURES, found, &text),
            &m.err);
  assert_ok(gm_clip_text_forward(m.t.c, &clip->text, m.ids, m.ends, PICTURES, wanted), &m.err);
  assert_close(found, wanted, PICTURES * D, 1e-5, "text features");
  gm_arena_restore(&m.t.c->arena, mark);
  free(found);
  free(wanted);
  check_slopes(&m);
  gm_clip_model_free(m.clip);
  close_training(&m);
  gm_model_file_close(file);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_dinov2),
                                     cmocka_unit_test(test_clip)};
  return cmocka_run_group_tests_name("towers_train", tests, NULL, NULL);
}
