/* region_encoder.c - see region_encoder.h. */
#include "region_encoder.h"

#include "groma_sizes.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum {
  MAX_FUSE = 64,                  /* fuse steps */
  BATCH_FLOATS = 12 * 1024 * 1024 /* RoIAlign output of one batch of boxes: 48 MB */
};

/* ---- loading */

#define INPUT "region_encoder.mlvl_fuse.input_conv.%."
#define FUSE "region_encoder.mlvl_fuse.fuse_convs.%."
#define ROI "region_encoder.roi_align."
#define ROI_CONV ROI "pconvs.%."

void gm_region_encoder_rules(gm_tensor_rules *rules, const size_t *dims) {
  size_t C = dims[VIT_DIM], R = dims[REGION_DIM], F = dims[REGION_FLAT], D = dims[LLM_DIM];
  size_t columns = dims[REGION_BINS], A = dims[REGION_POS];
  gm_rules_group(rules, "regions", INPUT, NULL, GM_REGION_LEVELS);
  GM_REGION_INPUT(GM_VEC_RULE, GM_MAT_RULE, GM_TENSOR_RULE)
  gm_rules_group(rules, "regions", FUSE, NULL, dims[FUSE_CONVS]);
  GM_REGION_FUSE(GM_VEC_RULE, GM_MAT_RULE, GM_TENSOR_RULE)
  gm_rules_group(rules, "regions", ROI_CONV, NULL, GM_REGION_LEVELS);
  GM_REGION_CONV(GM_VEC_RULE, GM_MAT_RULE, GM_TENSOR_RULE)
  gm_rules_group(rules, "regions", ROI, NULL, 1);
  GM_REGION_HEAD(GM_VEC_RULE, GM_MAT_RULE, GM_TENSOR_RULE)
}

static gm_status load_input(gm_region_input *w, const gm_weight_loader *l, size_t C, size_t R) {
  GM_REGION_INPUT(GM_VEC_LOAD, GM_MAT_LOAD, GM_TENSOR_LOAD)
  return GM_OK;
}

static gm_status load_conv(gm_region_conv *w, const gm_weight_loader *l, size_t R) {
  GM_REGION_CONV(GM_VEC_LOAD, GM_MAT_LOAD, GM_TENSOR_LOAD)
  return GM_OK;
}

static gm_status load_step(gm_region_fuse *w, const gm_weight_loader *l, size_t R) {
  GM_REGION_FUSE(GM_VEC_LOAD, GM_MAT_LOAD, GM_TENSOR_LOAD)
  return GM_OK;
}

static gm_status load_levels(gm_region_encoder *w, const gm_model_file *file, gm_error *err) {
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) {
    gm_weight_loader l = gm_weight_loader_at(file, err, INPUT, k);
    GM_TRY(load_input(&w->input[k], &l, w->width, w->channels));
    l = gm_weight_loader_at(file, err, ROI_CONV, k);
    GM_TRY(load_conv(&w->roi[k], &l, w->channels));
  }
  return GM_OK;
}

static bool has_fuse(const gm_model_file *file, size_t k, const char *part) {
  char name[GM_MAX_RULE_NAME + 1];
  gm_rule_name(name, FUSE, part, k);
  return gm_model_file_tensor(file, name) != NULL;
}

/* There are as many fuse steps as the file has any part of. */
static gm_status load_fuse(gm_region_encoder *w, const gm_model_file *file, gm_error *err) {
  for (size_t k = 0; k < MAX_FUSE; k++)
    if (has_fuse(file, k, "conv.weight") || has_fuse(file, k, "gn.weight")) w->n_fuse = k + 1;
  if (w->n_fuse == 0) return GM_OK;
  w->fuse = calloc(w->n_fuse, sizeof *w->fuse);
  if (!w->fuse) return gm_fail_memory(err, "fuse convs", w->n_fuse * sizeof *w->fuse);
  for (size_t k = 0; k < w->n_fuse; k++) {
    gm_weight_loader l = gm_weight_loader_at(file, err, FUSE, k);
    GM_TRY(load_step(&w->fuse[k], &l, w->channels));
  }
  return GM_OK;
}

