/* deform_vec.h - row_kernels.h in vectors: one query of deformable attention. Included as
 * rows_vec.h is.
 *
 * Coordinates keep the order of the offsets: x and y in turn. On each axis a coordinate reads
 * two cells, the one at its floor and the next one, with weights 1 - f and f. A cell outside
 * the map is moved to the edge, and its weight is multiplied by 1 - (cells moved)^2, which
 * makes it 0. Before that a coordinate is clipped to [-1, size]; at those two ends all weights
 * are 0. */
#ifndef GM_DEFORM_VEC_H
#define GM_DEFORM_VEC_H

#include "row_kernels.h"
#include "vec_math.h"

#include <assert.h>

enum { DEFORM_POINTS = 64 }; /* at once, of several heads */

typedef struct deform_axes {
  int32_t cell[2][2 * DEFORM_POINTS];
  float weight[2][2 * DEFORM_POINTS];
  float share[DEFORM_POINTS]; /* e^(score - the head's largest) */
} deform_axes;

static inline void find_cells(deform_axes *axes, const gm_deform_map *map,
                              const gm_reference *from, const float *offset, size_t points) {
  const float w = (float)map->w, h = (float)map->h;
  const vec origin = vec_pair(from->x * w - 0.5F, from->y * h - 0.5F);
  const vec step = vec_pair(from->step_x * w, from->step_y * h);
  const vec size = vec_pair(w, h), last = vec_pair(w - 1, h - 1);
  const vec zero = vec_set(0), one = vec_set(1);
  for (size_t i = 0; i < 2 * points; i += VEC) {
    size_t left = 2 * points - i < VEC ? 2 * points - i : VEC;
    vec at = vec_fma(load_left(offset + i, left), step, origin);
    at = vec_clamp(at, vec_set(-1), size);
    vec low = vec_floor(at), high = vec_add(low, one), f = vec_sub(at, low);
    vec cell0 = vec_clamp(low, zero, last), cell1 = vec_clamp(high, zero, last);
    vec moved0 = vec_sub(low, cell0), moved1 = vec_sub(high, cell1);
    vec_store_i32(axes->cell[0] + i, cell0);
    vec_store_i32(axes->cell[1] + i, cell1);
    vec_store(axes->weight[0] + i,
              vec_mul(vec_sub(one, f), vec_sub(one, vec_mul(moved0, moved0))));
    vec_store(axes->weight[1] + i, vec_mul(f, vec_sub(one, vec_mul(moved1, moved1))));
  }
}

static inline void find_shares(deform_axes *axes, const float *score, size_t heads,
                               size_t points) {
  for (size_t a = 0; a < heads; a++, score += points) {
    float top = score[0];
    for (size_t p = 1; p < points; p++) top = score[p] > top ? score[p] : top;
    for (size_t p = 0; p < points; p++) axes->share[a * points + p] = score[p] - top;
  }
  for (size_t i = 0; i < heads * points; i += VEC)
    vec_store(axes->share + i, vec_exp(vec_load(axes->share + i)));
}

/* One head, whose first point is number `at` of those in axes. */
static inline void read_head(float *out, const gm_deform_map *map, const float *value,
                             const deform_axes *axes, size_t at) {
  const float *rows[4 * GM_MAX_POINTS];
  float weights[4 * GM_MAX_POINTS], sum = 0;
  for (size_t p = 0; p < map->points; p++) sum += axes->share[at + p];
  for (size_t p = 0; p < map->points; p++) {
    size_t i = 2 * (at + p);
    float share = axes->share[at + p] / sum;
    for (size_t j = 0; j < 4; j++) {
      size_t x = (size_t)axes->cell[j % 2][i], y = (size_t)axes->cell[j / 2][i + 1];
      rows[4 * p + j] = value + (y * map->w + x) * map->ld;
      weights[4 * p + j] = share * axes->weight[j % 2][i] * axes->weight[j / 2][i + 1];
    }
  }
  weighted_rows_vec(out, rows, weights, 4 * map->points, map->d);
}

static void deform_vec(float *out, const gm_deform_map *map, const gm_reference *from,
                       const float *offset, const float *score) {
  assert(map->points > 0 && map->points <= GM_MAX_POINTS);
  deform_axes axes;
  size_t points = map->points, most = DEFORM_POINTS / points;
  for (size_t first = 0, n; first < map->heads; first += n) {
    n = map->heads - first < most ? map->heads - first : most;
    find_cells(&axes, map, from, offset + 2 * first * points, n * points);
    find_shares(&axes, score + first * points, n, points);
    for (size_t a = 0; a < n; a++)
      read_head(out + (first + a) * map->d, map, map->value + (first + a) * map->d, &axes,
                a * points);
  }
}

#endif
