/* gguf_write.c - see gguf_write.h. The header is built in memory; tensor data is written
 * straight to its place. */
#include "gguf_write.h"

#include "bytes.h"
#include "checked.h"
#include "model_file_bytes.h"
#include "new_file.h"
#include "tensor_names.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A growing byte array; `failed` stays set. */
typedef struct buffer {
  unsigned char *bytes;
  size_t size, capacity;
  bool failed;
} buffer;

typedef struct planned_tensor {
  char name[GM_GGUF_NAME_SIZE];
  gm_type type;
  uint32_t n_dims;
  size_t shape[GM_MAX_DIMS];
  size_t offset, bytes;
} planned_tensor;

struct gm_gguf_writer {
  gm_new_file file; /* path NULL: in memory */
  buffer header;    /* keys; begin puts the counts before them and the tensor list after */
  size_t n_keys;
  planned_tensor *tensors;
  size_t n_tensors, capacity;
  char refused[1100]; /* why a metadata or tensor call failed, or "" */
  size_t sums_at; /* offset in the header of the sum of tensor 0 (its length comes before) */
  size_t data_begin, total;
  unsigned char *memory; /* the whole file, in memory only */
};

static void append(buffer *b, const void *bytes, size_t n) {
  if (b->failed) return;
  assert(b->size <= b->capacity);
  size_t needed;
  if (!gm_add_size(b->size, n, &needed)) {
    b->failed = true;
    return;
  }
  if (needed > b->capacity) {
    size_t capacity = needed < 4096 ? 4096 : needed + needed / 2;
    unsigned char *grown = realloc(b->bytes, capacity);
    if (!grown) {
      b->failed = true;
      return;
    }
    b->bytes = grown;
    b->capacity = capacity;
  }
  if (n > 0) memcpy(b->bytes + b->size, bytes, n);
  b->size = needed;
}

static void append_u32(buffer *b, uint32_t value) {
  unsigned char bytes[4];
  gm_put_le(bytes, value, sizeof bytes);
  append(b, bytes, sizeof bytes);
}

static void append_u64(buffer *b, uint64_t value) {
  unsigned char bytes[8];
  gm_put_le(bytes, value, sizeof bytes);
  append(b, bytes, sizeof bytes);
}

static void append_string(buffer *b, const char *s) {
  size_t n = strlen(s);
  append_u64(b, n);
  append(b, s, n);
}

/* ---- creation */

static gm_status open_file(gm_gguf_writer *w, const char *path, gm_error *err) {
  struct stat st; /* an error now, not after the work */
  if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
    return gm_fail(err, GM_ERR_ARGUMENT, "%s: found %s there, wanted the name of a file", path,
                   S_ISDIR(st.st_mode) ? "a directory" : "a special file");
  gm_new_file_remove_dead(path);
  return gm_new_file_begin(&w->file, path, err);
}

gm_status gm_gguf_writer_create(gm_gguf_writer **out, const char *path, gm_error *err) {
  *out = NULL;
  gm_gguf_writer *w = calloc(1, sizeof *w);
  if (!w) return gm_fail_memory(err, "the GGUF writer", sizeof *w);
  w->file.fd = -1;
  gm_status status = path ? open_file(w, path, err) : GM_OK;
  if (status == GM_OK)
    *out = w;
  else
    gm_gguf_writer_free(w);
  return status;
}

void gm_gguf_writer_free(gm_gguf_writer *w) {
  if (!w) return;
  gm_new_file_end(&w->file);
  free(w->header.bytes);
  free(w->tensors);
  free(w->memory);
  free(w);
}

/* ---- metadata */

static void refuse(gm_gguf_writer *w, const char *what, const char *why) {
  if (!w->refused[0]) snprintf(w->refused, sizeof w->refused, "%.900s: %s", what, why);
}

static void put_head(gm_gguf_writer *w, const char *key, gm_gguf_type type, bool is_array,
                     size_t n) {
  assert(w->data_begin == 0); /* the header is not written yet */
  append_string(&w->header, key);
  if (is_array) append_u32(&w->header, GM_GGUF_ARRAY);
  append_u32(&w->header, type);
  if (is_array) append_u64(&w->header, n);
  if (is_array && n > GM_GGUF_MAX_ARRAY) refuse(w, key, "too long an array");
  if (++w->n_keys > GM_GGUF_MAX_KEYS) refuse(w, key, "too many keys");
}

static void put_text(gm_gguf_writer *w, const char *key, const char *value) {
  if (strlen(value) > GM_GGUF_MAX_STRING) refuse(w, key, "too long a string");
  append_string(&w->header, value);
}

