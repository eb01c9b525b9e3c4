/* see_batch.c - see see_batch.h. */
#include "see_batch.h"

#include "rng.h"
#include "scenes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 4 }; /* hidden states that proposals are made of: the last ones */

/* ---- the model */

gm_status see_model_load(see_model *s, gm_error *err) {
  const gm_model_file *view = s->params->view;
  GM_TRY(gm_dinov2_load(&s->dinov2, view, &s->hparams, err));
  size_t C = s->dinov2.shape.dim;
  GM_TRY(gm_proposer_learner_load(&s->proposer, view, &s->hparams, C, err));
  GM_TRY(gm_region_encoder_load(&s->regions, view, &s->hparams, C, err));
  GM_TRY(gm_class_head_add(&s->dense, s->params, "dense", s->n_classes + 1, C, err));
  GM_TRY(gm_class_head_add(&s->named, s->params, "named", s->n_classes, s->regions.dim, err));
  GM_TRY(gm_class_head_add(&s->placed, s->params, "placed", PLACES, s->regions.dim, err));
  s->t.learned = &s->params->learned;
  return GM_OK;
}

void see_model_free(see_model *s) {
  gm_dinov2_free(&s->dinov2);
  gm_proposer_learner_free(&s->proposer);
  gm_region_encoder_free(&s->regions);
  gm_class_head_free(&s->dense);
  gm_class_head_free(&s->named);
  gm_class_head_free(&s->placed);
}

gm_status see_model_refresh(see_model *s, gm_error *err) {
  GM_TRY(gm_dinov2_refresh(&s->dinov2, err));
  return gm_proposer_encoder_refresh(&s->proposer.encoder, err);
}

/* ---- a batch */

/* What the three lessons share. */
typedef struct lesson {
  see_model *s;
  const picture *pictures;
  size_t n;
  uint64_t step;
  bool measure;
  gm_rng rng;
  size_t tokens, each; /* of a picture: rows, and floats of a state */
  float **states, **d; /* [L + 1]: the last LEVELS hidden states [n, tokens, C], gradients */
  see_sums *sum;
} lesson;

static gm_status alloc_states(lesson *b) {
  gm_compute *c = b->s->t.c;
  size_t L = b->s->dinov2.layers;
  b->states = gm_scratch(c, (L + 1) * sizeof *b->states, "states");
  b->d = gm_scratch(c, (L + 1) * sizeof *b->d, "states");
  if (!b->states || !b->d) return GM_ERR_MEMORY;
  for (size_t l = 0; l <= L; l++) {
    b->states[l] = b->d[l] = NULL;
    if (l + LEVELS <= L) continue;
    b->states[l] = gm_scratch_f32(c, b->n * b->each, "states");
    b->d[l] = gm_scratch_f32(c, b->n * b->each, "gradients of states");
    if (!b->states[l] || !b->d[l]) return GM_ERR_MEMORY;
    memset(b->d[l], 0, b->n * b->each * sizeof *b->d[l]);
  }
  return GM_OK;
}

/* The class of the smallest box over each patch's centre; n_classes where there is none, of
 * which three in four are left out. The class token has no label. */
static void dense_targets(int32_t *out, const picture *p, size_t grid, size_t n_classes,
                          gm_rng *rng) {
  *out++ = -1;
  for (size_t y = 0; y < grid; y++)
    for (size_t x = 0; x < grid; x++, out++) {
      float px = ((float)x + 0.5f) / (float)grid, py = ((float)y + 0.5f) / (float)grid;
      float least = INFINITY;
      *out = gm_rng_unit(rng) < 0.25 ? (int32_t)n_classes : -1;
      for (size_t i = 0; i < p->n; i++) {
        gm_corners c = gm_rel_box_corners(p->boxes[i]);
        float area = p->boxes[i].w * p->boxes[i].h;
        if (px < c.x1 || px > c.x2 || py < c.y1 || py > c.y2 || area >= least) continue;
        least = area;
        *out = p->classes[i];
      }
    }
}

