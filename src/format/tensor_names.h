/* tensor_names.h - tensors keep their upstream names in our files; only a name that ggml cannot
 * hold (64 bytes and more, its NUL counted) has its beginning replaced by a shorter one. */
#ifndef GM_TENSOR_NAMES_H
#define GM_TENSOR_NAMES_H

#include <stdbool.h>
#include <stddef.h>

enum { GM_GGUF_NAME_SIZE = 64 };

/* The name under which a tensor with this upstream name stands in a file. False if it stays too
 * long. */
bool gm_tensor_short_name(const char *upstream, char out[GM_GGUF_NAME_SIZE]);
/* The other way round: out[capacity] gets the upstream name of a tensor of a file. */
void gm_tensor_upstream_name(const char *name, char *out, size_t capacity);

#endif
