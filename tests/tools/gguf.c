/* gguf.c - prints model files for tests in other languages.
 *
 *   gguf FILE          its keys, one line "name type n value" each, value as JSON
 *   gguf FILE TENSOR   the tensor's values as floats, on standard output */
#include "interface.h"
#include "model_file.h"

#include <stdio.h>
#include <stdlib.h>

static void print_keys(const char *path) {
  gm_error err;
  gm_inspection *in;
  assert_ok(gm_inspect(&in, path, false, NULL, &err), &err);
  for (size_t i = 0; i < in->n_keys; i++) {
    gm_inspect_key k = inspect_key(in, i);
    printf("%s %s%s %zu %s\n", k.name, k.type, k.is_array ? "[]" : "", k.n, k.value);
  }
  gm_inspection_free(in);
}

static void print_values(const char *path, const char *name) {
  gm_error err;
  gm_model_file *file;
  assert_ok(gm_model_file_open(&file, path, true, false, &err), &err);
  const gm_tensor *t = gm_model_file_tensor(file, name);
  assert_non_null(t);
  size_t n = gm_tensor_rows(t) * gm_tensor_cols(t);
  float *values = malloc(n * sizeof *values);
  assert_non_null(values);
  gm_type_traits_of(t->type)->to_float(values, t->data, n);
  assert_int_equal(fwrite(values, sizeof *values, n, stdout), n);
  free(values);
  gm_model_file_close(file);
}

int main(int argc, char **argv) {
  if (argc == 2)
    print_keys(argv[1]);
  else if (argc == 3)
    print_values(argv[1], argv[2]);
  else
    return 2;
  return 0;
}
