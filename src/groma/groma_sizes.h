/* groma_sizes.h - the sizes that the tensors of a Groma model have in common. */
#ifndef GM_GROMA_SIZES_H
#define GM_GROMA_SIZES_H

/* Sizes of the shapes, and counts of layers, that a checkpoint's tensors tell. */
typedef enum gm_groma_dim {
  GM_GROMA_NO_DIM,
  LLM_LAYERS,
  LLM_DIM, /* D */
  LLM_FFN,
  LLM_Q,  /* heads * head size */
  LLM_KV, /* kv heads * head size */
  BASE_VOCAB,
  ADDED_VOCAB,
  VIT_LAYERS,
  VIT_DIM, /* C */
  VIT_FFN,
  VIT_ROWS, /* positions: CLS and the stored grid */
  PATCH,
  ENC_LAYERS,
  ENC_FFN,
  ENC_OFFSETS, /* heads * levels * points * 2 */
  ENC_WEIGHTS, /* heads * levels * points */
  DEC_LAYERS,
  DEC_FFN,
  DEC_OFFSETS,
  DEC_WEIGHTS,
  PROP_DIM, /* d */
  QUERIES,
  LEVELS,
  BOX1, /* hidden widths of the box heads */
  BOX2,
  FUSE_CONVS,
  REGION_DIM,  /* R */
  REGION_FLAT, /* F */
  REGION_BINS, /* R * bins * bins */
  REGION_POS,
  GM_GROMA_N_DIMS
} gm_groma_dim;

#endif
