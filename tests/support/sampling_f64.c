/* sampling_f64.c - see sampling_f64.h. */
#include "sampling_f64.h"

#include <math.h>
#include <string.h>

/* y += weight * the reading at a point of [0, h-1] x [0, w-1]. */
static void add_reading(double *y, double weight, const double *map, size_t h, size_t w,
                        size_t ld, double at_y, double at_x, size_t channels) {
  size_t y0 = (size_t)floor(at_y), x0 = (size_t)floor(at_x);
  size_t y1 = y0 + 1 < h ? y0 + 1 : y0, x1 = x0 + 1 < w ? x0 + 1 : x0;
  double fy = at_y - (double)y0, fx = at_x - (double)x0;
  for (size_t k = 0; k < channels; k++)
    y[k] += weight *
            ((1 - fy) *
                 ((1 - fx) * map[(y0 * w + x0) * ld + k] + fx * map[(y0 * w + x1) * ld + k]) +
             fy * ((1 - fx) * map[(y1 * w + x0) * ld + k] + fx * map[(y1 * w + x1) * ld + k]));
}

void resize_f64(double *out, size_t ld_out, size_t ho, size_t wo, const double *in,
                size_t ld_in, size_t hi, size_t wi, size_t channels) {
  for (size_t i = 0; i < ho * wo; i++) {
    double y = ho > 1 ? (double)(i / wo) * (double)(hi - 1) / (double)(ho - 1) : 0;
    double x = wo > 1 ? (double)(i % wo) * (double)(wi - 1) / (double)(wo - 1) : 0;
    memset(out + i * ld_out, 0, channels * sizeof *out);
    add_reading(out + i * ld_out, 1, in, hi, wi, ld_in, y, x, channels);
  }
}

/* A sample is 0 off the map, else its coordinates are clamped: one in [-1, 0] counts as 0, one
 * at the last row or past it as the last row. */
void roi_align_f64(double *out, const double *map, size_t h, size_t w, size_t channels,
                   const float *boxes, size_t n, size_t bins, double stride) {
  double H = (double)h, W = (double)w;
  memset(out, 0, n * bins * bins * channels * sizeof *out);
  for (size_t i = 0; i < 4 * n * bins * bins; i++) {
    size_t s = i % 4, cell = i / 4, column = cell % bins, row = cell / bins % bins;
    const float *box = boxes + 4 * (cell / bins / bins);
    double height = ((double)box[3] - (double)box[1]) / stride / (double)bins;
    double width = ((double)box[2] - (double)box[0]) / stride / (double)bins;
    double y =
        (double)box[1] / stride - 0.5 + height * ((double)row + ((double)(s / 2) + 0.5) / 2);
    double x =
        (double)box[0] / stride - 0.5 + width * ((double)column + ((double)(s % 2) + 0.5) / 2);
    if (y < -1 || y > H || x < -1 || x > W) continue;
    add_reading(out + cell * channels, 0.25, map, h, w, channels, fmin(fmax(y, 0), H - 1),
                fmin(fmax(x, 0), W - 1), channels);
  }
}

/* Bilinear reading where everything outside the map is 0. */
static double read_padded(const gm_deform_map *map, const double *value, double x, double y,
                          size_t column) {
  double sum = 0, x0 = floor(x), y0 = floor(y);
  for (size_t i = 0; i < 4; i++) {
    double cx = x0 + (double)(i % 2), cy = y0 + (double)(i / 2);
    if (cx < 0 || cy < 0 || cx >= (double)map->w || cy >= (double)map->h) continue;
    size_t position = (size_t)cy * map->w + (size_t)cx;
    sum += (1 - fabs(x - cx)) * (1 - fabs(y - cy)) * value[position * map->ld + column];
  }
  return sum;
}

void deform_f64(double *out, const gm_deform_map *map, const double *value,
                const gm_reference *from, const double *offset, const double *score,
                size_t n_queries) {
  size_t width = map->heads * map->d;
  for (size_t i = 0; i < n_queries * width; i++) {
    const gm_reference *r = &from[i / width];
    size_t first = i / map->d * map->points;
    double sum = 0, total = 0;
    for (size_t at = first; at < first + map->points; at++) {
      double x = (double)r->x + offset[2 * at] * (double)r->step_x;
      double y = (double)r->y + offset[2 * at + 1] * (double)r->step_y;
      double share = exp(score[at]);
      total += share;
      sum += share * read_padded(map, value, x * (double)map->w - 0.5, y * (double)map->h - 0.5,
                                 i % width);
    }
    out[i] = sum / total;
  }
}
