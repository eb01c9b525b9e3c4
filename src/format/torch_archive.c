/* torch_archive.c - a PyTorch checkpoint (.bin, .pt) as a gm_checkpoint.
 *
 * File -> ZIP directory (zip.c) -> PREFIX/data.pkl as inert values (torch_pickle.c) -> a list
 * of tensors by attribute path, each a strided view of a member PREFIX/data/KEY. What can be
 * read: archives of torch.save since PyTorch 1.6 (a state_dict, flat or nested, or a checkpoint
 * that holds one under "state_dict"), and TorchScript archives, whose code is ignored.
 *
 * The file is mapped. Pages leave resident memory after a read, so a checkpoint may be larger
 * than memory. */
#include "arena.h"
#include "checked.h"
#include "checkpoint.h"
#include "mapping.h"
#include "placeholder.h"
#include "torch_pickle.h"
#include "zip.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 32, MAX_VISITS = 1 << 20, CHUNK = 1024, MAX_WIDTH = 8 };

/* Where the elements of a tensor are. */
typedef struct source {
  size_t begin;  /* of the view's first element, in the file */
  size_t extent; /* bytes from there to the end of its last element */
  size_t width;  /* bytes of an element */
  bool contiguous;
  size_t stride[GM_MAX_DIMS]; /* in elements */
} source;

typedef struct torch_checkpoint {
  gm_checkpoint base;
  gm_mapping file;
  source *sources; /* [base.n_tensors] */
  size_t capacity;
} torch_checkpoint;

/* ---- reading */

static size_t element_offset(const gm_checkpoint_tensor *t, const source *s, size_t flat) {
  size_t offset = 0;
  for (uint32_t d = t->n_dims; d-- > 0;) {
    offset += flat % t->shape[d] * s->stride[d];
    flat /= t->shape[d];
  }
  return offset * s->width;
}

/* Elements [first, first + n) to packed bytes. Nothing in the file is aligned, hence the
 * copies. */
static void gather(const gm_checkpoint_tensor *t, const source *s, const unsigned char *base,
                   size_t first, size_t n, unsigned char *out) {
  if (s->contiguous) {
    memcpy(out, base + first * s->width, n * s->width);
    return;
  }
  assert(t->n_dims > 0); /* a scalar is contiguous */
  size_t cols = t->shape[t->n_dims - 1], step = s->stride[t->n_dims - 1] * s->width;
  while (n > 0) {
    size_t run = cols - first % cols;
    if (run > n) run = n;
    const unsigned char *from = base + element_offset(t, s, first);
    for (size_t i = 0; i < run; i++, from += step, out += s->width) memcpy(out, from, s->width);
    first += run;
    n -= run;
  }
}

static gm_status torch_read(gm_checkpoint *self, size_t i, size_t first, size_t n, float *out,
                            gm_error *err) {
  (void)err;
  torch_checkpoint *c = (torch_checkpoint *)self;
  const gm_checkpoint_tensor *t = &self->tensors[i];
  const source *s = &c->sources[i];
  const gm_type_traits *traits = gm_type_traits_of(t->type);
  size_t offset = s->begin + (s->contiguous ? first * s->width : 0);
  size_t length = s->contiguous ? n * s->width : s->extent;
  assert(n == 0 || (s->width <= MAX_WIDTH && offset + length <= c->file.size));
  if (n == 0) return GM_OK;
  gm_mapping_will_need(&c->file, offset, length);
  _Alignas(MAX_WIDTH) unsigned char packed[CHUNK * MAX_WIDTH];
  for (size_t done = 0; done < n;) {
    size_t part = n - done < CHUNK ? n - done : CHUNK;
    gather(t, s, c->file.data + s->begin, first + done, part, packed);
    if (t->f64)
      gm_f64_to_float(out + done, packed, part);
    else
      traits->to_float(out + done, packed, part);
    done += part;
  }
  /* Every piece of a transposed view touches all its pages, so they stay until the last piece.
   */
  if (s->contiguous || first + n == t->n_elements) gm_mapping_drop(&c->file, offset, length);
  return GM_OK;
}

