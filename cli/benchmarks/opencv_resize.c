/* opencv_resize.c - see opencv_resize.h. */
#include "opencv_resize.h"

#include <math.h>
#include <stdlib.h>

enum { CHANNELS = 3, BITS = 11 };

/* The two neighbours of a pixel of the result, and their weights; those add up to 2^BITS, or
 * one more or less. */
typedef struct neighbours {
  size_t first, second;
  int32_t a, b;
} neighbours;

/* Beyond an edge both are the same pixel; OpenCV keeps the weights there for rows, and not for
 * columns, which rounds differently. */
static neighbours neighbours_of(size_t i, size_t n_out, size_t n_in, bool rows) {
  double scale = 1 / ((double)n_out / (double)n_in);
  float at = (float)(((double)i + 0.5) * scale - 0.5);
  float floored = floorf(at), share = at - floored;
  size_t last = n_in - 1, first = floored < 0 ? 0 : (size_t)floored, second;
  second = floored < 0 ? 0 : first < last ? first + 1 : last;
  if (first > last) first = last;
  if (!rows && first == second) share = 0;
  const float one = 1 << BITS;
  /* Ties go to the even number. */
  return (neighbours){first, second, (int32_t)lrintf((1 - share) * one),
                      (int32_t)lrintf(share * one)};
}

static void halve(uint8_t *out, size_t size, const uint8_t *rgb) {
  size_t row = 2 * size * CHANNELS;
  for (size_t y = 0; y < size; y++)
    for (size_t x = 0; x < size * CHANNELS; x++) {
      const uint8_t *p = rgb + 2 * y * row + 2 * (x / CHANNELS) * CHANNELS + x % CHANNELS;
      unsigned sum = p[0] + (unsigned)p[CHANNELS] + p[row] + p[row + CHANNELS];
      *out++ = (uint8_t)((sum + 2) >> 2);
    }
}

static void resize_row(int32_t *out, const uint8_t *row, const neighbours *xs, size_t size) {
  for (size_t x = 0; x < size; x++)
    for (size_t c = 0; c < CHANNELS; c++)
      *out++ = row[xs[x].first * CHANNELS + c] * xs[x].a +
               row[xs[x].second * CHANNELS + c] * xs[x].b;
}

gm_status opencv_resize(uint8_t *out, size_t size, const uint8_t *rgb, size_t width,
                        size_t height, gm_error *err) {
  size_t n = size * CHANNELS;
  if (width == 2 * size && height == 2 * size) {
    halve(out, size, rgb);
    return GM_OK;
  }
  neighbours *xs = malloc(size * sizeof *xs);
  int32_t *rows = malloc(2 * n * sizeof *rows);
  gm_status status = xs && rows ? GM_OK : gm_fail_memory(err, "a resized picture", n);
  for (size_t x = 0; status == GM_OK && x < size; x++)
    xs[x] = neighbours_of(x, size, width, false);
  for (size_t y = 0; status == GM_OK && y < size; y++) {
    neighbours at = neighbours_of(y, size, height, true);
    resize_row(rows, rgb + at.first * width * CHANNELS, xs, size);
    resize_row(rows + n, rgb + at.second * width * CHANNELS, xs, size);
    for (size_t i = 0; i < n; i++)
      *out++ = (uint8_t)((((at.a * (rows[i] >> 4)) >> 16) +
                          ((at.b * (rows[n + i] >> 4)) >> 16) + 2) >>
                         2);
  }
  free(xs);
  free(rows);
  return status;
}
