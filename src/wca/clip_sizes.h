/* clip_sizes.h - the sizes that the tensors of a CLIP model share. */
#ifndef GM_CLIP_SIZES_H
#define GM_CLIP_SIZES_H

/* Sizes and numbers of layers, from the shapes of a checkpoint's tensors. V: image tower, T:
 * text tower. */
typedef enum gm_clip_dim {
  GM_CLIP_NO_DIM,
  CLIP_PATCH,
  CLIP_FEATURES,
  CLIP_IMAGE, /* pixels per side; follows from the positions and CLIP_PATCH */
  V_LAYERS,
  V_DIM,
  V_FFN,
  V_ROWS, /* positions: the class token and the grid */
  T_LAYERS,
  T_DIM,
  T_FFN,
  T_ROWS, /* the context */
  T_VOCAB,
  GM_CLIP_N_DIMS
} gm_clip_dim;

#endif
