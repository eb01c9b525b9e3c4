/* test_image.c - decoding against Pillow's pixels (tests/data/image, made by
 * tests/python/test_image_pillow.py), orientation, broken and hostile files. */
#include "support.h"

#include "exif.h"
#include "image.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Calls fn with the name and bytes of every picture of tests/data/image. */
static void each_fixture(void (*fn)(const char *name, unsigned char *bytes, size_t size)) {
  DIR *dir = opendir(test_data("image"));
  assert_non_null(dir);
  size_t n = 0;
  for (struct dirent *entry; (entry = readdir(dir));) {
    const char *dot = strrchr(entry->d_name, '.');
    if (entry->d_name[0] == '.' || !dot || strcmp(dot, ".safetensors") == 0) continue;
    char path[300];
    snprintf(path, sizeof path, "image/%s", entry->d_name);
    size_t size;
    unsigned char *bytes = test_read_file(test_data(path), &size);
    fn(entry->d_name, bytes, size);
    free(bytes);
    n++;
  }
  closedir(dir);
  assert_true(n >= 70);
}

static void check_pixels(const char *name, unsigned char *bytes, size_t size) {
  golden *g = golden_open("image/expected.safetensors");
  golden_array want = golden_get(g, name);
  gm_image *image;
  gm_error err;
  assert_ok(gm_image_from_memory(&image, bytes, size, NULL, &err), &err);
  if (gm_image_height(image) != want.shape[0] || gm_image_width(image) != want.shape[1] ||
      memcmp(gm_image_rgb(image), want.data, want.n) != 0) {
    print_error("%s (%u x %u) differs from Pillow's (%zu x %zu)\n", name, gm_image_width(image),
                gm_image_height(image), want.shape[1], want.shape[0]);
    fail();
  }
  gm_image_free(image);
  golden_close(g);
}

static void pixels_equal_pillow(void **state) {
  (void)state;
  each_fixture(check_pixels);
}

/* A truncated file is never accepted, whatever its length. The copy is exactly as long as the
 * part, so that a sanitizer sees a read past it. */
static void check_cuts(const char *name, unsigned char *bytes, size_t size) {
  for (size_t n = 0; n < size; n++) {
    unsigned char *part = malloc(n ? n : 1);
    memcpy(part, bytes, n);
    gm_image *image = NULL;
    gm_error err = {0};
    gm_status status = gm_image_from_memory(&image, part, n, NULL, &err);
    gm_status want =
        n > 0 && n < 12 && status == GM_ERR_IMAGE_UNSUPPORTED ? status : GM_ERR_IMAGE_TRUNCATED;
    if (status != want || image || !err.message[0]) {
      print_error("%s cut to %zu of %zu bytes: %s\n", name, n, size, gm_status_name(status));
      fail();
    }
    free(part);
  }
}

static void cut_files_are_truncated(void **state) {
  (void)state;
  each_fixture(check_cuts);
}

/* Two changes of every byte: no crash, and no status but the documented ones. */
static void check_changes(const char *name, unsigned char *bytes, size_t size) {
  const gm_image_params limits = {.struct_size = sizeof limits, .max_pixels = 1 << 18};
  static const unsigned char changes[] = {0xFF, 0x01};
  for (size_t i = 0; i < size * 2; i++) {
    bytes[i / 2] ^= changes[i % 2];
    gm_image *image = NULL;
    gm_error err = {0};
    gm_status status = gm_image_from_memory(&image, bytes, size, &limits, &err);
    bool promised = status == GM_OK || status == GM_ERR_IMAGE_UNSUPPORTED ||
                    status == GM_ERR_IMAGE_TRUNCATED || status == GM_ERR_IMAGE_TOO_LARGE;
    if (!promised || (status == GM_OK) != (image != NULL)) {
      print_error("%s, byte %zu changed: %s\n", name, i / 2, gm_status_name(status));
      fail();
    }
    gm_image_free(image);
    bytes[i / 2] ^= changes[i % 2];
  }
}

