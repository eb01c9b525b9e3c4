/* tensor_names.h - tensors keep their upstream names in our files. Only in names too long for
 * ggml (64 bytes or more with the NUL) is the beginning replaced by a shorter one. */
#ifndef GM_TENSOR_NAMES_H
#define GM_TENSOR_NAMES_H

#include <stdbool.h>
#include <stddef.h>

enum { GM_GGUF_NAME_SIZE = 64 };

/* The name in our files of the tensor with this upstream name. False if it is still too long.
 */
bool gm_tensor_short_name(const char *upstream, char out[GM_GGUF_NAME_SIZE]);
/* The inverse: out[capacity] = the upstream name of a tensor in a file. */
void gm_tensor_upstream_name(const char *name, char *out, size_t capacity);

#endif