static gm_status load_head(gm_region_encoder *w, const gm_weight_loader *l) {
  size_t R = w->channels;
  GM_TRY(gm_load_matrix(l, "flatten_linear.weight", 0, 0, &w->flatten));
  GM_TRY(gm_load_matrix(l, "pos_embedd.0.weight", 0, 4, &w->pos1));
  GM_TRY(gm_load_matrix(l, "updims.weight", 0, 0, &w->updims));
  size_t columns = w->flatten.shape[1];
  size_t bins = w->bins = (size_t)lround(sqrt((double)columns / (double)R));
  if (bins * bins * R != columns)
    return gm_fail(
        l->err, GM_ERR_MODEL,
        "%s: %sflatten_linear.weight has %zu columns, wanted a square number of bins "
        "times %zu channels",
        gm_model_file_name(l->file), l->prefix, columns, R);
  size_t F = w->flat_dim = w->flatten.shape[0];
  size_t A = w->position_dim = w->pos1.shape[0], D = w->dim = w->updims.shape[0];
  GM_REGION_HEAD(GM_VEC_LOAD, GM_MAT_LOAD, GM_TENSOR_LOAD)
  return GM_OK;
}

gm_status gm_region_encoder_load(gm_region_encoder *w, const gm_model_file *file,
                                 const gm_groma_hparams *hparams, size_t C, gm_error *err) {
  *w = (gm_region_encoder){.geometry = hparams->geometry,
                           .image_size = hparams->image_size,
                           .patch_size = hparams->patch_size,
                           .grid = hparams->image_size / hparams->patch_size,
                           .width = C};
  gm_weight_loader l = gm_weight_loader_at(file, err, INPUT, 0);
  gm_tensor first;
  GM_TRY(gm_load_matrix(&l, "weight", 0, C, &first));
  size_t R = w->channels = first.shape[0];
  if (R % GM_REGION_GROUPS)
    return gm_fail(
        err, GM_ERR_MODEL,
        "%s: the region encoder has %zu channels, wanted a multiple of its %d groups",
        gm_model_file_name(file), R, (int)GM_REGION_GROUPS);
  GM_TRY(load_levels(w, file, err));
  GM_TRY(load_fuse(w, file, err));
  l = gm_weight_loader_at(file, err, ROI, 0);
  return load_head(w, &l);
}

void gm_region_encoder_free(gm_region_encoder *w) {
  free(w->fuse);
  *w = (gm_region_encoder){0};
}

/* ---- maps */

size_t gm_region_level_side(const gm_region_encoder *w, size_t level) {
  return w->grid << (GM_REGION_LEVELS - 1 - level);
}

void gm_region_coordinates(const gm_region_encoder *w, float *xy) {
  size_t n = w->grid;
  assert(n > 1); /* coordinates are divided by n - 1 */
  for (size_t i = 0; i < n * n; i++) {
    xy[2 * i] = 2.0f * (float)(i % n) / (float)(n - 1) - 1.0f;
    xy[2 * i + 1] = 2.0f * (float)(i / n) / (float)(n - 1) - 1.0f;
  }
}

/* map = resize(conv1x1(state, x, y)) with x, y = -1 .. 1; the conv runs at n x n. */
static gm_status make_level(gm_compute *c, const gm_region_encoder *w, size_t level,
                            const float *state, float *map) {
  size_t n = w->grid, C = w->width, R = w->channels, side = gm_region_level_side(w, level);
  const gm_region_input *input = &w->input[level];
  float *y = gm_scratch_f32(c, n * n * R, "region map input");
  float *xy = gm_scratch_f32(c, n * n * 2, "map coordinates");
  if (!y || !xy) return GM_ERR_MEMORY;
  gm_region_coordinates(w, xy);
  gm_linear_out features = {.w = &input->w, .bias = input->bias, .y = y, .ldy = R};
  gm_linear_out coordinates = {.w = &input->coord, .accumulate = true, .y = y, .ldy = R};
  GM_TRY(gm_linear(c, state + C, C, n * n, &features, 1));
  GM_TRY(gm_linear(c, xy, 2, n * n, &coordinates, 1));
  gm_resize_bilinear(c, map, R, side, side, y, R, n, n, R);
  return GM_OK;
}