static void torch_close(gm_checkpoint *self) {
  torch_checkpoint *c = (torch_checkpoint *)self;
  gm_unmap(&c->file);
  free(c->sources);
}

/* ---- listing the tensors */

typedef struct loader {
  torch_checkpoint *checkpoint;
  const gm_zip *zip;
  const char *prefix; /* "archive/" */
  size_t prefix_length;
  char path[GM_MAX_TENSOR_NAME + 1]; /* of the dict being walked, with its last dot */
  size_t n_visits;
  gm_error *err;
} loader;

static gm_status fill_source(loader *l, const gm_torch_view *view, source *s) {
  const gm_torch_storage *storage = view->storage;
  char name[GM_ZIP_MAX_NAME + 1];
  size_t length = l->prefix_length + 5 + storage->key_length;
  if (length > GM_ZIP_MAX_NAME)
    return gm_fail(l->err, GM_ERR_MODEL, "the archive's member names are too long");
  memcpy(name, l->prefix, l->prefix_length);
  memcpy(name + l->prefix_length, "data/", 5);
  memcpy(name + l->prefix_length + 5, storage->key, storage->key_length);
  name[length] = 0;

  const gm_zip_entry *entry;
  GM_TRY(gm_zip_want(l->zip, name, &entry, l->err));
  size_t width = storage->dtype->width, bytes;
  if (!gm_mul_size(storage->n_elements, width, &bytes) || bytes != entry->size)
    return gm_fail(l->err, GM_ERR_MODEL,
                   "member %s has %llu bytes, wanted %llu elements of %zu bytes (%s)", name,
                   (unsigned long long)entry->size, (unsigned long long)storage->n_elements,
                   width, storage->dtype->name);
  *s = (source){.width = width, .contiguous = true};
  for (uint32_t d = 0; d < view->n_dims; d++)
    if (view->shape[d] == 0) return GM_OK; /* no elements, so no offset */
  /* The view is inside the storage (torch_rebuild.c) and the storage inside the file, so
   * nothing overflows below. */
  s->begin = entry->offset + view->offset * width;
  size_t extent = 1, packed = 1;
  for (uint32_t d = view->n_dims; d-- > 0;) {
    s->stride[d] = view->stride[d];
    if (view->shape[d] == 1) continue;
    if (view->stride[d] != packed) s->contiguous = false;
    packed *= view->shape[d];
    extent += (view->shape[d] - 1) * view->stride[d];
  }
  s->extent = extent * width;
  return GM_OK;
}

static gm_status add_tensor(loader *l, size_t name_length, const gm_torch_view *view) {
  torch_checkpoint *c = l->checkpoint;
  size_t i = c->base.n_tensors;
  assert(i <= c->capacity);
  if (i == c->capacity) {
    size_t capacity = c->capacity ? 2 * c->capacity : 256;
    source *sources = realloc(c->sources, capacity * sizeof *sources);
    if (!sources)
      return gm_fail_memory(l->err, "the list of tensors", capacity * sizeof *sources);
    c->sources = sources;
    c->capacity = capacity;
  }
  gm_status status = fill_source(l, view, &c->sources[i]);
  if (status != GM_OK)
    return gm_fail_prefix(l->err, status, "tensor %.*s", (int)name_length, l->path);
  return gm_checkpoint_add(&c->base, l->path, name_length, view->storage->dtype->name,
                           view->storage->dtype->type, view->n_dims, view->shape, l->err);
}

static bool holds_items(const gm_pickle_value *value) {
  return value->kind == GM_PICKLE_DICT || value->kind == GM_PICKLE_ORDERED_DICT ||
         value->kind == GM_PICKLE_OBJECT;
}

