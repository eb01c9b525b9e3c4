/* image.h - what the parts of src/image share: a decoded picture, and one decoder per format.
 *
 * A decoder is given the whole file and returns pixels as Pillow's convert("RGB") gives them:
 * alpha dropped, not blended; ICC profiles and gamma ignored; 16-bit channels cut to their high
 * byte. Before any pixel is decoded, it calls gm_image_create with the size that the format's
 * library found in the header. It checks that the library then writes exactly as many pixels.
 * Damaged data is an error (GM_ERR_IMAGE_TRUNCATED), never grey pixels. */
#ifndef GM_IMAGE_H
#define GM_IMAGE_H

#include "status.h"

#include <stdatomic.h>

struct gm_image {
  uint32_t width, height;
  uint8_t *rgb; /* [height][width][3] */
  atomic_size_t owners;
};

/* The longest side in pixels, whatever max_pixels says: libpng's default limit. */
enum { GM_IMAGE_MAX_SIDE = 1000000 };

/* What a decoder is given. */
typedef struct gm_image_source {
  const unsigned char *bytes;
  size_t size;
  uint64_t max_pixels;
} gm_image_source;

/* A black picture of width x height, if that is within the limits: GM_ERR_IMAGE_TOO_LARGE,
 * GM_ERR_IMAGE_TRUNCATED (a side is 0), GM_ERR_MEMORY. */
gm_status gm_image_create(gm_image **out, uint64_t width, uint64_t height, uint64_t max_pixels,
                          gm_error *err);

/* Adds an owner: the picture exists until every owner has called gm_image_free. */
gm_image *gm_image_share(const gm_image *image);

/* Orientation as in gm_exif_orientation; errors: GM_ERR_IMAGE_*, GM_ERR_MEMORY. */
gm_status gm_jpeg_decode(gm_image **out, const gm_image_source *source, int *orientation,
                         gm_error *err);
gm_status gm_png_decode(gm_image **out, const gm_image_source *source, int *orientation,
                        gm_error *err);
gm_status gm_webp_decode(gm_image **out, const gm_image_source *source, int *orientation,
                         gm_error *err);

/* Turns the picture upright and replaces its pixels. Orientations 0 and 1 do nothing. */
gm_status gm_image_orient(gm_image *image, int orientation, gm_error *err);

#endif
