/* model_file.c - see model_file.h: owns the bytes, finds keys and tensors by name. Parsing is
 * gguf_read.c. */
#include "model_file.h"

#include "gguf.h"
#include "model_file_bytes.h"
#include "sha256.h"
#include "tensor_names.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SUM_BYTES = 4 << 20 }; /* hashed at once */

struct gm_model_file {
  char *name;
  gm_mapping mapping; /* data is NULL if the bytes are not ours */
  void *built;        /* bytes of a builder, or NULL */
  const void *bytes;
  size_t size;
  gm_gguf gguf;
  bool is_view; /* all but name and gguf.tensors is the base's */
};

void gm_model_file_close(gm_model_file *file) {
  if (!file) return;
  if (file->is_view) {
    free(file->gguf.tensors);
    free(file->name);
    free(file);
    return;
  }
  gm_gguf_free(&file->gguf);
  if (file->mapping.data) gm_unmap(&file->mapping);
  free(file->built);
  free(file->name);
  free(file);
}

/* Takes ownership of mapping and built, also on failure. */
static gm_status open_bytes(gm_model_file **out, gm_mapping mapping, void *built,
                            const void *bytes, size_t size, const char *name, gm_error *err) {
  *out = NULL;
  gm_status status = GM_OK;
  gm_model_file *file = calloc(1, sizeof *file);
  char *copy = strdup(name);
  if (!file || !copy) {
    if (mapping.data) gm_unmap(&mapping);
    free(built);
    free(file);
    free(copy);
    return gm_fail_memory(err, name, sizeof *file);
  }
  *file = (gm_model_file){
      .name = copy, .mapping = mapping, .built = built, .bytes = bytes, .size = size};
  status = gm_gguf_parse(&file->gguf, bytes, size, name, err);
  if (status != GM_OK)
    gm_model_file_close(file);
  else
    *out = file;
  return status;
}

gm_status gm_model_file_open(gm_model_file **out, const char *path, bool use_mmap, bool lock,
                             gm_error *err) {
  *out = NULL;
  gm_mapping mapping;
  GM_TRY(gm_map_file(&mapping, path, use_mmap, err));
  if (lock && mapping.size > 0 && mlock(mapping.data, mapping.size) != 0) {
    int code = errno;
    size_t size = mapping.size;
    gm_unmap(&mapping);
    return gm_fail(err, GM_ERR_MEMORY,
                   "%s: cannot pin %zu bytes in memory: %s; raise `ulimit -l` or leave out "
                   "--mlock",
                   path, size, strerror(code));
  }
  return open_bytes(out, mapping, NULL, mapping.data, mapping.size, path, err);
}

gm_status gm_model_file_from_memory(gm_model_file **out, const void *bytes, size_t size,
                                    const char *name, gm_error *err) {
  return open_bytes(out, (gm_mapping){0}, NULL, bytes, size, name, err);
}

gm_status gm_model_file_adopt(gm_model_file **out, void *bytes, size_t size, const char *name,
                              gm_error *err) {
  return open_bytes(out, (gm_mapping){0}, bytes, bytes, size, name, err);
}

const void *gm_model_file_bytes(const gm_model_file *file, size_t *size) {
  *size = file->size;
  return file->bytes;
}

const gm_mapping *gm_model_file_mapping(const gm_model_file *file) {
  return file->mapping.mapped ? &file->mapping : NULL;
}

int64_t gm_model_file_mtime(const gm_model_file *file) {
  return file->mapping.mtime_ns;
}

gm_status gm_model_file_sha256(const gm_model_file *file, char out[65],
                               const gm_callbacks *callbacks, gm_error *err) {
  gm_callbacks none = {0};
  const gm_callbacks *c = callbacks ? callbacks : &none;
  gm_sha256_state sha;
  gm_sha256_begin(&sha);
  for (size_t at = 0; at < file->size; at += SUM_BYTES) {
    size_t n = file->size - at < SUM_BYTES ? file->size - at : SUM_BYTES;
    if (c->cancelled && c->cancelled(c->user))
      return gm_fail(err, GM_ERR_CANCELLED, "cancelled by the caller");
    if (c->progress) c->progress(c->user, "hash", (double)at / (double)file->size);
    gm_sha256_add(&sha, (const unsigned char *)file->bytes + at, n);
    gm_mapping_drop(&file->mapping, at, n);
  }
  gm_sha256_end(&sha, out);
  if (c->progress) c->progress(c->user, "hash", 1);
  return GM_OK;
}

