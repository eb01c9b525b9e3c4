/* clip_batch.c - see clip_batch.h. */
#include "clip_batch.h"

#include "alignment.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char scale_name[] = "logit_scale";

gm_status clip_learner_load(clip_learner *l, gm_params *params, gm_error *err) {
  static const size_t shape[1] = {1};
  const float first = logf(1 / 0.07F); /* the paper's */
  l->params = params;
  GM_TRY(gm_params_add(params, scale_name, "scale", 1, shape, &first, &l->log_scale, err));
  l->t.learned = &params->learned;
  return gm_clip_model_load(&l->model, params->view, err);
}

void clip_learner_free(clip_learner *l) {
  gm_clip_model_free(l->model);
}

gm_status clip_learner_refresh(clip_learner *l, gm_error *err) {
  *l->log_scale = fminf(*l->log_scale, logf(100));
  gm_clip_text_refresh(&l->model->text);
  return gm_clip_vision_refresh(&l->model->vision, err);
}

/* ids[n, context] and ends[n] of the sentences. */
static gm_status read_sentences(clip_learner *l, const lesson *lessons, size_t n, int32_t *ids,
                                size_t *ends) {
  const gm_clip_model *m = l->model;
  size_t context = m->text.context;
  for (size_t i = 0; i < n; i++) {
    const char *text = lessons[i].sentence;
    size_t used;
    GM_TRY(gm_clip_encode_context(m->tokenizer, text, strlen(text), GM_CLIP_PLAIN,
                                  ids + i * context, context, &used, l->t.c->err));
    ends[i] = used - 1;
  }
  return GM_OK;
}

/* pixels[n, 3, S, S]; NULL: no memory. */
static float *gather(clip_learner *l, const lesson *lessons, size_t n) {
  size_t side = l->model->vision.image_size, each = 3 * side * side;
  float *pixels = gm_scratch_f32(l->t.c, n * each, "pixels");
  for (size_t i = 0; pixels && i < n; i++)
    memcpy(pixels + i * each, lessons[i].pixels, each * sizeof *pixels);
  return pixels;
}

static gm_status learn(clip_learner *l, const lesson *lessons, size_t n, double *loss) {
  gm_compute *c = l->t.c;
  const gm_clip_model *m = l->model;
  size_t D = m->features;
  float *pixels = gather(l, lessons, n);
  float *features = gm_scratch_f32(c, 4 * n * D, "features and their gradients");
  int32_t *labels = gm_scratch(c, n * sizeof *labels, "labels");
  int32_t *ids = gm_scratch(c, n * m->text.context * sizeof *ids, "token ids");
  size_t *ends = gm_scratch(c, n * sizeof *ends, "text lengths");
  if (!pixels || !features || !labels || !ids || !ends) return GM_ERR_MEMORY;
  float *images = features, *texts = images + n * D, *d_images = texts + n * D,
        *d_texts = d_images + n * D;
  for (size_t i = 0; i < n; i++) labels[i] = (int32_t)lessons[i].class;
  GM_TRY(read_sentences(l, lessons, n, ids, ends));
  gm_clip_vision_kept vision;
  gm_clip_text_kept text;
  GM_TRY(gm_clip_vision_train(&l->t, &m->vision, pixels, n, images, &vision));
  GM_TRY(gm_clip_text_train(&l->t, &m->text, ids, ends, n, texts, &text));
  float scale = expf(*l->log_scale), by_scale;
  GM_TRY(gm_contrastive_loss(&l->t, images, texts, labels, n, D, scale, loss, d_images, d_texts,
                             &by_scale));
  *gm_gradient(&l->t, l->log_scale) += by_scale * scale;
  GM_TRY(gm_clip_text_back(&l->t, &m->text, ids, ends, n, texts, d_texts, &text));
  return gm_clip_vision_back(&l->t, &m->vision, n, images, d_images, &vision);
}

gm_status clip_batch(clip_learner *l, const lesson *lessons, size_t n, double *loss) {
  gm_arena_mark mark = gm_arena_save(&l->t.c->arena);
  gm_status status = learn(l, lessons, n, loss);
  gm_arena_restore(&l->t.c->arena, mark);
  return status;
}

gm_status clip_class_features(clip_learner *l, const singles *set, float *features) {
  for (size_t i = 0; i < set->n_classes; i++) {
    char text[MAX_SENTENCE];
    const char *texts[] = {text};
    snprintf(text, sizeof text, "a photo of a %s.", set->names[i]);
    GM_TRY(gm_clip_encode_strings(l->t.c, l->model, texts, 1, features + i * l->model->features,
                                  NULL));
  }
  return GM_OK;
}

static gm_status count(clip_learner *l, const lesson *lessons, size_t n, const float *features,
                       size_t n_classes, size_t *right) {
  size_t D = l->model->features;
  float *pixels = gather(l, lessons, n);
  float *images = gm_scratch_f32(l->t.c, n * D, "features");
  if (!pixels || !images) return GM_ERR_MEMORY;
  GM_TRY(gm_clip_vision_forward(l->t.c, &l->model->vision, pixels, n, images));
  *right = 0;
  for (size_t i = 0; i < n; i++) {
    size_t best = 0;
    float most = -2;
    for (size_t k = 0; k < n_classes; k++) {
      float cosine = gm_dot(images + i * D, features + k * D, D);
      if (cosine > most) {
        most = cosine;
        best = k;
      }
    }
    *right += best == lessons[i].class;
  }
  return GM_OK;
}

gm_status clip_count_right(clip_learner *l, const lesson *lessons, size_t n,
                           const float *features, size_t n_classes, size_t *right) {
  gm_arena_mark mark = gm_arena_save(&l->t.c->arena);
  gm_status status = count(l, lessons, n, features, n_classes, right);
  gm_arena_restore(&l->t.c->arena, mark);
  return status;
}
