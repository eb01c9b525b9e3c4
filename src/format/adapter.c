/* adapter.c - see adapter.h: reading. */
#include "adapter.h"

#include "model_file_bytes.h"
#include "sha256.h"
#include "tensor_names.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float most_alpha = 1e6f;

void gm_adapter_close(gm_adapter *adapter) {
  if (!adapter) return;
  for (size_t i = 0; i < adapter->n_owned; i++) free(adapter->owned[i]);
  for (size_t i = 0; i < adapter->n; i++) free((void *)(uintptr_t)adapter->parts[i].name);
  free(adapter->owned);
  free(adapter->parts);
  gm_model_file_close(adapter->file);
  gm_present_head_free(adapter->present);
  gm_label_head_free(adapter->label);
  free(adapter);
}

/* ---- keys ---- */

static gm_status want_text(const gm_adapter *adapter, const char *key, const char *wanted,
                           gm_error *err) {
  const char *found = "nothing";
  if (gm_model_file_has_key(adapter->file, key))
    GM_TRY(gm_model_file_string(adapter->file, key, &found, err));
  if (strcmp(found, wanted) == 0) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 "%s: not an adapter that can be used: key %s: found %.40s, wanted %s",
                 adapter->path, key, found, wanted);
}

static gm_status optional_text(const gm_adapter *adapter, const char *key, const char **out,
                               gm_error *err) {
  *out = NULL;
  if (!gm_model_file_has_key(adapter->file, key)) return GM_OK;
  return gm_model_file_string(adapter->file, key, out, err);
}

static gm_status read_head(gm_adapter *adapter, gm_error *err) {
  static const char *const known[] = {"adapter.type", "adapter.lora.alpha", NULL};
  const gm_model_file *file = adapter->file;
  gm_adapter_head *head = &adapter->head;
  GM_TRY(want_text(adapter, "general.type", "adapter", err));
  GM_TRY(want_text(adapter, "adapter.type", "lora", err));
  GM_TRY(gm_model_file_known_keys(file, "adapter.", known, err));
  GM_TRY(gm_model_file_string(file, "general.architecture", &head->architecture, err));
  GM_TRY(gm_model_file_f32(file, "adapter.lora.alpha", 0, most_alpha, &head->alpha, err));
  GM_TRY(optional_text(adapter, "general.name", &head->name, err));
  GM_TRY(optional_text(adapter, GM_ADAPTER_VOCABULARY, &head->vocabulary, err));
  return optional_text(adapter, GM_ADAPTER_BASE, &head->base, err);
}

/* ---- tensors ---- */

static bool ends_with(const char *name, const char *ending, size_t *stem) {
  size_t n = strlen(name), e = strlen(ending);
  *stem = n - e;
  return n > e && strcmp(name + n - e, ending) == 0;
}

/* The tensor's numbers as f32. */
static gm_status floats_of(gm_adapter *adapter, const gm_tensor *tensor, const char *name,
                           const float **out, gm_error *err) {
  size_t rows = gm_tensor_rows(tensor), n = rows * gm_tensor_cols(tensor);
  if (tensor->type != GM_TYPE_F32 && tensor->type != GM_TYPE_F16 &&
      tensor->type != GM_TYPE_BF16)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: tensor %s: found type %s, wanted f32, f16 or bf16 in an adapter",
                   adapter->path, name, gm_type_traits_of(tensor->type)->name);
  const float *values = tensor->data;
  if (tensor->type != GM_TYPE_F32) {
    float *copy = n <= SIZE_MAX / sizeof *copy ? malloc(n * sizeof *copy) : NULL;
    if (!copy) return gm_fail_memory(err, name, n);
    adapter->owned[adapter->n_owned++] = copy;
    gm_type_traits_of(tensor->type)->to_float(copy, tensor->data, n);
    values = copy;
  }
  for (size_t i = 0; i < n; i++)
    if (!isfinite(values[i]))
      return gm_fail(err, GM_ERR_MODEL,
                     "%s: tensor %s: found %s among its values; the adapter is damaged",
                     adapter->path, name, isnan(values[i]) ? "NaN" : "an infinity");
  *out = values;
  return GM_OK;
}

/* name[0, stem) as upstream has it. */
static gm_status name_part(gm_adapter_part *part, const char *name, size_t stem,
                           gm_error *err) {
  char stored[GM_GGUF_NAME_SIZE], full[2 * GM_GGUF_NAME_SIZE];
  memcpy(stored, name, stem);
  stored[stem] = 0;
  gm_tensor_upstream_name(stored, full, sizeof full);
  part->name = strdup(full);
  return part->name ? GM_OK : gm_fail_memory(err, name, sizeof full);
}

static gm_status read_difference(gm_adapter *adapter, const gm_tensor *tensor, const char *name,
                                 size_t stem, gm_error *err) {
  gm_adapter_part *part = &adapter->parts[adapter->n++];
  part->n_dims = tensor->n_dims;
  memcpy(part->shape, tensor->shape, sizeof part->shape);
  GM_TRY(name_part(part, name, stem, err));
  return floats_of(adapter, tensor, name, &part->difference, err);
}

