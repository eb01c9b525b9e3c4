/* safetensors.c - one .safetensors file as a gm_checkpoint.
 *
 * A u64 header length (little endian), a JSON object { name: { "dtype", "shape",
 * "data_offsets": [begin, end) } } with an optional "__metadata__", then the data, to which the
 * offsets are relative. The extents must cover the data exactly: no overlaps, no holes, nothing
 * after. Source: the safetensors README. */
#include "checkpoint.h"

#include "bytes.h"
#include "checked.h"
#include "json_file.h"
#include "mapping.h"
#include "placeholder.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef struct extent {
  uint64_t begin, end;
} extent;

typedef struct safetensors {
  gm_checkpoint base;
  gm_mapping file;
  size_t body;
  extent *extents; /* parallel to base.tensors */
} safetensors;

static const struct dtype {
  const char *name;
  uint64_t bytes;
  gm_type type;
} dtypes[] = {
    {"F32", 4, GM_TYPE_F32},       {"F16", 2, GM_TYPE_F16},   {"BF16", 2, GM_TYPE_BF16},
    {"F64", 8, GM_TYPE_COUNT},     {"I64", 8, GM_TYPE_COUNT}, {"I32", 4, GM_TYPE_COUNT},
    {"I16", 2, GM_TYPE_COUNT},     {"I8", 1, GM_TYPE_COUNT},  {"U64", 8, GM_TYPE_COUNT},
    {"U32", 4, GM_TYPE_COUNT},     {"U16", 2, GM_TYPE_COUNT}, {"U8", 1, GM_TYPE_COUNT},
    {"BOOL", 1, GM_TYPE_COUNT},    {"C64", 8, GM_TYPE_COUNT}, {"F8_E5M2", 1, GM_TYPE_COUNT},
    {"F8_E4M3", 1, GM_TYPE_COUNT},
};

static const struct dtype *dtype_named(const char *name) {
  for (size_t i = 0; name && i < sizeof dtypes / sizeof dtypes[0]; i++)
    if (strcmp(dtypes[i].name, name) == 0) return &dtypes[i];
  return NULL;
}

static gm_status safetensors_read(gm_checkpoint *self, size_t i, size_t first, size_t n,
                                  float *out, gm_error *err) {
  (void)err;
  safetensors *s = (safetensors *)self;
  gm_type type = self->tensors[i].type;
  assert(i < self->n_tensors && type != GM_TYPE_COUNT);
  bool f64 = self->tensors[i].f64;
  size_t width = f64 ? sizeof(double) : gm_type_row_bytes(type, 1);
  size_t begin = s->body + (size_t)s->extents[i].begin + first * width;
  size_t bytes = n * width;
  assert(bytes <= s->file.size && begin <= s->file.size - bytes);
  gm_mapping_will_need(&s->file, begin, bytes);
  /* Through a buffer, since the file need not align its elements. */
  enum { PIECE = 4096 };
  float aligned[PIECE];
  const unsigned char *from = s->file.data + begin;
  for (size_t done = 0; done < n;) {
    size_t part = n - done < PIECE ? n - done : PIECE;
    if (f64) {
      gm_f64_to_float(out + done, from, part);
    } else {
      memcpy(aligned, from, part * width);
      gm_type_traits_of(type)->to_float(out + done, aligned, part);
    }
    from += part * width;
    done += part;
  }
  gm_mapping_drop(&s->file, begin, bytes);
  return GM_OK;
}

static void safetensors_close(gm_checkpoint *self) {
  safetensors *s = (safetensors *)self;
  if (s->file.data) gm_unmap(&s->file);
  free(s->extents);
}

/* True and *out set if value is a whole number >= 0. */
static bool take_u64(const json_t *value, uint64_t *out) {
  if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
  *out = (uint64_t)json_integer_value(value);
  return true;
}

