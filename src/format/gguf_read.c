/* gguf_read.c - bytes of a GGUF file -> gm_gguf. No number of the file is trusted: reads go
 * through one cursor that cannot leave the bytes, sizes through checked.h. */
#include "gguf.h"

#include "bytes.h"
#include "checked.h"
#include "placeholder.h"
#include "types.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  size_t size;
} value_types[GM_GGUF_TYPE_COUNT] = {
    [GM_GGUF_U8] = {"u8", 1},       [GM_GGUF_I8] = {"i8", 1},     [GM_GGUF_U16] = {"u16", 2},
    [GM_GGUF_I16] = {"i16", 2},     [GM_GGUF_U32] = {"u32", 4},   [GM_GGUF_I32] = {"i32", 4},
    [GM_GGUF_F32] = {"f32", 4},     [GM_GGUF_BOOL] = {"bool", 1}, [GM_GGUF_STRING] = {"str", 0},
    [GM_GGUF_ARRAY] = {"array", 0}, [GM_GGUF_U64] = {"u64", 8},   [GM_GGUF_I64] = {"i64", 8},
    [GM_GGUF_F64] = {"f64", 8},
};

const char *gm_gguf_type_name(uint32_t type) {
  return type < GM_GGUF_TYPE_COUNT ? value_types[type].name : "?";
}

size_t gm_gguf_type_size(uint32_t type) {
  return type < GM_GGUF_TYPE_COUNT ? value_types[type].size : 0;
}

typedef struct cursor {
  const unsigned char *bytes;
  size_t size, at;
  const char *file; /* for messages */
  gm_error *err;
  gm_gguf *gguf;
} cursor;

static gm_status take(cursor *c, void *out, size_t n, const char *what) {
  assert(c->at <= c->size);
  if (!gm_extent_fits(c->at, n, c->size))
    return gm_fail(c->err, GM_ERR_MODEL,
                   "%s: the file ends at byte %zu, inside %s; it is cut short or damaged",
                   c->file, c->size, what);
  memcpy(out, c->bytes + c->at, n);
  c->at += n;
  return GM_OK;
}

static gm_status take_u32(cursor *c, uint32_t *out, const char *what) {
  GM_TRY(take(c, out, sizeof *out, what));
  *out = gm_le32(out);
  return GM_OK;
}

static gm_status take_u64(cursor *c, uint64_t *out, const char *what) {
  GM_TRY(take(c, out, sizeof *out, what));
  *out = gm_le64(out);
  return GM_OK;
}

static void *pool(cursor *c, size_t bytes, const char *what, gm_status *status) {
  void *block = gm_arena_alloc(&c->gguf->arena, bytes);
  *status = block ? GM_OK : gm_fail_memory(c->err, what, bytes);
  return block;
}

/* Length of the string at the cursor, which moves to the string's first byte. The bytes are all
 * there and hold no NUL. */
static gm_status take_length(cursor *c, size_t *length, const char *what) {
  uint64_t n;
  GM_TRY(take_u64(c, &n, what));
  if (n > GM_GGUF_MAX_STRING)
    return gm_fail(c->err, GM_ERR_MODEL, "%s: found %s of %llu bytes, wanted at most %d",
                   c->file, what, (unsigned long long)n, GM_GGUF_MAX_STRING);
  if (!gm_extent_fits(c->at, n, c->size))
    return gm_fail(c->err, GM_ERR_MODEL, "%s: %s of %llu bytes runs past the end of the file",
                   c->file, what, (unsigned long long)n);
  if (memchr(c->bytes + c->at, 0, (size_t)n))
    return gm_fail(c->err, GM_ERR_MODEL, "%s: found %s with a NUL byte inside", c->file, what);
  *length = (size_t)n;
  return GM_OK;
}

static gm_status take_string(cursor *c, const char **out, const char *what) {
  size_t length;
  gm_status status;
  GM_TRY(take_length(c, &length, what));
  char *copy = pool(c, length + 1, what, &status);
  GM_TRY(status);
  memcpy(copy, c->bytes + c->at, length);
  copy[length] = 0;
  c->at += length;
  *out = copy;
  return GM_OK;
}

