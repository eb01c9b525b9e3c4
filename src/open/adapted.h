/* adapted.h - a model file with adapters on it, as its loaders want it.
 *
 * Low-rank pairs of the large matrices (the layers of the language model and of the vision
 * encoders) stay beside them: products compute both (gm_tensor.pair), so that a block type
 * stays as it is. All other changes are added to an f32 copy of their tensor. */
#ifndef GM_ADAPTED_H
#define GM_ADAPTED_H

#include "adapter_changes.h"
#include "gromatic.h"

/* Zero-initialised it has no adapters. Immutable after open. */
typedef struct gm_adapted {
  gm_adapter_changes changes;
  gm_model_file *view; /* NULL: nothing is changed */
  gm_pair *pairs;
  size_t n_pairs;
  float **arrays; /* [n_arrays] */
  size_t n_arrays;
  char key[65]; /* gm_changes_key */
} gm_adapted;

/* Reads the adapters uses[n], checks them and applies them to the base, which must outlive the
 * result and knows nothing of it. Close it after a failure too. Errors: GM_ERR_ARGUMENT,
 * GM_ERR_FILE_NOT_FOUND, GM_ERR_IO, GM_ERR_MODEL, GM_ERR_MEMORY. */
gm_status gm_adapted_open(gm_adapted *out, const gm_model_file *base,
                          const gm_adapter_use *uses, size_t n, gm_error *err);
void gm_adapted_close(gm_adapted *adapted);

/* Reads and checks them only, into *changes, which is to be freed after a failure too. */
gm_status gm_adapted_read(gm_adapter_changes *changes, const gm_model_file *base,
                          const gm_adapter_use *uses, size_t n, gm_error *err);

/* The file that loaders are to read. */
const gm_model_file *gm_adapted_file(const gm_adapted *adapted, const gm_model_file *base);

/* Adapter number i; GM_ERR_ARGUMENT where there are fewer. */
gm_status gm_adapted_info(const gm_adapter_changes *changes, size_t i, gm_adapter_info *out);

#endif
