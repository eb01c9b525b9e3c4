/* checkpoint.c - the part that all checkpoint formats share: the tensor list, and checkpoints
 * in several files. */
#include "checkpoint.h"

#include "checked.h"
#include "json_file.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening */

void *gm_checkpoint_begin(size_t bytes, const gm_checkpoint *common, const char *path,
                          gm_error *err) {
  assert(bytes >= sizeof *common && common->format && common->read && common->close);
  gm_checkpoint *c = calloc(1, bytes);
  char *copy = strdup(path);
  if (!c || !copy) {
    free(c);
    free(copy);
    gm_fail_memory(err, path, bytes);
    return NULL;
  }
  *c = *common;
  c->path = copy;
  return c;
}

gm_status gm_checkpoint_end(gm_checkpoint **out, gm_checkpoint *checkpoint, gm_status status) {
  if (status == GM_OK)
    *out = checkpoint;
  else
    gm_checkpoint_close(checkpoint);
  return status;
}

/* ---- the list */

static gm_status grow(gm_checkpoint *c, gm_error *err) {
  if (c->n_tensors < c->capacity) return GM_OK;
  if (c->n_tensors >= GM_MAX_CHECKPOINT_TENSORS)
    return gm_fail(err, GM_ERR_MODEL, "%s: found more than %d tensors", c->path,
                   GM_MAX_CHECKPOINT_TENSORS);
  size_t capacity = c->capacity ? 2 * c->capacity : 256;
  void *list = realloc(c->tensors, capacity * sizeof *c->tensors);
  if (!list) return gm_fail_memory(err, c->path, capacity * sizeof *c->tensors);
  c->tensors = list;
  c->capacity = capacity;
  return GM_OK;
}

gm_status gm_checkpoint_add(gm_checkpoint *c, const char *name, size_t length,
                            const char *dtype, gm_type type, uint32_t n_dims,
                            const uint64_t *shape, gm_error *err) {
  GM_TRY(grow(c, err));
  bool ok = length > 0 && length <= GM_MAX_TENSOR_NAME;
  for (size_t i = 0; ok && i < length; i++) ok = name[i] >= ' ' && name[i] <= '~';
  if (!ok)
    return gm_fail(
        err, GM_ERR_MODEL,
        "%s: found a tensor's name of %zu bytes, \"%.*s\", wanted 1 to %d of printable "
        "ASCII",
        c->path, length, (int)(length < 80 ? length : 80), name, GM_MAX_TENSOR_NAME);
  if (n_dims > GM_MAX_DIMS)
    return gm_fail(err, GM_ERR_MODEL, "%s: tensor %.*s: found %u dimensions, wanted at most %d",
                   c->path, (int)length, name, n_dims, GM_MAX_DIMS);
  gm_checkpoint_tensor t = {.type = type, .n_dims = n_dims, .shape = {1, 1, 1, 1}};
  snprintf(t.dtype, sizeof t.dtype, "%s", dtype);
  t.f64 = strcmp(dtype, "F64") == 0 || strcmp(dtype, "Double") == 0; /* safetensors, PyTorch */
  if (t.f64) t.type = GM_TYPE_F32;
  t.n_elements = 1;
  for (uint32_t i = 0; i < n_dims; i++) {
    size_t unused;
    t.shape[i] = (size_t)shape[i];
    if (!gm_mul_size(t.n_elements, t.shape[i], &t.n_elements) ||
        !gm_mul_size(t.n_elements, 8, &unused))
      return gm_fail(err, GM_ERR_MODEL, "%s: tensor %.*s: its size does not fit in 64 bits",
                     c->path, (int)length, name);
  }
  t.name = strndup(name, length);
  if (!t.name) return gm_fail_memory(err, c->path, length + 1);
  c->tensors[c->n_tensors++] = t;
  return GM_OK;
}

static int compare_names(const void *a, const void *b, void *context) {
  const gm_checkpoint_tensor *tensors = context;
  return strcmp(tensors[*(const size_t *)a].name, tensors[*(const size_t *)b].name);
}