static gm_status fail_changed(const cursor *c) {
  return gm_fail(c->err, GM_ERR_MODEL,
                 "%s: the file changed while it was read; wait until it is written", c->file);
}

/* n strings, packed into one block of the arena: a first walk checks and adds up the lengths. A
 * mapped file can change before the second walk, which therefore uses the first one's lengths.
 */
static gm_status take_strings(cursor *c, gm_gguf_key *key) {
  size_t begin = c->at, total = 0, length;
  gm_status status;
  for (size_t i = 0; i < key->n; i++) {
    GM_TRY(take_length(c, &length, "a string of an array"));
    c->at += length;
    total += length + 1; /* below the file's size */
  }
  const char **list = pool(c, key->n * sizeof *list, "an array of strings", &status);
  GM_TRY(status);
  char *text = pool(c, total, "an array of strings", &status);
  GM_TRY(status);
  c->at = begin;
  for (size_t i = 0; i < key->n; i++) {
    GM_TRY(take_length(c, &length, "a string of an array"));
    if (length >= total) return fail_changed(c);
    total -= length + 1;
    memcpy(text, c->bytes + c->at, length);
    text[length] = 0;
    list[i] = text;
    text += length + 1;
    c->at += length;
  }
  if (total != 0) return fail_changed(c);
  key->elements = list;
  return GM_OK;
}

static gm_status check_bools(cursor *c, const gm_gguf_key *key) {
  const uint8_t *values = key->elements;
  for (size_t i = 0; i < key->n; i++)
    if (values[i] > 1)
      return gm_fail(c->err, GM_ERR_MODEL, "%s: key %s: found byte %u as bool, wanted 0 or 1",
                     c->file, key->name, values[i]);
  return GM_OK;
}

static gm_status take_elements(cursor *c, gm_gguf_key *key) {
  if (key->type == GM_GGUF_STRING) return take_strings(c, key);
  assert(gm_gguf_type_size(key->type) > 0 && key->n <= GM_GGUF_MAX_ARRAY);
  size_t bytes = key->n * gm_gguf_type_size(key->type); /* n <= 2^20 */
  if (!gm_extent_fits(c->at, bytes, c->size))
    return gm_fail(c->err, GM_ERR_MODEL, "%s: key %s: %zu values run past the end of the file",
                   c->file, key->name, key->n);
  gm_status status;
  void *copy = pool(c, bytes, "a value", &status);
  GM_TRY(status);
  GM_TRY(take(c, copy, bytes, "a value"));
  key->elements = copy;
  return key->type == GM_GGUF_BOOL ? check_bools(c, key) : GM_OK;
}

/* Names are printed and compared, so they must be ASCII without control characters, and not
 * empty. */
static gm_status take_name(cursor *c, const char **out, const char *what) {
  GM_TRY(take_string(c, out, what));
  const char *at = *out;
  while (*at >= ' ' && *at <= '~') at++;
  if (*at || at == *out)
    return gm_fail(c->err, GM_ERR_MODEL, "%s: found %s \"%.80s\", wanted printable ASCII",
                   c->file, what, *out);
  return GM_OK;
}

static gm_status take_key(cursor *c, gm_gguf_key *key) {
  uint32_t type;
  GM_TRY(take_name(c, &key->name, "a key's name"));
  GM_TRY(take_u32(c, &type, "a key's type"));
  key->is_array = type == GM_GGUF_ARRAY;
  key->n = 1;
  if (key->is_array) {
    uint64_t n;
    GM_TRY(take_u32(c, &type, "an array's type"));
    GM_TRY(take_u64(c, &n, "an array's length"));
    if (n > GM_GGUF_MAX_ARRAY)
      return gm_fail(c->err, GM_ERR_MODEL,
                     "%s: key %s: found an array of %llu, wanted at most %d", c->file,
                     key->name, (unsigned long long)n, GM_GGUF_MAX_ARRAY);
    key->n = (size_t)n;
  }
  if (type >= GM_GGUF_TYPE_COUNT || type == GM_GGUF_ARRAY)
    return gm_fail(c->err, GM_ERR_MODEL,
                   "%s: key %s: found value type %u (%s%s), not read here", c->file, key->name,
                   type, key->is_array ? "array of " : "", gm_gguf_type_name(type));
  key->type = (gm_gguf_type)type;
  return take_elements(c, key);
}

