/* groma_tensors.h - the tensors of a Groma checkpoint in one table, and the sizes in it. */
#ifndef GM_GROMA_TENSORS_H
#define GM_GROMA_TENSORS_H

#include "convert.h"
#include "groma_hparams.h"

/* Dimensions of the table's shapes and counts of its layers. */
typedef enum gm_groma_dim {
  END, /* of a shape */
  ONE,
  THREE,
  FOUR,
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
  FOUR_VIT_DIM,
  ENC_LAYERS,
  ENC_FFN,
  ENC_OFFSETS, /* heads * levels * points * 2 */
  ENC_WEIGHTS, /* heads * levels * points */
  DEC_LAYERS,
  BOX_HEADS, /* DEC_LAYERS + 1: the last serves the proposals */
  DEC_FFN,
  DEC_OFFSETS,
  DEC_WEIGHTS,
  PROP_DIM, /* d */
  TWO_PROP_DIM,
  QUERIES,
  LEVELS,
  BOX1, /* hidden widths of the box heads */
  BOX2,
  FUSE_CONVS,
  REGION_DIM,  /* R */
  REGION_IN,   /* C + 2 */
  REGION_FLAT, /* F */
  REGION_BINS, /* R * bins * bins */
  REGION_POS,
  GM_GROMA_N_DIMS
} gm_groma_dim;

extern const gm_tensor_rule gm_groma_rules[];
extern const size_t gm_groma_n_rules;

/* All dimensions, off the shapes of the checkpoint's tensors. GM_ERR_MODEL if one of the
 * tensors that tell is missing or has too few dimensions. */
gm_status gm_groma_read_dims(size_t dims[GM_GROMA_N_DIMS], const gm_checkpoint *weights,
                             gm_error *err);

#endif