void gm_f64_to_float(float *out, const void *doubles, size_t n) {
  const unsigned char *from = doubles;
  for (size_t i = 0; i < n; i++) {
    double value;
    memcpy(&value, from + i * sizeof value, sizeof value);
    out[i] = (float)value;
  }
}

gm_status gm_checkpoint_strip(gm_checkpoint *c, const char *prefix, gm_error *err) {
  size_t n = strlen(prefix);
  for (size_t i = 0; i < c->n_tensors; i++) {
    char *name = c->tensors[i].name;
    if (strncmp(name, prefix, n) == 0 && name[n]) memmove(name, name + n, strlen(name + n) + 1);
  }
  free(c->by_name);
  c->by_name = NULL;
  return gm_checkpoint_seal(c, err);
}

gm_status gm_checkpoint_seal(gm_checkpoint *c, gm_error *err) {
  assert(!c->by_name);
  c->by_name = malloc((c->n_tensors ? c->n_tensors : 1) * sizeof *c->by_name);
  if (!c->by_name) return gm_fail_memory(err, c->path, c->n_tensors * sizeof *c->by_name);
  for (size_t i = 0; i < c->n_tensors; i++) c->by_name[i] = i;
  qsort_r(c->by_name, c->n_tensors, sizeof *c->by_name, compare_names, c->tensors);
  for (size_t i = 1; i < c->n_tensors; i++)
    if (compare_names(&c->by_name[i - 1], &c->by_name[i], c->tensors) == 0)
      return gm_fail(err, GM_ERR_MODEL, "%s: found tensor %s twice", c->path,
                     c->tensors[c->by_name[i]].name);
  return GM_OK;
}

size_t gm_checkpoint_find(const gm_checkpoint *c, const char *name) {
  assert(c->by_name); /* sealed */
  size_t low = 0, high = c->n_tensors;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = strcmp(c->tensors[c->by_name[middle]].name, name);
    if (order == 0) return c->by_name[middle];
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return SIZE_MAX;
}

gm_status gm_checkpoint_read(gm_checkpoint *c, size_t i, size_t first, size_t n, float *out,
                             gm_error *err) {
  assert(i < c->n_tensors);
  const gm_checkpoint_tensor *t = &c->tensors[i];
  if (t->type == GM_TYPE_COUNT)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: tensor %s: found dtype %s, wanted F64, F32, F16 or BF16", c->path,
                   t->name, t->dtype);
  if (!gm_extent_fits(first, n, t->n_elements))
    return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s: %zu elements from %zu are past its %zu",
                   c->path, t->name, n, first, t->n_elements);
  return c->read(c, i, first, n, out, err);
}

void gm_checkpoint_close(gm_checkpoint *c) {
  if (!c) return;
  if (c->close) c->close(c);
  for (size_t i = 0; i < c->n_tensors; i++) free(c->tensors[i].name);
  free(c->tensors);
  free(c->by_name);
  free(c->path);
  free(c);
}

/* ---- several files */

typedef struct sharded {
  gm_checkpoint base;
  gm_checkpoint **shards;
  size_t n_shards;
  struct place {
    gm_checkpoint *shard;
    size_t tensor;
  } * places; /* parallel to base.tensors */
} sharded;

static gm_status sharded_read(gm_checkpoint *self, size_t i, size_t first, size_t n, float *out,
                              gm_error *err) {
  const struct place *p = &((const sharded *)self)->places[i];
  assert(i < self->n_tensors && p->tensor < p->shard->n_tensors);
  return p->shard->read(p->shard, p->tensor, first, n, out, err);
}

static void sharded_close(gm_checkpoint *self) {
  sharded *s = (sharded *)self;
  for (size_t i = 0; i < s->n_shards; i++) gm_checkpoint_close(s->shards[i]);
  free(s->shards);
  free(s->places);
}