static gm_status take_shape(cursor *c, gm_gguf_tensor *t) {
  uint32_t n_dims;
  GM_TRY(take_u32(c, &n_dims, "a tensor's dimensions"));
  if (n_dims < 1 || n_dims > GM_MAX_DIMS)
    return gm_fail(c->err, GM_ERR_MODEL, "%s: tensor %s: found %u dimensions, wanted 1 to %d",
                   c->file, t->name, n_dims, GM_MAX_DIMS);
  t->tensor = (gm_tensor){.n_dims = n_dims, .shape = {1, 1, 1, 1}};
  for (uint32_t i = 0; i < n_dims; i++) {
    uint64_t dim = 0;
    GM_TRY(take_u64(c, &dim, "a tensor's shape"));
    if (dim < 1 || dim > SIZE_MAX)
      return gm_fail(c->err, GM_ERR_MODEL, "%s: tensor %s: found a dimension of %llu", c->file,
                     t->name, (unsigned long long)dim);
    t->tensor.shape[n_dims - 1 - i] = (size_t)dim;
  }
  return GM_OK;
}

/* Type, row size and byte count of the tensor; all products checked. */
static gm_status size_tensor(cursor *c, gm_gguf_tensor *t, uint32_t type) {
  const gm_type_traits *traits = gm_type_traits_of(type);
  if (!traits)
    return gm_fail(c->err, GM_ERR_MODEL,
                   "%s: tensor %s: found ggml type number %u, wanted f32, f16, bf16, q8_0, "
                   "q4_0, q4_k or q6_k",
                   c->file, t->name, type);
  size_t cols = gm_tensor_cols(&t->tensor), rows = 1;
  assert(cols > 0 && t->tensor.n_dims <= GM_MAX_DIMS);
  bool ok = cols % traits->block == 0;
  if (!ok)
    return gm_fail(c->err, GM_ERR_MODEL,
                   "%s: tensor %s: rows of %zu are not a multiple of %s's block of %zu",
                   c->file, t->name, cols, traits->name, traits->block);
  for (uint32_t i = 0; i + 1 < t->tensor.n_dims; i++)
    ok = ok && gm_mul_size(rows, t->tensor.shape[i], &rows);
  size_t elements;
  ok = ok && gm_mul_size(rows, cols, &elements) && elements <= SIZE_MAX / 8;
  ok = ok && gm_mul_size(cols / traits->block, traits->block_bytes, &t->tensor.row_bytes);
  ok = ok && gm_mul_size(rows, t->tensor.row_bytes, &t->bytes);
  if (!ok)
    return gm_fail(c->err, GM_ERR_MODEL, "%s: tensor %s: its size does not fit in 64 bits",
                   c->file, t->name);
  t->tensor.type = (gm_type)type;
  return GM_OK;
}

static gm_status take_tensor(cursor *c, gm_gguf_tensor *t) {
  uint32_t type;
  GM_TRY(take_name(c, &t->name, "a tensor's name"));
  GM_TRY(take_shape(c, t));
  GM_TRY(take_u32(c, &type, "a tensor's type"));
  GM_TRY(take_u64(c, &t->offset, "a tensor's offset"));
  return size_tensor(c, t, type);
}

/* ---- checks over the whole list */

typedef const char *name_at(const void *list, size_t i);

static const char *key_name_at(const void *list, size_t i) {
  return ((const gm_gguf_key *)list)[i].name;
}

static const char *tensor_name_at(const void *list, size_t i) {
  return ((const gm_gguf_tensor *)list)[i].name;
}

struct sort_context {
  const void *list;
  name_at *name;
};

static int compare_names(const void *a, const void *b, void *context) {
  const struct sort_context *s = context;
  return strcmp(s->name(s->list, *(const size_t *)a), s->name(s->list, *(const size_t *)b));
}

