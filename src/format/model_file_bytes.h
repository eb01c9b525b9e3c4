/* model_file_bytes.h - what lies under a gm_model_file, for the code that inspects, hashes,
 * requantises or builds one; models themselves need only model_file.h. */
#ifndef GM_MODEL_FILE_BYTES_H
#define GM_MODEL_FILE_BYTES_H

#include "gguf.h"
#include "model_file.h"

/* The whole file, wherever it lies. */
const void *gm_model_file_bytes(const gm_model_file *file, size_t *size);
/* The mapping that it is; NULL where the bytes are not those of a mapped file. */
const gm_mapping *gm_model_file_mapping(const gm_model_file *file);
/* When it was written last, in nanoseconds; 0 where the bytes are not those of a file. */
int64_t gm_model_file_mtime(const gm_model_file *file);
/* Its SHA-256 in hex. A mapped file's pages are released as they are read. progress: "hash";
 * GM_ERR_CANCELLED is the only error, then out is unchanged. callbacks may be NULL. */
gm_status gm_model_file_sha256(const gm_model_file *file, char out[65],
                               const gm_callbacks *callbacks, gm_error *err);
/* Its parsed header, with all keys and tensors in file order. */
const gm_gguf *gm_model_file_gguf(const gm_model_file *file);

/* Like gm_model_file_from_memory, but the file takes over `bytes` (from malloc or
 * aligned_alloc), also on failure. */
gm_status gm_model_file_adopt(gm_model_file **out, void *bytes, size_t size, const char *name,
                              gm_error *err);

#endif