const gm_gguf *gm_model_file_gguf(const gm_model_file *file) {
  return &file->gguf;
}

const char *gm_model_file_name(const gm_model_file *file) {
  return file->name;
}

/* ---- metadata */

static gm_status want_key(const gm_model_file *file, const char *key, gm_gguf_type type,
                          bool is_array, const gm_gguf_key **out, gm_error *err) {
  const gm_gguf_key *found = gm_gguf_find_key(&file->gguf, key);
  if (!found)
    return gm_fail(err, GM_ERR_MODEL, "%s: key %s is missing; convert the model again",
                   file->name, key);
  if (found->type != type || found->is_array != is_array)
    return gm_fail(err, GM_ERR_MODEL, "%s: key %s: found %s%s, wanted %s%s", file->name, key,
                   found->is_array ? "array of " : "", gm_gguf_type_name(found->type),
                   is_array ? "array of " : "", gm_gguf_type_name(type));
  *out = found;
  return GM_OK;
}

static gm_status refuse_key(const gm_model_file *file, const char *name, gm_error *err) {
  return gm_fail(err, GM_ERR_MODEL,
                 "%s: found key %s, which is not known here: the model may compute what this "
                 "program does not. Was it made by a newer gromatic convert?",
                 file->name, name);
}

gm_status gm_model_file_known_keys(const gm_model_file *file, const char *prefix,
                                   const char *const *known, gm_error *err) {
  for (size_t i = 0; i < file->gguf.n_keys; i++) {
    const char *name = file->gguf.keys[i].name;
    const char *const *k = known;
    if (strncmp(name, prefix, strlen(prefix)) != 0) continue;
    while (*k && strcmp(*k, name) != 0) k++;
    if (!*k) return refuse_key(file, name, err);
  }
  return GM_OK;
}

/* Refuses keys of other architectures, such as "llama.rope.scaling.type": what they ask for is
 * not computed here. */
static gm_status check_families(const gm_model_file *file, const char *kind, gm_error *err) {
  for (size_t i = 0; i < file->gguf.n_keys; i++) {
    const char *const families[] = {"general", "gromatic", "tokenizer", kind};
    const char *name = file->gguf.keys[i].name;
    bool known = false;
    for (size_t f = 0; !known && f < sizeof families / sizeof families[0]; f++) {
      size_t n = strlen(families[f]);
      known = strncmp(name, families[f], n) == 0 && name[n] == '.';
    }
    if (!known) return refuse_key(file, name, err);
  }
  return GM_OK;
}

gm_status gm_model_file_u32(const gm_model_file *file, const char *key, uint32_t min,
                            uint32_t max, uint32_t *out, gm_error *err) {
  const gm_gguf_key *found;
  GM_TRY(want_key(file, key, GM_GGUF_U32, false, &found, err));
  uint32_t value = *(const uint32_t *)found->elements;
  if (value < min || value > max)
    return gm_fail(err, GM_ERR_MODEL, "%s: key %s: found %u, wanted %u to %u", file->name, key,
                   value, min, max);
  *out = value;
  return GM_OK;
}

gm_status gm_model_file_f32(const gm_model_file *file, const char *key, float min, float max,
                            float *out, gm_error *err) {
  const gm_gguf_key *found;
  GM_TRY(want_key(file, key, GM_GGUF_F32, false, &found, err));
  float value = *(const float *)found->elements;
  if (!(value >= min && value <= max)) /* NaN too */
    return gm_fail(err, GM_ERR_MODEL, "%s: key %s: found %g, wanted %g to %g", file->name, key,
                   (double)value, (double)min, (double)max);
  *out = value;
  return GM_OK;
}

