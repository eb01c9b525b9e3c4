/* groma_tensors.h - all tensors of a Groma model as one list of rules. Each stage adds its own,
 * from the same X-macros that its structs and loaders are made of. */
#ifndef GM_GROMA_TENSORS_H
#define GM_GROMA_TENSORS_H

#include "tensor_rules.h"

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

/* *rules = the rules of a model of these sizes, in the order of our files. dims may be NULL
 * where shapes and counts of layers are not wanted: they are 0 then. */
void gm_groma_tensor_rules(gm_tensor_rules *rules, const size_t *dims);

#endif
