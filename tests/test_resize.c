/* test_resize.c - bicubic resizing against Pillow's own pixels (golden/resize), crops and views
 * against cutting, and the normalised pixels of both towers against the goldens. */
#include "support.h"

#include "image.h"
#include "pixels.h"
#include "resize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gm_image *open_image(const char *path) {
  gm_image *image;
  gm_error err;
  assert_ok(gm_image_open(&image, test_data(path), NULL, &err), &err);
  return image;
}

static uint8_t *resize(const gm_resize *r, gm_pool *pool) {
  gm_error err;
  uint8_t *out = malloc(r->view_width * r->view_height * 3);
  assert_non_null(out);
  assert_ok(gm_resize_bicubic(out, r, pool, &err), &err);
  return out;
}

/* want[h / every][w / every][3] is every `every`-th pixel of got[h][w][3]. */
static void assert_pixels(const uint8_t *got, size_t w, size_t h, golden_array want,
                          size_t every, const char *what) {
  size_t columns = (w + every - 1) / every, rows = (h + every - 1) / every;
  assert_int_equal(want.shape[0], rows);
  assert_int_equal(want.shape[1], columns);
  const uint8_t *pixels = want.data;
  for (size_t y = 0; y < rows; y++)
    for (size_t x = 0; x < columns; x++)
      for (size_t c = 0; c < 3; c++) {
        int a = got[(y * every * w + x * every) * 3 + c], b = pixels[(y * columns + x) * 3 + c];
        if (a == b) continue;
        print_error("%s: pixel %zu, %zu, channel %zu is %d, wanted %d\n", what, x, y, c, a, b);
        fail();
      }
}

static void equals_pillow(void **state) {
  (void)state;
  static const char *const photos[] = {"astronaut.png", "chelsea.png", "coffee.png",
                                       "rocket.jpg"};
  static const struct {
    size_t w, h, every;
  } sizes[] = {{224, 224, 1}, {448, 448, 8}, {700, 500, 8}, {97, 33, 1}};
  golden *g = golden_open("golden/resize/bicubic.safetensors");
  for (size_t p = 0; p < 4; p++) {
    char path[64], name[128];
    snprintf(path, sizeof path, "photos/%s", photos[p]);
    gm_image *image = open_image(path);
    for (size_t i = 0; i < 4; i++) {
      snprintf(name, sizeof name, "%.*s-%zux%zu%s", (int)strcspn(photos[p], "."), photos[p],
               sizes[i].w, sizes[i].h, sizes[i].every > 1 ? "-every8" : "");
      gm_resize r =
          gm_resize_whole(image->rgb, image->width, image->height, sizes[i].w, sizes[i].h);
      uint8_t *got = resize(&r, NULL);
      assert_pixels(got, sizes[i].w, sizes[i].h, golden_get(g, name), sizes[i].every, name);
      free(got);
    }
    gm_image_free(image);
  }
  golden_close(g);
}

static void equals_pillow_tall_and_cropped(void **state) {
  (void)state;
  golden *g = golden_open("golden/resize/bicubic.safetensors");
  gm_error err;
  gm_image *rocket = open_image("photos/rocket.jpg");
  assert_ok(gm_image_orient(rocket, 8, &err), &err); /* 90 degrees counter-clockwise */
  gm_resize r = gm_resize_whole(rocket->rgb, rocket->width, rocket->height, 20, 300);
  uint8_t *got = resize(&r, NULL);
  assert_pixels(got, 20, 300, golden_get(g, "rocket-turned-left-20x300"), 1, "turned, 20x300");
  free(got);
  r = gm_resize_whole(rocket->rgb, rocket->width, rocket->height, 448, 448);
  got = resize(&r, NULL);
  assert_pixels(got, 448, 448, golden_get(g, "rocket-turned-left-448x448-every8"), 8,
                "turned, 448x448");
  free(got);
  gm_image_free(rocket);

  gm_image *chelsea = open_image("photos/chelsea.png");
  r = gm_resize_whole(chelsea->rgb, chelsea->width, chelsea->height, 96, 96);
  r.crop_x = 37, r.crop_y = 21, r.crop_width = 160 - 37, r.crop_height = 144 - 21;
  got = resize(&r, NULL);
  assert_pixels(got, 96, 96, golden_get(g, "chelsea-crop-37-21-160-144-96x96"), 1, "cropped");
  free(got);
  gm_image_free(chelsea);
  golden_close(g);
}