/* Opens the shard unless it is open; its list is checked against the map afterwards. */
static gm_status open_shard(sharded *s, const char *directory, const char *name,
                            gm_checkpoint_opener *open_file, gm_checkpoint **out,
                            gm_error *err) {
  char *path = gm_join_path(directory, name);
  if (!path) return gm_fail_memory(err, name, strlen(name));
  gm_status status = GM_OK;
  *out = NULL;
  for (size_t i = 0; i < s->n_shards && !*out; i++)
    if (strcmp(s->shards[i]->path, path) == 0) *out = s->shards[i];
  if (!*out) {
    status = open_file(out, path, err);
    if (status == GM_ERR_FILE_NOT_FOUND)
      status = gm_fail_prefix(err, status, "a part that the index names is missing");
    if (status == GM_OK) s->shards[s->n_shards++] = *out;
  }
  free(path);
  return status;
}

static gm_status add_mapped(sharded *s, const char *directory, const char *name,
                            const json_t *value, gm_checkpoint_opener *open_file,
                            gm_error *err) {
  const char *file = json_string_value(value);
  if (!file || !*file || strchr(file, '/') || strcmp(file, "..") == 0)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: tensor %s: wanted the name of a file in the same directory",
                   s->base.path, name);
  gm_checkpoint *shard;
  GM_TRY(open_shard(s, directory, file, open_file, &shard, err));
  size_t i = gm_checkpoint_find(shard, name);
  if (i == SIZE_MAX)
    return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s is not in %s, where the index has it",
                   s->base.path, name, file);
  const gm_checkpoint_tensor *t = &shard->tensors[i];
  uint64_t shape[GM_MAX_DIMS];
  for (uint32_t d = 0; d < t->n_dims; d++) shape[d] = t->shape[d];
  assert(s->n_shards <= s->base.n_tensors + 1); /* one file for each tensor at most */
  s->places[s->base.n_tensors] = (struct place){shard, i};
  s->base.format = shard->format;
  return gm_checkpoint_add(&s->base, name, strlen(name), t->dtype, t->type, t->n_dims, shape,
                           err);
}

static gm_status fill_sharded(sharded *s, const char *directory, const json_t *root,
                              gm_checkpoint_opener *open_file, gm_error *err) {
  const json_t *map = json_object_get(root, "weight_map");
  if (!json_is_object(map))
    return gm_fail(err, GM_ERR_MODEL, "%s: found no object \"weight_map\"", s->base.path);
  size_t n = json_object_size(map);
  if (n > GM_MAX_CHECKPOINT_TENSORS)
    return gm_fail(err, GM_ERR_MODEL, "%s: found %zu tensors, wanted at most %d", s->base.path,
                   n, GM_MAX_CHECKPOINT_TENSORS);
  s->places = calloc(n ? n : 1, sizeof *s->places);
  s->shards = calloc(n ? n : 1, sizeof *s->shards);
  if (!s->places || !s->shards) return gm_fail_memory(err, s->base.path, n * 16);
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)map, name, value)
      GM_TRY(add_mapped(s, directory, name, value, open_file, err));
  return gm_checkpoint_seal(&s->base, err);
}

gm_status gm_sharded_open(gm_checkpoint **out, const char *directory, const char *index_name,
                          gm_checkpoint_opener *open_file, gm_error *err) {
  /* The format is set to that of the files. */
  const gm_checkpoint common = {
      .format = "sharded", .read = sharded_read, .close = sharded_close};
  *out = NULL;
  json_t *root;
  GM_TRY(gm_json_load(&root, directory, index_name, err));
  char *path = gm_join_path(directory, index_name);
  sharded *s = path ? gm_checkpoint_begin(sizeof *s, &common, path, err) : NULL;
  gm_status status = GM_ERR_MEMORY;
  if (!path) gm_fail_memory(err, index_name, strlen(directory) + strlen(index_name));
  if (s)
    status = gm_checkpoint_end(out, &s->base, fill_sharded(s, directory, root, open_file, err));
  free(path);
  json_decref(root);
  return status;
}
