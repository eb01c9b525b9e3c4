/* gguf.h - what the reader and the writer of GGUF v3 share: numbers, caps, and the parsed file.
 *
 * magic "GGUF", u32 version, u64 tensors, u64 keys, then the keys (string, u32 type, value),
 * the tensor list (name, u32 n_dims, u64 dims innermost first, u32 type, u64 offset), padding,
 * data. A string is a u64 length and its bytes; an array a u32 element type, a u64 count, the
 * elements. All little endian. Source: ggml's docs/gguf.md. */
#ifndef GM_GGUF_H
#define GM_GGUF_H

#include "arena.h"
#include "mapping.h"
#include "status.h"
#include "tensor.h"

enum {
  GM_GGUF_VERSION = 3,
  GM_GGUF_MAX_STRING = 1 << 20,
  GM_GGUF_MAX_ARRAY = 1 << 20,
  GM_GGUF_MAX_KEYS = 4096,
  GM_GGUF_MAX_TENSORS = 16384,
  GM_GGUF_MIN_ALIGNMENT = 8,
  GM_GGUF_MAX_ALIGNMENT = 65536,
  GM_GGUF_DEFAULT_ALIGNMENT = 32
};

typedef enum gm_gguf_type {
  GM_GGUF_U8 = 0,
  GM_GGUF_I8 = 1,
  GM_GGUF_U16 = 2,
  GM_GGUF_I16 = 3,
  GM_GGUF_U32 = 4,
  GM_GGUF_I32 = 5,
  GM_GGUF_F32 = 6,
  GM_GGUF_BOOL = 7,
  GM_GGUF_STRING = 8,
  GM_GGUF_ARRAY = 9,
  GM_GGUF_U64 = 10,
  GM_GGUF_I64 = 11,
  GM_GGUF_F64 = 12,
  GM_GGUF_TYPE_COUNT = 13
} gm_gguf_type;

/* "u8", ...; "?" for an unknown number. */
const char *gm_gguf_type_name(uint32_t type);
/* Bytes of a fixed-size value; 0 for strings, arrays, unknown types. */
size_t gm_gguf_type_size(uint32_t type);

typedef struct gm_gguf_key {
  const char *name;
  gm_gguf_type type; /* of the value, or of the elements of an array */
  bool is_array;
  size_t n;             /* elements; 1 if not an array */
  const void *elements; /* aligned copies: uint32_t[n], float[n], const char *[n], ... */
} gm_gguf_key;

typedef struct gm_gguf_tensor {
  const char *name;
  gm_tensor tensor;
  uint64_t offset; /* from the start of the data section */
  size_t bytes;
} gm_gguf_tensor;

/* The parsed header. Strings and arrays are in the arena, tensor data in the parsed bytes. */
typedef struct gm_gguf {
  gm_arena arena;
  gm_gguf_key *keys; /* in file order */
  size_t n_keys;
  gm_gguf_tensor *tensors; /* in file order */
  size_t n_tensors;
  size_t *keys_by_name, *tensors_by_name; /* indices, sorted */
  size_t alignment, data_begin;
} gm_gguf;

/* Parses and checks everything: caps, extents inside the file and disjoint, no duplicate keys
 * or tensors. `name` is for messages. On failure *out is empty. */
gm_status gm_gguf_parse(gm_gguf *out, const void *bytes, size_t size, const char *name,
                        gm_error *err);
void gm_gguf_free(gm_gguf *gguf);

/* NULL if absent. */
const gm_gguf_key *gm_gguf_find_key(const gm_gguf *gguf, const char *name);
const gm_gguf_tensor *gm_gguf_find_tensor(const gm_gguf *gguf, const char *name);

#endif