static gm_status add_tensor(safetensors *s, const char *name, const json_t *entry,
                            gm_error *err) {
  assert(s->body >= 8 && s->body <= s->file.size);
  const char *path = s->base.path;
  const char *dtype_text = json_string_value(json_object_get(entry, "dtype"));
  const struct dtype *dtype = dtype_named(dtype_text);
  if (!dtype)
    return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s: found dtype %s, not known here", path,
                   name, dtype_text ? dtype_text : "(none)");
  const json_t *sizes = json_object_get(entry, "shape");
  const json_t *offsets = json_object_get(entry, "data_offsets");
  uint64_t shape[GM_MAX_DIMS];
  size_t n_dims = json_array_size(sizes);
  bool ok = json_is_array(sizes) && n_dims <= GM_MAX_DIMS && json_array_size(offsets) == 2;
  for (size_t i = 0; ok && i < n_dims; i++) ok = take_u64(json_array_get(sizes, i), &shape[i]);
  extent at = {0, 0};
  ok = ok && take_u64(json_array_get(offsets, 0), &at.begin) &&
       take_u64(json_array_get(offsets, 1), &at.end) && at.begin <= at.end &&
       at.end <= s->file.size - s->body;
  if (!ok)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: tensor %s: wanted a shape of at most %d whole numbers and two offsets "
                   "inside the file",
                   path, name, GM_MAX_DIMS);
  s->extents[s->base.n_tensors] = at;
  GM_TRY(gm_checkpoint_add(&s->base, name, strlen(name), dtype->name, dtype->type,
                           (uint32_t)n_dims, shape, err));
  size_t elements = s->base.tensors[s->base.n_tensors - 1].n_elements;
  if (at.end - at.begin != elements * dtype->bytes) /* elements * 8 fits, as add has checked */
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: tensor %s: found %llu bytes, its shape and dtype %s want %llu", path,
                   name, (unsigned long long)(at.end - at.begin), dtype->name,
                   (unsigned long long)(elements * dtype->bytes));
  return GM_OK;
}

static int compare_extents(const void *a, const void *b) {
  const extent *x = a, *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

static gm_status check_cover(const safetensors *s, gm_error *err) {
  size_t n = s->base.n_tensors;
  extent *sorted = malloc((n ? n : 1) * sizeof *sorted);
  if (!sorted) return gm_fail_memory(err, s->base.path, n * sizeof *sorted);
  memcpy(sorted, s->extents, n * sizeof *sorted);
  qsort(sorted, n, sizeof *sorted, compare_extents);
  uint64_t at = 0, end = s->file.size - s->body;
  bool ok = true;
  for (size_t i = 0; ok && i < n; i++) {
    ok = sorted[i].begin == at;
    if (ok) at = sorted[i].end;
  }
  free(sorted);
  if (!ok || at != end)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: tensors overlap or leave a hole at byte %llu of %llu of the data",
                   s->base.path, (unsigned long long)at, (unsigned long long)end);
  return GM_OK;
}

static gm_status list_tensors(safetensors *s, const json_t *header, gm_error *err) {
  size_t n = json_object_size(header);
  if (n > GM_MAX_CHECKPOINT_TENSORS + 1)
    return gm_fail(err, GM_ERR_MODEL, "%s: found %zu tensors, wanted at most %d", s->base.path,
                   n, GM_MAX_CHECKPOINT_TENSORS);
  s->extents = calloc(n ? n : 1, sizeof *s->extents);
  if (!s->extents) return gm_fail_memory(err, s->base.path, n * sizeof *s->extents);
  const char *name;
  json_t *entry;
  json_object_foreach((json_t *)(uintptr_t)header, name,
                      entry) if (strcmp(name, "__metadata__") != 0)
      GM_TRY(add_tensor(s, name, entry, err));
  GM_TRY(gm_checkpoint_seal(&s->base, err));
  return check_cover(s, err);
}

static gm_status read_header(safetensors *s, gm_error *err) {
  const char *path = s->base.path;
  uint64_t length = 0;
  if (s->file.size >= 8) length = gm_le64(s->file.data);
  if (s->file.size < 8 || length > GM_JSON_MAX_FILE || length > s->file.size - 8)
    return gm_fail(
        err, GM_ERR_MODEL,
        "%s: found a header of %llu bytes in a file of %zu, wanted one that fits and "
        "has at most %d",
        path, (unsigned long long)length, s->file.size, GM_JSON_MAX_FILE);
  s->body = 8 + (size_t)length;
  json_t *header;
  gm_status status = gm_json_parse(&header, s->file.data + 8, (size_t)length, path, err);
  if (status != GM_OK) return gm_fail_prefix(err, status, "the header");
  status = list_tensors(s, header, err);
  json_decref(header);
  return status;
}

gm_status gm_safetensors_open(gm_checkpoint **out, const char *path, gm_error *err) {
  *out = NULL;
  const gm_checkpoint common = {
      .format = "safetensors", .read = safetensors_read, .close = safetensors_close};
  safetensors *s = gm_checkpoint_begin(sizeof *s, &common, path, err);
  if (!s) return GM_ERR_MEMORY;
  gm_status status = gm_map_file(&s->file, path, true, err);
  if (status == GM_OK) status = gm_refuse_placeholder(path, s->file.data, s->file.size, err);
  if (status == GM_OK) status = read_header(s, err);
  return gm_checkpoint_end(out, &s->base, status);
}
