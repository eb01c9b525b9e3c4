/* adapter_changes.c - see adapter_changes.h. */
#include "adapter_changes.h"

#include "model_file_bytes.h"
#include "sha256.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gm_changes_free(gm_adapter_changes *changes) {
  for (size_t i = 0; i < changes->n_adapters; i++)
    gm_adapter_close(changes->adapters[i].adapter);
  free(changes->adapters);
  free(changes->all);
  *changes = (gm_adapter_changes){0};
}

/* ---- checks ---- */

static gm_status check_tie(gm_applied *applied, const gm_model_file *base, gm_error *err) {
  const gm_adapter *adapter = applied->adapter;
  const char *architecture;
  char vocabulary[65], header[65];
  GM_TRY(gm_model_file_string(base, "general.architecture", &architecture, err));
  if (strcmp(architecture, adapter->head.architecture) != 0)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: found an adapter for the architecture \"%.40s\", wanted %.40s, which "
                   "%s is",
                   adapter->path, adapter->head.architecture, architecture,
                   gm_model_file_name(base));
  GM_TRY(gm_adapter_tie(base, vocabulary, header, err));
  if (adapter->head.vocabulary && strcmp(adapter->head.vocabulary, vocabulary) != 0)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: found an adapter for another vocabulary (hash %.12s) than that of %s "
                   "(hash %.12s); wanted one that was made for this model",
                   adapter->path, adapter->head.vocabulary, gm_model_file_name(base),
                   vocabulary);
  applied->other_base = adapter->head.base && strcmp(adapter->head.base, header) != 0;
  return GM_OK;
}

/* The tensor, whose name may have lost its ".weight". */
static const gm_tensor *find_tensor(const gm_model_file *base, const char *name) {
  char longer[256];
  const gm_tensor *found = gm_model_file_tensor(base, name);
  int n = snprintf(longer, sizeof longer, "%s%s", name, GM_ADAPTER_WEIGHT);
  if (!found && n > 0 && (size_t)n < sizeof longer) found = gm_model_file_tensor(base, longer);
  return found;
}

static size_t number_of(const gm_model_file *base, const gm_tensor *tensor) {
  size_t i = 0;
  while (gm_model_file_tensor_at(base, i, NULL) != tensor) i++;
  return i;
}

static gm_status check_shape(const gm_adapter *adapter, const gm_adapter_part *part,
                             const gm_tensor *tensor, gm_error *err) {
  const size_t matrix[GM_MAX_DIMS] = {part->rows, part->columns, 1, 1};
  const size_t *shape = part->rank ? matrix : part->shape;
  uint32_t n_dims = part->rank ? 2 : part->n_dims;
  if (part->rank && tensor->n_dims != 2)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: found a low-rank pair for %s, which has %u dimensions; wanted a "
                   "difference (" GM_ADAPTER_DIFFERENCE "): only matrices take pairs",
                   adapter->path, part->name, (unsigned)tensor->n_dims);
  if (n_dims == tensor->n_dims && memcmp(shape, tensor->shape, sizeof part->shape) == 0)
    return GM_OK;
  char found[128], wanted[128];
  return gm_fail(err, GM_ERR_MODEL,
                 "%s: found a %s of shape %s for %s, wanted %s as the model has", adapter->path,
                 part->rank ? "low-rank pair" : "difference",
                 gm_shape_text(found, sizeof found, n_dims, shape), part->name,
                 gm_shape_text(wanted, sizeof wanted, tensor->n_dims, tensor->shape));
}

/* ---- the list ---- */

static int by_tensor(const void *a, const void *b) {
  const gm_change *x = a, *y = b;
  if (x->tensor != y->tensor) return x->tensor < y->tensor ? -1 : 1;
  return 0;
}

/* A stable sort: what is equal stays in the order in which it was added. */
static void insert(gm_adapter_changes *changes, const gm_change *change) {
  size_t at = changes->n++;
  for (; at > 0 && by_tensor(&changes->all[at - 1], change) > 0; at--)
    changes->all[at] = changes->all[at - 1];
  changes->all[at] = *change;
}

