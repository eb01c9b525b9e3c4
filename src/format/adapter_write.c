/* adapter_write.c - see adapter.h: writing. */
#include "adapter.h"
#include "gguf_write.h"
#include "tensor_names.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 256 };

/* out = the tensor's name with the ending, without ".weight" where it would be too long. */
static gm_status full_name(char out[NAME_SIZE], const char *name, const char *ending,
                           gm_error *err) {
  char fits[GM_GGUF_NAME_SIZE];
  const size_t weight = sizeof GM_ADAPTER_WEIGHT - 1;
  size_t n = strlen(name);
  if (n < NAME_SIZE - 16) {
    snprintf(out, NAME_SIZE, "%s%s", name, ending);
    if (gm_tensor_short_name(out, fits)) return GM_OK;
    if (n > weight && strcmp(name + n - weight, GM_ADAPTER_WEIGHT) == 0) {
      snprintf(out, NAME_SIZE, "%.*s%s", (int)(n - weight), name, ending);
      if (gm_tensor_short_name(out, fits)) return GM_OK;
    }
  }
  return gm_fail(err, GM_ERR_ARGUMENT, "the name %.200s is too long for an adapter", name);
}

static void put_head(gm_gguf_writer *writer, const gm_adapter_head *head) {
  gm_gguf_put_string(writer, "general.type", "adapter");
  gm_gguf_put_string(writer, "general.architecture", head->architecture);
  if (head->name) gm_gguf_put_string(writer, "general.name", head->name);
  gm_gguf_put_string(writer, "adapter.type", "lora");
  gm_gguf_put_f32(writer, "adapter.lora.alpha", head->alpha);
  if (head->vocabulary) gm_gguf_put_string(writer, GM_ADAPTER_VOCABULARY, head->vocabulary);
  if (head->base) gm_gguf_put_string(writer, GM_ADAPTER_BASE, head->base);
  if (head->present) gm_present_head_put(writer, head->present);
  if (head->label) gm_label_head_put(writer, head->label);
}

static gm_status put_part(gm_gguf_writer *writer, const gm_adapter_part *part, gm_type type,
                          gm_error *err) {
  char name[NAME_SIZE];
  if (part->rank == 0) {
    GM_TRY(full_name(name, part->name, GM_ADAPTER_DIFFERENCE, err));
    gm_gguf_add_tensor(writer, name, type, part->n_dims, part->shape);
    return GM_OK;
  }
  /* Both names are as long. */
  GM_TRY(full_name(name, part->name, GM_ADAPTER_A, err));
  gm_gguf_add_tensor(writer, name, type, 2, (size_t[]){part->rank, part->columns});
  GM_TRY(full_name(name, part->name, GM_ADAPTER_B, err));
  gm_gguf_add_tensor(writer, name, type, 2, (size_t[]){part->rows, part->rank});
  return GM_OK;
}

static gm_status write_floats(gm_gguf_writer *writer, size_t *tensor, const float *values,
                              gm_type type, gm_error *err) {
  size_t bytes = gm_gguf_tensor_bytes(writer, *tensor), element = gm_type_row_bytes(type, 1);
  void *converted = malloc(bytes);
  if (!converted) return gm_fail_memory(err, "an adapter", bytes);
  gm_type_traits_of(type)->from_float(converted, values, bytes / element);
  gm_status status = gm_gguf_write(writer, (*tensor)++, 0, converted, bytes, err);
  free(converted);
  return status;
}

static gm_status write_all(gm_gguf_writer *writer, const gm_adapter_head *head,
                           const gm_adapter_part *parts, size_t n, gm_type type,
                           gm_error *err) {
  size_t tensor = 0;
  put_head(writer, head);
  for (size_t i = 0; i < n; i++) GM_TRY(put_part(writer, &parts[i], type, err));
  GM_TRY(gm_gguf_begin(writer, err));
  for (size_t i = 0; i < n; i++) {
    const gm_adapter_part *part = &parts[i];
    GM_TRY(write_floats(writer, &tensor, part->rank ? part->a : part->difference, type, err));
    if (part->rank) GM_TRY(write_floats(writer, &tensor, part->b, type, err));
  }
  return gm_gguf_finish_file(writer, err);
}

gm_status gm_adapter_write(const char *path, const gm_adapter_head *head,
                           const gm_adapter_part *parts, size_t n, gm_type type,
                           gm_error *err) {
  gm_gguf_writer *writer;
  assert(!gm_type_traits_of(type)->quantised);
  GM_TRY(gm_gguf_writer_create(&writer, path, err));
  gm_status status = write_all(writer, head, parts, n, type, err);
  gm_gguf_writer_free(writer);
  return status;
}
