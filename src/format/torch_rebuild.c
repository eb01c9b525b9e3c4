/* torch_rebuild.c - see torch_rebuild.h. */
#include "torch_rebuild.h"

#include "checked.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

enum { MAX_KEY = 64, SHOWN = 80 };

static const gm_torch_dtype dtypes[] = {
    {"Half", GM_TYPE_F16, 2},     {"Float", GM_TYPE_F32, 4},  {"BFloat16", GM_TYPE_BF16, 2},
    {"Double", GM_TYPE_COUNT, 8}, {"Long", GM_TYPE_COUNT, 8}, {"Int", GM_TYPE_COUNT, 4},
    {"Short", GM_TYPE_COUNT, 2},  {"Char", GM_TYPE_COUNT, 1}, {"Byte", GM_TYPE_COUNT, 1},
    {"Bool", GM_TYPE_COUNT, 1},
};

static bool equals(const char *text, size_t length, const char *wanted) {
  return length == strlen(wanted) && memcmp(text, wanted, length) == 0;
}

/* Makes an untrusted name fit for a message: cut, and without control characters. */
static void show(char out[SHOWN], const char *text, size_t length) {
  size_t n = length < SHOWN - 1 ? length : SHOWN - 1;
  for (size_t i = 0; i < n; i++) out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
  out[n] = 0;
}

static const gm_torch_dtype *storage_dtype(const char *name, size_t length) {
  static const char suffix[] = "Storage";
  size_t tail = sizeof suffix - 1;
  if (length <= tail || memcmp(name + length - tail, suffix, tail) != 0) return NULL;
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
    if (equals(name, length - tail, dtypes[i].name)) return &dtypes[i];
  return NULL;
}

gm_status gm_torch_global(gm_pickle_value *out, const char *module, size_t module_length,
                          const char *name, size_t name_length, bool script, gm_error *err) {
  static const char script_root[] = "__torch__";
  size_t root = sizeof script_root - 1;
  out->kind = GM_PICKLE_GLOBAL;
  out->global.dtype = NULL;
  if (equals(module, module_length, "torch._utils") &&
      equals(name, name_length, "_rebuild_tensor_v2")) {
    out->global.which = GM_GLOBAL_REBUILD_TENSOR;
  } else if (equals(module, module_length, "torch._utils") &&
             equals(name, name_length, "_rebuild_parameter")) {
    out->global.which = GM_GLOBAL_REBUILD_PARAMETER;
  } else if (equals(module, module_length, "collections") &&
             equals(name, name_length, "OrderedDict")) {
    out->global.which = GM_GLOBAL_ORDERED_DICT;
  } else if (equals(module, module_length, "torch") && storage_dtype(name, name_length)) {
    out->global.which = GM_GLOBAL_STORAGE;
    out->global.dtype = storage_dtype(name, name_length);
  } else if (script && module_length >= root && memcmp(module, script_root, root) == 0 &&
             (module_length == root || module[root] == '.')) {
    out->global.which = GM_GLOBAL_SCRIPT_CLASS;
  } else {
    char shown_module[SHOWN], shown_name[SHOWN];
    show(shown_module, module, module_length);
    show(shown_name, name, name_length);
    return gm_fail(err, GM_ERR_MODEL,
                   "it asks for %s.%s, which weights do not need: such code is never run. If "
                   "the file is to be trusted, save its state_dict alone with torch.save or as "
                   "safetensors",
                   shown_module, shown_name);
  }
  return GM_OK;
}

/* PyTorch numbers its storages. */
static bool is_key(const char *text, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!isalnum((unsigned char)text[i]) && text[i] != '_') return false;
  return n > 0 && n <= MAX_KEY;
}

gm_status gm_torch_persistent(gm_pickle_value *out, const gm_pickle_value *id, gm_error *err) {
  if (id->kind != GM_PICKLE_TUPLE || id->n != 5 || id->items[0]->kind != GM_PICKLE_STRING ||
      !equals(id->items[0]->text, id->items[0]->n, "storage"))
    return gm_fail(err, GM_ERR_MODEL,
                   "a persistent id that is not (\"storage\", type, key, location, size)");
  const gm_pickle_value *type = id->items[1], *key = id->items[2], *location = id->items[3],
                        *n = id->items[4];
  if (type->kind != GM_PICKLE_GLOBAL || type->global.which != GM_GLOBAL_STORAGE)
    return gm_fail(err, GM_ERR_MODEL, "a storage whose type is not torch.*Storage");
  if (key->kind != GM_PICKLE_STRING || !is_key(key->text, key->n))
    return gm_fail(err, GM_ERR_MODEL,
                   "a storage whose key is no string of 1..%d letters and digits", MAX_KEY);
  if (location->kind != GM_PICKLE_STRING || n->kind != GM_PICKLE_INT || n->integer < 0)
    return gm_fail(err, GM_ERR_MODEL, "a storage without location or number of elements");
  assert(type->global.dtype); /* gm_torch_global sets it for every storage */
  out->kind = GM_PICKLE_STORAGE;
  out->storage =
      (gm_torch_storage){type->global.dtype, key->text, key->n, (uint64_t)n->integer};
  return GM_OK;
}