static gm_status add_parts(gm_adapter_changes *changes, const gm_model_file *base,
                           const gm_applied *applied, gm_error *err) {
  const gm_adapter *adapter = applied->adapter;
  gm_change *grown = realloc(changes->all, (changes->n + adapter->n + 1) * sizeof *grown);
  if (!grown) return gm_fail_memory(err, adapter->path, adapter->n * sizeof *grown);
  changes->all = grown;
  for (size_t i = 0; i < adapter->n; i++) {
    const gm_adapter_part *part = &adapter->parts[i];
    const gm_tensor *tensor = find_tensor(base, part->name);
    if (!tensor)
      return gm_fail(err, GM_ERR_MODEL,
                     "%s: found a change of %s, a tensor that %s does not have", adapter->path,
                     part->name, gm_model_file_name(base));
    GM_TRY(check_shape(adapter, part, tensor, err));
    float scale = applied->scale;
    if (part->rank && adapter->head.alpha != 0)
      scale = scale * adapter->head.alpha / (float)part->rank;
    if (!isfinite(scale))
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "%s: found the scale %g and the alpha %g, whose product is too large",
                     adapter->path, (double)applied->scale, (double)adapter->head.alpha);
    gm_change change = {number_of(base, tensor), part, scale};
    if (scale != 0) insert(changes, &change);
  }
  return GM_OK;
}

gm_status gm_changes_add(gm_adapter_changes *changes, const gm_model_file *base,
                         gm_adapter *adapter, float scale, gm_error *err) {
  size_t bytes = (changes->n_adapters + 1) * sizeof *changes->adapters;
  gm_applied *grown = realloc(changes->adapters, bytes);
  if (!grown) {
    gm_adapter_close(adapter);
    return gm_fail_memory(err, "the adapters", bytes);
  }
  changes->adapters = grown;
  gm_applied *applied = &grown[changes->n_adapters++];
  *applied = (gm_applied){.adapter = adapter, .scale = scale};
  if (!isfinite(scale))
    return gm_fail(err, GM_ERR_ARGUMENT, "%s: found the scale %g, wanted a finite number",
                   adapter->path, (double)scale);
  GM_TRY(check_tie(applied, base, err));
  return add_parts(changes, base, applied, err);
}

size_t gm_changes_of(const gm_adapter_changes *changes, size_t tensor, size_t *first) {
  size_t i = 0, n = 0;
  while (i < changes->n && changes->all[i].tensor < tensor) i++;
  *first = i;
  while (i + n < changes->n && changes->all[i + n].tensor == tensor) n++;
  return n;
}

/* ---- numbers ---- */

/* values += scale * row of b a, from column `from` on. */
static void add_row(const gm_change *change, size_t row, size_t from, size_t n, float *values) {
  const gm_adapter_part *p = change->part;
  assert(row < p->rows && from + n <= p->columns);
  for (size_t r = 0; r < p->rank; r++) {
    const float *a = p->a + r * p->columns + from;
    float factor = change->scale * p->b[row * p->rank + r];
    for (size_t i = 0; i < n; i++) values[i] += factor * a[i];
  }
}

void gm_change_add(const gm_change *change, size_t columns, size_t at, size_t n,
                   float *values) {
  const gm_adapter_part *p = change->part;
  for (size_t i = 0; i < n && !p->rank; i++) values[i] += change->scale * p->difference[at + i];
  for (size_t i = 0, count; i < n && p->rank; i += count) {
    size_t from = (at + i) % columns;
    count = columns - from < n - i ? columns - from : n - i;
    add_row(change, (at + i) / columns, from, count, values + i);
  }
}

const gm_present_head *gm_changes_present(const gm_adapter_changes *changes,
                                          const gm_present_head *base) {
  const gm_present_head *present = base;
  for (size_t i = 0; i < changes->n_adapters; i++)
    if (changes->adapters[i].scale != 0) present = changes->adapters[i].adapter->present;
  return present;
}

const gm_label_head *gm_changes_label(const gm_adapter_changes *changes,
                                      const gm_label_head *base) {
  const gm_label_head *label = base;
  for (size_t i = 0; i < changes->n_adapters; i++)
    if (changes->adapters[i].scale != 0) label = changes->adapters[i].adapter->label;
  return label;
}

void gm_changes_key(const gm_adapter_changes *changes, char key[65]) {
  gm_sha256_state sha;
  bool any = false;
  gm_sha256_begin(&sha);
  for (size_t i = 0; i < changes->n_adapters; i++) {
    const gm_applied *applied = &changes->adapters[i];
    if (applied->scale == 0 || applied->adapter->n == 0) continue;
    any = true;
    gm_sha256_add_text(&sha, applied->adapter->sha256);
    gm_sha256_add(&sha, &applied->scale, sizeof applied->scale);
  }
  gm_sha256_end(&sha, key);
  if (!any) key[0] = 0;
}