static void changed_bytes_do_no_harm(void **state) {
  (void)state;
  each_fixture(check_changes);
}

/* The picture  a b c  as EXIF names its row 0 and column 0, turned upright by hand.
 *              d e f  */
static void turns_all_eight_ways(void **state) {
  (void)state;
  static const char *const want[9] = {"",       "abcdef", "cbafed", "fedcba", "defabc",
                                      "adbecf", "daebfc", "fcebda", "cfbead"};
  for (int orientation = 0; orientation <= 9; orientation++) {
    uint8_t rgb[18];
    for (int i = 0; i < 18; i++) rgb[i] = (uint8_t)("abcdef"[i / 3] + 32 * (i % 3));
    gm_image *image;
    gm_error err;
    assert_ok(gm_image_from_rgb(&image, rgb, 3, 2, &err), &err);
    assert_ok(gm_image_orient(image, orientation, &err), &err);
    bool known = orientation >= 1 && orientation <= 8;
    assert_int_equal(image->width, known && orientation >= 5 ? 2 : 3);
    assert_int_equal(image->height, known && orientation >= 5 ? 3 : 2);
    const char *letters = want[known ? orientation : 1];
    for (int i = 0; i < 18; i++)
      assert_int_equal(image->rgb[i], (uint8_t)(letters[i / 3] + 32 * (i % 3)));
    gm_image_free(image);
  }
}

/* Orientation 6 in a short (little-endian) and a long (big-endian), and what may be wrong. */
static void exif_reader_is_hostile_proof(void **state) {
  (void)state;
  unsigned char little[] = "II*\0\x08\0\0\0\x02\0"
                           "\0\x01\x04\0\x01\0\0\0\x11\0\0\0"
                           "\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
  unsigned char big[] = "MM\0*\0\0\0\x08\0\x01"
                        "\x01\x12\0\x04\0\0\0\x01\0\0\0\x06";
  assert_int_equal(gm_exif_orientation(little, sizeof little - 1), 6);
  assert_int_equal(gm_exif_orientation(big, sizeof big - 1), 6);
  for (size_t n = 0; n < sizeof little - 1; n++) {
    unsigned char *part = malloc(n ? n : 1);
    memcpy(part, little, n);
    assert_int_equal(gm_exif_orientation(part, n), 0);
    free(part);
  }
  memcpy(little + 4, "\xFF\xFF\xFF\xFF", 4); /* directory far outside the data */
  assert_int_equal(gm_exif_orientation(little, sizeof little - 1), 0);
  memcpy(little + 4, "\x08\0\0\0\xFF\xFF", 6); /* 65535 entries */
  assert_int_equal(gm_exif_orientation(little, sizeof little - 1), 6);
  little[30] = 9; /* no such orientation */
  assert_int_equal(gm_exif_orientation(little, sizeof little - 1), 1);
  little[30] = 6;
  little[26] = 2; /* two values */
  assert_int_equal(gm_exif_orientation(little, sizeof little - 1), 1);
}

static void assert_refused(const char *bytes, size_t size, gm_status status, const char *word) {
  gm_image *image = NULL;
  gm_error err = {0};
  assert_int_equal(gm_image_from_memory(&image, bytes, size, NULL, &err), status);
  assert_null(image);
  assert_int_equal(err.status, status);
  if (!strstr(err.message, word)) {
    print_error("wanted \"%s\" in: %s\n", word, err.message);
    fail();
  }
}