static gm_status teach_patches(lesson *b) {
  see_model *s = b->s;
  size_t L = s->dinov2.layers, rows = b->n * b->tokens, right;
  int32_t *targets = gm_scratch(s->t.c, rows * sizeof *targets, "labels of patches");
  if (!targets) return GM_ERR_MEMORY;
  for (size_t i = 0; i < b->n; i++)
    dense_targets(targets + i * b->tokens, &b->pictures[i], s->dinov2.grid, s->n_classes,
                  &b->rng);
  double loss;
  GM_TRY(gm_class_head_classify(&s->t, &s->dense, b->states[L], rows, targets, 1,
                                b->measure ? NULL : b->d[L], &loss, &right));
  for (size_t i = 0; i < rows; i++) b->sum->labelled += targets[i] >= 0;
  b->sum->dense += loss;
  b->sum->dense_right += (double)right;
  return GM_OK;
}

static size_t count_recalled(const picture *p, const gm_rel_box *boxes, size_t n) {
  size_t found = 0;
  for (size_t i = 0; i < p->n; i++) {
    size_t k = 0;
    while (k < n && gm_region_iou(p->boxes[i], boxes[k]) <= 0.5f) k++;
    found += k < n;
  }
  return found;
}

/* out[n * n, C] = the mean of a picture's last states, or (back) d of the states += d / LEVELS.
 */
static void mean_states(const lesson *b, size_t i, float *mean, bool back) {
  size_t L = b->s->dinov2.layers, C = b->s->dinov2.shape.dim;
  for (size_t k = 0; k < b->each - C; k++) {
    size_t at = i * b->each + C + k;
    float sum = 0;
    for (size_t l = L + 1 - LEVELS; l <= L; l++) {
      if (back)
        b->d[l][at] += mean[k] / LEVELS;
      else
        sum += b->states[l][at];
    }
    if (!back) mean[k] = sum / LEVELS;
  }
}

static gm_status teach_proposer(lesson *b) {
  see_model *s = b->s;
  gm_compute *c = s->t.c;
  size_t n = b->n, cells = b->each - s->dinov2.shape.dim, q = s->proposer.decoder.n_queries;
  float *features = gm_scratch_f32(c, n * cells, "features");
  float *d_features = gm_scratch_f32(c, n * cells, "gradient of features");
  gm_detect_picture *detect = gm_scratch(c, n * sizeof *detect, "pictures");
  gm_rel_box *found = gm_scratch(c, n * q * sizeof *found, "boxes");
  gm_detect_loss *outputs =
      gm_scratch(c, (s->proposer.decoder.n_layers + 1) * sizeof *outputs, "losses");
  if (!features || !d_features || !detect || !found || !outputs) return GM_ERR_MEMORY;
  for (size_t i = 0; i < n; i++) {
    mean_states(b, i, features + i * cells, false);
    detect[i] =
        (gm_detect_picture){features + i * cells, b->pictures[i].boxes, b->pictures[i].n,
                            b->measure ? NULL : d_features + i * cells};
  }
  gm_detect_batch batch = {.pictures = detect,
                           .n = n,
                           .source = b->step % 2 ? GM_SOURCE_SA1B : GM_SOURCE_COCO,
                           .scale = b->measure ? 0 : 1,
                           .first = b->step * n};
  gm_detect_result result = {.outputs = outputs, .boxes = found};
  GM_TRY(gm_proposer_train(&s->t, &s->proposer, &batch, &result));
  b->sum->detect += result.loss;
  for (size_t i = 0; i < n; i++) {
    b->sum->recalled += (double)count_recalled(&b->pictures[i], found + i * q, q);
    if (!b->measure) mean_states(b, i, d_features + i * cells, true);
  }
  return GM_OK;
}

/* A box that is off by a little, as proposals are. */
static gm_rel_box shaken(gm_rel_box b, gm_rng *rng) {
  float f[4];
  for (int i = 0; i < 4; i++) f[i] = (float)(0.16 * (gm_rng_unit(rng) - 0.5));
  return (gm_rel_box){b.cx + f[0] * b.w, b.cy + f[1] * b.h, b.w * (1 + f[2]), b.h * (1 + f[3])};
}

