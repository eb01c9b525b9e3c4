/* image_orient.c - the eight EXIF orientations, see gm_image_orient in image.h. */
#include "image.h"

#include <stdlib.h>
#include <string.h>

enum { TILE = 32 }; /* pixels; a tile's rows and columns stay in the cache */

/* Where pixel (x, y) of the stored picture goes: out = origin + x * step_x + y * step_y, in
 * pixels of the upright picture. EXIF says which edges row 0 and column 0 are: 1 top left, 2
 * top right, 3 bottom right, 4 bottom left, 5 left top, 6 right top, 7 right bottom, 8 left
 * bottom. */
typedef struct placing {
  ptrdiff_t origin, step_x, step_y;
} placing;

static placing placing_of(int orientation, ptrdiff_t w, ptrdiff_t h) {
  switch (orientation) {
  case 2:
    return (placing){w - 1, -1, w};
  case 3:
    return (placing){w * h - 1, -1, -w};
  case 4:
    return (placing){(h - 1) * w, 1, -w};
  case 5:
    return (placing){0, h, 1};
  case 6:
    return (placing){h - 1, h, -1};
  case 7:
    return (placing){w * h - 1, -h, -1};
  case 8:
    return (placing){(w - 1) * h, -h, 1};
  default:
    return (placing){0, 1, w};
  }
}

static void place_tile(uint8_t *out, const gm_image *image, placing t, ptrdiff_t x0,
                       ptrdiff_t y0) {
  ptrdiff_t w = (ptrdiff_t)image->width, h = (ptrdiff_t)image->height;
  ptrdiff_t x1 = x0 + TILE < w ? x0 + TILE : w, y1 = y0 + TILE < h ? y0 + TILE : h;
  for (ptrdiff_t y = y0; y < y1; y++)
    for (ptrdiff_t x = x0; x < x1; x++)
      memcpy(out + (t.origin + x * t.step_x + y * t.step_y) * 3, image->rgb + (y * w + x) * 3,
             3);
}

gm_status gm_image_orient(gm_image *image, int orientation, gm_error *err) {
  if (orientation <= 1 || orientation > 8) return GM_OK;
  ptrdiff_t w = (ptrdiff_t)image->width, h = (ptrdiff_t)image->height;
  size_t bytes = (size_t)w * (size_t)h * 3;
  uint8_t *out = calloc(bytes, 1);
  if (!out) return gm_fail_memory(err, "an upright picture", bytes);
  placing t = placing_of(orientation, w, h);
  for (ptrdiff_t y = 0; y < h; y += TILE)
    for (ptrdiff_t x = 0; x < w; x += TILE) place_tile(out, image, t, x, y);
  free(image->rgb);
  image->rgb = out;
  if (orientation >= 5) {
    image->width = (uint32_t)h;
    image->height = (uint32_t)w;
  }
  return GM_OK;
}