static void other_formats_are_named(void **state) {
  (void)state;
#define REFUSED(bytes, word)                                                                   \
  assert_refused(bytes, sizeof(bytes) - 1, GM_ERR_IMAGE_UNSUPPORTED, word)
  REFUSED("GIF89a\1\0\1\0", "GIF");
  REFUSED("II*\0\x08\0\0\0", "TIFF");
  REFUSED("BM\x36\0\0\0\0\0", "BMP");
  REFUSED("\0\0\0\x18"
          "ftypheic\0\0\0\0",
          "HEIC");
  REFUSED("\0\0\0\x18"
          "ftypavif\0\0\0\0",
          "AVIF");
  REFUSED("\0\0\0\x0CJXL \r\n\x87\n", "JPEG XL");
  REFUSED("<!DOCTYPE html><html>", "web page");
  REFUSED("no picture at all", "unknown format");
  REFUSED("RIFF\4\0\0\0WAVE", "unknown format");
#undef REFUSED
  assert_refused("", 0, GM_ERR_IMAGE_TRUNCATED, "empty");
}

static void opening_tells_what_is_wrong(void **state) {
  (void)state;
  gm_image *image;
  gm_error err;
  assert_int_equal(gm_image_open(&image, "/nowhere/cat.jpg", NULL, &err),
                   GM_ERR_FILE_NOT_FOUND);
  assert_non_null(strstr(err.message, "/nowhere/cat.jpg"));
  assert_int_equal(gm_image_open(&image, test_data("image"), NULL, &err), GM_ERR_IO);
  assert_non_null(strstr(err.message, "directory"));

  const char *path = test_data("photos/rocket.jpg"); /* 640 x 427 */
  gm_image_params params = {.struct_size = sizeof params, .max_pixels = 640 * 427 - 1};
  assert_int_equal(gm_image_open(&image, path, &params, &err), GM_ERR_IMAGE_TOO_LARGE);
  assert_non_null(strstr(err.message, "640 x 427"));
  params.max_pixels = 640 * 427;
  assert_ok(gm_image_open(&image, path, &params, &err), &err);
  gm_image_free(image);
  params.max_bytes = 112524; /* one less than the file has */
  assert_int_equal(gm_image_open(&image, path, &params, &err), GM_ERR_IMAGE_TOO_LARGE);
  params.max_bytes++;
  assert_ok(gm_image_open(&image, path, &params, &err), &err);
  gm_image_free(image);
  params.max_bytes = 1 << 20; /* a file without end */
  assert_int_equal(gm_image_open(&image, "/dev/zero", &params, &err), GM_ERR_IMAGE_TOO_LARGE);

  uint8_t rgb[3] = {1, 2, 3};
  assert_int_equal(gm_image_from_rgb(&image, rgb, 0, 1, &err), GM_ERR_ARGUMENT);
  assert_int_equal(gm_image_from_rgb(&image, NULL, 1, 1, &err), GM_ERR_ARGUMENT);
  assert_int_equal(gm_image_from_memory(&image, NULL, 1, NULL, &err), GM_ERR_ARGUMENT);
  assert_null(image);
  gm_image_free(NULL);
}

/* A picture from a pipe is read to its end, of any length. */
static void reads_from_a_pipe(void **state) {
  (void)state;
  size_t size;
  unsigned char *bytes = test_read_file(test_data("photos/rocket.jpg"), &size);
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    for (size_t at = 0; at < size;) {
      ssize_t n = write(ends[1], bytes + at, size - at);
      if (n <= 0) _exit(1);
      at += (size_t)n;
    }
    _exit(0);
  }
  close(ends[1]);
  char path[64];
  snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
  gm_image *image;
  gm_error err;
  assert_ok(gm_image_open(&image, path, NULL, &err), &err);
  assert_int_equal(gm_image_width(image), 640);
  gm_image_free(image);
  close(ends[0]);
  free(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pixels_equal_pillow),          cmocka_unit_test(cut_files_are_truncated),
      cmocka_unit_test(changed_bytes_do_no_harm),     cmocka_unit_test(turns_all_eight_ways),
      cmocka_unit_test(exif_reader_is_hostile_proof), cmocka_unit_test(other_formats_are_named),
      cmocka_unit_test(opening_tells_what_is_wrong),  cmocka_unit_test(reads_from_a_pipe),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
