/* trained_model.h - the model that weights in training make, as a whole model file: the base
 * file's keys and tensors, with the masters in place of those that learn as a whole, and each
 * low-rank pair added to its matrix. Tensors that only training uses are left out. */
#ifndef GM_TRAINED_MODEL_H
#define GM_TRAINED_MODEL_H

#include "params.h"

/* A key of the new file, beside or in place of the base's: what was trained, and how. */
typedef struct gm_trained_note {
  const char *key; /* "gromatic.training..." */
  const char *value;
} gm_trained_note;

/* The same as a number: what was learned but is a key of the file, such as CLIP's logit scale.
 */
typedef struct gm_trained_number {
  const char *key;
  float value;
} gm_trained_number;

typedef struct gm_trained_options {
  /* GM_TYPE_COUNT: each tensor has the base file's type. Else f32, f16 or bf16, with small and
   * sensitive tensors in f32 as the converter has them. */
  gm_type type;
  const gm_trained_note *notes; /* [n_notes] */
  size_t n_notes;
  const gm_trained_number *numbers; /* [n_numbers] */
  size_t n_numbers;
  gm_pool *pool;                 /* may be NULL */
  const gm_callbacks *callbacks; /* may be NULL */
} gm_trained_options;

/* Writes the file whole or not at all, with a SHA-256 of each tensor; a file of that name is
 * replaced only when the new one is on disk. Frozen tensors keep their bytes where the type
 * stays. Errors: GM_ERR_IO (such as a full disk), GM_ERR_MODEL (a weight is not finite, or too
 * large for its type), GM_ERR_ARGUMENT (type), GM_ERR_MEMORY, GM_ERR_CANCELLED. */
gm_status gm_trained_write(const gm_params *params, const char *path,
                           const gm_trained_options *options, gm_error *err);
/* The same in memory. The model needs neither params nor the base file. */
gm_status gm_trained_model(gm_model_file **out, const gm_params *params,
                           const gm_trained_options *options, gm_error *err);

#endif
