/* groma_dims.h - the sizes in a Groma checkpoint. */
#ifndef GM_GROMA_DIMS_H
#define GM_GROMA_DIMS_H

#include "checkpoint.h"
#include "groma_tensors.h"

/* All sizes of groma_sizes.h, from the shapes of the checkpoint's tensors. GM_ERR_MODEL if a
 * tensor that is needed for this is missing or has too few dimensions. */
gm_status gm_groma_read_dims(size_t dims[GM_GROMA_N_DIMS], const gm_checkpoint *weights,
                             gm_error *err);

#endif