static gm_status teach_regions(lesson *b) {
  see_model *s = b->s;
  gm_compute *c = s->t.c;
  size_t rows = 0, D = s->regions.dim, L = s->dinov2.layers, named, placed;
  for (size_t i = 0; i < b->n; i++) rows += b->pictures[i].n;
  gm_region_picture *regions = gm_scratch(c, b->n * sizeof *regions, "pictures");
  gm_rel_box *boxes = gm_scratch(c, rows * sizeof *boxes, "boxes");
  int32_t *names = gm_scratch(c, rows * sizeof *names, "names");
  int32_t *places = gm_scratch(c, rows * sizeof *places, "places");
  float *out = gm_scratch_f32(c, rows * D, "region vectors");
  float *d_out = gm_scratch_f32(c, rows * D, "gradient of region vectors");
  if (!regions || !boxes || !names || !places || !out || !d_out) return GM_ERR_MEMORY;
  for (size_t i = 0, at = 0; i < b->n; i++) {
    const picture *p = &b->pictures[i];
    regions[i] = (gm_region_picture){.boxes = boxes + at, .r = p->n};
    for (size_t l = 0; l < GM_REGION_LEVELS; l++) {
      size_t state = L + 1 - GM_REGION_LEVELS + l;
      regions[i].states[l] = b->states[state] + i * b->each;
      regions[i].d_states[l] = b->measure ? NULL : b->d[state] + i * b->each;
    }
    for (size_t k = 0; k < p->n; k++, at++) {
      boxes[at] = b->measure ? p->boxes[k] : shaken(p->boxes[k], &b->rng);
      names[at] = p->classes[k];
      places[at] = box_place(boxes[at]);
    }
  }
  gm_region_kept *kept;
  double loss;
  GM_TRY(gm_region_encoder_train(&s->t, &s->regions, regions, b->n, out, &kept));
  memset(d_out, 0, rows * D * sizeof *d_out);
  GM_TRY(gm_class_head_classify(&s->t, &s->named, out, rows, names, 2,
                                b->measure ? NULL : d_out, &loss, &named));
  b->sum->named += loss;
  b->sum->named_right += (double)named;
  GM_TRY(gm_class_head_classify(&s->t, &s->placed, out, rows, places, 1,
                                b->measure ? NULL : d_out, &loss, &placed));
  b->sum->placed += loss;
  b->sum->placed_right += (double)placed;
  if (b->measure) return GM_OK;
  return gm_region_encoder_back(&s->t, &s->regions, regions, b->n, kept, d_out);
}

static gm_status run(lesson *b) {
  see_model *s = b->s;
  size_t side = s->dinov2.image_size, picture_floats = 3 * side * side;
  float *pixels = gm_scratch_f32(s->t.c, b->n * picture_floats, "pixels");
  if (!pixels) return GM_ERR_MEMORY;
  GM_TRY(alloc_states(b));
  for (size_t i = 0; i < b->n; i++) {
    memcpy(pixels + i * picture_floats, b->pictures[i].pixels, picture_floats * sizeof *pixels);
    b->sum->objects += (double)b->pictures[i].n;
  }
  gm_dinov2_kept kept;
  GM_TRY(gm_dinov2_train(&s->t, &s->dinov2, pixels, b->n, b->states, &kept));
  GM_TRY(teach_patches(b));
  GM_TRY(teach_proposer(b));
  if (s->with_regions) GM_TRY(teach_regions(b));
  b->sum->batches++;
  if (b->measure) return GM_OK;
  return gm_dinov2_back(&s->t, &s->dinov2, b->n, (const float *const *)b->d, &kept);
}

gm_status see_batch(see_model *s, const picture *pictures, size_t n, uint64_t step,
                    bool measure, see_sums *sum) {
  size_t tokens = 1 + s->dinov2.grid * s->dinov2.grid;
  lesson b = {.s = s,
              .pictures = pictures,
              .n = n,
              .step = step,
              .measure = measure,
              .rng = {gm_mix64(step + 1)},
              .tokens = tokens,
              .each = tokens * s->dinov2.shape.dim,
              .sum = sum};
  gm_arena_mark mark = gm_arena_save(&s->t.c->arena);
  gm_status status = run(&b);
  gm_arena_restore(&s->t.c->arena, mark);
  return status;
}
