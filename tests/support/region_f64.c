/* region_f64.c - see region_f64.h. */
#include "region_f64.h"

#include "sampling_f64.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRID = 2, C = 5, R = 64, BINS = 2, A = 6, F = 7, D = 5, STEPS = 2, PATCH = 8 };
enum { CROP = BINS * BINS * R, LARGEST = 4 * GRID * 4 * GRID * R };

/* ---- weights */

static const float *add(small_encoder *s, gm_rng *rng, const char *name, size_t n, float low,
                        float high) {
  assert_true(s->n < SMALL_WEIGHTS);
  const float *x = random_floats(rng, n, low, high);
  s->arrays[s->n] = (learned_array){x, n};
  s->weights64[s->n] = as_doubles(x, n);
  s->names[s->n++] = name;
  return x;
}

static gm_tensor taps(const float *data) {
  return (gm_tensor){.type = GM_TYPE_F32,
                     .n_dims = 4,
                     .shape = {3, 3, R, R},
                     .row_bytes = R * sizeof *data,
                     .data = data};
}

static gm_tensor matrix(small_encoder *s, gm_rng *rng, const char *name, size_t rows,
                        size_t columns) {
  return f32_matrix(add(s, rng, name, rows * columns, -0.5F, 0.5F), rows, columns);
}

void small_encoder_open(small_encoder *s, gm_geometry geometry) {
  gm_rng rng = {11}, *g = &rng;
  *s = (small_encoder){.n = 0};
  s->w = (gm_region_encoder){.geometry = geometry,
                             .image_size = GRID * PATCH,
                             .patch_size = PATCH,
                             .grid = GRID,
                             .width = C,
                             .channels = R,
                             .bins = BINS,
                             .position_dim = A,
                             .flat_dim = F,
                             .dim = D,
                             .n_fuse = STEPS};
  s->w.fuse = calloc(STEPS, sizeof *s->w.fuse);
  assert_non_null(s->w.fuse);
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) {
    gm_region_input *input = &s->w.input[k];
    input->w = matrix(s, g, "input conv", R, C);
    input->coord = matrix(s, g, "coordinates' conv", R, 2);
    input->bias = add(s, g, "input conv's bias", R, -0.5F, 0.5F);
    s->w.roi[k].conv = taps(add(s, g, "a level's conv", 9 * R * R, -0.05F, 0.05F));
    s->w.roi[k].bias = add(s, g, "a level's bias", R, -0.5F, 0.5F);
  }
  for (size_t k = 0; k < STEPS; k++) {
    s->w.fuse[k].conv = taps(add(s, g, "a fuse conv", 9 * R * R, -0.05F, 0.05F));
    s->w.fuse[k].norm_w = add(s, g, "a fuse norm's weight", R, 0.5F, 1.5F);
    s->w.fuse[k].norm_b = add(s, g, "a fuse norm's bias", R, -0.5F, 0.5F);
  }
  s->w.flatten = matrix(s, g, "flatten", F, CROP);
  s->w.flatten_b = add(s, g, "flatten's bias", F, -0.5F, 0.5F);
  s->w.pos1 = matrix(s, g, "position 1", A, 4);
  s->w.pos1_b = add(s, g, "position 1's bias", A, 0, 0.5F);
  s->w.pos_norm1_w = add(s, g, "position 1's norm", A, 0.5F, 1.5F);
  s->w.pos_norm1_b = add(s, g, "position 1's norm's bias", A, -0.5F, 0.5F);
  s->w.pos2 = matrix(s, g, "position 2", F, A);
  s->w.pos2_b = add(s, g, "position 2's bias", F, 0, 0.5F);
  s->w.pos_norm2_w = add(s, g, "position 2's norm", F, 0.5F, 1.5F);
  s->w.pos_norm2_b = add(s, g, "position 2's norm's bias", F, -0.5F, 0.5F);
  s->w.updims = matrix(s, g, "updims", D, F);
  s->w.updims_b = add(s, g, "updims' bias", D, -0.5F, 0.5F);
}