void gm_gguf_put_u32(gm_gguf_writer *w, const char *key, uint32_t value) {
  put_head(w, key, GM_GGUF_U32, false, 1);
  append_u32(&w->header, value);
}

void gm_gguf_put_f32(gm_gguf_writer *w, const char *key, float value) {
  put_head(w, key, GM_GGUF_F32, false, 1);
  append(&w->header, &value, sizeof value);
}

void gm_gguf_put_bool(gm_gguf_writer *w, const char *key, bool value) {
  uint8_t byte = value;
  put_head(w, key, GM_GGUF_BOOL, false, 1);
  append(&w->header, &byte, 1);
}

void gm_gguf_put_string(gm_gguf_writer *w, const char *key, const char *value) {
  put_head(w, key, GM_GGUF_STRING, false, 1);
  put_text(w, key, value);
}

void gm_gguf_put_f32_array(gm_gguf_writer *w, const char *key, const float *values, size_t n) {
  put_head(w, key, GM_GGUF_F32, true, n);
  append(&w->header, values, n * sizeof *values);
}

void gm_gguf_put_i32_array(gm_gguf_writer *w, const char *key, const int32_t *values,
                           size_t n) {
  put_head(w, key, GM_GGUF_I32, true, n);
  append(&w->header, values, n * sizeof *values);
}

void gm_gguf_put_string_array(gm_gguf_writer *w, const char *key, const char *const *values,
                              size_t n) {
  put_head(w, key, GM_GGUF_STRING, true, n);
  for (size_t i = 0; i < n; i++) put_text(w, key, values[i]);
}

void gm_gguf_put_key(gm_gguf_writer *w, const gm_gguf_key *key) {
  put_head(w, key->name, key->type, key->is_array, key->n);
  if (key->type != GM_GGUF_STRING) {
    append(&w->header, key->elements, key->n * gm_gguf_type_size(key->type));
    return;
  }
  const char *const *list = key->elements;
  for (size_t i = 0; i < key->n; i++) put_text(w, key->name, list[i]);
}

/* ---- tensors */

void gm_gguf_add_tensor(gm_gguf_writer *w, const char *name, gm_type type, uint32_t n_dims,
                        const size_t *shape) {
  assert(n_dims >= 1 && n_dims <= GM_MAX_DIMS && w->data_begin == 0);
  if (w->n_tensors >= GM_GGUF_MAX_TENSORS) {
    refuse(w, name, "too many tensors");
    return;
  }
  if (w->n_tensors == w->capacity) {
    size_t capacity = w->capacity ? 2 * w->capacity : 256;
    void *grown = realloc(w->tensors, capacity * sizeof *w->tensors);
    if (!grown) {
      w->header.failed = true;
      return;
    }
    w->tensors = grown;
    w->capacity = capacity;
  }
  planned_tensor t = {.type = type, .n_dims = n_dims};
  if (!gm_tensor_short_name(name, t.name))
    refuse(w, name, "a name of 64 bytes and more that docs/FORMAT.md does not shorten");
  size_t elements = 1;
  bool ok = true;
  for (uint32_t i = 0; i < n_dims; i++) {
    t.shape[i] = shape[i];
    ok = ok && gm_mul_size(elements, shape[i], &elements);
  }
  size_t unused;
  ok = ok && gm_mul_size(elements, 8, &unused);
  if (!ok) refuse(w, name, "too large a tensor");
  t.bytes = ok ? gm_type_row_bytes(type, elements) : 0;
  w->tensors[w->n_tensors++] = t;
}

size_t gm_gguf_tensor_bytes(const gm_gguf_writer *w, size_t tensor) {
  assert(tensor < w->n_tensors);
  return w->tensors[tensor].bytes;
}

void gm_gguf_put_sums(gm_gguf_writer *w) {
  assert(w->sums_at == 0); /* once, after the last tensor */
  char zeros[64];
  memset(zeros, '0', sizeof zeros);
  put_head(w, GM_GGUF_SUMS_KEY, GM_GGUF_STRING, true, w->n_tensors);
  w->sums_at = w->header.size;
  for (size_t i = 0; i < w->n_tensors; i++) {
    append_u64(&w->header, 64);
    append(&w->header, zeros, 64);
  }
}