/* Tensors of node and of the dicts in it; path[0..length) is its own name and a dot. Other
 * values (versions, step counts, lists of an optimizer) are skipped. */
static gm_status walk(loader *l, const gm_pickle_value *node, size_t length, unsigned depth) {
  if (depth > MAX_DEPTH)
    return gm_fail(l->err, GM_ERR_MODEL, "dicts nested deeper than %d: wanted a state_dict",
                   MAX_DEPTH);
  assert(node->n % 2 == 0); /* keys and values */
  for (uint32_t i = 0; i < node->n; i += 2) {
    const gm_pickle_value *key = node->items[i], *value = node->items[i + 1];
    if (++l->n_visits > MAX_VISITS)
      return gm_fail(l->err, GM_ERR_MODEL, "more than %d entries: wanted a state_dict",
                     MAX_VISITS);
    bool tensor = value->kind == GM_PICKLE_TENSOR;
    if (key->kind != GM_PICKLE_STRING || (!tensor && !holds_items(value))) continue;
    if (key->n >= GM_MAX_TENSOR_NAME - length)
      return gm_fail(l->err, GM_ERR_MODEL, "a tensor name of more than %d bytes",
                     GM_MAX_TENSOR_NAME);
    memcpy(l->path + length, key->text, key->n);
    size_t end = length + key->n;
    if (tensor) {
      GM_TRY(add_tensor(l, end, value->view));
    } else {
      l->path[end] = '.';
      GM_TRY(walk(l, value, end + 1, depth + 1));
    }
  }
  return GM_OK;
}

/* The dict itself, or the one that a training checkpoint keeps under "state_dict". */
static const gm_pickle_value *state_dict(const gm_pickle_value *root) {
  static const char name[] = "state_dict";
  for (uint32_t i = 0; i < root->n; i += 2) {
    const gm_pickle_value *key = root->items[i], *value = root->items[i + 1];
    if (key->kind == GM_PICKLE_STRING && key->n == sizeof name - 1 &&
        memcmp(key->text, name, key->n) == 0 && holds_items(value))
      return value;
  }
  return root;
}

/* ---- opening */

/* The one member PREFIX/data.pkl with a prefix of a single name. */
static gm_status find_pickle(const gm_zip *zip, const gm_zip_entry **out, gm_error *err) {
  static const char tail[] = "/data.pkl";
  *out = NULL;
  for (size_t i = 0; i < zip->n_entries; i++) {
    const char *slash = strchr(zip->entries[i].name, '/');
    if (!slash || strcmp(slash, tail) != 0) continue;
    if (*out)
      return gm_fail(err, GM_ERR_MODEL, "two pickles in one archive: %s and %s", (*out)->name,
                     zip->entries[i].name);
    *out = &zip->entries[i];
  }
  if (!*out)
    return gm_fail(err, GM_ERR_MODEL,
                   "a ZIP archive without NAME/data.pkl; wanted one that torch.save wrote");
  return gm_zip_want(zip, (*out)->name, out, err);
}

/* Archives of PyTorch 2 state their byte order. */
static gm_status check_byte_order(loader *l, const unsigned char *bytes) {
  char name[GM_ZIP_MAX_NAME + 16];
  memcpy(name, l->prefix, l->prefix_length);
  memcpy(name + l->prefix_length, "byteorder", sizeof "byteorder");
  const gm_zip_entry *entry = gm_zip_find(l->zip, name);
  if (!entry) return GM_OK;
  GM_TRY(gm_zip_want(l->zip, name, &entry, l->err));
  if (entry->size != 6 || memcmp(bytes + entry->offset, "little", 6) != 0)
    return gm_fail(
        l->err, GM_ERR_MODEL,
        "it was saved on a big-endian machine; save it again on a little-endian one");
  return GM_OK;
}

static bool is_script(loader *l) {
  char name[GM_ZIP_MAX_NAME + 16];
  memcpy(name, l->prefix, l->prefix_length);
  memcpy(name + l->prefix_length, "constants.pkl", sizeof "constants.pkl");
  return gm_zip_find(l->zip, name) != NULL;
}

