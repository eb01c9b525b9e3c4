/* test_torch_archive.c - PyTorch archives are read as Python's pickle reads them: real ones
 * against tests/data/golden-torch (tests/python/torch_golden.py), views by hand. Refusals are
 * in test_torch_hostile.c. */
#include "archive.h"
#include "checkpoint.h"
#include "types.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- real archives */

static uint32_t crc32_of(const void *bytes, size_t n) {
  const unsigned char *b = bytes;
  uint32_t crc = UINT32_MAX;
  for (size_t i = 0; i < n; i++) {
    crc ^= b[i];
    for (int k = 0; k < 8; k++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

/* Reads tensor i in pieces of an odd size: pieces must join without a seam. */
static float *read_in_pieces(gm_checkpoint *c, size_t i) {
  gm_error err = {0};
  size_t n = c->tensors[i].n_elements, piece = 1777;
  float *values = malloc((n + 1) * sizeof *values);
  assert_non_null(values);
  for (size_t first = 0; first < n; first += piece)
    assert_ok(gm_checkpoint_read(c, i, first, n - first < piece ? n - first : piece,
                                 values + first, &err),
              &err);
  return values;
}

static void check_tensor(gm_checkpoint *c, size_t i, json_t *table) {
  const gm_checkpoint_tensor *t = &c->tensors[i];
  json_t *want = json_object_get(table, t->name);
  if (!want) fail_msg("tensor %s is not in the golden file", t->name);
  assert_string_equal(t->dtype, json_string_value(json_object_get(want, "dtype")));
  json_t *shape = json_object_get(want, "shape");
  assert_int_equal(t->n_dims, json_array_size(shape));
  for (size_t d = 0; d < t->n_dims; d++)
    assert_int_equal(t->shape[d], json_integer_value(json_array_get(shape, d)));
  float *values = read_in_pieces(c, i);
  assert_float_equal(values[0], json_number_value(json_object_get(want, "first")), 0);
  assert_float_equal(values[t->n_elements - 1],
                     json_number_value(json_object_get(want, "last")), 0);
  uint32_t crc = crc32_of(values, t->n_elements * sizeof *values);
  if (crc != json_integer_value(json_object_get(want, "crc32")))
    fail_msg("tensor %s: values differ", t->name);
  free(values);
}

static void check_archives(const char *golden_path, const char *const *paths, size_t n) {
  gm_error err = {0};
  json_t *table = json_load_file(test_data(golden_path), 0, NULL);
  assert_non_null(table);
  size_t found = 0;
  for (size_t f = 0; f < n; f++) {
    gm_checkpoint *c;
    assert_ok(gm_torch_open(&c, test_data(paths[f]), &err), &err);
    assert_string_equal(c->format, "torch");
    for (size_t i = 0; i < c->n_tensors; i++) check_tensor(c, i, table);
    found += c->n_tensors;
    gm_checkpoint_close(c);
  }
  assert_int_equal(found, json_object_size(table));
  json_decref(table);
}

static void test_groma_tiny(void **state) {
  (void)state;
  const char *shards[] = {"models/groma-tiny/pytorch_model-00001-of-00003.bin",
                          "models/groma-tiny/pytorch_model-00002-of-00003.bin",
                          "models/groma-tiny/pytorch_model-00003-of-00003.bin"};
  check_archives("golden-torch/groma-tiny.json", shards, 3);
}

static void test_torchscript(void **state) {
  (void)state;
  const char *file[] = {"models/clip-tiny/openai-torchscript.pt"};
  check_archives("golden-torch/clip-tiny.json", file, 1);
}

static void test_sharded(void **state) {
  (void)state;
  gm_error err = {0};
  gm_checkpoint *c;
  assert_ok(gm_checkpoint_open(&c, test_data("models/groma-tiny"), &err), &err);
  json_t *table = json_load_file(test_data("golden-torch/groma-tiny.json"), 0, NULL);
  assert_int_equal(c->n_tensors, json_object_size(table));
  for (size_t i = 0; i < c->n_tensors; i += 17) check_tensor(c, i, table);
  json_decref(table);
  gm_checkpoint_close(c);
}

/* ---- views, by hand: storage element k is k, so that a value shows its place */

enum { STORAGE_N = 24 };

typedef struct view_case {
  const char *name;
  size_t n_dims;
  int64_t offset, shape[4], stride[4];
} view_case;

static const view_case views[] = {
    {"contiguous", 2, 0, {4, 6}, {6, 1}},
    {"transposed", 2, 0, {6, 4}, {1, 6}},
    {"slice of columns", 2, 1, {4, 2}, {6, 1}},
    {"every second row", 2, 6, {2, 6}, {12, 1}},
    {"permuted", 3, 0, {4, 2, 3}, {1, 12, 4}},
    {"four dimensions", 4, 0, {2, 3, 2, 2}, {12, 4, 1, 2}},
    {"ones with odd strides", 3, 23, {1, 1, 1}, {99, 0, 7}},
    {"row of a transposed matrix", 1, 2, {4}, {6}},
    {"scalar", 0, 5, {0}, {0}},
    {"empty", 2, 24, {0, 3}, {3, 1}},
};

static float expected(const view_case *v, size_t flat) {
  int64_t place = v->offset;
  for (size_t d = v->n_dims; d-- > 0;) {
    place += (int64_t)(flat % (size_t)v->shape[d]) * v->stride[d];
    flat /= (size_t)v->shape[d];
  }
  return (float)place;
}

static void check_view(gm_checkpoint *c, const view_case *v) {
  gm_error err = {0};
  size_t i = gm_checkpoint_find(c, v->name), n = 1;
  assert_true(i < c->n_tensors);
  assert_int_equal(c->tensors[i].n_dims, v->n_dims);
  for (size_t d = 0; d < v->n_dims; d++) n *= (size_t)v->shape[d];
  assert_int_equal(c->tensors[i].n_elements, n);
  /* Every range [first, first + count). */
  for (size_t first = 0; first < n; first++)
    for (size_t count = 1; count <= n - first; count++) {
      float got[STORAGE_N];
      assert_ok(gm_checkpoint_read(c, i, first, count, got, &err), &err);
      for (size_t k = 0; k < count; k++) assert_float_equal(got[k], expected(v, first + k), 0);
    }
}

/* All views share one storage of the given type. */
static void check_views(const char *type, const void *storage, size_t bytes) {
  gm_error err = {0};
  gm_checkpoint *c;
  test_zip zip;
  test_pickle p = {.n = 0};
  size_t n = sizeof views / sizeof *views;
  pickle_bytes(&p, "\x80\x02}(", 4);
  for (size_t i = 0; i < n; i++) {
    pickle_string(&p, views[i].name);
    pickle_tensor(&p, type, "0", STORAGE_N, views[i].offset, views[i].n_dims, views[i].shape,
                  views[i].stride);
  }
  pickle_bytes(&p, "u.", 2);
  test_archive(&zip, p.bytes, p.n, storage, bytes);
  assert_ok(gm_torch_open(&c, zip.path, &err), &err);
  for (size_t i = 0; i < n; i++) check_view(c, &views[i]);
  gm_checkpoint_close(c);
  test_zip_free(&zip);
}

static void test_views(void **state) {
  (void)state;
  float f32[STORAGE_N];
  uint16_t f16[STORAGE_N], bf16[STORAGE_N];
  for (int i = 0; i < STORAGE_N; i++) {
    f32[i] = (float)i;
    f16[i] = gm_f32_to_f16((float)i); /* 0..23 are exact in both */
    bf16[i] = gm_f32_to_bf16((float)i);
  }
  check_views("FloatStorage", f32, sizeof f32);
  check_views("HalfStorage", f16, sizeof f16);
  check_views("BFloat16Storage", bf16, sizeof bf16);
}

/* ---- forms that torch.save writes */

static void scalar(test_pickle *p) {
  pickle_tensor(p, "FloatStorage", "0", 2, 1, 0, NULL, NULL);
}

/* Opens {the pickle}, which must list exactly the names; "0" holds 3 and 7, each is a 7. */
static void check_names(const test_pickle *p, const char *const *names, size_t n) {
  gm_error err = {0};
  gm_checkpoint *c;
  test_zip zip;
  const float storage[] = {3, 7};
  test_archive(&zip, p->bytes, p->n, storage, sizeof storage);
  assert_ok(gm_torch_open(&c, zip.path, &err), &err);
  assert_int_equal(c->n_tensors, n);
  for (size_t i = 0; i < n; i++) {
    float value;
    size_t at = gm_checkpoint_find(c, names[i]);
    if (at >= n) fail_msg("no tensor %s", names[i]);
    assert_ok(gm_checkpoint_read(c, at, 0, 1, &value, &err), &err);
    assert_float_equal(value, 7, 0);
  }
  gm_checkpoint_close(c);
  test_zip_free(&zip);
}

/* model.state_dict(): an OrderedDict with _metadata put on by BUILD. */
static void test_metadata_is_dropped(void **state) {
  (void)state;
  test_pickle p = {.n = 0};
  pickle_bytes(&p, "\x80\x02", 2);
  pickle_global(&p, "collections", "OrderedDict");
  pickle_bytes(&p, ")Rq\x00(", 5);
  pickle_string(&p, "w");
  scalar(&p);
  pickle_bytes(&p, "u}", 2);
  pickle_string(&p, "_metadata");
  pickle_global(&p, "collections", "OrderedDict");
  pickle_bytes(&p, ")Rsb.", 5);
  check_names(&p, (const char *[]){"w"}, 1);
}

/* {"epoch": 3, "loss": 0.5, "state_dict": {"w": Parameter}, "optimizer": {...}} */
static void test_training_checkpoint(void **state) {
  (void)state;
  test_pickle p = {.n = 0};
  pickle_bytes(&p, "\x80\x02}(", 4);
  pickle_string(&p, "epoch");
  pickle_bytes(&p, "K\x03", 2);
  pickle_string(&p, "loss");
  pickle_bytes(&p, "G\x3f\xe0\x00\x00\x00\x00\x00\x00", 9);
  pickle_string(&p, "state_dict");
  pickle_op(&p, '}');
  pickle_string(&p, "w");
  pickle_global(&p, "torch._utils", "_rebuild_parameter");
  scalar(&p);
  pickle_op(&p, 0x88);
  pickle_global(&p, "collections", "OrderedDict");
  pickle_bytes(&p, ")R\x87Rs", 5);
  pickle_string(&p, "optimizer");
  pickle_op(&p, '}');
  pickle_string(&p, "moment");
  scalar(&p);
  pickle_bytes(&p, "su.", 3);
  check_names(&p, (const char *[]){"w"}, 1);
}

/* {"a": {"b": t, 5: t}, "c": [t], "d": None}: paths of string keys alone. */
static void test_nested_dicts(void **state) {
  (void)state;
  test_pickle p = {.n = 0};
  pickle_bytes(&p, "\x80\x02}(", 4);
  pickle_string(&p, "a");
  pickle_bytes(&p, "}(", 2);
  pickle_string(&p, "b");
  scalar(&p);
  pickle_bytes(&p, "K\x05", 2);
  scalar(&p);
  pickle_op(&p, 'u');
  pickle_string(&p, "c");
  pickle_op(&p, ']');
  scalar(&p);
  pickle_op(&p, 'a');
  pickle_string(&p, "d");
  pickle_bytes(&p, "Nu.", 3);
  check_names(&p, (const char *[]){"a.b"}, 1);
}

/* Protocol 4: frames, short strings, STACK_GLOBAL, MEMOIZE. */
static void test_protocol_4(void **state) {
  (void)state;
  test_pickle p = {.n = 0};
  pickle_bytes(&p, "\x80\x04\x95\0\0\0\0\0\0\0\0}\x94(", 14);
  pickle_bytes(&p, "\x8c\x01w\x94", 4);
  pickle_bytes(&p, "\x8c\x0ctorch._utils\x94\x8c\x12_rebuild_tensor_v2\x94\x93\x94", 37);
  pickle_bytes(&p,
               "((\x8c\x07storage\x94\x8c\x05torch\x94\x8c\x0c"
               "FloatStorage\x94\x93\x94",
               37);
  pickle_bytes(&p,
               "\x8c\x01"
               "0\x94\x8c\x03"
               "cpu\x94K\x02t\x94Q",
               15);
  pickle_bytes(&p,
               "K\x01))\x89\x8c\x0b"
               "collections\x94\x8c\x0bOrderedDict\x94\x93\x94)Rt\x94R\x94u.",
               43);
  check_names(&p, (const char *[]){"w"}, 1);
  /* MEMOIZE counts from 0: 1 is "w", 16 its tensor. A second "w" must be noticed. */
  p.n -= 2;
  pickle_bytes(&p, "h\x01h\x10u.", 6);
  gm_error err = {0};
  gm_checkpoint *c;
  test_zip zip;
  test_archive(&zip, p.bytes, p.n, (const float[]){3, 7}, 8);
  assert_int_equal(gm_torch_open(&c, zip.path, &err), GM_ERR_MODEL);
  test_zip_free(&zip);
}

/* The same object under two names, as tied weights are. */
static void test_memoized_tensor(void **state) {
  (void)state;
  test_pickle p = {.n = 0};
  pickle_bytes(&p, "\x80\x02}(", 4);
  pickle_string(&p, "embed");
  scalar(&p);
  pickle_bytes(&p, "r\x07\x01\x00\x00", 5);
  pickle_string(&p, "head");
  pickle_bytes(&p, "j\x07\x01\x00\x00u.", 7);
  check_names(&p, (const char *[]){"embed", "head"}, 2);
}

/* Integer tensors are listed (position ids), but reading them as weights is refused by name. */
static void test_integer_tensor(void **state) {
  (void)state;
  gm_error err = {0};
  gm_checkpoint *c;
  test_zip zip;
  test_pickle p = {.n = 0};
  pickle_bytes(&p, "\x80\x02}", 3);
  pickle_string(&p, "position_ids");
  pickle_tensor(&p, "LongStorage", "0", 3, 0, 1, (int64_t[]){3}, NULL);
  pickle_bytes(&p, "s.", 2);
  test_archive(&zip, p.bytes, p.n, NULL, 24);
  assert_ok(gm_torch_open(&c, zip.path, &err), &err);
  assert_int_equal(c->tensors[0].type, GM_TYPE_COUNT);
  float value;
  assert_int_equal(gm_checkpoint_read(c, 0, 0, 1, &value, &err), GM_ERR_MODEL);
  assert_non_null(strstr(err.message, "position_ids"));
  assert_non_null(strstr(err.message, "Long"));
  gm_checkpoint_close(c);
  test_zip_free(&zip);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_groma_tiny),
      cmocka_unit_test(test_torchscript),
      cmocka_unit_test(test_sharded),
      cmocka_unit_test(test_views),
      cmocka_unit_test(test_metadata_is_dropped),
      cmocka_unit_test(test_training_checkpoint),
      cmocka_unit_test(test_nested_dicts),
      cmocka_unit_test(test_protocol_4),
      cmocka_unit_test(test_memoized_tensor),
      cmocka_unit_test(test_integer_tensor),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
