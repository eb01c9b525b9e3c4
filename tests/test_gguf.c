/* test_gguf.c - files written by gguf_write.h are read back unchanged by model_file.h, and
 * appear whole or not at all. python/test_gguf_files.py tests exchange with other programs. */
#include "gguf_write.h"
#include "model_file.h"
#include "model_file_bytes.h"
#include "support.h"
#include "tensor_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const words[] = {"<s>", "", "\xe2\x96\x81the", "\xff\x80"};
static const float floats[] = {0.5f, -1e30f, 0};
static const int32_t ints[] = {-1, 0, INT32_MAX};
static const float data[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

static void put_everything(gm_gguf_writer *w) {
  gm_gguf_put_string(w, "general.architecture", "test");
  gm_gguf_put_u32(w, "u32", 4000000000u);
  gm_gguf_put_f32(w, "f32", 1.5f);
  gm_gguf_put_bool(w, "yes", true);
  gm_gguf_put_bool(w, "no", false);
  gm_gguf_put_f32_array(w, "floats", floats, 3);
  gm_gguf_put_i32_array(w, "ints", ints, 3);
  gm_gguf_put_string_array(w, "words", words, 4);
  gm_gguf_put_i32_array(w, "empty", ints, 0);
  gm_gguf_add_tensor(w, "vector", GM_TYPE_F32, 1, (size_t[]){5});
  gm_gguf_add_tensor(w, "matrix", GM_TYPE_F32, 2, (size_t[]){3, 4});
  gm_gguf_add_tensor(w, "blocks", GM_TYPE_Q8_0, 4, (size_t[]){1, 2, 1, 64});
  gm_gguf_put_sums(w);
}

static void write_tensors(gm_gguf_writer *w) {
  gm_error err;
  char sum[65] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  gm_block_q8_0 blocks[4];
  memset(blocks, 7, sizeof blocks);
  assert_int_equal(gm_gguf_tensor_bytes(w, 1), 48);
  assert_ok(gm_gguf_write(w, 2, 0, blocks, sizeof blocks, &err), &err);
  assert_ok(gm_gguf_write(w, 1, 16, data + 4, 32, &err), &err);
  assert_ok(gm_gguf_write(w, 1, 0, data, 16, &err), &err);
  assert_ok(gm_gguf_write(w, 0, 0, data, 20, &err), &err);
  gm_gguf_set_sum(w, 1, sum);
}

static void check_keys(const gm_model_file *f) {
  gm_error err;
  const char *text;
  const char *const *strings;
  const float *f32s;
  const int32_t *i32s;
  uint32_t u;
  float x;
  bool b;
  size_t n;
  assert_ok(gm_model_file_string(f, "general.architecture", &text, &err), &err);
  assert_string_equal(text, "test");
  assert_ok(gm_model_file_u32(f, "u32", 0, UINT32_MAX, &u, &err), &err);
  assert_true(u == 4000000000u);
  assert_ok(gm_model_file_f32(f, "f32", 1, 2, &x, &err), &err);
  assert_true(x == 1.5f);
  assert_ok(gm_model_file_bool(f, "yes", &b, &err), &err);
  assert_true(b);
  assert_ok(gm_model_file_bool(f, "no", &b, &err), &err);
  assert_false(b);
  assert_ok(gm_model_file_f32_array(f, "floats", &f32s, &n, &err), &err);
  assert_int_equal(n, 3);
  assert_memory_equal(f32s, floats, sizeof floats);
  assert_ok(gm_model_file_i32_array(f, "ints", &i32s, &n, &err), &err);
  assert_int_equal(n, 3);
  assert_memory_equal(i32s, ints, sizeof ints);
  assert_ok(gm_model_file_i32_array(f, "empty", &i32s, &n, &err), &err);
  assert_int_equal(n, 0);
  assert_ok(gm_model_file_string_array(f, "words", &strings, &n, &err), &err);
  assert_int_equal(n, 4);
  for (size_t i = 0; i < n; i++) assert_string_equal(strings[i], words[i]);
  assert_ok(gm_model_file_string_array(f, GM_GGUF_SUMS_KEY, &strings, &n, &err), &err);
  assert_int_equal(n, 3);
  assert_memory_equal(strings[1], "0123456789abcdef", 16);
  assert_memory_equal(strings[2], "0000000000000000", 16);
}

static void check_tensors(const gm_model_file *f) {
  gm_error err;
  const float *x;
  const gm_tensor *t;
  assert_int_equal(gm_model_file_n_tensors(f), 3);
  assert_ok(gm_model_file_want_f32(f, "vector", 1, (size_t[]){5}, &x, &err), &err);
  assert_memory_equal(x, data, 20);
  assert_ok(gm_model_file_want_f32(f, "matrix", 2, (size_t[]){0, 4}, &x, &err), &err);
  assert_memory_equal(x, data, 48);
  assert_ok(gm_model_file_want(f, "blocks", 4, (size_t[]){1, 2, 1, 64}, &t, &err), &err);
  assert_int_equal(t->type, GM_TYPE_Q8_0);
  assert_int_equal(t->row_bytes, 68);
  for (size_t i = 0; i < 4 * 34; i++) assert_int_equal(((const unsigned char *)t->data)[i], 7);
}

static void test_memory(void **state) {
  (void)state;
  gm_gguf_writer *w;
  gm_error err;
  gm_model_file *f;
  assert_ok(gm_gguf_writer_create(&w, NULL, &err), &err);
  put_everything(w);
  assert_ok(gm_gguf_begin(w, &err), &err);
  write_tensors(w);
  assert_ok(gm_gguf_finish_model(w, &f, "built", &err), &err);
  gm_gguf_writer_free(w);
  assert_string_equal(gm_model_file_name(f), "built");
  check_keys(f);
  check_tensors(f);
  gm_model_file_close(f);
}

static size_t files_in(const char *directory) {
  char command[200];
  snprintf(command, sizeof command, "ls -A %s | wc -l", directory);
  FILE *pipe = popen(command, "r");
  assert_non_null(pipe);
  size_t n = 0;
  assert_int_equal(fscanf(pipe, "%zu", &n), 1);
  pclose(pipe);
  return n;
}

static void test_file(void **state) {
  (void)state;
  char directory[] = "/tmp/gm-gguf-XXXXXX", path[64];
  assert_non_null(mkdtemp(directory));
  snprintf(path, sizeof path, "%s/m.gguf", directory);
  gm_gguf_writer *w;
  gm_error err;
  gm_model_file *f;
  for (int round = 0; round < 3; round++) {
    assert_ok(gm_gguf_writer_create(&w, path, &err), &err);
    put_everything(w);
    assert_ok(gm_gguf_begin(w, &err), &err);
    write_tensors(w);
    assert_int_equal(access(path, F_OK) == 0, round > 0);
    /* The second round is abandoned: the first one's file stays, and nothing else. */
    if (round != 1) assert_ok(gm_gguf_finish_file(w, &err), &err);
    gm_gguf_writer_free(w);
    assert_int_equal(files_in(directory), 1);
  }
  for (int mapped = 0; mapped < 2; mapped++) {
    assert_ok(gm_model_file_open(&f, path, mapped, false, &err), &err);
    check_keys(f);
    check_tensors(f);
    gm_model_file_close(f);
  }
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  mode_t mask = umask(0);
  umask(mask);
  assert_int_equal(st.st_mode & 0777, 0666 & ~mask);
  unlink(path);
  assert_int_equal(gm_model_file_open(&f, path, true, false, &err), GM_ERR_FILE_NOT_FOUND);
  assert_int_equal(gm_model_file_open(&f, directory, true, false, &err), GM_ERR_IO);
  assert_int_equal(gm_gguf_writer_create(&w, "/no/such/place/m.gguf", &err), GM_ERR_IO);
  assert_null(w);
  assert_int_equal(gm_gguf_writer_create(&w, directory, &err), GM_ERR_ARGUMENT);
  assert_int_equal(files_in(directory), 0);
  rmdir(directory);
}

/* A view has the base's keys and tensors but for those that were replaced. */
static void test_view(void **state) {
  (void)state;
  static const float other[5] = {9, 8, 7, 6, 5};
  gm_gguf_writer *w;
  gm_error err;
  gm_model_file *f, *view;
  const float *vector;
  const gm_tensor *t;
  assert_ok(gm_gguf_writer_create(&w, NULL, &err), &err);
  put_everything(w);
  assert_ok(gm_gguf_begin(w, &err), &err);
  write_tensors(w);
  assert_ok(gm_gguf_finish_model(w, &f, "built", &err), &err);
  gm_gguf_writer_free(w);
  assert_ok(gm_model_file_view(&view, f, &err), &err);
  check_keys(view);
  check_tensors(view);
  const gm_tensor replaced = {.type = GM_TYPE_F32,
                              .n_dims = 1,
                              .shape = {5, 1, 1, 1},
                              .row_bytes = sizeof other,
                              .data = other};
  const gm_tensor longer = {.type = GM_TYPE_F32,
                            .n_dims = 1,
                            .shape = {6, 1, 1, 1},
                            .row_bytes = sizeof other,
                            .data = other};
  assert_ok(gm_model_file_replace(view, "vector", &replaced, &err), &err);
  assert_int_equal(gm_model_file_replace(view, "vector", &longer, &err), GM_ERR_MODEL);
  assert_int_equal(gm_model_file_replace(view, "absent", &replaced, &err), GM_ERR_MODEL);
  assert_ok(gm_model_file_want_f32(view, "vector", 1, (size_t[]){5}, &vector, &err), &err);
  assert_ptr_equal(vector, other);
  assert_ok(gm_model_file_want(view, "blocks", 4, (size_t[]){1, 2, 1, 64}, &t, &err), &err);
  gm_model_file_close(view);
  check_tensors(f);
  gm_model_file_close(f);
}

/* ---- getters refuse wrong keys, with a message */

static void assert_message(gm_status status, const gm_error *err, const char *a,
                           const char *b) {
  assert_int_equal(status, GM_ERR_MODEL);
  if (!strstr(err->message, a) || !strstr(err->message, b))
    fail_msg("wanted \"%s\" and \"%s\" in: %s", a, b, err->message);
}

static void test_getters(void **state) {
  (void)state;
  gm_gguf_writer *w;
  gm_error err;
  gm_model_file *f;
  uint32_t u = 77;
  float x;
  size_t n;
  const float *f32s;
  const gm_tensor *t;
  assert_ok(gm_gguf_writer_create(&w, NULL, &err), &err);
  put_everything(w);
  assert_ok(gm_gguf_begin(w, &err), &err);
  write_tensors(w);
  assert_ok(gm_gguf_finish_model(w, &f, "built", &err), &err);
  gm_gguf_writer_free(w);
  assert_message(gm_model_file_u32(f, "absent", 0, 1, &u, &err), &err, "absent", "missing");
  assert_message(gm_model_file_u32(f, "f32", 0, 1, &u, &err), &err, "found f32", "wanted u32");
  assert_message(gm_model_file_u32(f, "u32", 0, 9, &u, &err), &err, "4000000000", "0 to 9");
  assert_int_equal(u, 77);
  assert_message(gm_model_file_f32(f, "f32", 0, 1, &x, &err), &err, "1.5", "0 to 1");
  assert_message(gm_model_file_f32_array(f, "ints", &f32s, &n, &err), &err, "array of i32",
                 "array of f32");
  assert_message(gm_model_file_f32_array(f, "f32", &f32s, &n, &err), &err, "found f32",
                 "array of f32");
  assert_true(gm_model_file_has_key(f, "words"));
  assert_false(gm_model_file_has_key(f, "word"));
  assert_null(gm_model_file_tensor(f, "absent"));
  assert_message(gm_model_file_want(f, "absent", 1, (size_t[]){1}, &t, &err), &err, "absent",
                 "missing");
  assert_message(gm_model_file_want(f, "matrix", 2, (size_t[]){0, 5}, &t, &err), &err, "[3, 4]",
                 "[any, 5]");
  assert_message(gm_model_file_want(f, "matrix", 1, (size_t[]){12}, &t, &err), &err, "[3, 4]",
                 "[12]");
  assert_message(gm_model_file_want_f32(f, "blocks", 4, (size_t[]){1, 2, 1, 64}, &f32s, &err),
                 &err, "q8_0", "wanted f32");
  gm_model_file_close(f);
}

static void test_writer_refuses(void **state) {
  (void)state;
  gm_gguf_writer *w;
  gm_error err;
  char name[80];
  memset(name, 'x', sizeof name);
  name[sizeof name - 1] = 0;
  assert_ok(gm_gguf_writer_create(&w, NULL, &err), &err);
  gm_gguf_add_tensor(w, name, GM_TYPE_F32, 1, (size_t[]){1});
  assert_message(gm_gguf_begin(w, &err), &err, "xxx", "64 bytes");
  gm_gguf_writer_free(w);
  assert_ok(gm_gguf_writer_create(&w, NULL, &err), &err);
  gm_gguf_add_tensor(w, "big", GM_TYPE_F32, 2, (size_t[]){(size_t)1 << 40, (size_t)1 << 40});
  assert_message(gm_gguf_begin(w, &err), &err, "big", "too large");
  gm_gguf_writer_free(w);
}

static void test_names(void **state) {
  (void)state;
  static const char *const long_names[] = {
      "perceiver.ddetr_transformer.decoder.layers.10.encoder_attn.sampling_offsets.weight",
      "perceiver.ddetr_transformer.encoder.layers.5.self_attn.attention_weights.weight",
      "perceiver.vis_encoder.encoder.layer.23.attention.attention.query.weight",
      "perceiver.vis_encoder.embeddings.patch_embeddings.projection.weight",
  };
  char name[GM_GGUF_NAME_SIZE], back[1025];
  for (size_t i = 0; i < 4; i++) {
    assert_true(gm_tensor_short_name(long_names[i], name));
    assert_true(strlen(name) < 64);
    gm_tensor_upstream_name(name, back, sizeof back);
    assert_string_equal(back, long_names[i]);
  }
  assert_true(gm_tensor_short_name(long_names[0], name));
  assert_string_equal(name, "ddetr.decoder.layers.10.encoder_attn.sampling_offsets.weight");
  /* 63 bytes are unchanged; 64 with an unknown beginning are refused. */
  char text[65];
  memset(text, 'a', sizeof text);
  text[63] = 0;
  assert_true(gm_tensor_short_name(text, name));
  assert_string_equal(name, text);
  text[63] = 'a';
  text[64] = 0;
  assert_false(gm_tensor_short_name(text, name));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_memory),  cmocka_unit_test(test_file),
      cmocka_unit_test(test_getters), cmocka_unit_test(test_writer_refuses),
      cmocka_unit_test(test_names),   cmocka_unit_test(test_view),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
