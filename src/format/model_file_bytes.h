/* model_file_bytes.h - the bytes of a gm_model_file, for code that inspects, hashes,
 * requantises or builds one. Models themselves need only model_file.h. */
#ifndef GM_MODEL_FILE_BYTES_H
#define GM_MODEL_FILE_BYTES_H

#include "gguf.h"
#include "model_file.h"

/* The whole file, mapped or in memory. */
const void *gm_model_file_bytes(const gm_model_file *file, size_t *size);
/* Its mapping; NULL if it is not a mapped file. */
const gm_mapping *gm_model_file_mapping(const gm_model_file *file);
/* When it was last written, in nanoseconds; 0 if it is not a file. */
int64_t gm_model_file_mtime(const gm_model_file *file);
/* Its SHA-256 in hex. A mapped file's pages are released as they are read. progress: "hash";
 * GM_ERR_CANCELLED is the only error, then out is unchanged. callbacks may be NULL. */
gm_status gm_model_file_sha256(const gm_model_file *file, char out[65],
                               const gm_callbacks *callbacks, gm_error *err);
/* Its parsed header, with all keys and tensors in file order. */
const gm_gguf *gm_model_file_gguf(const gm_model_file *file);

/* Like gm_model_file_from_memory, but takes ownership of `bytes` (from malloc or
 * aligned_alloc), also on failure. */
gm_status gm_model_file_adopt(gm_model_file **out, void *bytes, size_t size, const char *name,
                              gm_error *err);

#endif
