/* test_augment.c - stage 1's augmentation: bilinear resizing against its formula in f64, the
 * ranges of the draws, and the boxes by arithmetic. */
#include "support.h"

#include "augment.h"
#include "bilinear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static gm_error err;

/* ---- bilinear ---- */

static void two_pixels_are_spread(void **state) {
  (void)state;
  static const uint8_t src[6] = {0, 100, 7, 255, 200, 7};
  uint8_t out[12];
  gm_resize r = gm_resize_whole(src, 2, 1, 4, 1);
  assert_ok(gm_picture_bilinear(out, &r, &err), &err);
  /* Places -0.25 (the edge), 0.25, 0.75 and 1.25 of the source. */
  static const uint8_t expected[12] = {0, 100, 7, 64, 125, 7, 191, 175, 7, 255, 200, 7};
  assert_memory_equal(out, expected, sizeof out);
  gm_resize back = gm_resize_whole(expected, 4, 1, 2, 1);
  assert_ok(gm_picture_bilinear(out, &back, &err), &err);
  static const uint8_t halves[6] = {32, 113, 7, 223, 188, 7}; /* 32, 112.5, 7, 223, 187.5, 7 */
  assert_memory_equal(out, halves, sizeof halves);
}

static double edge(double x, size_t n) {
  return fmin(fmax(x, 0), (double)(n - 1));
}

static double at(const uint8_t *src, size_t w, size_t h, double x, double y, size_t c) {
  x = edge(x, w);
  y = edge(y, h);
  size_t x0 = (size_t)x, y0 = (size_t)y, x1 = (size_t)edge((double)x0 + 1, w),
         y1 = (size_t)edge((double)y0 + 1, h);
  double u = x - (double)x0, v = y - (double)y0;
  return (1 - v) * ((1 - u) * src[3 * (y0 * w + x0) + c] + u * src[3 * (y0 * w + x1) + c]) +
         v * ((1 - u) * src[3 * (y1 * w + x0) + c] + u * src[3 * (y1 * w + x1) + c]);
}

static void resizing_follows_the_formula(void **state) {
  (void)state;
  static const size_t sizes[][4] = {
      {7, 5, 13, 11}, {40, 30, 9, 17}, {1, 1, 5, 3}, {3, 50, 50, 3}, {20, 20, 20, 20}};
  gm_rng rng = {3};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    size_t w = sizes[i][0], h = sizes[i][1], to_w = sizes[i][2], to_h = sizes[i][3];
    uint8_t *src = malloc(3 * w * h), *out = malloc(3 * to_w * to_h), part[3 * 2];
    for (size_t k = 0; k < 3 * w * h; k++) src[k] = (uint8_t)gm_rng_u64(&rng);
    gm_resize r = gm_resize_whole(src, w, h, to_w, to_h);
    assert_ok(gm_picture_bilinear(out, &r, &err), &err);
    for (size_t y = 0; y < to_h; y++)
      for (size_t x = 0; x < to_w; x++)
        for (size_t c = 0; c < 3; c++) {
          double sx = ((double)x + 0.5) * (double)w / (double)to_w - 0.5,
                 sy = ((double)y + 0.5) * (double)h / (double)to_h - 0.5;
          /* Rounding to 8 bits, and two weights rounded to 11 bits times at most 255. */
          assert_true(fabs(at(src, w, h, sx, sy, c) - out[3 * (y * to_w + x) + c]) <=
                      0.5 + 2 * 255.0 / 4096);
        }
    r.view_x = to_w - 2;
    r.view_y = to_h - 1;
    r.view_width = 2;
    r.view_height = 1;
    assert_ok(gm_picture_bilinear(part, &r, &err), &err);
    assert_memory_equal(part, out + 3 * (to_w * to_h - 2), sizeof part);
    free(src);
    free(out);
  }
}

/* ---- draws ---- */

static void draws_stay_in_their_ranges(void **state) {
  (void)state;
  int sides[3] = {0}, flips = 0, low = 0, high = 0;
  for (uint64_t i = 0; i < 3000; i++) {
    gm_rng rng = {i * 77};
    gm_augmentation a = gm_augmentation_draw(640, 480, &rng);
    size_t k = (a.height - 400) / 100;
    static const size_t widths[3] = {533, 667, 800}; /* 533.3, 666.7, 800 */
    assert_true(k < 3 && a.height == 400 + 100 * k && a.width == widths[k]);
    assert_in_range(a.crop_height, a.height < 448 ? a.height : 448, a.height);
    assert_in_range(a.crop_width, 448, a.width);
    assert_true(a.crop_x + a.crop_width <= a.width && a.crop_y + a.crop_height <= a.height);
    sides[k]++;
    flips += a.flip;
    low += k == 2 && a.crop_height == 448;
    high += k == 2 && a.crop_height == 600;
  }
  /* Five standard deviations: sqrt(3000 / 4) = 27 and sqrt(3000 * 2 / 9) = 26. Both ends of
   * 448..600 come: 1000 draws of 153 values miss one with probability 0.001. */
  assert_in_range(flips, 1500 - 137, 1500 + 137);
  for (int k = 0; k < 3; k++) assert_in_range(sides[k], 1000 - 130, 1000 + 130);
  assert_true(low > 0 && high > 0);
}

static void long_pictures_are_limited(void **state) {
  (void)state;
  gm_rng rng = {1};
  gm_augmentation a = gm_augmentation_draw(5000, 100, &rng);
  assert_int_equal(a.width, 4200);
  assert_int_equal(a.height, 84);
  assert_int_equal(a.crop_height, 84);
  assert_in_range(a.crop_width, 448, 896);
  a = gm_augmentation_draw(1, 1 << 24, &rng);
  assert_int_equal(a.width, 1);
  assert_int_equal(a.height, 4200);
}

