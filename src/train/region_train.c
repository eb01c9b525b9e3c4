/* region_train.c - see region_train.h. */
#include "region_maps_train.h"

/* ---- boxes */

/* flat[r, bins*bins, R] = relu(sum over levels of conv3x3(roi_align(map, box))) */
static gm_status crop_features(const gm_region_run *r, const gm_region_maps *maps,
                               float *flat) {
  const gm_region_encoder *w = r->w;
  gm_compute *c = r->t->c;
  size_t R = w->channels, n = r->picture->r, total = n * w->bins * w->bins * R;
  gm_corners *corners = gm_scratch(c, n * sizeof *corners, "region corners");
  float *crop = gm_scratch_f32(c, total, "region crops");
  float *level = gm_scratch_f32(c, total, "region features of a level");
  if (!corners || !crop || !level) return GM_ERR_MEMORY;
  gm_region_corners(w, r->picture->boxes, n, corners);
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) {
    size_t side = gm_region_level_side(w, k);
    GM_TRY(gm_poll(c));
    gm_roi_align(c, crop, maps->at[k], side, side, R, (const float *)corners, n, w->bins,
                 gm_region_stride(w, k));
    GM_TRY(gm_conv3x3_train(r->t, &w->roi[k].conv, w->roi[k].bias, crop, n, w->bins, w->bins,
                            k > 0 ? level : flat));
    if (k > 0) gm_add(c, flat, flat, level, total);
  }
  gm_act_train(r->t, GM_ACT_RELU, flat, flat, total);
  return GM_OK;
}

/* d_flat: the gradient by flat; adds to d_maps. */
static gm_status back_crops(const gm_region_run *r, const gm_region_maps *maps, float *d_flat,
                            const gm_region_maps *d_maps) {
  const gm_region_encoder *w = r->w;
  gm_compute *c = r->t->c;
  size_t R = w->channels, n = r->picture->r, total = n * w->bins * w->bins * R;
  gm_corners *corners = gm_scratch(c, n * sizeof *corners, "region corners");
  float *crop = gm_scratch_f32(c, total, "region crops");
  float *d_crop = gm_scratch_f32(c, total, "gradient of region crops");
  if (!corners || !crop || !d_crop) return GM_ERR_MEMORY;
  gm_region_corners(w, r->picture->boxes, n, corners);
  gm_act_back(r->t, GM_ACT_RELU, d_flat, r->kept->flat, d_flat, total);
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) {
    size_t side = gm_region_level_side(w, k);
    GM_TRY(gm_poll(c));
    gm_roi_align(c, crop, maps->at[k], side, side, R, (const float *)corners, n, w->bins,
                 gm_region_stride(w, k));
    GM_TRY(gm_conv3x3_back(r->t, &w->roi[k].conv, w->roi[k].bias, crop, d_flat, n, w->bins,
                           w->bins, d_crop, false));
    GM_TRY(gm_roi_align_back(r->t, d_maps->at[k], side, side, R, (const float *)corners, n,
                             w->bins, gm_region_stride(w, k), d_crop));
  }
  return GM_OK;
}

/* y[r, F] = LN(relu(Linear(LN(relu(Linear(box)))))) */
static gm_status position_branch(const gm_region_run *r, float *y) {
  const gm_region_encoder *w = r->w;
  const gm_training *t = r->t;
  gm_region_kept *kept = r->kept;
  size_t A = w->position_dim, F = w->flat_dim, n = r->picture->r;
  float *normed = gm_scratch_f32(t->c, n * A, "box features");
  if (!normed) return GM_ERR_MEMORY;
  GM_TRY(gm_linear_train(t, &w->pos1, w->pos1_b, (const float *)r->picture->boxes, 4, n,
                         kept->position1, A));
  gm_act_train(t, GM_ACT_RELU, kept->position1, kept->position1, n * A);
  gm_layer_norm_train(t, normed, kept->position1, kept->stats1, n, A, w->pos_norm1_w,
                      w->pos_norm1_b, GM_REGION_NORM_EPS);
  GM_TRY(gm_linear_train(t, &w->pos2, w->pos2_b, normed, A, n, kept->position2, F));
  gm_act_train(t, GM_ACT_RELU, kept->position2, kept->position2, n * F);
  gm_layer_norm_train(t, y, kept->position2, kept->stats2, n, F, w->pos_norm2_w, w->pos_norm2_b,
                      GM_REGION_NORM_EPS);
  return GM_OK;
}

