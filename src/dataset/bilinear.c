/* bilinear.c - see bilinear.h. */
#include "bilinear.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { BITS = 11, ONE = 1 << BITS };

/* The two pixels of the source that a place of the result lies between. */
typedef struct tap {
  uint32_t at, next;
  int32_t weight; /* of next, of ONE */
} tap;

static tap tap_of(size_t place, size_t size, size_t first, size_t src_size) {
  double at = ((double)place + 0.5) * ((double)src_size / (double)size) - 0.5;
  if (at < 0) at = 0;
  double low = floor(at), last = (double)(src_size - 1);
  if (low > last) low = last;
  double weight = low < last ? at - low : 0;
  return (tap){(uint32_t)(first + (size_t)low), (uint32_t)(first + (size_t)fmin(low + 1, last)),
               (int32_t)lrint(weight * ONE)};
}

/* One row of the source at the view's columns, times ONE. */
static void resize_row(int32_t *out, const uint8_t *row, const tap *columns, size_t n) {
  for (size_t x = 0; x < n; x++) {
    const uint8_t *a = row + 3 * (size_t)columns[x].at, *b = row + 3 * (size_t)columns[x].next;
    for (size_t c = 0; c < 3; c++)
      out[3 * x + c] = a[c] * (ONE - columns[x].weight) + b[c] * columns[x].weight;
  }
}

static void resize_view(uint8_t *dst, const gm_resize *r, const tap *columns,
                        int32_t *rows[2]) {
  size_t n = 3 * r->view_width;
  uint32_t held[2] = {UINT32_MAX, UINT32_MAX}; /* which row of the source is in rows[i] */
  for (size_t y = 0; y < r->view_height; y++, dst += n) {
    tap t = tap_of(r->view_y + y, r->height, r->crop_y, r->crop_height);
    const uint32_t wanted[2] = {t.at, t.next};
    if (held[1] == t.at) { /* the lower row becomes the upper one */
      int32_t *swap = rows[0];
      rows[0] = rows[1];
      rows[1] = swap;
      held[0] = held[1];
      held[1] = UINT32_MAX;
    }
    for (int i = 0; i < 2; i++) {
      if (held[i] == wanted[i]) continue;
      resize_row(rows[i], r->src + 3 * r->src_width * (size_t)wanted[i], columns,
                 r->view_width);
      held[i] = wanted[i];
    }
    for (size_t i = 0; i < n; i++)
      dst[i] = (uint8_t)((rows[0][i] * (ONE - t.weight) + rows[1][i] * t.weight +
                          (1 << (2 * BITS - 1))) >>
                         (2 * BITS));
  }
}

gm_status gm_picture_bilinear(uint8_t *dst, const gm_resize *r, gm_error *err) {
  assert(r->crop_x + r->crop_width <= r->src_width &&
         r->crop_y + r->crop_height <= r->src_height);
  assert(r->view_x + r->view_width <= r->width && r->view_y + r->view_height <= r->height);
  size_t n = r->view_width;
  tap *columns = malloc(n * sizeof *columns);
  int32_t *memory = malloc(2 * 3 * n * sizeof *memory), *rows[2] = {memory, memory + 3 * n};
  gm_status status = GM_OK;
  if (columns && memory) {
    for (size_t x = 0; x < n; x++)
      columns[x] = tap_of(r->view_x + x, r->width, r->crop_x, r->crop_width);
    resize_view(dst, r, columns, rows);
  } else {
    status = gm_fail_memory(err, "resizing", n * sizeof *columns);
  }
  free(columns);
  free(memory);
  return status;
}