/* A crop equals resizing a copy of it, and a view equals a part of the whole result, with any
 * pool. */
static void crops_and_views_equal_cutting(void **state) {
  (void)state;
  enum { W = 70, H = 150 };
  gm_error err;
  gm_pool *pool;
  assert_ok(gm_pool_create(&pool, 3, &err), &err);
  uint8_t *src = malloc(W * H * 3);
  for (size_t i = 0; i < W * H * 3; i++) src[i] = (uint8_t)((i * i * 2654435761u) >> 13);
  static const size_t cases[][10] = {
      /* crop x y w h, to w h, view x y w h */
      {3, 7, 60, 130, 17, 90, 2, 70, 11, 20},    {0, 0, 70, 150, 70, 150, 5, 6, 7, 8},
      {10, 20, 40, 100, 40, 33, 1, 2, 39, 31},   {10, 20, 31, 90, 77, 90, 50, 3, 27, 87},
      {69, 149, 1, 1, 200, 300, 100, 100, 9, 9}, {5, 0, 2, 150, 300, 1, 299, 0, 1, 1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const size_t *c = cases[i];
    gm_resize r = gm_resize_whole(src, W, H, c[4], c[5]);
    r.crop_x = c[0], r.crop_y = c[1], r.crop_width = c[2], r.crop_height = c[3];
    r.view_x = c[6], r.view_y = c[7], r.view_width = c[8], r.view_height = c[9];
    uint8_t *got = resize(&r, pool);
    uint8_t *cut = malloc(c[2] * c[3] * 3);
    for (size_t y = 0; y < c[3]; y++)
      memcpy(cut + y * c[2] * 3, src + ((c[1] + y) * W + c[0]) * 3, c[2] * 3);
    gm_resize whole = gm_resize_whole(cut, c[2], c[3], c[4], c[5]);
    uint8_t *want = resize(&whole, NULL);
    for (size_t y = 0; y < c[9]; y++)
      assert_memory_equal(got + y * c[8] * 3, want + ((c[7] + y) * c[4] + c[6]) * 3, c[8] * 3);
    free(got);
    free(cut);
    free(want);
  }
  free(src);
  gm_pool_free(pool);
}

/* golden names and files of photographs and drawn scenes at the models' input sizes */
static void groma_pixels_equal_golden(void **state) {
  (void)state;
  static const struct {
    const char *golden, *image;
    size_t size;
  } cases[] = {
      {"golden/groma-tiny/astronaut.safetensors", "photos/astronaut.png", 448},
      {"golden/groma-tiny/chelsea.safetensors", "photos/chelsea.png", 448},
      {"golden/groma-tiny/coffee.safetensors", "photos/coffee.png", 448},
      {"golden/groma-tiny/rocket.safetensors", "photos/rocket.jpg", 448},
      {"golden/groma-mini/caption.safetensors", "world/scenes/images/000.png", 224},
  };
  const gm_pixel_norm norm = {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    golden *g = golden_open(cases[i].golden);
    gm_image *image = open_image(cases[i].image);
    size_t s = cases[i].size;
    gm_resize r = gm_resize_whole(image->rgb, image->width, image->height, s, s);
    uint8_t *rgb = resize(&r, NULL);
    assert_pixels(rgb, s, s, golden_get(g, "resized_rgb"), 1, cases[i].golden);
    free(rgb);

    float *pixels = malloc(3 * s * s * sizeof *pixels);
    gm_error err;
    assert_ok(gm_pixels_squash(pixels, image, s, &norm, NULL, &err), &err);
    golden_array want = golden_get(g, "pixel_values"); /* [:, ::16, ::16] */
    float *got = malloc(want.n * sizeof *got);
    size_t n = (s + 15) / 16;
    assert_int_equal(want.n, 3 * n * n);
    for (size_t k = 0; k < want.n; k++)
      got[k] = pixels[k / (n * n) * s * s + k / n % n * 16 * s + k % n * 16];
    /* the same three float operations on the same bytes: a few roundings of 2^-24 */
    assert_close(got, want.data, want.n, 1e-6, cases[i].golden);
    free(got);
    free(pixels);
    gm_image_free(image);
    golden_close(g);
  }
}

static void check_clip_pixels(const char *file, const char *const *images, size_t n_images,
                              size_t s) {
  const gm_pixel_norm norm = {{0.48145466f, 0.4578275f, 0.40821073f},
                              {0.26862954f, 0.26130258f, 0.27577711f}};
  golden *g = golden_open(file);
  golden_array want = golden_get(g, "pixels"); /* [images, 3, ::8, ::8] */
  size_t n = s / 8, each = 3 * n * n;
  assert_int_equal(want.n, n_images * each);
  float *pixels = malloc(3 * s * s * sizeof *pixels), *got = malloc(each * sizeof *got);
  for (size_t i = 0; i < n_images; i++) {
    gm_error err;
    gm_image *image = open_image(images[i]);
    assert_ok(gm_pixels_centre(pixels, image, NULL, &(gm_pixel_resize){(uint32_t)s, false}, s,
                               &norm, NULL, &err),
              &err);
    for (size_t k = 0; k < each; k++)
      got[k] = pixels[k / (n * n) * s * s + k / n % n * 8 * s + k % n * 8];
    assert_close(got, (const float *)want.data + i * each, each, 1e-6, images[i]);
    gm_image_free(image);
  }
  free(pixels);
  free(got);
  golden_close(g);
}

static void clip_pixels_equal_golden(void **state) {
  (void)state;
  static const char *const images[] = {"photos/astronaut.png",
                                       "photos/chelsea.png",
                                       "photos/coffee.png",
                                       "photos/rocket.jpg",
                                       "world/classify/airplane/0.png",
                                       "world/classify/alarm_clock/0.png",
                                       "world/classify/ambulance/0.png",
                                       "world/classify/balloon/0.png"};
  check_clip_pixels("golden/clip-tiny/features.safetensors", images, 4, 96);
  check_clip_pixels("golden/clip-mini/features.safetensors", images, 8, 64);
}

/* A picture of one line would be 9 GB at CLIP's size: only the middle square is computed. */
static void thin_pictures_need_little_memory(void **state) {
  (void)state;
  enum { LONG = 65536, S = 224 };
  const gm_pixel_norm norm = {{0, 0, 0}, {1, 1, 1}};
  gm_error err;
  gm_image *image;
  uint8_t *rgb = calloc(LONG, 3);
  rgb[LONG / 2 * 3] = 255;
  float *pixels = malloc(3 * S * S * sizeof *pixels);
  for (int tall = 0; tall < 2; tall++) {
    assert_ok(gm_image_from_rgb(&image, rgb, tall ? 1 : LONG, tall ? LONG : 1, &err), &err);
    assert_ok(gm_pixels_centre(pixels, image, NULL, &(gm_pixel_resize){(uint32_t)S, false}, S,
                               &norm, NULL, &err),
              &err);
    /* The picture's middle is the edge between pixels LONG/2 - 1 (black) and LONG/2 (red); the
     * view spans one source pixel about it, from centre to centre. */
    assert_true(pixels[0] < 0.02f);
    assert_true(pixels[S * S - 1] > 0.98f);
    assert_true(pixels[2 * S * S - 1] == 0.0f);
    assert_ok(gm_pixels_squash(pixels, image, S, &norm, NULL, &err), &err);
    gm_image_free(image);
  }
  free(pixels);
  free(rgb);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equals_pillow),
      cmocka_unit_test(equals_pillow_tall_and_cropped),
      cmocka_unit_test(crops_and_views_equal_cutting),
      cmocka_unit_test(groma_pixels_equal_golden),
      cmocka_unit_test(clip_pixels_equal_golden),
      cmocka_unit_test(thin_pictures_need_little_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