static gm_status read_pair(gm_adapter *adapter, const gm_tensor *a, const char *name,
                           size_t stem, gm_error *err) {
  char other[GM_GGUF_NAME_SIZE];
  memcpy(other, name, stem);
  memcpy(other + stem, GM_ADAPTER_B, sizeof GM_ADAPTER_B);
  const gm_gguf_tensor *found = gm_gguf_find_tensor(gm_model_file_gguf(adapter->file), other);
  if (!found)
    return gm_fail(err, GM_ERR_MODEL, "%s: found tensor %s without %s; a pair needs both",
                   adapter->path, name, other);
  const gm_tensor *b = &found->tensor;
  if (a->n_dims != 2 || b->n_dims != 2 || a->shape[0] != b->shape[1])
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: tensors %s and %s: found %zu x %zu and %zu x %zu numbers, wanted "
                   "matrices [rank, in] and [out, rank] of one rank",
                   adapter->path, name, other, gm_tensor_rows(a), gm_tensor_cols(a),
                   gm_tensor_rows(b), gm_tensor_cols(b));
  gm_adapter_part *part = &adapter->parts[adapter->n++];
  part->rank = a->shape[0];
  part->columns = a->shape[1];
  part->rows = b->shape[0];
  GM_TRY(name_part(part, name, stem, err));
  GM_TRY(floats_of(adapter, a, name, &part->a, err));
  return floats_of(adapter, b, other, &part->b, err);
}

/* The second of a pair is read with the first. */
static gm_status check_second(const gm_adapter *adapter, const char *name, size_t stem,
                              gm_error *err) {
  char other[GM_GGUF_NAME_SIZE];
  memcpy(other, name, stem);
  memcpy(other + stem, GM_ADAPTER_A, sizeof GM_ADAPTER_A);
  if (gm_gguf_find_tensor(gm_model_file_gguf(adapter->file), other)) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL, "%s: found tensor %s without %s; a pair needs both",
                 adapter->path, name, other);
}

static gm_status read_tensor(gm_adapter *adapter, size_t i, gm_error *err) {
  const char *name;
  size_t stem;
  const gm_tensor *tensor = gm_model_file_tensor_at(adapter->file, i, &name);
  if (ends_with(name, GM_ADAPTER_A, &stem)) return read_pair(adapter, tensor, name, stem, err);
  if (ends_with(name, GM_ADAPTER_B, &stem)) return check_second(adapter, name, stem, err);
  if (ends_with(name, GM_ADAPTER_DIFFERENCE, &stem))
    return read_difference(adapter, tensor, name, stem, err);
  return gm_fail(err, GM_ERR_MODEL,
                 "%s: found tensor %s, wanted names that end in " GM_ADAPTER_A ", " GM_ADAPTER_B
                 " or " GM_ADAPTER_DIFFERENCE,
                 adapter->path, name);
}

static gm_status read_all(gm_adapter *adapter, gm_error *err) {
  size_t n = gm_model_file_n_tensors(adapter->file);
  GM_TRY(read_head(adapter, err));
  GM_TRY(gm_present_head_read(&adapter->present, adapter->file, err));
  GM_TRY(gm_label_head_read(&adapter->label, adapter->file, err));
  adapter->head.present = adapter->present;
  adapter->head.label = adapter->label;
  if (n == 0 && !adapter->present && !adapter->label)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: found an adapter without tensors: it changes nothing", adapter->path);
  adapter->parts = calloc(n + 1, sizeof *adapter->parts);
  adapter->owned = calloc(n + 1, sizeof *adapter->owned);
  if (!adapter->parts || !adapter->owned) return gm_fail_memory(err, adapter->path, n);
  for (size_t i = 0; i < n; i++) GM_TRY(read_tensor(adapter, i, err));
  return gm_model_file_sha256(adapter->file, adapter->sha256, NULL, err);
}

/* Takes ownership of file. */
static gm_status from_file(gm_adapter **out, gm_model_file *file, gm_error *err) {
  *out = NULL;
  gm_adapter *adapter = calloc(1, sizeof *adapter);
  if (!adapter) {
    gm_model_file_close(file);
    return gm_fail_memory(err, "an adapter", sizeof *adapter);
  }
  adapter->file = file;
  adapter->path = gm_model_file_name(file);
  gm_status status = read_all(adapter, err);
  if (status == GM_OK)
    *out = adapter;
  else
    gm_adapter_close(adapter);
  return status;
}

gm_status gm_adapter_open(gm_adapter **out, const char *path, gm_error *err) {
  gm_model_file *file;
  *out = NULL;
  /* Read into memory: whoever trains may replace the file at any time. */
  GM_TRY(gm_model_file_open(&file, path, false, false, err));
  return from_file(out, file, err);
}

gm_status gm_adapter_from_memory(gm_adapter **out, const void *bytes, size_t size,
                                 const char *name, gm_error *err) {
  gm_model_file *file;
  *out = NULL;
  GM_TRY(gm_model_file_from_memory(&file, bytes, size, name, err));
  return from_file(out, file, err);
}

/* ---- the tie ---- */

gm_status gm_vocabulary_sha256(const gm_model_file *file, char out[65], gm_error *err) {
  const char *const *tokens;
  size_t n;
  gm_sha256_state sha;
  out[0] = 0;
  if (!gm_model_file_has_key(file, "tokenizer.ggml.tokens")) return GM_OK;
  GM_TRY(gm_model_file_string_array(file, "tokenizer.ggml.tokens", &tokens, &n, err));
  gm_sha256_begin(&sha);
  for (size_t i = 0; i < n; i++) gm_sha256_add_text(&sha, tokens[i]);
  gm_sha256_end(&sha, out);
  return GM_OK;
}

gm_status gm_adapter_tie(const gm_model_file *base, char vocabulary[65], char header[65],
                         gm_error *err) {
  size_t size;
  GM_TRY(gm_vocabulary_sha256(base, vocabulary, err));
  const void *bytes = gm_model_file_bytes(base, &size);
  gm_sha256(bytes, gm_model_file_gguf(base)->data_begin, header);
  return GM_OK;
}