void gm_region_parts(const gm_region_encoder *w, size_t level,
                     gm_region_part parts[GM_REGION_PARTS]) {
  size_t R = w->channels;
  assert(R % 4 == 0);
  size_t coarser = level + 1 < GM_REGION_LEVELS ? level + 1 : level;
  size_t finer = level > 0 ? level - 1 : level;
  parts[0] = (gm_region_part){level, 0, 0, R / 2};
  parts[1] = (gm_region_part){coarser, 3 * R / 4, R / 2, R / 4};
  parts[2] = (gm_region_part){finer, R / 2, 3 * R / 4, R / 4};
}

void gm_region_mix(gm_compute *c, const gm_region_encoder *w, size_t level,
                   const float *const maps[GM_REGION_LEVELS], float *mixed) {
  size_t R = w->channels, side = gm_region_level_side(w, level);
  gm_region_part parts[GM_REGION_PARTS];
  gm_region_parts(w, level, parts);
  for (size_t i = 0; i < GM_REGION_PARTS; i++) {
    size_t from_side = gm_region_level_side(w, parts[i].level);
    gm_resize_bilinear(c, mixed + parts[i].to, R, side, side,
                       maps[parts[i].level] + parts[i].from, R, from_side, from_side,
                       parts[i].n);
  }
}

/* One step on all levels: all are mixed from the old maps before any is replaced. */
static gm_status fuse_step(gm_compute *c, const gm_region_encoder *w,
                           const gm_region_fuse *fuse, float *const maps[GM_REGION_LEVELS]) {
  size_t R = w->channels;
  float *mixed[GM_REGION_LEVELS];
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) {
    size_t side = gm_region_level_side(w, k);
    mixed[k] = gm_scratch_f32(c, side * side * R, "mixed region maps");
    if (!mixed[k]) return GM_ERR_MEMORY;
    GM_TRY(gm_poll(c));
    gm_region_mix(c, w, k, (const float *const *)maps, mixed[k]);
  }
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) {
    size_t side = gm_region_level_side(w, k);
    GM_TRY(gm_poll(c));
    gm_conv_args conv = {
        .x = mixed[k], .b = 1, .h = side, .w = side, .weight = &fuse->conv, .y = maps[k]};
    GM_TRY(gm_conv3x3(c, &conv));
    GM_TRY(gm_poll(c));
    GM_TRY(gm_group_norm(c, maps[k], 1, side * side, R, GM_REGION_GROUPS, fuse->norm_w,
                         fuse->norm_b, GM_REGION_NORM_EPS, true, NULL));
  }
  return GM_OK;
}

gm_status gm_region_encoder_fuse(gm_compute *c, const gm_region_encoder *w,
                                 const float *const states[GM_REGION_LEVELS],
                                 float *const maps[GM_REGION_LEVELS]) {
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = GM_OK;
  for (size_t k = 0; k < GM_REGION_LEVELS && status == GM_OK; k++) {
    status = gm_poll(c);
    if (status == GM_OK) status = make_level(c, w, k, states[k], maps[k]);
    gm_arena_restore(&c->arena, mark);
  }
  for (size_t k = 0; k < w->n_fuse && status == GM_OK; k++) {
    status = fuse_step(c, w, &w->fuse[k], maps);
    gm_arena_restore(&c->arena, mark);
  }
  return status;
}

/* ---- boxes */

/* True corners, or (the released weights were trained so) centre and size in their place. */
void gm_region_corners(const gm_region_encoder *w, const gm_rel_box *boxes, size_t r,
                       gm_corners *corners) {
  float S = (float)w->image_size;
  for (size_t i = 0; i < r; i++) {
    gm_rel_box b = boxes[i];
    gm_corners k = gm_rel_box_corners(b);
    if (w->geometry == GM_GEOMETRY_RELEASED) k = (gm_corners){b.cx, b.cy, b.w, b.h};
    corners[i] = (gm_corners){k.x1 * S, k.y1 * S, k.x2 * S, k.y2 * S};
  }
}

/* P/4, P/2, P; half of it for the released weights. */
float gm_region_stride(const gm_region_encoder *w, size_t level) {
  float stride = (float)w->patch_size / (float)(1u << (GM_REGION_LEVELS - 1 - level));
  return w->geometry == GM_GEOMETRY_RELEASED ? stride / 2 : stride;
}

