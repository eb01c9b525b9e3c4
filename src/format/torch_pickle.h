/* torch_pickle.h - the pickle of a PyTorch archive (data.pkl) as inert values: no code is run,
 * imported or looked up.
 *
 * A stack machine knows the opcodes that torch.save and TorchScript write and refuses every
 * other. Globals are names: only torch._utils._rebuild_tensor_v2 and _rebuild_parameter,
 * collections.OrderedDict and torch.*Storage are known, REDUCE takes only the first three, each
 * with arguments of exactly its own form. In a TorchScript archive classes below __torch__ may
 * be made with NEWOBJ and filled with BUILD(dict): bags of attributes.
 *
 * Formats: Python's pickletools (protocols 2 to 5), torch/serialization.py's persistent ids. */
#ifndef GM_TORCH_PICKLE_H
#define GM_TORCH_PICKLE_H

#include "arena.h"
#include "status.h"
#include "tensor.h"

/* Caps. A 7B model's pickle has 150 KB, ten thousand values and two thousand memos; the memory
 * for reading a pickle within these caps is at most some 500 MB. */
enum {
  GM_PICKLE_MAX_BYTES = 16 << 20,
  GM_PICKLE_MAX_VALUES = 1 << 20,
  GM_PICKLE_MAX_MEMO = 1 << 20,
  GM_PICKLE_MAX_STACK = 1 << 18,
  GM_PICKLE_MAX_STRING = 1 << 16
};

typedef enum gm_pickle_kind {
  GM_PICKLE_NONE,
  GM_PICKLE_BOOL,
  GM_PICKLE_INT,
  GM_PICKLE_FLOAT, /* the value is not used and not kept */
  GM_PICKLE_STRING,
  GM_PICKLE_TUPLE,
  GM_PICKLE_LIST,
  GM_PICKLE_DICT,
  GM_PICKLE_ORDERED_DICT,
  GM_PICKLE_GLOBAL,
  GM_PICKLE_STORAGE,
  GM_PICKLE_TENSOR,
  GM_PICKLE_OBJECT /* of TorchScript: attributes in items, as in a dict */
} gm_pickle_kind;

typedef enum gm_pickle_global {
  GM_GLOBAL_REBUILD_TENSOR,
  GM_GLOBAL_REBUILD_PARAMETER,
  GM_GLOBAL_ORDERED_DICT,
  GM_GLOBAL_STORAGE,
  GM_GLOBAL_SCRIPT_CLASS
} gm_pickle_global;

/* What torch.HalfStorage and its like hold. */
typedef struct gm_torch_dtype {
  const char *name; /* "Half" */
  gm_type type;     /* GM_TYPE_COUNT if it is not a weight type of ours */
  size_t width;     /* bytes of an element */
} gm_torch_dtype;

/* A storage: the archive member data/KEY. */
typedef struct gm_torch_storage {
  const gm_torch_dtype *dtype;
  const char *key; /* not NUL-terminated */
  size_t key_length;
  uint64_t n_elements;
} gm_torch_storage;

/* A view of a storage, in elements. Checked: it lies inside the storage and no two of its
 * elements overlap. */
typedef struct gm_torch_view {
  const gm_torch_storage *storage;
  uint64_t offset;
  uint32_t n_dims;
  uint64_t shape[GM_MAX_DIMS], stride[GM_MAX_DIMS]; /* outermost first */
} gm_torch_view;

typedef struct gm_pickle_value gm_pickle_value;
struct gm_pickle_value {
  gm_pickle_kind kind;
  uint32_t n; /* bytes of a string, items of a container (a dict's count keys and values) */
  uint32_t capacity;
  union {
    int64_t integer;         /* BOOL, INT */
    const char *text;        /* STRING: inside the pickle, not NUL-terminated */
    gm_pickle_value **items; /* TUPLE, LIST; DICT, OBJECT: key, value, key, value, ... */
    struct {
      gm_pickle_global which;
      const gm_torch_dtype *dtype; /* STORAGE */
    } global;
    gm_torch_storage storage;
    const gm_torch_view *view; /* TENSOR */
  };
};

/* Reads the pickle; *root and everything below it is in arena and points into bytes. script: a
 * TorchScript archive. Containers may contain themselves, so code that walks them must limit
 * its depth. Errors: GM_ERR_MODEL (says at which byte), GM_ERR_MEMORY. */
gm_status gm_torch_unpickle(const gm_pickle_value **root, const unsigned char *bytes,
                            size_t size, bool script, gm_arena *arena, gm_error *err);

#endif