gm_status gm_model_file_bool(const gm_model_file *file, const char *key, bool *out,
                             gm_error *err) {
  const gm_gguf_key *found;
  GM_TRY(want_key(file, key, GM_GGUF_BOOL, false, &found, err));
  *out = *(const uint8_t *)found->elements != 0;
  return GM_OK;
}

gm_status gm_model_file_string(const gm_model_file *file, const char *key, const char **out,
                               gm_error *err) {
  const gm_gguf_key *found;
  GM_TRY(want_key(file, key, GM_GGUF_STRING, false, &found, err));
  *out = *(const char *const *)found->elements;
  return GM_OK;
}

gm_status gm_model_file_f32_array(const gm_model_file *file, const char *key, const float **out,
                                  size_t *n, gm_error *err) {
  const gm_gguf_key *found;
  GM_TRY(want_key(file, key, GM_GGUF_F32, true, &found, err));
  *out = found->elements;
  *n = found->n;
  return GM_OK;
}

gm_status gm_model_file_f32_triple(const gm_model_file *file, const char *key, float min,
                                   float max, float out[3], gm_error *err) {
  const float *values;
  size_t n;
  GM_TRY(gm_model_file_f32_array(file, key, &values, &n, err));
  if (n != 3)
    return gm_fail(err, GM_ERR_MODEL, "%s: %s has %zu values, wanted 3 (red, green, blue)",
                   gm_model_file_name(file), key, n);
  for (size_t i = 0; i < 3; i++) {
    if (!(values[i] >= min && values[i] <= max))
      return gm_fail(err, GM_ERR_MODEL, "%s: %s[%zu] is %g, wanted %g to %g",
                     gm_model_file_name(file), key, i, (double)values[i], (double)min,
                     (double)max);
    out[i] = values[i];
  }
  return GM_OK;
}

gm_status gm_model_file_i32_array(const gm_model_file *file, const char *key,
                                  const int32_t **out, size_t *n, gm_error *err) {
  const gm_gguf_key *found;
  GM_TRY(want_key(file, key, GM_GGUF_I32, true, &found, err));
  *out = found->elements;
  *n = found->n;
  return GM_OK;
}

gm_status gm_model_file_string_array(const gm_model_file *file, const char *key,
                                     const char *const **out, size_t *n, gm_error *err) {
  const gm_gguf_key *found;
  GM_TRY(want_key(file, key, GM_GGUF_STRING, true, &found, err));
  *out = found->elements;
  *n = found->n;
  return GM_OK;
}

bool gm_model_file_has_key(const gm_model_file *file, const char *key) {
  return gm_gguf_find_key(&file->gguf, key) != NULL;
}

gm_status gm_model_file_want_kind(const gm_model_file *file, const char *kind, gm_error *err) {
  const char *found;
  if (!gm_model_file_has_key(file, "general.architecture")) return GM_OK;
  GM_TRY(gm_model_file_string(file, "general.architecture", &found, err));
  if (strcmp(found, kind) == 0) return check_families(file, kind, err);
  return gm_fail(err, GM_ERR_MODEL, "%s: found a model of kind %.40s, wanted %s", file->name,
                 found, kind);
}

/* ---- tensors */

const gm_tensor *gm_model_file_tensor(const gm_model_file *file, const char *name) {
  char short_name[GM_GGUF_NAME_SIZE];
  if (!gm_tensor_short_name(name, short_name)) return NULL;
  const gm_gguf_tensor *found = gm_gguf_find_tensor(&file->gguf, short_name);
  return found ? &found->tensor : NULL;
}

const char *gm_shape_text(char *out, size_t capacity, uint32_t n_dims, const size_t *shape) {
  size_t at = 0;
  for (uint32_t i = 0; i < n_dims && at < capacity; i++) {
    int n = shape[i] ? snprintf(out + at, capacity - at, "%s%zu", i ? ", " : "[", shape[i])
                     : snprintf(out + at, capacity - at, "%sany", i ? ", " : "[");
    if (n > 0) at += (size_t)n;
  }
  if (at < capacity) snprintf(out + at, capacity - at, "]");
  return out;
}