/* flat[r, bins*bins, R] = relu(sum over levels of conv3x3(roi_align(map, box))) */
static gm_status crop_features(gm_compute *c, const gm_region_encoder *w,
                               const float *const maps[GM_REGION_LEVELS],
                               const gm_rel_box *boxes, size_t r, float *flat) {
  size_t R = w->channels, bins = w->bins, total = r * bins * bins * R;
  gm_corners *corners = gm_scratch(c, r * sizeof *corners, "region corners");
  float *crop = gm_scratch_f32(c, total, "region crops");
  if (!corners || !crop) return GM_ERR_MEMORY;
  gm_region_corners(w, boxes, r, corners);
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) {
    size_t side = gm_region_level_side(w, k);
    GM_TRY(gm_poll(c));
    gm_roi_align(c, crop, maps[k], side, side, R, (const float *)corners, r, bins,
                 gm_region_stride(w, k));
    GM_TRY(gm_poll(c));
    gm_conv_args conv = {.x = crop,
                         .b = r,
                         .h = bins,
                         .w = bins,
                         .weight = &w->roi[k].conv,
                         .bias = w->roi[k].bias,
                         .accumulate = k > 0,
                         .relu = k + 1 == GM_REGION_LEVELS,
                         .y = flat};
    GM_TRY(gm_conv3x3(c, &conv));
  }
  return GM_OK;
}

/* y[r, F] = LN(relu(Linear(LN(relu(Linear(box)))))) */
static gm_status position_branch(gm_compute *c, const gm_region_encoder *w,
                                 const gm_rel_box *boxes, size_t r, float *y) {
  size_t A = w->position_dim, F = w->flat_dim;
  float *h = gm_scratch_f32(c, r * A, "box features");
  if (!h) return GM_ERR_MEMORY;
  gm_linear_out first = {
      .w = &w->pos1, .bias = w->pos1_b, .act = GM_ACT_RELU, .y = h, .ldy = A};
  gm_linear_out second = {
      .w = &w->pos2, .bias = w->pos2_b, .act = GM_ACT_RELU, .y = y, .ldy = F};
  GM_TRY(gm_linear(c, (const float *)boxes, 4, r, &first, 1));
  gm_layer_norm(c, h, h, r, A, w->pos_norm1_w, w->pos_norm1_b, GM_REGION_NORM_EPS);
  GM_TRY(gm_linear(c, h, A, r, &second, 1));
  gm_layer_norm(c, y, y, r, F, w->pos_norm2_w, w->pos_norm2_b, GM_REGION_NORM_EPS);
  return GM_OK;
}

static gm_status encode_batch(gm_compute *c, const gm_region_encoder *w,
                              const float *const maps[GM_REGION_LEVELS],
                              const gm_rel_box *boxes, size_t r, float *out) {
  size_t crop = w->bins * w->bins * w->channels, F = w->flat_dim, D = w->dim;
  float *flat = gm_scratch_f32(c, r * crop, "flat region crops");
  float *y = gm_scratch_f32(c, r * F, "region vectors");
  if (!flat || !y) return GM_ERR_MEMORY;
  GM_TRY(position_branch(c, w, boxes, r, y));
  GM_TRY(crop_features(c, w, maps, boxes, r, flat));
  gm_linear_out flatten = {
      .w = &w->flatten, .bias = w->flatten_b, .accumulate = true, .y = y, .ldy = F};
  gm_linear_out up = {.w = &w->updims, .bias = w->updims_b, .y = out, .ldy = D};
  GM_TRY(gm_poll(c));
  GM_TRY(gm_linear(c, flat, crop, r, &flatten, 1));
  return gm_linear(c, y, F, r, &up, 1);
}

gm_status gm_region_encoder_forward(gm_compute *c, const gm_region_encoder *w,
                                    const float *const maps[GM_REGION_LEVELS],
                                    const gm_rel_box *boxes, size_t r, float *out) {
  size_t per_box = w->bins * w->bins * w->channels;
  size_t most = per_box < BATCH_FLOATS ? BATCH_FLOATS / per_box : 1;
  size_t n_batches = (r + most - 1) / most;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = GM_OK;
  for (size_t b = 0; b < n_batches && status == GM_OK; b++) {
    /* Batches of nearly equal size. */
    size_t first = b * r / n_batches, count = (b + 1) * r / n_batches - first;
    assert(count > 0 && count <= most);
    status = encode_batch(c, w, maps, boxes + first, count, out + first * w->dim);
    gm_arena_restore(&c->arena, mark);
  }
  return status;
}