/* The indices 0..n-1 in the order of their names, which must be all different. */
static gm_status index_names(cursor *c, const void *list, size_t n, name_at *name,
                             const char *what, size_t **out) {
  gm_status status;
  size_t *order = pool(c, n * sizeof *order, "the name index", &status);
  GM_TRY(status);
  for (size_t i = 0; i < n; i++) order[i] = i;
  struct sort_context context = {list, name};
  qsort_r(order, n, sizeof *order, compare_names, &context);
  for (size_t i = 1; i < n; i++)
    if (compare_names(&order[i - 1], &order[i], &context) == 0)
      return gm_fail(c->err, GM_ERR_MODEL, "%s: found %s %s twice", c->file, what,
                     name(list, order[i]));
  *out = order;
  return GM_OK;
}

static gm_status find_alignment(cursor *c) {
  const gm_gguf_key *key = gm_gguf_find_key(c->gguf, "general.alignment");
  c->gguf->alignment = GM_GGUF_DEFAULT_ALIGNMENT;
  if (!key) return GM_OK;
  uint32_t a = 0;
  if (key->type == GM_GGUF_U32 && !key->is_array) a = *(const uint32_t *)key->elements;
  if (a < GM_GGUF_MIN_ALIGNMENT || a > GM_GGUF_MAX_ALIGNMENT || (a & (a - 1)) != 0)
    return gm_fail(c->err, GM_ERR_MODEL,
                   "%s: key general.alignment: wanted a u32 that is a power of two from %d to "
                   "%d, found %s %u",
                   c->file, GM_GGUF_MIN_ALIGNMENT, GM_GGUF_MAX_ALIGNMENT,
                   gm_gguf_type_name(key->type), a);
  c->gguf->alignment = a;
  return GM_OK;
}

static int compare_offsets(const void *a, const void *b, void *context) {
  const gm_gguf_tensor *tensors = context;
  uint64_t x = tensors[*(const size_t *)a].offset, y = tensors[*(const size_t *)b].offset;
  return (x > y) - (x < y);
}

/* Checks that every extent is aligned, inside the file and disjoint from the others; sets the
 * data pointers. */
static gm_status place_tensors(cursor *c) {
  gm_gguf *g = c->gguf;
  assert(g->alignment > 0 && (g->alignment & (g->alignment - 1)) == 0);
  if (g->n_tensors == 0) return GM_OK;
  if (!gm_align_size(c->at, g->alignment, &g->data_begin) || g->data_begin > c->size)
    return gm_fail(c->err, GM_ERR_MODEL, "%s: the file ends before the tensor data", c->file);
  for (size_t i = 0; i < g->n_tensors; i++) {
    gm_gguf_tensor *t = &g->tensors[i];
    if (t->offset % g->alignment != 0)
      return gm_fail(c->err, GM_ERR_MODEL, "%s: tensor %s: offset %llu is not aligned to %zu",
                     c->file, t->name, (unsigned long long)t->offset, g->alignment);
    if (!gm_extent_fits(t->offset, t->bytes, c->size - g->data_begin))
      return gm_fail(c->err, GM_ERR_MODEL,
                     "%s: tensor %s: %zu bytes at offset %llu run past the end of the file; it "
                     "is cut short or damaged",
                     c->file, t->name, t->bytes, (unsigned long long)t->offset);
    t->tensor.data = c->bytes + g->data_begin + t->offset;
  }
  gm_status status;
  size_t *order = pool(c, g->n_tensors * sizeof *order, "the tensor order", &status);
  GM_TRY(status);
  for (size_t i = 0; i < g->n_tensors; i++) order[i] = i;
  qsort_r(order, g->n_tensors, sizeof *order, compare_offsets, g->tensors);
  for (size_t i = 1; i < g->n_tensors; i++) {
    const gm_gguf_tensor *a = &g->tensors[order[i - 1]], *b = &g->tensors[order[i]];
    assert(a->offset <= b->offset);
    if (b->offset - a->offset < a->bytes)
      return gm_fail(c->err, GM_ERR_MODEL, "%s: tensors %s and %s overlap", c->file, a->name,
                     b->name);
  }
  return GM_OK;
}

