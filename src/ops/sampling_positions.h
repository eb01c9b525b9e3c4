/* sampling_positions.h - which neighbours a coordinate reads, and with what weights: for
 * sampling.c and its backward. */
#ifndef GM_SAMPLING_POSITIONS_H
#define GM_SAMPLING_POSITIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Two neighbours on one axis: `low` with weight 1 - f, `high` with weight f. */
typedef struct gm_neighbours {
  size_t low, high;
  float f;
} gm_neighbours;

/* Of output position i of n_out, with the corners of input and output on each other. */
static inline gm_neighbours gm_resize_position(size_t i, size_t n_out, size_t n_in) {
  float step = n_out > 1 ? (float)(n_in - 1) / (float)(n_out - 1) : 0;
  float at = step * (float)i;
  size_t floor = (size_t)at, low = floor < n_in - 1 ? floor : n_in - 1;
  return (gm_neighbours){low, low < n_in - 1 ? low + 1 : low, at - (float)low};
}

/* Of a coordinate under RoIAlign's rules; false where the sample is off the map. */
static inline bool gm_roi_position(float at, size_t n, gm_neighbours *out) {
  if (!(at >= -1 && at <= (float)n)) return false;
  if (at < 0) at = 0;
  size_t low = (size_t)at;
  if (low >= n - 1)
    *out = (gm_neighbours){n - 1, n - 1, 0};
  else
    *out = (gm_neighbours){low, low + 1, at - (float)low};
  return true;
}

/* RoIAlign's samples on one axis, from `begin` to `end` in image pixels: sample s of 2 of a bin
 * lies at start + bin * (its number + (s + 1/2) / 2). */
typedef struct gm_roi_axis {
  float start, bin;
} gm_roi_axis;

static inline gm_roi_axis gm_roi_axis_of(float begin, float end, size_t bins, float stride) {
  return (gm_roi_axis){begin / stride - 0.5F, (end - begin) / stride / (float)bins};
}

static inline float gm_roi_sample(gm_roi_axis axis, size_t bin, size_t sample) {
  return axis.start + axis.bin * ((float)bin + 0.25F + 0.5F * (float)sample);
}

#endif
