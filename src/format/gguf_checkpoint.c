/* gguf_checkpoint.c - one of our own files as a gm_checkpoint, so that it can be converted to
 * another type. Names are those of the file. */
#include "gguf_checkpoint.h"

#include "mapping.h"

#include <stdlib.h>
#include <string.h>

typedef struct gguf_checkpoint {
  gm_checkpoint base;
  gm_mapping mapping;
  gm_model_file *file;
  const gm_adapter_changes *changes; /* NULL: none */
} gguf_checkpoint;

static gm_status gguf_read(gm_checkpoint *self, size_t i, size_t first, size_t n, float *out,
                           gm_error *err) {
  (void)err;
  const gguf_checkpoint *c = (const gguf_checkpoint *)self;
  const gm_tensor *t = gm_model_file_tensor_at(c->file, i, NULL);
  const unsigned char *from =
      (const unsigned char *)t->data + gm_type_row_bytes(t->type, first);
  size_t offset = (size_t)(from - c->mapping.data), bytes = gm_type_row_bytes(t->type, n);
  gm_mapping_will_need(&c->mapping, offset, bytes);
  gm_type_traits_of(t->type)->to_float(out, from, n);
  gm_mapping_drop(&c->mapping, offset, bytes);
  size_t change = 0, n_changes = c->changes ? gm_changes_of(c->changes, i, &change) : 0;
  for (; n_changes > 0; n_changes--, change++)
    gm_change_add(&c->changes->all[change], gm_tensor_cols(t), first, n, out);
  return GM_OK;
}

static void gguf_close(gm_checkpoint *self) {
  gguf_checkpoint *c = (gguf_checkpoint *)self;
  gm_model_file_close(c->file);
  if (c->mapping.data) gm_unmap(&c->mapping);
}

const gm_model_file *gm_gguf_checkpoint_file(const gm_checkpoint *checkpoint) {
  return ((const gguf_checkpoint *)checkpoint)->file;
}

void gm_gguf_checkpoint_change(gm_checkpoint *checkpoint, const gm_adapter_changes *changes) {
  ((gguf_checkpoint *)checkpoint)->changes = changes;
}

const gm_adapter_changes *gm_gguf_checkpoint_changes(const gm_checkpoint *checkpoint) {
  return ((const gguf_checkpoint *)checkpoint)->changes;
}

static gm_status list_tensors(gguf_checkpoint *c, gm_error *err) {
  for (size_t i = 0; i < gm_model_file_n_tensors(c->file); i++) {
    const char *name;
    const gm_tensor *t = gm_model_file_tensor_at(c->file, i, &name);
    uint64_t shape[GM_MAX_DIMS];
    for (uint32_t d = 0; d < t->n_dims; d++) shape[d] = t->shape[d];
    GM_TRY(gm_checkpoint_add(&c->base, name, strlen(name), gm_type_traits_of(t->type)->name,
                             t->type, t->n_dims, shape, err));
  }
  return gm_checkpoint_seal(&c->base, err);
}

gm_status gm_gguf_checkpoint_open(gm_checkpoint **out, const char *path, gm_error *err) {
  *out = NULL;
  const gm_checkpoint common = {.format = "gguf", .read = gguf_read, .close = gguf_close};
  gguf_checkpoint *c = gm_checkpoint_begin(sizeof *c, &common, path, err);
  if (!c) return GM_ERR_MEMORY;
  gm_status status = gm_map_file(&c->mapping, path, true, err);
  if (status == GM_OK)
    status = gm_model_file_from_memory(&c->file, c->mapping.data, c->mapping.size, path, err);
  if (status == GM_OK) status = list_tensors(c, err);
  return gm_checkpoint_end(out, &c->base, status);
}
