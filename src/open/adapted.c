/* adapted.c - see adapted.h. */
#include "adapted.h"

#include "checked.h"
#include "convert.h"
#include "struct_size.h"
#include "tensor_names.h"

#include <stdlib.h>
#include <string.h>

void gm_adapted_close(gm_adapted *a) {
  gm_model_file_close(a->view);
  gm_changes_free(&a->changes);
  for (size_t i = 0; i < a->n_arrays; i++) free(a->arrays[i]);
  free(a->arrays);
  free(a->pairs);
  *a = (gm_adapted){0};
}

const gm_model_file *gm_adapted_file(const gm_adapted *a, const gm_model_file *base) {
  return a->view ? a->view : base;
}

/* ---- reading ---- */

gm_status gm_adapted_read(gm_adapter_changes *changes, const gm_model_file *base,
                          const gm_adapter_use *uses, size_t n, gm_error *err) {
  if (n == 0) return GM_OK;
  gm_adapter_use *own = calloc(n, sizeof *own);
  if (!own) return gm_fail_memory(err, "the adapters", n * sizeof *own);
  gm_status status = GM_STRUCTS_READ(gm_adapter_use, own, uses, n, err);
  for (size_t i = 0; i < n && status == GM_OK; i++) {
    float scale = own[i].off ? 0 : own[i].scale == 0 ? 1 : own[i].scale;
    gm_adapter *adapter = NULL;
    status = own[i].path
                 ? gm_adapter_open(&adapter, own[i].path, err)
                 : gm_fail(err, GM_ERR_ARGUMENT,
                           "adapter %zu: found no path, wanted an adapter's file", i + 1);
    if (status == GM_OK) status = gm_changes_add(changes, base, adapter, scale, err);
  }
  free(own);
  return status;
}

/* ---- applying ---- */

/* n floats that the adapted file owns. */
static float *array_of(gm_adapted *a, size_t n, const char *what, gm_error *err) {
  size_t bytes;
  float **grown = realloc(a->arrays, (a->n_arrays + 1) * sizeof *grown);
  if (grown) a->arrays = grown;
  float *array = grown && gm_mul_size(n, sizeof *array, &bytes) ? malloc(bytes) : NULL;
  if (array)
    a->arrays[a->n_arrays++] = array;
  else
    (void)gm_fail_memory(err, what, n);
  return array;
}

/* Whether gm_linear, and nobody else, reads the tensor, and it is worth keeping as it is. */
static bool takes_pairs(const gm_tensor_rules *rules, const char *name) {
  size_t layer;
  const gm_tensor_rule *rule = gm_rules_find(rules, name, &layer);
  if (!rule || rule->kind != GM_KIND_MATRIX) return false;
  bool large = rule->precision == GM_LLM || rule->precision == GM_LLM_TOUCHY ||
               rule->precision == GM_VISION;
  return rule->precision == GM_LLM_OUTPUT || (large && strchr(rule->prefix, '%'));
}

static bool all_pairs(const gm_change *changes, size_t n) {
  size_t i = 0;
  while (i < n && changes[i].part->rank) i++;
  return i == n;
}

/* tensor's pair = the pairs of all its changes, one below the other, scales in b. */
static gm_status join_pairs(gm_adapted *a, const gm_change *changes, size_t n,
                            gm_tensor *tensor, gm_error *err) {
  size_t rank = 0, rows = gm_tensor_rows(tensor), columns = gm_tensor_cols(tensor), at = 0;
  for (size_t i = 0; i < n; i++) rank += changes[i].part->rank;
  float *down = array_of(a, rank * columns, "a low-rank pair", err);
  float *up = down ? array_of(a, rows * rank, "a low-rank pair", err) : NULL;
  if (!up) return GM_ERR_MEMORY;
  for (size_t i = 0; i < n; i++) {
    const gm_adapter_part *part = changes[i].part;
    memcpy(down + at * columns, part->a, part->rank * columns * sizeof *down);
    for (size_t row = 0; row < rows; row++)
      for (size_t r = 0; r < part->rank; r++)
        up[row * rank + at + r] = changes[i].scale * part->b[row * part->rank + r];
    at += part->rank;
  }
  gm_pair *pair = &a->pairs[a->n_pairs++];
  *pair = (gm_pair){rank, down, up, tensor->data};
  tensor->pair = pair;
  return GM_OK;
}

