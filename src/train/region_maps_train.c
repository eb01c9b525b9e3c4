/* region_maps_train.c - see region_maps_train.h. */
#include "region_maps_train.h"

#include <string.h>

static size_t cells(const gm_region_run *r, size_t level) {
  size_t side = gm_region_level_side(r->w, level);
  return side * side;
}

void gm_region_maps_clear(const gm_region_run *r, const gm_region_maps *maps) {
  for (size_t k = 0; k < GM_REGION_LEVELS; k++)
    memset(maps->at[k], 0, cells(r, k) * r->w->channels * sizeof(float));
}

gm_status gm_region_maps_allocate(const gm_region_run *r, gm_region_maps *maps,
                                  const char *what) {
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) {
    maps->at[k] = gm_scratch_f32(r->t->c, cells(r, k) * r->w->channels, what);
    if (!maps->at[k]) return GM_ERR_MEMORY;
  }
  return GM_OK;
}

gm_status gm_region_steps_allocate(const gm_region_run *r) {
  gm_compute *c = r->t->c;
  size_t n = r->w->n_fuse;
  gm_region_step *steps = r->kept->steps = gm_scratch(c, n * sizeof *steps, "fuse steps");
  if (!steps) return GM_ERR_MEMORY;
  for (size_t s = 0; s < n; s++) {
    GM_TRY(gm_region_maps_allocate(r, &steps[s].conv, "a fuse step's maps"));
    for (size_t k = 0; k < GM_REGION_LEVELS; k++) {
      steps[s].stats[k] = gm_scratch_f32(c, 2 * GM_REGION_GROUPS, "a fuse step's norm");
      if (!steps[s].stats[k]) return GM_ERR_MEMORY;
    }
  }
  return GM_OK;
}

/* map = resize(conv1x1(state, x, y)); the conv runs at n x n. */
static gm_status make_level(const gm_region_run *r, size_t level, float *map) {
  const gm_region_encoder *w = r->w;
  const gm_region_input *input = &w->input[level];
  gm_compute *c = r->t->c;
  size_t n = w->grid, C = w->width, R = w->channels, side = gm_region_level_side(w, level);
  float *y = gm_scratch_f32(c, n * n * R, "region map input");
  float *terms = gm_scratch_f32(c, n * n * R, "coordinate terms");
  float *xy = gm_scratch_f32(c, n * n * 2, "map coordinates");
  if (!y || !terms || !xy) return GM_ERR_MEMORY;
  gm_region_coordinates(w, xy);
  const float *state = r->picture->states[level] + C;
  GM_TRY(gm_linear_train(r->t, &input->w, input->bias, state, C, n * n, y, R));
  GM_TRY(gm_linear_train(r->t, &input->coord, NULL, xy, 2, n * n, terms, R));
  gm_add(c, y, y, terms, n * n * R);
  gm_resize_bilinear(c, map, R, side, side, y, R, n, n, R);
  return GM_OK;
}

static gm_status back_level(const gm_region_run *r, size_t level, const float *d_map) {
  const gm_region_encoder *w = r->w;
  const gm_region_input *input = &w->input[level];
  gm_compute *c = r->t->c;
  size_t n = w->grid, C = w->width, R = w->channels, side = gm_region_level_side(w, level);
  float *dy = gm_scratch_f32(c, n * n * R, "gradient of a region map's input");
  float *xy = gm_scratch_f32(c, n * n * 2, "map coordinates");
  if (!dy || !xy) return GM_ERR_MEMORY;
  gm_region_coordinates(w, xy);
  gm_resize_bilinear_back(r->t, dy, R, n, n, false, d_map, R, side, side, R);
  const float *state = r->picture->states[level] + C;
  float *d_state = r->picture->d_states[level];
  if (d_state) d_state += C;
  GM_TRY(gm_linear_back(r->t, &input->coord, NULL, xy, 2, dy, R, n * n, NULL, 0, false));
  return gm_linear_back(r->t, &input->w, input->bias, state, C, dy, R, n * n, d_state, C, true);
}

/* The maps after `steps` fuse steps whose convs' outputs are there. */
static gm_status make_maps(const gm_region_run *r, size_t steps, const gm_region_maps *maps) {
  gm_status status = GM_OK;
  for (size_t k = 0; k < GM_REGION_LEVELS && status == GM_OK; k++) {
    gm_arena_mark mark = gm_arena_save(&r->t->c->arena);
    status = gm_poll(r->t->c);
    if (status == GM_OK && steps == 0) {
      status = make_level(r, k, maps->at[k]);
    } else if (status == GM_OK) {
      const gm_region_fuse *fuse = &r->w->fuse[steps - 1];
      const gm_region_step *step = &r->kept->steps[steps - 1];
      status = gm_group_norm_train(r->t, maps->at[k], step->conv.at[k], step->stats[k], 1,
                                   cells(r, k), r->w->channels, GM_REGION_GROUPS, fuse->norm_w,
                                   fuse->norm_b, GM_REGION_NORM_EPS, true);
    }
    gm_arena_restore(&r->t->c->arena, mark);
  }
  return status;
}

