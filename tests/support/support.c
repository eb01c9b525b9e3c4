/* support.c - see support.h. */
#include "support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gm_assert_ok(gm_status status, const gm_error *err, const char *file, int line) {
  if (status == GM_OK) return;
  print_error("%s: %s\n", gm_status_name(status), err ? err->message : "(no message)");
  _fail(file, line);
}

const char *test_data(const char *path) {
  static char buffers[8][1024];
  static unsigned next;
  char *buffer = buffers[next++ % 8];
  snprintf(buffer, sizeof buffers[0], "%s/%s", GM_TEST_DATA, path);
  return buffer;
}

void *test_read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    print_error("cannot open %s\n", path);
    fail();
    abort();
  }
  fseek(file, 0, SEEK_END);
  long length = ftell(file);
  rewind(file);
  assert_true(length >= 0);
  char *bytes = malloc((size_t)length + 1);
  assert_non_null(bytes);
  assert_int_equal(fread(bytes, 1, (size_t)length, file), (size_t)length);
  bytes[length] = 0;
  fclose(file);
  if (size) *size = (size_t)length;
  return bytes;
}

struct golden {
  unsigned char *bytes;
  size_t size, body;
  json_t *header;
};

golden *golden_open(const char *path) {
  golden *g = calloc(1, sizeof *g);
  assert_non_null(g);
  g->bytes = test_read_file(test_data(path), &g->size);
  uint64_t length;
  assert_true(g->size >= 8);
  memcpy(&length, g->bytes, 8);
  assert_true(length <= g->size - 8);
  g->header = json_loadb((char *)g->bytes + 8, (size_t)length, 0, NULL);
  assert_non_null(g->header);
  g->body = 8 + (size_t)length;
  return g;
}

bool golden_has(golden *g, const char *name) {
  return json_object_get(g->header, name) != NULL;
}

golden_array golden_get(golden *g, const char *name) {
  json_t *entry = json_object_get(g->header, name);
  if (!entry) {
    print_error("no array %s in the golden file\n", name);
    fail();
  }
  golden_array array = {{0}, 0, {1, 1, 1, 1}, 1, NULL};
  snprintf(array.dtype, sizeof array.dtype, "%s",
           json_string_value(json_object_get(entry, "dtype")));
  json_t *shape = json_object_get(entry, "shape");
  array.n_dims = json_array_size(shape);
  assert_true(array.n_dims <= 4);
  for (size_t i = 0; i < array.n_dims; i++) {
    array.shape[i] = (size_t)json_integer_value(json_array_get(shape, i));
    array.n *= array.shape[i];
  }
  json_t *offsets = json_object_get(entry, "data_offsets");
  size_t begin = (size_t)json_integer_value(json_array_get(offsets, 0));
  size_t end = (size_t)json_integer_value(json_array_get(offsets, 1));
  size_t width = strcmp(array.dtype, "U8") == 0 ? 1 : 4;
  assert_true(begin <= end && end <= g->size - g->body && end - begin == array.n * width);
  array.data = g->bytes + g->body + begin;
  return array;
}

void golden_close(golden *g) {
  json_decref(g->header);
  free(g->bytes);
  free(g);
}

void gm_assert_close(const float *a, const float *b, size_t n, double relative,
                     const char *what, const char *file, int line) {
  double largest = 0, worst = -1;
  size_t at = 0;
  for (size_t i = 0; i < n; i++) {
    double error = fabs((double)a[i] - (double)b[i]);
    if (!(error <= worst)) { /* also true for NaN */
      worst = error;
      at = i;
    }
    if (fabs((double)b[i]) > largest) largest = fabs((double)b[i]);
    if (isnan(error)) break;
  }
  if (n == 0 || worst <= relative * largest) return;
  print_error(
      "%s: at %zu of %zu found %.9g, wanted %.9g: off by %.3g of the largest %.6g, allowed "
      "%.3g\n",
      what, at, n, (double)a[at], (double)b[at], largest > 0 ? worst / largest : worst, largest,
      relative);
  _fail(file, line);
}
