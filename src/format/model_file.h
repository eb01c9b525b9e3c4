/* model_file.h - a checked GGUF v3 model in memory: metadata and tensors by name.
 *
 * It comes from a mapped file, from bytes that are linked into the program, or from a builder
 * that filled it in memory (synthetic weights): the models see no difference. Everything was
 * validated at open (caps of docs/FORMAT.md, extents inside the file and disjoint); an
 * architecture's names, types and shapes are checked by its loader through the getters below,
 * before any kernel runs. Immutable after open, so safe to share between threads. */
#ifndef GM_MODEL_FILE_H
#define GM_MODEL_FILE_H

#include "status.h"
#include "tensor.h"

typedef struct gm_model_file gm_model_file;

/* Opens `path`; use_mmap false reads it into memory; mlock pins it. */
gm_status gm_model_file_open(gm_model_file **out, const char *path, bool use_mmap, bool mlock,
                             gm_error *err);
/* Bytes that outlive the model_file and are 32-byte aligned (embedded models, tests, fuzzing);
 * `name` is used in messages. */
gm_status gm_model_file_from_memory(gm_model_file **out, const void *bytes, size_t size,
                                    const char *name, gm_error *err);
void gm_model_file_close(gm_model_file *file);

const char *gm_model_file_name(const gm_model_file *file);

/* GM_ERR_MODEL if a key begins with prefix and is not in known (NULL after the last): it asks
 * for something that this program does not do. The message names it. */
gm_status gm_model_file_known_keys(const gm_model_file *file, const char *prefix,
                                   const char *const *known, gm_error *err);

/* Metadata getters: GM_ERR_MODEL if the key is absent, of another type, or out of [min, max].
 */
gm_status gm_model_file_u32(const gm_model_file *file, const char *key, uint32_t min,
                            uint32_t max, uint32_t *out, gm_error *err);
gm_status gm_model_file_f32(const gm_model_file *file, const char *key, float min, float max,
                            float *out, gm_error *err);
gm_status gm_model_file_bool(const gm_model_file *file, const char *key, bool *out,
                             gm_error *err);
/* The string is NUL-terminated (embedded NULs are refused at open) and lives as long as the
 * file. */
gm_status gm_model_file_string(const gm_model_file *file, const char *key, const char **out,
                               gm_error *err);
/* Arrays. Strings may hold any bytes but NUL. */
gm_status gm_model_file_f32_array(const gm_model_file *file, const char *key, const float **out,
                                  size_t *n, gm_error *err);
/* Three floats, each in [min, max]: one per colour. */
gm_status gm_model_file_f32_triple(const gm_model_file *file, const char *key, float min,
                                   float max, float out[3], gm_error *err);
gm_status gm_model_file_i32_array(const gm_model_file *file, const char *key,
                                  const int32_t **out, size_t *n, gm_error *err);
gm_status gm_model_file_string_array(const gm_model_file *file, const char *key,
                                     const char *const **out, size_t *n, gm_error *err);
bool gm_model_file_has_key(const gm_model_file *file, const char *key);

/* The tensor with this upstream name (both sides shorten names over ggml's limit by the table
 * of docs/FORMAT.md); NULL if absent. */
const gm_tensor *gm_model_file_tensor(const gm_model_file *file, const char *name);
/* The same, checked: wanted shape given by n_dims sizes; 0 accepts any size >= 1. */
gm_status gm_model_file_want(const gm_model_file *file, const char *name, uint32_t n_dims,
                             const size_t *shape, const gm_tensor **out, gm_error *err);
/* The same, and the type must be F32 (norms, biases, small heads: the converter keeps them so).
 */
gm_status gm_model_file_want_f32(const gm_model_file *file, const char *name, uint32_t n_dims,
                                 const size_t *shape, const float **out, gm_error *err);

/* out[capacity] = "[768, 192]"; 0 prints as "any". Returns out, for messages. */
const char *gm_shape_text(char *out, size_t capacity, uint32_t n_dims, const size_t *shape);

/* The tensors whose names begin with prefix are not needed for now: their pages leave the
 * process's resident memory and are read again on the next access. Does nothing if the bytes
 * are not mapped, or are pinned. Safe while other threads read them. */
void gm_model_file_release(const gm_model_file *file, const char *prefix);

/* A view: the same keys and tensors, of which some may get other data. It owns neither the base
 * nor that data, which must outlive it; close it as a file. */
gm_status gm_model_file_view(gm_model_file **out, const gm_model_file *base, gm_error *err);
/* In the view, `tensor` stands for the one of this upstream name, for all that ask from now on:
 * of the same shape, of any type. GM_ERR_MODEL if there is no such tensor, or of another shape.
 */
gm_status gm_model_file_replace(gm_model_file *view, const char *name, const gm_tensor *tensor,
                                gm_error *err);

/* GM_ERR_MODEL if the file says that it is of another kind than `kind` ("groma", "clip"). */
gm_status gm_model_file_want_kind(const gm_model_file *file, const char *kind, gm_error *err);

/* Enumeration, for inspect and convert. */
size_t gm_model_file_n_tensors(const gm_model_file *file);
const gm_tensor *gm_model_file_tensor_at(const gm_model_file *file, size_t i,
                                         const char **name);

#endif
