/* fuzz_gguf.c - a GGUF file: an accepted file must be readable to its last byte. */
#include "support.h"

#include "model_file_bytes.h"

#include <stdlib.h>
#include <string.h>

static void read_string(const char *string) {
  fuzz_check(strlen(string) <= GM_GGUF_MAX_STRING);
}

static void read_key(const gm_model_file *file, const gm_gguf_key *key) {
  read_string(key->name);
  fuzz_check(gm_model_file_has_key(file, key->name));
  if (key->type == GM_GGUF_STRING) {
    for (size_t i = 0; i < key->n; i++) read_string(((const char *const *)key->elements)[i]);
  } else {
    fuzz_touch(key->elements, key->n * gm_gguf_type_size(key->type));
  }
  uint32_t number;
  float real;
  bool truth;
  const char *string;
  const float *reals;
  const int32_t *numbers;
  const char *const *strings;
  size_t n;
  gm_model_file_u32(file, key->name, 0, UINT32_MAX, &number, NULL);
  gm_model_file_f32(file, key->name, -1e30f, 1e30f, &real, NULL);
  gm_model_file_bool(file, key->name, &truth, NULL);
  gm_model_file_string(file, key->name, &string, NULL);
  gm_model_file_f32_array(file, key->name, &reals, &n, NULL);
  gm_model_file_i32_array(file, key->name, &numbers, &n, NULL);
  gm_model_file_string_array(file, key->name, &strings, &n, NULL);
}

static void read_tensor(const gm_model_file *file, size_t i) {
  const char *name;
  const gm_tensor *t = gm_model_file_tensor_at(file, i, &name);
  read_string(name);
  fuzz_check(t->n_dims >= 1 && t->n_dims <= GM_MAX_DIMS);
  fuzz_touch(t->data, gm_tensor_rows(t) * t->row_bytes);
  const float *values;
  size_t any[GM_MAX_DIMS] = {0};
  gm_model_file_want_f32(file, name, t->n_dims, any, &values, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  gm_model_file *file = NULL;
  gm_error err = {0};
  /* Aligned as the interface requires, and of exactly this size for the sanitizer. */
  void *copy = NULL;
  fuzz_check(posix_memalign(&copy, 32, size ? size : 1) == 0);
  if (size) memcpy(copy, bytes, size);
  gm_status status = gm_model_file_from_memory(&file, copy, size, "fuzz", &err);
  fuzz_check((status == GM_OK) == (file != NULL));
  fuzz_check(status == GM_OK || err.message[0]);
  if (file) {
    const gm_gguf *gguf = gm_model_file_gguf(file);
    for (size_t i = 0; i < gguf->n_keys; i++) read_key(file, &gguf->keys[i]);
    for (size_t i = 0; i < gm_model_file_n_tensors(file); i++) read_tensor(file, i);
    gm_model_file_close(file);
  }
  free(copy);
  return 0;
}
