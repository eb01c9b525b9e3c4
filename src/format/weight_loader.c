/* weight_loader.c - see weight_loader.h. */
#include "weight_loader.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

gm_weight_loader gm_weight_loader_at(const gm_model_file *file, gm_error *err,
                                     const char *format, ...) {
  gm_weight_loader l = {file, err, ""};
  va_list args;
  va_start(args, format);
  int length = vsnprintf(l.prefix, sizeof l.prefix, format, args);
  va_end(args);
  assert(length >= 0 && (size_t)length < sizeof l.prefix);
  (void)length;
  return l;
}

static const char *full_name(const gm_weight_loader *l, const char *name, char out[256]) {
  int length = snprintf(out, 256, "%s%s", l->prefix, name);
  assert(length >= 0 && length < 256);
  (void)length;
  return out;
}

gm_status gm_load_vector(const gm_weight_loader *l, const char *name, size_t n,
                         const float **out) {
  char full[256];
  return gm_model_file_want_f32(l->file, full_name(l, name, full), 1, &n, out, l->err);
}

gm_status gm_load_matrix(const gm_weight_loader *l, const char *name, size_t rows,
                         size_t columns, gm_tensor *out) {
  size_t shape[2] = {rows, columns};
  return gm_load_tensor(l, name, 2, shape, out);
}

gm_status gm_load_tensor(const gm_weight_loader *l, const char *name, uint32_t n_dims,
                         const size_t *shape, gm_tensor *out) {
  char full[256];
  const gm_tensor *tensor;
  GM_TRY(gm_model_file_want(l->file, full_name(l, name, full), n_dims, shape, &tensor, l->err));
  *out = *tensor;
  return GM_OK;
}
