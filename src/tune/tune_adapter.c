/* tune_adapter.c - see tune_adapter.h. */
#include "tune_adapter.h"

#include "adapter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t gm_tune_values(const gm_params *params) {
  size_t n = 0;
  for (size_t i = 0; i < params->n; i++) n += params->all[i].n;
  return n;
}

/* Sets the part; false: nothing changed. difference[p->n] is room. */
static bool make_part(gm_adapter_part *out, const gm_param *p, const float *values,
                      float *difference) {
  const gm_tensor *base = &p->base;
  *out = (gm_adapter_part){.name = p->name};
  if (p->how == GM_LEARN_LORA) {
    out->rank = p->lora.rank;
    out->rows = base->shape[0];
    out->columns = base->shape[1];
    out->a = values;
    out->b = values + out->rank * out->columns;
    return p->steps > 0;
  }
  size_t columns = gm_tensor_cols(base);
  const unsigned char *from = base->data;
  for (size_t r = 0; r < gm_tensor_rows(base); r++, from += base->row_bytes)
    gm_type_traits_of(base->type)->to_float(difference + r * columns, from, columns);
  for (size_t i = 0; i < p->n; i++) difference[i] = values[i] - difference[i];
  out->n_dims = base->n_dims;
  memcpy(out->shape, base->shape, sizeof out->shape);
  out->difference = difference;
  return p->steps > 0;
}

static gm_status write(const gm_params *params, const float *values, gm_adapter_head *head,
                       const char *path, gm_adapter_part *parts, float *differences,
                       gm_error *err) {
  char vocabulary[65], base[65];
  size_t n = 0, at = 0;
  for (size_t i = 0; i < params->n; at += params->all[i++].n) {
    if (!params->all[i].rule) continue; /* added for training alone */
    n += make_part(&parts[n], &params->all[i], values + at, differences + at);
  }
  if (n == 0) return gm_fail(err, GM_ERR_ARGUMENT, "nothing was learned: there was no step");
  GM_TRY(gm_adapter_tie(params->file, vocabulary, base, err));
  head->vocabulary = vocabulary;
  head->base = base;
  return gm_adapter_write(path, head, parts, n, GM_TYPE_F16, err);
}

gm_status gm_tune_adapter_write(const gm_params *params, const float *values, float alpha,
                                const char *name, const char *path, gm_error *err) {
  size_t n = gm_tune_values(params);
  for (size_t i = 0; i < n; i++)
    if (!isfinite(values[i]))
      return gm_fail(err, GM_ERR_MODEL, "a weight is not a number any more");
  gm_adapter_part *parts = calloc(params->n + 1, sizeof *parts);
  float *differences = calloc(n + 1, sizeof *differences);
  gm_adapter_head head = {.name = name, .architecture = "groma", .alpha = alpha};
  gm_status status = parts && differences
                         ? write(params, values, &head, path, parts, differences, err)
                         : gm_fail_memory(err, "the adapter", n * sizeof *differences);
  free(parts);
  free(differences);
  return status;
}