/* A copy of the pickle: values point into it, and a mapped file can change between two reads.
 */
static gm_status copy_pickle(const torch_checkpoint *c, const gm_zip_entry *pickle,
                             gm_arena *arena, const unsigned char **out, gm_error *err) {
  *out = c->file.data + pickle->offset;
  if (pickle->size > GM_PICKLE_MAX_BYTES) return GM_OK; /* refused later, without reading it */
  unsigned char *copy = gm_arena_alloc(arena, (size_t)pickle->size);
  if (!copy) return gm_fail_memory(err, "the pickle", (size_t)pickle->size);
  *out = memcpy(copy, *out, (size_t)pickle->size);
  return GM_OK;
}

static gm_status load(torch_checkpoint *c, const gm_zip *zip, gm_arena *arena, gm_error *err) {
  const gm_zip_entry *pickle;
  GM_TRY(find_pickle(zip, &pickle, err));
  loader l = {.checkpoint = c, .zip = zip, .prefix = pickle->name, .err = err};
  l.prefix_length = strlen(pickle->name) - strlen("data.pkl");
  GM_TRY(check_byte_order(&l, c->file.data));
  const unsigned char *bytes;
  const gm_pickle_value *root;
  GM_TRY(copy_pickle(c, pickle, arena, &bytes, err));
  GM_TRY(gm_torch_unpickle(&root, bytes, (size_t)pickle->size, is_script(&l), arena, err));
  if (!holds_items(root))
    return gm_fail(err, GM_ERR_MODEL, "it holds no dict of tensors; wanted a state_dict");
  GM_TRY(walk(&l, state_dict(root), 0, 0));
  if (c->base.n_tensors == 0)
    return gm_fail(err, GM_ERR_MODEL, "no tensor in it; wanted a state_dict");
  return gm_checkpoint_seal(&c->base, err);
}

static gm_status refuse_format(const gm_mapping *file, gm_error *err) {
  if (file->size >= 2 && file->data[0] == 0x80 && file->data[1] <= 5)
    return gm_fail(err, GM_ERR_MODEL,
                   "a bare pickle, as PyTorch wrote before 1.6; wanted a ZIP archive. Save it "
                   "again: python3 -c 'import torch; torch.save(torch.load(\"OLD\", "
                   "map_location=\"cpu\", weights_only=True), \"NEW\")'");
  return gm_fail(err, GM_ERR_MODEL,
                 "no PyTorch archive: it does not begin as a ZIP file does; download it again");
}

static gm_status read_archive(torch_checkpoint *c, gm_error *err) {
  gm_zip zip = {0};
  gm_arena arena = {0};
  gm_status status = gm_zip_is(c->file.data, c->file.size)
                         ? gm_zip_open(&zip, c->file.data, c->file.size, err)
                         : refuse_format(&c->file, err);
  if (status == GM_OK) status = load(c, &zip, &arena, err);
  gm_arena_free(&arena);
  gm_zip_close(&zip);
  return status;
}

static gm_status open_archive(torch_checkpoint *c, const char *path, gm_error *err) {
  GM_TRY(gm_map_file(&c->file, path, true, err));
  GM_TRY(gm_refuse_placeholder(path, c->file.data, c->file.size, err));
  gm_status status = read_archive(c, err);
  return status == GM_OK ? GM_OK : gm_fail_prefix(err, status, "%s", path);
}

gm_status gm_torch_open(gm_checkpoint **out, const char *path, gm_error *err) {
  *out = NULL;
  const gm_checkpoint common = {.format = "torch", .read = torch_read, .close = torch_close};
  torch_checkpoint *c = gm_checkpoint_begin(sizeof *c, &common, path, err);
  if (!c) return GM_ERR_MEMORY;
  return gm_checkpoint_end(out, &c->base, open_archive(c, path, err));
}
