/* image.c - PICTURE: gm_image itself, and pictures from pixels in memory. */
#include "image.h"

#include "checked.h"

#include <stdlib.h>
#include <string.h>

gm_status gm_image_create(gm_image **out, uint64_t width, uint64_t height, uint64_t max_pixels,
                          gm_error *err) {
  *out = NULL;
  if (width == 0 || height == 0)
    return gm_fail(err, GM_ERR_IMAGE_TRUNCATED,
                   "found a picture of %llu x %llu pixels; wanted at least 1 x 1",
                   (unsigned long long)width, (unsigned long long)height);
  if (width > GM_IMAGE_MAX_SIDE || height > GM_IMAGE_MAX_SIDE || width * height > max_pixels)
    return gm_fail(err, GM_ERR_IMAGE_TOO_LARGE,
                   "found a picture of %llu x %llu pixels; wanted at most %llu in all and %d "
                   "a side: make it smaller or raise the limit (--max-pixels)",
                   (unsigned long long)width, (unsigned long long)height,
                   (unsigned long long)max_pixels, GM_IMAGE_MAX_SIDE);
  size_t bytes;
  if (!gm_mul_size((size_t)width * (size_t)height, 3, &bytes)) bytes = SIZE_MAX;
  gm_image *image = calloc(1, sizeof *image);
  if (image) image->rgb = bytes < SIZE_MAX ? calloc(bytes, 1) : NULL;
  if (!image || !image->rgb) {
    free(image);
    return gm_fail_memory(err, "a picture", bytes);
  }
  atomic_init(&image->owners, 1);
  image->width = (uint32_t)width;
  image->height = (uint32_t)height;
  *out = image;
  return GM_OK;
}

gm_status gm_image_from_rgb(gm_image **out, const uint8_t *rgb, uint32_t width, uint32_t height,
                            gm_error *err) {
  *out = NULL;
  if (!rgb || width == 0 || height == 0)
    return gm_fail(err, GM_ERR_ARGUMENT, "found %u x %u pixels%s; wanted at least 1 x 1", width,
                   height, rgb ? "" : " at NULL");
  GM_TRY(gm_image_create(out, width, height, UINT64_MAX, err));
  memcpy((*out)->rgb, rgb, (size_t)width * height * 3);
  return GM_OK;
}

uint32_t gm_image_width(const gm_image *image) {
  return image->width;
}

uint32_t gm_image_height(const gm_image *image) {
  return image->height;
}

const uint8_t *gm_image_rgb(const gm_image *image) {
  return image->rgb;
}

gm_image *gm_image_share(const gm_image *image) {
  gm_image *shared = (gm_image *)(uintptr_t)image;
  atomic_fetch_add_explicit(&shared->owners, 1, memory_order_relaxed);
  return shared;
}

void gm_image_free(gm_image *image) {
  if (!image || atomic_fetch_sub_explicit(&image->owners, 1, memory_order_acq_rel) > 1) return;
  free(image->rgb);
  free(image);
}
