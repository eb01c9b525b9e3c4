/* weight_loader.c - see weight_loader.h. */
#include "weight_loader.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

gm_weight_loader gm_weight_loader_at(const gm_model_file *file, gm_error *err,
                                     const char *prefix, size_t layer) {
  gm_weight_loader l = {.file = file, .err = err};
  char name[GM_MAX_RULE_NAME + 1];
  gm_rule_name(name, prefix, "", layer);
  size_t n = strlen(name);
  assert(n < sizeof l.prefix);
  memcpy(l.prefix, name, n + 1);
  return l;
}

gm_weight_loader gm_weight_loader_below(const gm_weight_loader *l, const char *name) {
  char prefix[GM_MAX_RULE_NAME + 1];
  gm_rule_name(prefix, l->prefix, name, 0);
  return gm_weight_loader_at(l->file, l->err, prefix, 0);
}

gm_status gm_load_vector(const gm_weight_loader *l, const char *name, size_t n,
                         const float **out) {
  char full[GM_MAX_RULE_NAME + 1];
  if (!name) return GM_OK;
  gm_rule_name(full, l->prefix, name, 0);
  return gm_model_file_want_f32(l->file, full, 1, &n, out, l->err);
}

gm_status gm_load_matrix(const gm_weight_loader *l, const char *name, size_t rows,
                         size_t columns, gm_tensor *out) {
  return gm_load_tensor(l, name, GM_LAYOUT_SAME, 2, (const size_t[]){rows, columns}, out);
}

gm_status gm_load_tensor(const gm_weight_loader *l, const char *name, gm_layout layout,
                         uint32_t n_dims, const size_t *shape, gm_tensor *out) {
  char full[GM_MAX_RULE_NAME + 1];
  size_t stored[GM_MAX_DIMS];
  const gm_tensor *tensor;
  if (!name) return GM_OK;
  gm_rule_name(full, l->prefix, name, 0);
  uint32_t n = gm_layout_shape(layout, shape, n_dims, stored);
  GM_TRY(gm_model_file_want(l->file, full, n, stored, &tensor, l->err));
  *out = *tensor;
  return GM_OK;
}