static gm_status take_counts(cursor *c) {
  char magic[4];
  uint32_t version;
  uint64_t n_tensors, n_keys;
  GM_TRY(take(c, magic, sizeof magic, "the magic number"));
  if (memcmp(magic, "GGUF", 4) != 0) {
    GM_TRY(gm_refuse_placeholder(c->file, c->bytes, c->size, c->err));
    return gm_fail(c->err, GM_ERR_MODEL,
                   "%s: found no GGUF file (its first bytes are not \"GGUF\"); make one with "
                   "gromatic convert",
                   c->file);
  }
  GM_TRY(take_u32(c, &version, "the version"));
  if (version != GM_GGUF_VERSION)
    return gm_fail(c->err, GM_ERR_MODEL, "%s: found GGUF version %u, wanted %d", c->file,
                   version, GM_GGUF_VERSION);
  GM_TRY(take_u64(c, &n_tensors, "the tensor count"));
  GM_TRY(take_u64(c, &n_keys, "the key count"));
  if (n_tensors > GM_GGUF_MAX_TENSORS || n_keys > GM_GGUF_MAX_KEYS)
    return gm_fail(c->err, GM_ERR_MODEL,
                   "%s: found %llu tensors and %llu keys, wanted at most %d and %d", c->file,
                   (unsigned long long)n_tensors, (unsigned long long)n_keys,
                   GM_GGUF_MAX_TENSORS, GM_GGUF_MAX_KEYS);
  c->gguf->n_tensors = (size_t)n_tensors;
  c->gguf->n_keys = (size_t)n_keys;
  return GM_OK;
}

static gm_status parse(cursor *c) {
  gm_gguf *g = c->gguf;
  gm_status status;
  GM_TRY(take_counts(c));
  g->keys = pool(c, g->n_keys * sizeof *g->keys, "the keys", &status);
  GM_TRY(status);
  g->tensors = pool(c, g->n_tensors * sizeof *g->tensors, "the tensors", &status);
  GM_TRY(status);
  for (size_t i = 0; i < g->n_keys; i++) GM_TRY(take_key(c, &g->keys[i]));
  GM_TRY(index_names(c, g->keys, g->n_keys, key_name_at, "key", &g->keys_by_name));
  GM_TRY(find_alignment(c));
  for (size_t i = 0; i < g->n_tensors; i++) GM_TRY(take_tensor(c, &g->tensors[i]));
  GM_TRY(
      index_names(c, g->tensors, g->n_tensors, tensor_name_at, "tensor", &g->tensors_by_name));
  return place_tensors(c);
}

gm_status gm_gguf_parse(gm_gguf *out, const void *bytes, size_t size, const char *name,
                        gm_error *err) {
  *out = (gm_gguf){0};
  cursor c = {bytes, size, 0, name, err, out};
  gm_status status = parse(&c);
  if (status != GM_OK) gm_gguf_free(out);
  return status;
}

void gm_gguf_free(gm_gguf *gguf) {
  gm_arena_free(&gguf->arena);
  *gguf = (gm_gguf){0};
}

/* Position of `name` in the sorted index, or n. */
static size_t find_name(const void *list, const size_t *order, size_t n, name_at *at,
                        const char *name) {
  size_t low = 0, high = n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order_of = strcmp(at(list, order[middle]), name);
    if (order_of == 0) return middle;
    if (order_of < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return n;
}

const gm_gguf_key *gm_gguf_find_key(const gm_gguf *g, const char *name) {
  size_t i = find_name(g->keys, g->keys_by_name, g->n_keys, key_name_at, name);
  return i < g->n_keys ? &g->keys[g->keys_by_name[i]] : NULL;
}

const gm_gguf_tensor *gm_gguf_find_tensor(const gm_gguf *g, const char *name) {
  size_t i = find_name(g->tensors, g->tensors_by_name, g->n_tensors, tensor_name_at, name);
  return i < g->n_tensors ? &g->tensors[g->tensors_by_name[i]] : NULL;
}
