/* clip_support.c - see clip_support.h. */
#include "clip_support.h"

#include "kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void convert(const char *source, const char *type, char path[32]) {
  snprintf(path, 32, "/tmp/gromatic-test-XXXXXX");
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  gm_error err;
  gm_convert_params params = {.struct_size = sizeof params, .type = type};
  assert_ok(gm_convert(source, path, &params, NULL, &err), &err);
}

void clip_fixture_open(clip_fixture *f, const char *source, const char *type) {
  *f = (clip_fixture){0};
  char path[32];
  convert(source, type, path);
  assert_ok(gm_model_file_open(&f->file, path, true, false, &f->err), &f->err);
  unlink(path); /* it stays mapped */
  assert_ok(gm_clip_model_load(&f->model, f->file, &f->err), &f->err);
  assert_ok(gm_pool_create(&f->compute.pool, 0, &f->err), &f->err);
  f->compute.kernels = gm_kernels_best();
  f->compute.err = &f->err;
}

void clip_fixture_close(clip_fixture *f) {
  gm_clip_model_free(f->model);
  gm_model_file_close(f->file);
  gm_pool_free(f->compute.pool);
  gm_arena_free(&f->compute.arena);
}

json_t *test_json(const char *path) {
  json_error_t why;
  json_t *root = json_load_file(test_data(path), 0, &why);
  if (!root) print_error("%s: %s\n", path, why.text);
  assert_non_null(root);
  return root;
}

gm_image *test_image(const char *path) {
  gm_error err;
  gm_image *image;
  assert_ok(gm_image_open(&image, test_data(path), NULL, &err), &err);
  return image;
}

const char **test_strings(const json_t *array, size_t *n) {
  *n = json_array_size(array);
  const char **out = calloc(*n + 1, sizeof *out);
  assert_non_null(out);
  for (size_t i = 0; i < *n; i++) {
    out[i] = json_string_value(json_array_get(array, i));
    assert_non_null(out[i]);
  }
  return out;
}

char *test_text(const char *path) {
  size_t size;
  return test_read_file(test_data(path), &size);
}

gm_crop *golden_crops(golden *g, const char *name, size_t *n) {
  golden_array boxes = golden_get(g, name);
  const int32_t *b = boxes.data;
  *n = boxes.shape[0];
  gm_crop *crops = calloc(*n, sizeof *crops);
  assert_non_null(crops);
  for (size_t i = 0; i < *n; i++, b += 4)
    crops[i] = (gm_crop){(uint32_t)b[0], (uint32_t)b[1], (uint32_t)(b[2] - b[0]),
                         (uint32_t)(b[3] - b[1])};
  return crops;
}
