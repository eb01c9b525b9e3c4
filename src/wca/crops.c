/* crops.c - see crops.h. */
#include "crops.h"

#include <assert.h>
#include <math.h>
#include <string.h>

gm_rng gm_crops_rng(const gm_image *image, const gm_crop *part, uint64_t seed,
                    const char *purpose) {
  uint64_t pixels = 0, row_bytes = (uint64_t)part->width * 3;
  assert((uint64_t)part->x + part->width <= gm_image_width(image));
  assert((uint64_t)part->y + part->height <= gm_image_height(image));
  for (uint32_t y = 0; y < part->height; y++) {
    size_t at = ((size_t)(part->y + y) * gm_image_width(image) + part->x) * 3;
    pixels = gm_mix64(pixels) ^ gm_fnv1a(gm_image_rgb(image) + at, row_bytes);
  }
  uint64_t shape = gm_mix64(((uint64_t)part->width << 32 | part->height) + 1);
  gm_rng rng = {gm_mix64(seed) ^ pixels ^ shape ^ gm_fnv1a(purpose, strlen(purpose))};
  gm_rng_u64(&rng);
  return rng;
}

/* Uniform in 0..n-1; n is far below 2^53, so the bias of the product is below 2^-21. */
static uint32_t below(gm_rng *rng, uint32_t n) {
  assert(n > 0);
  uint32_t value = (uint32_t)(gm_rng_unit(rng) * n);
  return value < n ? value : n - 1;
}

void gm_crops_draw(gm_crop *out, size_t n, uint32_t width, uint32_t height, double alpha,
                   double beta, gm_rng *rng) {
  uint32_t shorter = width < height ? width : height;
  for (size_t i = 0; i < n; i++) {
    double share = alpha + (beta - alpha) * gm_rng_unit(rng);
    uint32_t side = (uint32_t)floor(share * shorter);
    if (side < 1) side = 1;
    assert(side <= shorter);
    uint32_t x = below(rng, width - side + 1), y = below(rng, height - side + 1);
    out[i] = (gm_crop){x, y, side, side};
  }
}

void gm_crops_redraw(uint32_t *out, size_t n, size_t count, gm_rng *rng) {
  for (size_t i = 0; i < n; i++) out[i] = below(rng, (uint32_t)count);
}

static double overlap(uint32_t a, uint32_t a_size, uint32_t b, uint32_t b_size) {
  double from = a > b ? a : b;
  double a_end = (double)a + a_size, b_end = (double)b + b_size;
  return fmax(0, fmin(a_end, b_end) - from);
}

static double crop_iou(const gm_crop *a, const gm_crop *b) {
  double shared =
      overlap(a->x, a->width, b->x, b->width) * overlap(a->y, a->height, b->y, b->height);
  double areas = (double)a->width * a->height + (double)b->width * b->height;
  return shared / (areas - shared);
}

size_t gm_crops_dedup(gm_crop *crops, size_t n, double limit) {
  size_t kept = 0;
  for (size_t i = 0; i < n; i++) {
    bool unlike = true;
    for (size_t k = 0; unlike && k < kept; k++)
      unlike = crop_iou(&crops[i], &crops[k]) <= limit;
    if (unlike) crops[kept++] = crops[i];
  }
  return kept;
}