static gm_status back_position(const gm_region_run *r, const float *dy) {
  const gm_region_encoder *w = r->w;
  const gm_training *t = r->t;
  const gm_region_kept *kept = r->kept;
  size_t A = w->position_dim, F = w->flat_dim, n = r->picture->r;
  float *normed = gm_scratch_f32(t->c, n * A, "box features");
  float *d2 = gm_scratch_f32(t->c, n * F, "gradient of box features");
  float *d_normed = gm_scratch_f32(t->c, n * A, "gradient of box features");
  float *d1 = gm_scratch_f32(t->c, n * A, "gradient of box features");
  if (!normed || !d2 || !d_normed || !d1) return GM_ERR_MEMORY;
  gm_layer_norm_train(t, normed, kept->position1, kept->stats1, n, A, w->pos_norm1_w,
                      w->pos_norm1_b, GM_REGION_NORM_EPS);
  GM_TRY(gm_layer_norm_back(t, d2, false, kept->position2, kept->stats2, dy, n, F,
                            w->pos_norm2_w, w->pos_norm2_b));
  gm_act_back(t, GM_ACT_RELU, d2, kept->position2, d2, n * F);
  GM_TRY(gm_linear_back(t, &w->pos2, w->pos2_b, normed, A, d2, F, n, d_normed, A, false));
  GM_TRY(gm_layer_norm_back(t, d1, false, kept->position1, kept->stats1, d_normed, n, A,
                            w->pos_norm1_w, w->pos_norm1_b));
  gm_act_back(t, GM_ACT_RELU, d1, kept->position1, d1, n * A);
  return gm_linear_back(t, &w->pos1, w->pos1_b, (const float *)r->picture->boxes, 4, d1, A, n,
                        NULL, 0, false);
}

/* From the maps to out[r, D]. */
static gm_status encode_boxes(const gm_region_run *r, const gm_region_maps *maps, float *out) {
  const gm_region_encoder *w = r->w;
  const gm_training *t = r->t;
  gm_region_kept *kept = r->kept;
  size_t crop = w->bins * w->bins * w->channels, F = w->flat_dim, n = r->picture->r;
  float *position = gm_scratch_f32(t->c, n * F, "box features");
  if (!position) return GM_ERR_MEMORY;
  GM_TRY(position_branch(r, position));
  GM_TRY(crop_features(r, maps, kept->flat));
  GM_TRY(gm_poll(t->c));
  GM_TRY(gm_linear_train(t, &w->flatten, w->flatten_b, kept->flat, crop, n, kept->vector, F));
  gm_add(t->c, kept->vector, kept->vector, position, n * F);
  return gm_linear_train(t, &w->updims, w->updims_b, kept->vector, F, n, out, w->dim);
}

static gm_status back_boxes(const gm_region_run *r, const gm_region_maps *maps,
                            const float *d_out, const gm_region_maps *d_maps) {
  const gm_region_encoder *w = r->w;
  const gm_training *t = r->t;
  const gm_region_kept *kept = r->kept;
  size_t crop = w->bins * w->bins * w->channels, F = w->flat_dim, n = r->picture->r;
  float *d_vector = gm_scratch_f32(t->c, n * F, "gradient of region vectors");
  float *d_flat = gm_scratch_f32(t->c, n * crop, "gradient of region features");
  if (!d_vector || !d_flat) return GM_ERR_MEMORY;
  GM_TRY(gm_linear_back(t, &w->updims, w->updims_b, kept->vector, F, d_out, w->dim, n, d_vector,
                        F, false));
  GM_TRY(back_position(r, d_vector));
  GM_TRY(gm_poll(t->c));
  GM_TRY(gm_linear_back(t, &w->flatten, w->flatten_b, kept->flat, crop, d_vector, F, n, d_flat,
                        crop, false));
  return back_crops(r, maps, d_flat, d_maps);
}

