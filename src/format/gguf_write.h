/* gguf_write.h - making a GGUF v3 file, on disk or in memory.
 *
 * Order of calls: create, metadata, tensors, begin, write (the bytes of every tensor, any
 * order), then finish or free. A file is written beside its destination under a temporary name,
 * and synced and renamed at finish, so a failure or a crash leaves the destination as it was.
 * Metadata calls do not return errors; begin reports the first one. One thread at a time,
 * except for gm_gguf_write. */
#ifndef GM_GGUF_WRITE_H
#define GM_GGUF_WRITE_H

#include "gguf.h"
#include "model_file.h"

typedef struct gm_gguf_writer gm_gguf_writer;

/* path NULL: in memory. */
gm_status gm_gguf_writer_create(gm_gguf_writer **out, const char *path, gm_error *err);
/* Also removes an unfinished file. NULL is allowed. */
void gm_gguf_writer_free(gm_gguf_writer *writer);

void gm_gguf_put_u32(gm_gguf_writer *writer, const char *key, uint32_t value);
void gm_gguf_put_f32(gm_gguf_writer *writer, const char *key, float value);
void gm_gguf_put_bool(gm_gguf_writer *writer, const char *key, bool value);
void gm_gguf_put_string(gm_gguf_writer *writer, const char *key, const char *value);
void gm_gguf_put_f32_array(gm_gguf_writer *writer, const char *key, const float *values,
                           size_t n);
void gm_gguf_put_i32_array(gm_gguf_writer *writer, const char *key, const int32_t *values,
                           size_t n);
void gm_gguf_put_string_array(gm_gguf_writer *writer, const char *key,
                              const char *const *values, size_t n);
/* Copies a key of another file, of any type. */
void gm_gguf_put_key(gm_gguf_writer *writer, const gm_gguf_key *key);

/* Adds a tensor (shape outermost first); tensors are numbered from 0. The name is shortened as
 * tensor_names.h says. cols is a multiple of the type's block. */
void gm_gguf_add_tensor(gm_gguf_writer *writer, const char *name, gm_type type, uint32_t n_dims,
                        const size_t *shape);
size_t gm_gguf_tensor_bytes(const gm_gguf_writer *writer, size_t tensor);

/* An array of SHA-256 sums, one per tensor: put_sums, after the last tensor, makes room for it;
 * gm_gguf_set_sum fills it in at any time before finish. */
#define GM_GGUF_SUMS_KEY "gromatic.tensor_sha256"
void gm_gguf_put_sums(gm_gguf_writer *writer);

/* Lays the file out and writes its header. */
gm_status gm_gguf_begin(gm_gguf_writer *writer, gm_error *err);
/* Bytes [offset, offset + n) of a tensor. Different ranges may be written by several threads.
 */
gm_status gm_gguf_write(gm_gguf_writer *writer, size_t tensor, size_t offset, const void *bytes,
                        size_t n, gm_error *err);
/* In memory only: the address of a tensor's bytes, to be filled in place. */
void *gm_gguf_tensor_data(gm_gguf_writer *writer, size_t tensor);
void gm_gguf_set_sum(gm_gguf_writer *writer, size_t tensor, const char hex[65]);

/* On disk: syncs and renames. */
gm_status gm_gguf_finish_file(gm_gguf_writer *writer, gm_error *err);
/* In memory: parses what was built and hands it over as a model called `name`. */
gm_status gm_gguf_finish_model(gm_gguf_writer *writer, gm_model_file **out, const char *name,
                               gm_error *err);

#endif
