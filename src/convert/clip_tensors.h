/* clip_tensors.h - the tensors of CLIP checkpoints in one table, and the sizes in it. */
#ifndef GM_CLIP_TENSORS_H
#define GM_CLIP_TENSORS_H

#include "convert.h"

/* Dimensions of the table's shapes and counts of its layers. V: image tower, T: text tower. */
typedef enum gm_clip_dim {
  CLIP_END, /* of a shape */
  CLIP_THREE,
  CLIP_PATCH,
  CLIP_FEATURES,
  CLIP_IMAGE, /* pixels of a side, by the positions and CLIP_PATCH; set by convert_clip.c */
  V_LAYERS,
  V_DIM,
  V_QKV, /* 3 * V_DIM */
  V_FFN,
  V_ROWS, /* positions: the class token and the grid */
  T_LAYERS,
  T_DIM,
  T_QKV,
  T_FFN,
  T_ROWS, /* the context */
  T_VOCAB,
  GM_CLIP_N_DIMS
} gm_clip_dim;

/* The names of OpenAI and open_clip (fused: query, key and value in one matrix) come first,
 * then those of Hugging Face. */
extern const gm_tensor_rule gm_clip_rules[];
extern const size_t gm_clip_n_rules, gm_clip_n_fused;

/* True where the checkpoint's names are those of a CLIP; *fused tells the family. */
bool gm_clip_is_checkpoint(const gm_checkpoint *weights, bool *fused);
/* All dimensions, off the shapes of the checkpoint's tensors. GM_ERR_MODEL if one of the
 * tensors that tell is missing or has too few dimensions. */
gm_status gm_clip_read_dims(size_t dims[GM_CLIP_N_DIMS], const gm_checkpoint *weights,
                            bool fused, gm_error *err);

#endif