/* ---- pictures */

static gm_status allocate_kept(const gm_region_run *r) {
  const gm_region_encoder *w = r->w;
  gm_compute *c = r->t->c;
  gm_region_kept *kept = r->kept;
  size_t n = r->picture->r, crop = w->bins * w->bins * w->channels;
  GM_TRY(gm_region_steps_allocate(r));
  kept->flat = gm_scratch_f32(c, n * crop, "region features");
  kept->position1 = gm_scratch_f32(c, n * w->position_dim, "box features");
  kept->position2 = gm_scratch_f32(c, n * w->flat_dim, "box features");
  kept->stats1 = gm_scratch_f32(c, 2 * n, "box features' norm");
  kept->stats2 = gm_scratch_f32(c, 2 * n, "box features' norm");
  kept->vector = gm_scratch_f32(c, n * w->flat_dim, "region vectors");
  bool all = kept->flat && kept->position1 && kept->position2 && kept->stats1 && kept->stats2 &&
             kept->vector;
  return all ? GM_OK : GM_ERR_MEMORY;
}

static gm_status forward(const gm_region_run *r, float *out) {
  gm_region_maps maps;
  GM_TRY(gm_region_maps_allocate(r, &maps, "region maps"));
  GM_TRY(gm_region_maps_forward(r, &maps));
  return encode_boxes(r, &maps, out);
}

/* What is kept lies below the scratch. */
static gm_status forward_and_keep(const gm_region_run *r, float *out) {
  GM_TRY(allocate_kept(r));
  gm_arena_mark mark = gm_arena_save(&r->t->c->arena);
  gm_status status = forward(r, out);
  gm_arena_restore(&r->t->c->arena, mark);
  return status;
}

static gm_status backward(const gm_region_run *r, const float *d_out) {
  gm_compute *c = r->t->c;
  if (r->t->recompute) {
    float *out = gm_scratch_f32(c, r->picture->r * r->w->dim, "region vectors");
    if (!out) return GM_ERR_MEMORY;
    GM_TRY(forward_and_keep(r, out));
  }
  gm_region_maps maps, d_maps;
  GM_TRY(gm_region_maps_allocate(r, &maps, "region maps"));
  GM_TRY(gm_region_maps_allocate(r, &d_maps, "gradients of region maps"));
  gm_region_maps_clear(r, &d_maps);
  GM_TRY(gm_region_maps_again(r, &maps));
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = back_boxes(r, &maps, d_out, &d_maps);
  gm_arena_restore(&c->arena, mark);
  return status == GM_OK ? gm_region_maps_back(r, &maps, &d_maps) : status;
}

gm_status gm_region_encoder_train(const gm_training *t, const gm_region_encoder *w,
                                  const gm_region_picture *pictures, size_t n, float *out,
                                  gm_region_kept **kept) {
  *kept = gm_scratch(t->c, n * sizeof **kept, "what region training keeps");
  if (!*kept) return GM_ERR_MEMORY;
  for (size_t i = 0; i < n; out += pictures[i++].r * w->dim) {
    gm_region_run r = {t, w, &pictures[i], &(*kept)[i]};
    if (pictures[i].r == 0) continue;
    gm_arena_mark mark = gm_arena_save(&t->c->arena);
    GM_TRY(forward_and_keep(&r, out));
    if (t->recompute) gm_arena_restore(&t->c->arena, mark);
  }
  return GM_OK;
}

gm_status gm_region_encoder_back(const gm_training *t, const gm_region_encoder *w,
                                 const gm_region_picture *pictures, size_t n,
                                 gm_region_kept *kept, const float *d_out) {
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = GM_OK;
  for (size_t i = 0; i < n && status == GM_OK; d_out += pictures[i++].r * w->dim) {
    gm_region_run r = {t, w, &pictures[i], &kept[i]};
    if (pictures[i].r > 0) status = backward(&r, d_out);
    gm_arena_restore(&t->c->arena, mark);
  }
  return status;
}