gm_status gm_model_file_want(const gm_model_file *file, const char *name, uint32_t n_dims,
                             const size_t *shape, const gm_tensor **out, gm_error *err) {
  const gm_tensor *tensor = gm_model_file_tensor(file, name);
  if (!tensor)
    return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s is missing; convert the model again",
                   file->name, name);
  bool same = tensor->n_dims == n_dims;
  for (uint32_t i = 0; same && i < n_dims; i++)
    same = shape[i] == 0 || shape[i] == tensor->shape[i];
  if (!same) {
    char found[128], wanted[128];
    return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s: found shape %s, wanted %s", file->name,
                   name, gm_shape_text(found, sizeof found, tensor->n_dims, tensor->shape),
                   gm_shape_text(wanted, sizeof wanted, n_dims, shape));
  }
  *out = tensor;
  return GM_OK;
}

gm_status gm_model_file_want_f32(const gm_model_file *file, const char *name, uint32_t n_dims,
                                 const size_t *shape, const float **out, gm_error *err) {
  const gm_tensor *tensor;
  GM_TRY(gm_model_file_want(file, name, n_dims, shape, &tensor, err));
  if (tensor->type != GM_TYPE_F32)
    return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s: found type %s, wanted f32", file->name,
                   name, gm_type_traits_of(tensor->type)->name);
  *out = tensor->data;
  return GM_OK;
}

/* Neighbours in file order are neighbours in the file, so a run of them is released at once. */
void gm_model_file_release(const gm_model_file *file, const char *prefix) {
  if (!file->mapping.data) return;
  size_t begin = 0, end = 0, length = strlen(prefix);
  for (size_t i = 0; i < file->gguf.n_tensors; i++) {
    const gm_gguf_tensor *t = &file->gguf.tensors[i];
    char name[GM_GGUF_NAME_SIZE + 64];
    gm_tensor_upstream_name(t->name, name, sizeof name);
    if (strncmp(name, prefix, length) != 0) continue;
    size_t at = file->gguf.data_begin + t->offset;
    if (at > end + file->gguf.alignment || at < end) {
      gm_mapping_drop(&file->mapping, begin, end - begin);
      begin = at;
    }
    end = at + t->bytes;
  }
  gm_mapping_drop(&file->mapping, begin, end - begin);
}

/* ---- views */

gm_status gm_model_file_view(gm_model_file **out, const gm_model_file *base, gm_error *err) {
  *out = NULL;
  size_t n = base->gguf.n_tensors, bytes = n * sizeof *base->gguf.tensors;
  gm_model_file *view = malloc(sizeof *view);
  char *name = strdup(base->name);
  gm_gguf_tensor *tensors = malloc(bytes ? bytes : 1);
  if (!view || !name || !tensors) {
    free(view);
    free(name);
    free(tensors);
    return gm_fail_memory(err, base->name, bytes);
  }
  if (n) memcpy(tensors, base->gguf.tensors, bytes);
  *view = *base;
  view->name = name;
  view->gguf.tensors = tensors;
  view->is_view = true;
  *out = view;
  return GM_OK;
}

gm_status gm_model_file_replace(gm_model_file *view, const char *name, const gm_tensor *tensor,
                                gm_error *err) {
  const gm_tensor *found;
  assert(view->is_view);
  GM_TRY(gm_model_file_want(view, name, tensor->n_dims, tensor->shape, &found, err));
  for (size_t i = 0; i < view->gguf.n_tensors; i++)
    if (&view->gguf.tensors[i].tensor == found) view->gguf.tensors[i].tensor = *tensor;
  return GM_OK;
}

size_t gm_model_file_n_tensors(const gm_model_file *file) {
  return file->gguf.n_tensors;
}

const gm_tensor *gm_model_file_tensor_at(const gm_model_file *file, size_t i,
                                         const char **name) {
  if (name) *name = file->gguf.tensors[i].name;
  return &file->gguf.tensors[i].tensor;
}