/* ---- boxes ---- */

static void assert_box(gm_rel_box b, double cx, double cy, double w, double h) {
  const double found[4] = {b.cx, b.cy, b.w, b.h}, wanted[4] = {cx, cy, w, h};
  /* Inputs are rounded to f32 (6e-8), and the crop enlarges by 2. */
  for (int i = 0; i < 4; i++)
    if (fabs(found[i] - wanted[i]) > 3e-7)
      fail_msg("box %g %g %g %g, not %g %g %g %g", found[0], found[1], found[2], found[3], cx,
               cy, w, h);
}

static void boxes_follow_the_picture(void **state) {
  (void)state;
  /* The picture becomes 800 x 600; the crop is x 200..600, y 100..500. */
  gm_augmentation a = {800, 600, 200, 100, 400, 400, false};
  static const gm_rel_box given[] = {
      {0.5f, 0.5f, 0.25f, 0.3333333f},   /* 300..500, 200..400 */
      {0.25f, 0.25f, 0.25f, 0.3333333f}, /* 100..300, 50..250 */
      {0.1f, 0.5f, 0.2f, 0.5f},          /* ends at x 160: outside */
      {0.25f, 0.5f, 0.005f, 0.5f},       /* 198..202: 2 of 400 px are left */
  };
  gm_rel_box boxes[4];
  memcpy(boxes, given, sizeof boxes);
  assert_int_equal(gm_augmentation_boxes(&a, boxes, 4, 400, GM_SOURCE_COCO), 2);
  assert_box(boxes[0], 0.5, 0.5, 0.5, 0.5);
  assert_box(boxes[1], 0.125, 0.1875, 0.25, 0.375);
  memcpy(boxes, given, sizeof boxes);
  a.flip = true;
  /* At 448 px the last one is 2.24 px wide. */
  assert_int_equal(gm_augmentation_boxes(&a, boxes, 4, 448, GM_SOURCE_COCO), 3);
  assert_box(boxes[0], 0.5, 0.5, 0.5, 0.5);
  assert_box(boxes[1], 0.875, 0.1875, 0.25, 0.375);
  assert_box(boxes[2], 1 - 0.0025, 0.5, 0.005, 0.75);
  memcpy(boxes, given, sizeof boxes);
  assert_int_equal(gm_augmentation_boxes(&a, boxes + 2, 1, 448, GM_SOURCE_COCO), 0);
}

static void sa1b_goes_by_area(void **state) {
  (void)state;
  /* Of 500 px: 14 x 14 is too small, 400 x 400 too large; a long thin one is taken. */
  static const gm_rel_box given[] = {{0.5f, 0.5f, 0.026f, 0.028f},
                                     {0.5f, 0.5f, 0.03f, 0.028f},
                                     {0.5f, 0.5f, 0.8f, 0.81f},
                                     {0.5f, 0.5f, 0.8f, 0.79f},
                                     {0.5f, 0.5f, 0.002f, 0.9f}};
  gm_rel_box boxes[5];
  memcpy(boxes, given, sizeof boxes);
  assert_int_equal(gm_boxes_large_enough(boxes, 5, 500, GM_SOURCE_SA1B), 3);
  assert_true(boxes[0].w == given[1].w && boxes[1].h == given[3].h && boxes[2].h == given[4].h);
  memcpy(boxes, given, sizeof boxes);
  assert_int_equal(gm_boxes_large_enough(boxes, 5, 500, GM_SOURCE_COCO), 4);
}

/* ---- pixels ---- */

static void pixels_are_cut_and_flipped(void **state) {
  (void)state;
  enum { W = 64, S = 32 };
  static uint8_t rgb[W * W * 3];
  static float pixels[3 * S * S];
  for (size_t i = 0; i < (size_t)W * W; i++) {
    rgb[3 * i] = (uint8_t)(i % W);
    rgb[3 * i + 1] = (uint8_t)(i / W);
    rgb[3 * i + 2] = 200;
  }
  gm_image *image;
  assert_ok(gm_image_from_rgb(&image, rgb, W, W, &err), &err);
  const gm_pixel_norm norm = {{0, 0, 0}, {1, 1, 1}};
  for (int flip = 0; flip < 2; flip++) {
    /* The sizes stay, so each pixel is one of the picture. */
    gm_augmentation a = {W, W, 10, 20, S, S, flip};
    assert_ok(gm_augmentation_pixels(pixels, &a, image, S, &norm, &err), &err);
    for (size_t y = 0; y < S; y++)
      for (size_t x = 0; x < S; x++) {
        size_t i = y * S + x;
        assert_int_equal(lrintf(pixels[i] * 255), 10 + (flip ? S - 1 - x : x));
        assert_int_equal(lrintf(pixels[S * S + i] * 255), 20 + y);
        assert_int_equal(lrintf(pixels[2 * S * S + i] * 255), 200);
      }
  }
  gm_image_free(image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(two_pixels_are_spread),
      cmocka_unit_test(resizing_follows_the_formula),
      cmocka_unit_test(draws_stay_in_their_ranges),
      cmocka_unit_test(long_pictures_are_limited),
      cmocka_unit_test(boxes_follow_the_picture),
      cmocka_unit_test(sa1b_goes_by_area),
      cmocka_unit_test(pixels_are_cut_and_flipped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