void small_encoder_close(small_encoder *s) {
  for (size_t i = 0; i < s->n; i++) {
    free((float *)(uintptr_t)s->arrays[i].weights);
    free(s->weights64[i]);
  }
  gm_region_encoder_free(&s->w);
}

/* ---- forward */

static const double *f64(const small_encoder *s, const void *weights) {
  for (size_t i = 0; i < s->n; i++)
    if (s->arrays[i].weights == weights) return s->weights64[i];
  fail_msg("these weights are not in the list");
  return NULL;
}

/* y[m, n] = x[m, k] . w[n, k]^T + bias, then ReLU if relu */
static void linear(double *y, const double *x, size_t m, const double *w, const double *bias,
                   size_t n, size_t k, bool relu) {
  for (size_t i = 0; i < m * n; i++) {
    double sum = bias[i % n];
    for (size_t j = 0; j < k; j++) sum += x[i / n * k + j] * w[i % n * k + j];
    y[i] = relu ? fmax(sum, 0) : sum;
  }
}

/* y += conv3x3(x), padding 1; w[3, 3, out, in] */
static void add_conv(double *y, const double *x, size_t h, size_t w, const double *weight) {
  for (size_t at = 0; at < h * w * 9; at++) {
    size_t tap = at % 9, row = at / 9 / w, column = at / 9 % w;
    size_t from_row = row + tap / 3 - 1, from_column = column + tap % 3 - 1;
    if (from_row >= h || from_column >= w) continue; /* also those below 0 */
    const double *from = x + (from_row * w + from_column) * R;
    for (size_t j = 0; j < R; j++) {
      double sum[4] = {0};
      const double *taps_of = weight + (tap * R + j) * R;
      for (size_t i = 0; i < R; i += 4)
        for (size_t k = 0; k < 4; k++) sum[k] += from[i + k] * taps_of[i + k];
      y[at / 9 * R + j] += sum[0] + sum[1] + sum[2] + sum[3];
    }
  }
}

/* x[n] -> (x - mean) / sqrt(var + eps) * w + b, elements `step` apart. */
static void norm(double *x, size_t n, size_t step, const double *w, const double *b,
                 size_t w_step) {
  double mean = 0, var = 0;
  for (size_t i = 0; i < n; i++) mean += x[i * step] / (double)n;
  for (size_t i = 0; i < n; i++) var += (x[i * step] - mean) * (x[i * step] - mean) / (double)n;
  for (size_t i = 0; i < n; i++)
    x[i * step] = (x[i * step] - mean) / sqrt(var + 1e-5) * w[i * w_step] + b[i * w_step];
}

static void first_map(const small_encoder *s, size_t level, const double *state, double *map) {
  const gm_region_input *input = &s->w.input[level];
  const double *w = f64(s, input->w.data), *coord = f64(s, input->coord.data);
  const double *bias = f64(s, input->bias);
  double y[GRID * GRID * R];
  size_t side = (size_t)GRID << (2 - level);
  linear(y, state + C, GRID * GRID, w, bias, R, C, false);
  for (size_t i = 0; i < GRID * GRID * R; i++) {
    double cell_x = i / R % GRID ? 1 : -1, cell_y = i / R / GRID ? 1 : -1;
    y[i] += coord[i % R * 2] * cell_x + coord[i % R * 2 + 1] * cell_y;
  }
  resize_f64(map, R, side, side, y, R, GRID, GRID, R);
}

