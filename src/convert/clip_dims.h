/* clip_dims.h - the family of a CLIP checkpoint, and the sizes in it. */
#ifndef GM_CLIP_DIMS_H
#define GM_CLIP_DIMS_H

#include "checkpoint.h"
#include "clip_tensors.h"

/* True if the checkpoint's names are those of a CLIP; *fused is its family. */
bool gm_clip_is_checkpoint(const gm_checkpoint *weights, bool *fused);
/* All sizes of clip_sizes.h except CLIP_IMAGE, from the shapes of the checkpoint's tensors.
 * GM_ERR_MODEL if a tensor that is needed for this is missing or has too few dimensions. */
gm_status gm_clip_read_dims(size_t dims[GM_CLIP_N_DIMS], const gm_checkpoint *weights,
                            bool fused, gm_error *err);

#endif
