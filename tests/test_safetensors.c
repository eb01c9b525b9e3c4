/* test_safetensors.c - safetensors files, whole and in parts: values by hand, and hostile
 * files. */
#include "checkpoint.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/gm-safetensors-XXXXXX";

static int make_directory(void **state) {
  (void)state;
  return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state) {
  (void)state;
  char command[100];
  snprintf(command, sizeof command, "rm -r %s", directory);
  return system(command);
}

static const char *path_of(const char *name) {
  static char path[200];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  return path;
}

static void write_bytes(const char *name, const void *a, size_t na, const void *b, size_t nb) {
  FILE *file = fopen(path_of(name), "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(a, 1, na, file), na);
  assert_int_equal(fwrite(b, 1, nb, file), nb);
  assert_int_equal(fclose(file), 0);
}

/* header: without its length, which is added */
static void write_file(const char *name, const char *header, const void *data, size_t n) {
  uint64_t length = strlen(header);
  char *head = malloc(8 + length);
  assert_non_null(head);
  memcpy(head, &length, 8);
  memcpy(head + 8, header, length);
  write_bytes(name, head, 8 + length, data, n);
  free(head);
}

static const float floats[6] = {1, -2, 0.5f, 4, -0.25f, 6};
static const uint16_t halves[3] = {0x3C00, 0xC000, 0x0001}; /* 1, -2, 2^-24 */
static const uint16_t bfloats[2] = {0x3F80, 0xC2C8};        /* 1, -100 */

static void test_values(void **state) {
  (void)state;
  unsigned char data[24 + 6 + 4 + 8];
  memcpy(data, floats, 24);
  memcpy(data + 24, halves, 6);
  memcpy(data + 30, bfloats, 4);
  memset(data + 34, 1, 8);
  write_file("v.safetensors",
             "{\"__metadata__\":{\"format\":\"pt\"},"
             "\"f\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
             "\"i\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[34,42]},"
             "\"h\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[24,30]},"
             "\"b\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[30,34]}}   ",
             data, sizeof data);
  gm_checkpoint *c;
  gm_error err;
  float x[6];
  assert_ok(gm_checkpoint_open(&c, path_of("v.safetensors"), &err), &err);
  assert_string_equal(c->format, "safetensors");
  assert_int_equal(c->n_tensors, 4);
  size_t f = gm_checkpoint_find(c, "f"), h = gm_checkpoint_find(c, "h");
  size_t b = gm_checkpoint_find(c, "b"), i = gm_checkpoint_find(c, "i");
  assert_true(gm_checkpoint_find(c, "none") == SIZE_MAX);
  assert_int_equal(c->tensors[f].n_dims, 2);
  assert_int_equal(c->tensors[f].shape[1], 3);
  assert_ok(gm_checkpoint_read(c, f, 0, 6, x, &err), &err);
  assert_memory_equal(x, floats, 24);
  assert_ok(gm_checkpoint_read(c, f, 2, 3, x, &err), &err);
  assert_memory_equal(x, floats + 2, 12);
  assert_ok(gm_checkpoint_read(c, h, 0, 3, x, &err), &err);
  assert_true(x[0] == 1 && x[1] == -2 && x[2] == 0x1p-24f);
  assert_ok(gm_checkpoint_read(c, b, 0, 2, x, &err), &err);
  assert_true(x[0] == 1 && x[1] == -100);
  assert_int_equal(c->tensors[i].n_dims, 0);
  assert_int_equal(gm_checkpoint_read(c, i, 0, 1, x, &err), GM_ERR_MODEL);
  assert_non_null(strstr(err.message, "I64"));
  assert_int_equal(gm_checkpoint_read(c, f, 4, 3, x, &err), GM_ERR_MODEL);
  assert_int_equal(gm_checkpoint_read(c, f, SIZE_MAX, 2, x, &err), GM_ERR_MODEL);
  gm_checkpoint_close(c);
}

#define T(name, dtype, shape, begin, end)                                                      \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" begin         \
  ",\n" end "]}"

static void test_hostile(void **state) {
  (void)state;
  static const struct {
    const char *header, *words;
  } cases[] = {
      {"", "header"},
      {"[]", "no object"},
      {"{", "no valid JSON"},
      {"{\"a\":1}", "dtype"},
      {"{\"a\":{\"dtype\":7,\"shape\":[4],\"data_offsets\":[0,16]}}", "dtype"},
      {"{" T("a", "F31", "[4]", "0", "16") "}", "F31"},
      {"{" T("a", "F32", "[4]", "0", "12") "}", "12 bytes"},  /* too small */
      {"{" T("a", "F32", "[3]", "0", "16") "}", "16 bytes"},  /* too large */
      {"{" T("a", "F32", "[4]", "0", "20") "}", "offsets"},   /* past the end */
      {"{" T("a", "F32", "[4]", "16", "0") "}", "offsets"},   /* backwards */
      {"{" T("a", "F32", "[4]", "-16", "0") "}", "offsets"},  /* before the data */
      {"{" T("a", "F32", "[4]", "0.0", "16") "}", "offsets"}, /* not a whole number */
      {"{" T("a", "F32", "[2]", "0", "8") "}", "hole"},       /* at the end */
      {"{" T("a", "F32", "[2]", "8", "16") "}", "hole"},      /* at the beginning */
      {"{" T("a", "F32", "[3]", "0", "12") "," T("b", "F32", "[2]", "8", "16") "}", "overlap"},
      {"{" T("a", "F32", "[2]", "0", "8") "," T("a", "F32", "[2]", "8", "16") "}", "JSON"},
      {"{" T("a", "F32", "[-4]", "0", "16") "}", "shape"},
      {"{" T("a", "F32", "[\"4\"]", "0", "16") "}", "shape"},
      {"{" T("a", "F32", "4", "0", "16") "}", "shape"},
      {"{" T("a", "F32", "[1,1,1,1,4]", "0", "16") "}", "shape"},
      {"{" T("a", "F32", "[4294967296,4294967296]", "0", "16") "}", "64 bits"},
      {"{" T("a", "F32", "[4611686018427387904]", "0", "16") "}", "64 bits"},
      {"{" T("a", "F32", "[9223372036854775808]", "0", "16") "}", "whole numbers"},
      {"{" T("", "F32", "[4]", "0", "16") "}", "name"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    gm_checkpoint *c;
    gm_error err = {GM_OK, ""};
    write_file("h.safetensors", cases[i].header, floats, 16);
    gm_status status = gm_safetensors_open(&c, path_of("h.safetensors"), &err);
    if (status != GM_ERR_MODEL || c || !strstr(err.message, cases[i].words))
      fail_msg("%s: found %s \"%s\", wanted \"%s\"", cases[i].header, gm_status_name(status),
               err.message, cases[i].words);
  }
}

static void test_header_lengths(void **state) {
  (void)state;
  static const uint64_t lengths[] = {3, 100000001, UINT64_MAX, UINT64_MAX - 7, 1ull << 63};
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    gm_checkpoint *c;
    gm_error err;
    write_bytes("l.safetensors", &lengths[i], 8, "{}", 2);
    assert_int_equal(gm_safetensors_open(&c, path_of("l.safetensors"), &err), GM_ERR_MODEL);
    assert_non_null(strstr(err.message, "header"));
  }
  for (size_t n = 0; n < 8; n++) {
    gm_checkpoint *c;
    gm_error err;
    write_bytes("l.safetensors", "\0\0\0\0\0\0\0\0", n, "", 0);
    assert_int_equal(gm_safetensors_open(&c, path_of("l.safetensors"), &err), GM_ERR_MODEL);
  }
}

/* ---- parts */

static void write_index(const char *map) {
  char text[400];
  int n = snprintf(text, sizeof text, "{\"metadata\":{},\"weight_map\":%s}", map);
  write_bytes("model.safetensors.index.json", text, (size_t)n, "", 0);
}

static void refused_index(const char *map, const char *words) {
  gm_checkpoint *c;
  gm_error err = {GM_OK, ""};
  write_index(map);
  gm_status status = gm_checkpoint_open(&c, directory, &err);
  if (status == GM_OK || c || !strstr(err.message, words))
    fail_msg("%s: found %s \"%s\", wanted \"%s\"", map, gm_status_name(status), err.message,
             words);
}

static void test_sharded(void **state) {
  (void)state;
  gm_checkpoint *c;
  gm_error err;
  float x[4];
  assert_int_equal(gm_checkpoint_open(&c, directory, &err), GM_ERR_FILE_NOT_FOUND);
  write_file("p1.safetensors", "{" T("a", "F32", "[4]", "0", "16") "}", floats, 16);
  write_file("p2.safetensors",
             "{" T("b", "F32", "[2]", "0", "8") "," T("c", "F16", "[2]", "8", "12") "}", floats,
             12);
  write_index("{\"a\":\"p1.safetensors\",\"c\":\"p2.safetensors\",\"b\":\"p2.safetensors\"}");
  assert_ok(gm_checkpoint_open(&c, directory, &err), &err);
  assert_int_equal(c->n_tensors, 3);
  assert_string_equal(c->format, "safetensors");
  assert_ok(gm_checkpoint_read(c, gm_checkpoint_find(c, "b"), 0, 2, x, &err), &err);
  assert_memory_equal(x, floats, 8);
  assert_ok(gm_checkpoint_read(c, gm_checkpoint_find(c, "a"), 1, 3, x, &err), &err);
  assert_memory_equal(x, floats + 1, 12);
  gm_checkpoint_close(c);
  refused_index("{\"z\":\"p1.safetensors\"}", "z is not in p1");
  refused_index("{\"a\":\"p3.safetensors\"}", "p3.safetensors");
  refused_index("{\"a\":\"../p1.safetensors\"}", "same directory");
  refused_index("{\"a\":\"/etc/passwd\"}", "same directory");
  refused_index("{\"a\":\"..\"}", "same directory");
  refused_index("{\"a\":\"\"}", "same directory");
  refused_index("{\"a\":7}", "same directory");
  refused_index("[]", "weight_map");
  refused_index("{\"a\":\"p1.safetensors\"", "JSON");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sharded),
      cmocka_unit_test(test_values),
      cmocka_unit_test(test_hostile),
      cmocka_unit_test(test_header_lengths),
  };
  return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