/* All levels of a step read the maps before it. */
static void fuse(const small_encoder *s, const gm_region_fuse *step, double *maps[3]) {
  double *after[3];
  double *mixed = calloc(LARGEST, sizeof *mixed);
  assert_non_null(mixed);
  for (size_t k = 0; k < 3; k++) {
    size_t side = (size_t)GRID << (2 - k), up = k < 2 ? k + 1 : k, down = k > 0 ? k - 1 : k;
    size_t up_side = (size_t)GRID << (2 - up), down_side = (size_t)GRID << (2 - down);
    resize_f64(mixed, R, side, side, maps[k], R, side, side, 32);
    resize_f64(mixed + 32, R, side, side, maps[up] + 48, R, up_side, up_side, 16);
    resize_f64(mixed + 48, R, side, side, maps[down] + 32, R, down_side, down_side, 16);
    after[k] = calloc(side * side * R, sizeof *after[k]);
    assert_non_null(after[k]);
    add_conv(after[k], mixed, side, side, f64(s, step->conv.data));
    for (size_t c = 0; c < R; c++)
      norm(after[k] + c, side * side, R, f64(s, step->norm_w) + c, f64(s, step->norm_b) + c, 0);
    for (size_t i = 0; i < side * side * R; i++) after[k][i] = fmax(after[k][i], 0);
  }
  for (size_t k = 0; k < 3; k++) {
    free(maps[k]);
    maps[k] = after[k];
  }
  free(mixed);
}

static void position_branch(const small_encoder *s, const gm_rel_box *box, double *y) {
  const gm_region_encoder *w = &s->w;
  double h[A], in[4] = {(double)box->cx, (double)box->cy, (double)box->w, (double)box->h};
  linear(h, in, 1, f64(s, w->pos1.data), f64(s, w->pos1_b), A, 4, true);
  norm(h, A, 1, f64(s, w->pos_norm1_w), f64(s, w->pos_norm1_b), 1);
  linear(y, h, 1, f64(s, w->pos2.data), f64(s, w->pos2_b), F, A, true);
  norm(y, F, 1, f64(s, w->pos_norm2_w), f64(s, w->pos_norm2_b), 1);
}

static void encode_box(const small_encoder *s, double *const maps[3], const gm_rel_box *box,
                       double *out) {
  const gm_region_encoder *w = &s->w;
  const float S = GRID * PATCH;
  bool released = w->geometry == GM_GEOMETRY_RELEASED;
  float corners[4] = {box->cx * S, box->cy * S, box->w * S, box->h * S};
  if (!released) {
    corners[0] = (box->cx - box->w / 2) * S, corners[2] = (box->cx + box->w / 2) * S;
    corners[1] = (box->cy - box->h / 2) * S, corners[3] = (box->cy + box->h / 2) * S;
  }
  double crop[CROP], flat[CROP] = {0}, y[F], position[F];
  for (size_t k = 0; k < 3; k++) {
    size_t side = (size_t)GRID << (2 - k);
    double stride = (double)PATCH / (double)(4u >> k) / (released ? 2 : 1);
    roi_align_f64(crop, maps[k], side, side, R, corners, 1, BINS, stride);
    add_conv(flat, crop, BINS, BINS, f64(s, w->roi[k].conv.data));
    for (size_t i = 0; i < CROP; i++) flat[i] += f64(s, w->roi[k].bias)[i % R];
  }
  for (size_t i = 0; i < CROP; i++) flat[i] = fmax(flat[i], 0);
  position_branch(s, box, position);
  linear(y, flat, 1, f64(s, w->flatten.data), f64(s, w->flatten_b), F, CROP, false);
  for (size_t i = 0; i < F; i++) y[i] += position[i];
  linear(out, y, 1, f64(s, w->updims.data), f64(s, w->updims_b), D, F, false);
}

void region_f64(const small_encoder *s, double *const states[GM_REGION_LEVELS],
                const gm_rel_box *boxes, size_t r, double *out) {
  double *maps[3];
  for (size_t k = 0; k < 3; k++) {
    maps[k] = calloc(LARGEST, sizeof *maps[k]);
    assert_non_null(maps[k]);
    first_map(s, k, states[k], maps[k]);
  }
  for (size_t k = 0; k < STEPS; k++) fuse(s, &s->w.fuse[k], maps);
  for (size_t i = 0; i < r; i++) encode_box(s, maps, &boxes[i], out + i * D);
  for (size_t k = 0; k < 3; k++) free(maps[k]);
}