/* The convs of step s, from the maps before it. */
static gm_status fuse_convs(const gm_region_run *r, size_t s, const gm_region_maps *maps) {
  gm_compute *c = r->t->c;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = GM_OK;
  for (size_t k = 0; k < GM_REGION_LEVELS && status == GM_OK; k++) {
    size_t side = gm_region_level_side(r->w, k);
    float *mixed = gm_scratch_f32(c, side * side * r->w->channels, "mixed region maps");
    status = mixed ? gm_poll(c) : GM_ERR_MEMORY;
    if (status == GM_OK) {
      gm_region_mix(c, r->w, k, (const float *const *)maps->at, mixed);
      status = gm_conv3x3_train(r->t, &r->w->fuse[s].conv, NULL, mixed, 1, side, side,
                                r->kept->steps[s].conv.at[k]);
    }
    gm_arena_restore(&c->arena, mark);
  }
  return status;
}

/* Of one level of step s: `before` are the maps before it, `after` those after it. Adds to
 * d_before what d_after, its gradient, gives. */
static gm_status back_fuse_level(const gm_region_run *r, size_t s, size_t level,
                                 const gm_region_maps *before, const float *after,
                                 const float *d_after, const gm_region_maps *d_before) {
  const gm_region_fuse *fuse = &r->w->fuse[s];
  const gm_region_step *step = &r->kept->steps[s];
  gm_compute *c = r->t->c;
  size_t R = r->w->channels, side = gm_region_level_side(r->w, level), n = side * side * R;
  float *d_conv = gm_scratch_f32(c, n, "gradient of a fuse conv's output");
  float *mixed = gm_scratch_f32(c, n, "mixed region maps");
  float *d_mixed = gm_scratch_f32(c, n, "gradient of mixed region maps");
  if (!d_conv || !mixed || !d_mixed) return GM_ERR_MEMORY;
  GM_TRY(gm_poll(c));
  GM_TRY(gm_group_norm_back(r->t, d_conv, false, step->conv.at[level], after,
                            step->stats[level], d_after, 1, side * side, R, GM_REGION_GROUPS,
                            fuse->norm_w, fuse->norm_b, true));
  gm_region_mix(c, r->w, level, (const float *const *)before->at, mixed);
  GM_TRY(
      gm_conv3x3_back(r->t, &fuse->conv, NULL, mixed, d_conv, 1, side, side, d_mixed, false));
  gm_region_part parts[GM_REGION_PARTS];
  gm_region_parts(r->w, level, parts);
  for (size_t i = 0; i < GM_REGION_PARTS; i++) {
    size_t from_side = gm_region_level_side(r->w, parts[i].level);
    gm_resize_bilinear_back(r->t, d_before->at[parts[i].level] + parts[i].from, R, from_side,
                            from_side, true, d_mixed + parts[i].to, R, side, side, parts[i].n);
  }
  return GM_OK;
}

gm_status gm_region_maps_forward(const gm_region_run *r, const gm_region_maps *maps) {
  GM_TRY(make_maps(r, 0, maps));
  for (size_t s = 0; s < r->w->n_fuse; s++) {
    GM_TRY(fuse_convs(r, s, maps));
    GM_TRY(make_maps(r, s + 1, maps));
  }
  return GM_OK;
}

gm_status gm_region_maps_again(const gm_region_run *r, const gm_region_maps *maps) {
  return make_maps(r, r->w->n_fuse, maps);
}

static gm_status back_step(const gm_region_run *r, size_t s, const gm_region_maps *before,
                           const gm_region_maps *after, const gm_region_maps *d_after,
                           const gm_region_maps *d_before) {
  gm_status status = make_maps(r, s, before);
  gm_region_maps_clear(r, d_before);
  for (size_t k = 0; k < GM_REGION_LEVELS && status == GM_OK; k++) {
    gm_arena_mark mark = gm_arena_save(&r->t->c->arena);
    status = back_fuse_level(r, s, k, before, after->at[k], d_after->at[k], d_before);
    gm_arena_restore(&r->t->c->arena, mark);
  }
  return status;
}

static void swap(gm_region_maps *a, gm_region_maps *b) {
  gm_region_maps other = *a;
  *a = *b;
  *b = other;
}

gm_status gm_region_maps_back(const gm_region_run *r, gm_region_maps *maps,
                              gm_region_maps *d_maps) {
  gm_region_maps before, d_before;
  GM_TRY(gm_region_maps_allocate(r, &before, "region maps"));
  GM_TRY(gm_region_maps_allocate(r, &d_before, "gradients of region maps"));
  for (size_t s = r->w->n_fuse; s-- > 0;) {
    GM_TRY(back_step(r, s, &before, maps, d_maps, &d_before));
    swap(maps, &before);
    swap(d_maps, &d_before);
  }
  gm_status status = GM_OK;
  for (size_t k = 0; k < GM_REGION_LEVELS && status == GM_OK; k++) {
    gm_arena_mark mark = gm_arena_save(&r->t->c->arena);
    status = back_level(r, k, d_maps->at[k]);
    gm_arena_restore(&r->t->c->arena, mark);
  }
  return status;
}