static bool read_sizes(const gm_pickle_value *tuple, uint64_t out[GM_MAX_DIMS]) {
  if (tuple->kind != GM_PICKLE_TUPLE || tuple->n > GM_MAX_DIMS) return false;
  for (uint32_t i = 0; i < tuple->n; i++) {
    if (tuple->items[i]->kind != GM_PICKLE_INT || tuple->items[i]->integer < 0) return false;
    out[i] = (uint64_t)tuple->items[i]->integer;
  }
  return true;
}

/* Accepts contiguous, transposed and sliced views: in the order of strides, each dimension
 * steps over all of the one before. Refuses expanded (stride 0) and overlapping views, with
 * which a small file could ask for a huge tensor. */
static gm_status check_view(const gm_torch_view *view, gm_error *err) {
  uint32_t order[GM_MAX_DIMS], n = 0;
  assert(view->storage && view->n_dims <= GM_MAX_DIMS);
  for (uint32_t i = 0; i < view->n_dims; i++) {
    if (view->shape[i] == 0) return GM_OK; /* no elements, so none is outside */
    if (view->shape[i] == 1) continue;     /* its stride is never used */
    uint32_t at = n++;
    for (; at > 0 && view->stride[order[at - 1]] > view->stride[i]; at--)
      order[at] = order[at - 1];
    order[at] = i;
  }
  uint64_t extent = 1; /* elements from the first to the last, both included */
  for (uint32_t k = 0; k < n; k++) {
    uint64_t step = view->stride[order[k]], reach;
    if (step < extent)
      return gm_fail(err, GM_ERR_MODEL,
                     "a tensor whose elements share places (an expanded view); save it after "
                     ".contiguous()");
    if (__builtin_mul_overflow(view->shape[order[k]] - 1, step, &reach) ||
        __builtin_add_overflow(reach, extent, &extent))
      return gm_fail(err, GM_ERR_MODEL, "a tensor whose shape and strides wrap");
  }
  if (!gm_extent_fits(view->offset, extent, view->storage->n_elements))
    return gm_fail(err, GM_ERR_MODEL,
                   "a tensor of %llu places at offset %llu of a storage of %llu elements",
                   (unsigned long long)extent, (unsigned long long)view->offset,
                   (unsigned long long)view->storage->n_elements);
  return GM_OK;
}

gm_status gm_torch_rebuild_tensor(gm_torch_view *view, const gm_pickle_value *args,
                                  gm_error *err) {
  if (args->kind != GM_PICKLE_TUPLE || args->n != 6)
    return gm_fail(err, GM_ERR_MODEL, "_rebuild_tensor_v2 without its 6 arguments");
  gm_pickle_value *const *a = args->items;
  *view = (gm_torch_view){0};
  if (a[0]->kind != GM_PICKLE_STORAGE || a[1]->kind != GM_PICKLE_INT || a[1]->integer < 0 ||
      !read_sizes(a[2], view->shape) || !read_sizes(a[3], view->stride) || a[2]->n != a[3]->n)
    return gm_fail(err, GM_ERR_MODEL,
                   "_rebuild_tensor_v2 whose arguments are no storage, offset, shape and "
                   "strides of 0..%d dimensions",
                   GM_MAX_DIMS);
  if (a[4]->kind != GM_PICKLE_BOOL || a[5]->kind != GM_PICKLE_ORDERED_DICT || a[5]->n != 0)
    return gm_fail(err, GM_ERR_MODEL,
                   "_rebuild_tensor_v2 with hooks; wanted an empty "
                   "OrderedDict");
  view->storage = &a[0]->storage;
  view->offset = (uint64_t)a[1]->integer;
  view->n_dims = a[2]->n;
  return check_view(view, err);
}
