/* checkpoint.h - the source of convert's weights: tensors by upstream name, read in pieces as
 * f32. The interface is implemented for safetensors, torch archives, GGUF files (to requantise)
 * and synthetic weights.
 *
 * An implementation is a struct that begins with a gm_checkpoint. Its open function fills the
 * list with gm_checkpoint_add and calls gm_checkpoint_seal. It keeps the places of the data in
 * an array of its own, parallel to `tensors`. Opening loads only headers. */
#ifndef GM_CHECKPOINT_H
#define GM_CHECKPOINT_H

#include "status.h"
#include "tensor.h"

/* Caps on what an untrusted file may list; docs/FORMAT.md. */
enum { GM_MAX_CHECKPOINT_TENSORS = 16384, GM_MAX_TENSOR_NAME = 1024 };

typedef struct gm_checkpoint_tensor {
  char *name; /* 1..GM_MAX_TENSOR_NAME printable ASCII characters, owned by the checkpoint */
  char dtype[16];  /* as the file spells it: "F16", "BFloat16", "I64"; for messages */
  gm_type type;    /* the type that read converts from; GM_TYPE_COUNT: cannot be read */
  bool f64;        /* its elements are doubles; type is then f32, and read rounds */
  uint32_t n_dims; /* 0 (a scalar) .. GM_MAX_DIMS */
  size_t shape[GM_MAX_DIMS]; /* outermost first; unused entries 1; 0 is possible */
  size_t n_elements;
} gm_checkpoint_tensor;

typedef struct gm_checkpoint gm_checkpoint;
struct gm_checkpoint {
  const char *format; /* "safetensors", "torch", "gguf", "synthetic": a literal */
  char *path;         /* for messages */
  gm_checkpoint_tensor *tensors;
  size_t n_tensors, capacity;
  size_t *by_name; /* indices in name order, made by gm_checkpoint_seal */
  /* out[0..n) = elements [first, first + n) of tensor i, flat and row-major whatever the
   * strides in the file, as f32. The range lies inside the tensor and its type is known (the
   * wrapper gm_checkpoint_read has checked); for a block type both ends are on block
   * boundaries. Called from several threads at once (pread or a mapping, no shared cursor).
   * Errors: GM_ERR_IO, GM_ERR_MODEL (an invalid value inside the format). */
  gm_status (*read)(gm_checkpoint *self, size_t i, size_t first, size_t n, float *out,
                    gm_error *err);
  /* Frees what the implementation added; the common part is freed by gm_checkpoint_close. */
  void (*close)(gm_checkpoint *self);
};

/* Opens the source of a conversion: a directory with model.safetensors(.index.json) or
 * pytorch_model.bin(.index.json), in this order, or one file (.safetensors, .bin, .pt, .gguf),
 * recognised by its first bytes. Errors: GM_ERR_FILE_NOT_FOUND, GM_ERR_IO, GM_ERR_MODEL. */
gm_status gm_checkpoint_open(gm_checkpoint **out, const char *path, gm_error *err);
/* NULL is allowed. */
void gm_checkpoint_close(gm_checkpoint *checkpoint);

/* Index of the tensor with this name, or SIZE_MAX. */
size_t gm_checkpoint_find(const gm_checkpoint *checkpoint, const char *name);
/* Removes the prefix from all names that have it. GM_ERR_MODEL if two names become equal. */
gm_status gm_checkpoint_strip(gm_checkpoint *checkpoint, const char *prefix, gm_error *err);
/* The checked read. Refuses unreadable dtypes (GM_ERR_MODEL, with name and dtype). */
gm_status gm_checkpoint_read(gm_checkpoint *checkpoint, size_t i, size_t first, size_t n,
                             float *out, gm_error *err);

/* ---- for implementations */

/* Begins a checkpoint: `bytes` of zeros whose first member is a gm_checkpoint, with the format,
 * read and close of *common and a copy of the path. NULL if memory is short, which err says. */
void *gm_checkpoint_begin(size_t bytes, const gm_checkpoint *common, const char *path,
                          gm_error *err);
/* Ends an opening: *out = checkpoint if status is GM_OK, else closes it. Returns status. */
gm_status gm_checkpoint_end(gm_checkpoint **out, gm_checkpoint *checkpoint, gm_status status);

/* Appends a tensor; copies name[0..name_length). Refuses empty, long or unprintable names, more
 * than GM_MAX_DIMS dimensions, sizes that overflow, too many tensors. */
gm_status gm_checkpoint_add(gm_checkpoint *checkpoint, const char *name, size_t name_length,
                            const char *dtype, gm_type type, uint32_t n_dims,
                            const uint64_t *shape, gm_error *err);
/* Rounds n doubles, at any address, to the nearest float. */
void gm_f64_to_float(float *out, const void *doubles, size_t n);
/* Call once, after the last add: makes the name index and refuses two tensors of one name. */
gm_status gm_checkpoint_seal(gm_checkpoint *checkpoint, gm_error *err);

typedef gm_status gm_checkpoint_opener(gm_checkpoint **out, const char *path, gm_error *err);
/* One file of each format. */
gm_checkpoint_opener gm_safetensors_open;
gm_checkpoint_opener gm_torch_open;
gm_checkpoint_opener gm_gguf_checkpoint_open;

/* A checkpoint in several files of `directory`: index_name is the JSON file whose "weight_map"
 * says in which file each tensor is; every file is opened with open_file. Serves safetensors
 * and torch alike. Refuses file names that contain a directory, and tensors that are not in the
 * file that the index names. */
gm_status gm_sharded_open(gm_checkpoint **out, const char *directory, const char *index_name,
                          gm_checkpoint_opener *open_file, gm_error *err);

#endif
