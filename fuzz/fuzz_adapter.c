/* fuzz_adapter.c - an adapter file, for groma-mini: what is accepted fits the model, has finite
 * numbers, and can be added to every tensor that it changes. */
#include "adapter_changes.h"
#include "embedded.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>

static const gm_model_file *open_base(void) {
  static gm_model_file *base;
  gm_embedded mini;
  if (base) return base;
  fuzz_check(gm_embedded_find("groma-mini", &mini));
  fuzz_check(gm_model_file_from_memory(&base, mini.bytes, mini.size, "base", NULL) == GM_OK);
  return base;
}

static void check_part(const gm_adapter_part *part) {
  size_t n = part->rank ? part->rank * part->columns : 1;
  for (uint32_t d = 0; !part->rank && d < part->n_dims; d++) n *= part->shape[d];
  const float *values = part->rank ? part->a : part->difference;
  for (size_t i = 0; i < n; i++) fuzz_check(isfinite(values[i]));
  for (size_t i = 0; part->rank && i < part->rank * part->rows; i++)
    fuzz_check(isfinite(part->b[i]));
}

static void add_all(const gm_adapter_changes *changes, const gm_model_file *base) {
  for (size_t i = 0; i < changes->n && i < 8; i++) {
    const gm_tensor *tensor = gm_model_file_tensor_at(base, changes->all[i].tensor, NULL);
    size_t columns = gm_tensor_cols(tensor), n = gm_tensor_rows(tensor) * columns;
    float *values = calloc(n, sizeof *values);
    fuzz_check(values != NULL);
    gm_change_add(&changes->all[i], columns, 0, n, values);
    free(values);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  gm_adapter *adapter;
  gm_adapter_changes changes = {0};
  gm_error err = {0};
  char key[65];
  if (size > 1 << 16) return 0;
  void *aligned = NULL;
  fuzz_check(posix_memalign(&aligned, 64, size ? size : 1) == 0);
  for (size_t i = 0; i < size; i++) ((uint8_t *)aligned)[i] = bytes[i];
  gm_status status = gm_adapter_from_memory(&adapter, aligned, size, "input", &err);
  fuzz_check((status == GM_OK) == (adapter != NULL));
  if (adapter) {
    for (size_t i = 0; i < adapter->n; i++) check_part(&adapter->parts[i]);
    status = gm_changes_add(&changes, open_base(), adapter, 0.5F, &err);
    if (status == GM_OK) add_all(&changes, open_base());
    gm_changes_key(&changes, key);
  }
  fuzz_check(status == GM_OK || err.message[0]);
  gm_changes_free(&changes);
  free(aligned);
  return 0;
}