/* tensor = an f32 copy with all changes. */
static gm_status merge(gm_adapted *a, const gm_change *changes, size_t n, gm_tensor *tensor,
                       gm_error *err) {
  size_t columns = gm_tensor_cols(tensor), count = gm_tensor_rows(tensor) * columns;
  float *values = array_of(a, count, "a changed tensor", err);
  if (!values) return GM_ERR_MEMORY;
  gm_type_traits_of(tensor->type)->to_float(values, tensor->data, count);
  for (size_t i = 0; i < n; i++) gm_change_add(&changes[i], columns, 0, count, values);
  tensor->type = GM_TYPE_F32;
  tensor->row_bytes = columns * sizeof *values;
  tensor->data = values;
  return GM_OK;
}

static gm_status apply(gm_adapted *a, const gm_model_file *base, const gm_tensor_rules *rules,
                       size_t first, size_t n, gm_error *err) {
  const gm_change *changes = &a->changes.all[first];
  const char *stored;
  char name[GM_MAX_RULE_NAME + 1];
  gm_tensor tensor = *gm_model_file_tensor_at(base, changes->tensor, &stored);
  gm_tensor_upstream_name(stored, name, sizeof name);
  if (all_pairs(changes, n) && takes_pairs(rules, name))
    GM_TRY(join_pairs(a, changes, n, &tensor, err));
  else
    GM_TRY(merge(a, changes, n, &tensor, err));
  return gm_model_file_replace(a->view, name, &tensor, err);
}

static gm_status apply_all(gm_adapted *a, const gm_model_file *base, gm_error *err) {
  const char *name;
  gm_tensor_rules rules = {.n = 0};
  GM_TRY(gm_model_file_string(base, "general.architecture", &name, err));
  const gm_architecture *architecture = gm_architecture_named(name);
  if (architecture) architecture->rules(&rules);
  GM_TRY(gm_model_file_view(&a->view, base, err));
  a->pairs = calloc(a->changes.n, sizeof *a->pairs);
  if (!a->pairs) return gm_fail_memory(err, "the adapters", a->changes.n * sizeof *a->pairs);
  for (size_t i = 0, first, n; i < a->changes.n; i += n) {
    n = gm_changes_of(&a->changes, a->changes.all[i].tensor, &first);
    GM_TRY(apply(a, base, &rules, first, n, err));
  }
  return GM_OK;
}

gm_status gm_adapted_open(gm_adapted *out, const gm_model_file *base,
                          const gm_adapter_use *uses, size_t n, gm_error *err) {
  *out = (gm_adapted){0};
  GM_TRY(gm_adapted_read(&out->changes, base, uses, n, err));
  gm_changes_key(&out->changes, out->key);
  return out->changes.n ? apply_all(out, base, err) : GM_OK;
}

/* ---- what is told ---- */

gm_status gm_adapted_info(const gm_adapter_changes *changes, size_t i, gm_adapter_info *out) {
  if (i >= changes->n_adapters) return GM_ERR_ARGUMENT;
  const gm_applied *applied = &changes->adapters[i];
  gm_adapter_info info = {.path = applied->adapter->path,
                          .sha256 = applied->adapter->sha256,
                          .scale = applied->scale,
                          .other_base = applied->other_base};
  for (size_t p = 0; p < applied->adapter->n; p++)
    if (applied->adapter->parts[p].rank)
      info.pairs++;
    else
      info.differences++;
  return GM_STRUCT_WRITE(gm_adapter_info, out, &info, NULL);
}
