/* convert.h - checkpoint -> model file: the parts that every architecture shares.
 *
 *   gm_source         the weights, and the small files beside them
 *   gm_architecture   reads the source's configuration, writes metadata keys, and gives the
 *                     rules of its tensors (tensor_rules.h)
 *   gm_plan           the rules unrolled: which tensor of the source, laid out how, as what
 *   gm_plan_run       carries out the plan, piece by piece, on all threads */
#ifndef GM_CONVERT_H
#define GM_CONVERT_H

#include "checkpoint.h"
#include "gguf_write.h"
#include "gromatic_tools.h"
#include "tensor_rules.h"
#include "threads.h"

#include <jansson.h>

/* ---- source */

typedef struct gm_source_file {
  const char *name;
  const void *bytes;
  size_t size;
} gm_source_file;

typedef struct gm_source {
  gm_checkpoint *weights;
  const char *name;            /* becomes general.name */
  const char *directory;       /* of the small files; NULL: they are in `files` */
  const gm_source_file *files; /* [n_files] */
  size_t n_files;
  const gm_convert_params *params; /* may be NULL */
} gm_source;

/* The small file's bytes, to be freed; GM_ERR_FILE_NOT_FOUND if there is none. */
gm_status gm_source_bytes(const gm_source *source, const char *name, void **out, size_t *size,
                          gm_error *err);
/* The small file as a JSON object, to be json_decref'd. */
gm_status gm_source_json(const gm_source *source, const char *name, json_t **out,
                         gm_error *err);

/* ---- plan */

typedef struct gm_plan_tensor {
  size_t source; /* index in the checkpoint */
  char name[GM_MAX_TENSOR_NAME + 1];
  gm_layout layout;
  gm_type wanted,
      type; /* wanted: by its precision; type: the one whose block divides the rows */
  uint32_t n_dims;
  size_t shape[GM_MAX_DIMS];
  size_t inner; /* GM_LAYOUT_BINS_FIRST: channels c */
} gm_plan_tensor;

typedef struct gm_plan {
  gm_type type; /* that was asked for */
  gm_plan_tensor *tensors;
  size_t n_tensors, capacity;
} gm_plan;

void gm_plan_free(gm_plan *plan);
/* Appends one tensor with the name, layout and shape of the source's tensor `i` of the rule;
 * layer and n_layers matter for GM_LLM_TOUCHY. */
gm_status gm_plan_add(gm_plan *plan, const gm_checkpoint *weights, size_t i, const char *name,
                      gm_layout layout, size_t inner, gm_error *err);
/* Unrolls the rules; inner gives the channels of GM_LAYOUT_BINS_FIRST. GM_ERR_MODEL names the
 * first tensor that is missing or of another shape. */
gm_status gm_plan_rules(gm_plan *plan, const gm_checkpoint *weights,
                        const gm_tensor_rules *rules, size_t inner, gm_error *err);
/* Sets the tensor's types in a file of type `asked`. If a block does not divide a row, the type
 * is q8_0, else f16. */
void gm_plan_choose_type(gm_plan_tensor *tensor, gm_type asked, gm_precision precision,
                         size_t layer, size_t n_layers);
/* Passes a summary of the plan's types to params' note, if it is set. */
void gm_plan_summary(const gm_plan *plan, const gm_checkpoint *weights,
                     const gm_convert_params *params);

typedef struct gm_plan_options {
  gm_pool *pool;                 /* may be NULL */
  const gm_callbacks *callbacks; /* may be NULL */
  bool sums;                     /* writes GM_GGUF_SUMS_KEY */
  /* NULL, or a function that fills quantised blocks directly: n elements of tensor i of the
   * checkpoint, as rows of the type at out. Called from several threads. */
  void (*fill)(const gm_checkpoint *weights, size_t i, gm_type type, size_t first, size_t n,
               void *out);
} gm_plan_options;

/* Declares the tensors, begins the file and writes all data; the caller finishes it. Memory: a
 * few pieces of 32 MB, or one 3x3 convolution. Refuses values that are not finite, or too large
 * for their type, with the tensor's name. GM_ERR_CANCELLED if the callbacks say so. */
gm_status gm_plan_run(const gm_plan *plan, gm_checkpoint *weights, gm_gguf_writer *writer,
                      const gm_plan_options *options, gm_error *err);

/* ---- architectures */

/* A known tensor that is not needed. */
typedef struct gm_spare_tensor {
  const char *name;   /* a pattern of fnmatch; NULL after the last */
  const char *reason; /* why it changes nothing */
} gm_spare_tensor;

typedef struct gm_architecture {
  const char *name; /* general.architecture */
  /* True if the source is such a model, in any layout. */
  bool (*matches)(const gm_source *source);
  /* Writes the metadata keys and makes the plan. */
  gm_status (*read)(const gm_source *source, gm_gguf_writer *writer, gm_plan *plan,
                    gm_error *err);
  /* The rules of all its layouts, without shapes, to look up a tensor by name. */
  void (*rules)(gm_tensor_rules *out);
  const gm_spare_tensor *spare;
} gm_architecture;

/* Every tensor of the source must be in the plan, known as spare, or named by
 * params->ignore_config. If the source has a tensor under both names of a rule, the two must be
 * equal. GM_ERR_MODEL counts the other tensors and names some. */
gm_status gm_plan_check_left_over(const gm_plan *plan, const gm_source *source,
                                  const gm_architecture *architecture, gm_error *err);

extern const gm_architecture gm_architecture_groma, gm_architecture_clip;
/* By general.architecture; NULL if unknown. */
const gm_architecture *gm_architecture_named(const char *name);
/* The number of general.file_type, and back (GM_TYPE_COUNT if it is not one that we write). */
uint32_t gm_file_type_of(gm_type type);
gm_type gm_type_of_file(uint32_t file_type);

/* Source -> the writer's content, for any architecture. The caller finishes the file. */
gm_status gm_convert_source(const gm_source *source, gm_gguf_writer *writer, gm_type type,
                            const gm_plan_options *options, gm_error *err);
/* The same where the source is one of our own files: keys and names stay, types change. */
gm_status gm_requantise(const gm_source *source, gm_gguf_writer *writer, gm_type type,
                        const gm_plan_options *options, gm_error *err);

#endif