/* Counts, keys, tensor list, padding; offsets and total are set. */
static gm_status lay_out(gm_gguf_writer *w, gm_error *err) {
  buffer keys = w->header, all = {0};
  append(&all, "GGUF", 4);
  append_u32(&all, GM_GGUF_VERSION);
  append_u64(&all, w->n_tensors);
  append_u64(&all, w->n_keys);
  w->sums_at += all.size;
  append(&all, keys.bytes, keys.size);
  size_t offset = 0;
  bool ok = true;
  for (size_t i = 0; i < w->n_tensors; i++) {
    planned_tensor *t = &w->tensors[i];
    append_string(&all, t->name);
    append_u32(&all, t->n_dims);
    for (uint32_t d = t->n_dims; d-- > 0;) append_u64(&all, t->shape[d]);
    append_u32(&all, t->type);
    append_u64(&all, offset);
    t->offset = offset;
    ok = ok && gm_add_size(offset, t->bytes, &offset) &&
         gm_align_size(offset, GM_GGUF_DEFAULT_ALIGNMENT, &offset);
  }
  static const unsigned char padding[GM_GGUF_DEFAULT_ALIGNMENT];
  append(&all, padding, (0 - all.size) % GM_GGUF_DEFAULT_ALIGNMENT);
  free(keys.bytes);
  w->header = all;
  w->data_begin = all.size;
  ok = ok && gm_add_size(all.size, offset, &w->total);
  if (all.failed || keys.failed) return gm_fail_memory(err, "a GGUF header", all.size);
  return ok ? GM_OK : gm_fail(err, GM_ERR_MODEL, "the model's size does not fit in 64 bits");
}

static gm_status write_at(const gm_gguf_writer *w, size_t at, const void *bytes, size_t n,
                          gm_error *err) {
  assert(n <= w->total && at <= w->total - n);
  if (w->memory) {
    memcpy(w->memory + at, bytes, n);
    return GM_OK;
  }
  for (size_t done = 0; done < n;) {
    ssize_t k =
        pwrite(w->file.fd, (const unsigned char *)bytes + done, n - done, (off_t)(at + done));
    if (k < 0 && errno == EINTR) continue;
    if (k <= 0)
      return gm_fail(err, GM_ERR_IO, "%s: wrote %zu of %zu bytes: %s", w->file.path, at + done,
                     w->total, k < 0 ? strerror(errno) : "the disk takes no more");
    done += (size_t)k;
  }
  return GM_OK;
}

gm_status gm_gguf_begin(gm_gguf_writer *w, gm_error *err) {
  if (w->refused[0]) return gm_fail(err, GM_ERR_MODEL, "cannot be written: %s", w->refused);
  GM_TRY(lay_out(w, err));
  if (!w->file.path) {
    size_t size;
    if (!gm_align_size(w->total, 64, &size)) size = SIZE_MAX;
    w->memory = aligned_alloc(64, size);
    if (!w->memory) return gm_fail_memory(err, "the model", w->total);
  } else if (ftruncate(w->file.fd, (off_t)w->total) != 0) {
    return gm_fail(err, GM_ERR_IO, "%s: cannot make a file of %zu bytes: %s", w->file.path,
                   w->total, strerror(errno));
  }
  return write_at(w, 0, w->header.bytes, w->header.size, err);
}

gm_status gm_gguf_write(gm_gguf_writer *w, size_t tensor, size_t offset, const void *bytes,
                        size_t n, gm_error *err) {
  assert(tensor < w->n_tensors && n <= w->tensors[tensor].bytes &&
         offset <= w->tensors[tensor].bytes - n);
  return write_at(w, w->data_begin + w->tensors[tensor].offset + offset, bytes, n, err);
}

void *gm_gguf_tensor_data(gm_gguf_writer *w, size_t tensor) {
  assert(w->memory && tensor < w->n_tensors);
  return w->memory + w->data_begin + w->tensors[tensor].offset;
}

void gm_gguf_set_sum(gm_gguf_writer *w, size_t tensor, const char hex[65]) {
  assert(w->sums_at > 0 && w->sums_at + (tensor + 1) * 72 <= w->header.size);
  memcpy(w->header.bytes + w->sums_at + tensor * 72 + 8, hex, 64);
}

/* ---- the end */

gm_status gm_gguf_finish_file(gm_gguf_writer *w, gm_error *err) {
  GM_TRY(write_at(w, 0, w->header.bytes, w->header.size, err));
  return gm_new_file_commit(&w->file, err);
}

gm_status gm_gguf_finish_model(gm_gguf_writer *w, gm_model_file **out, const char *name,
                               gm_error *err) {
  *out = NULL;
  GM_TRY(write_at(w, 0, w->header.bytes, w->header.size, err));
  void *memory = w->memory;
  w->memory = NULL;
  return gm_model_file_adopt(out, memory, w->total, name, err);
}
