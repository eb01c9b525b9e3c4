/* clip_tower.h - what CLIP's two towers share: the names of a block's weights in the two
 * families of checkpoints, loading them, and from a token's state to a unit feature. */
#ifndef GM_CLIP_TOWER_H
#define GM_CLIP_TOWER_H

#include "clip_hparams.h"
#include "vit_block.h"

/* The projection to D features; sizes C and D, and a family's names. Upstream's fused family
 * stores the matrix transposed (names->turned). */
#define GM_CLIP_PROJECTION(TENSOR)                                                             \
  TENSOR(projection, names->projection, names->projection, GM_KEEP_F32,                        \
         names->turned ? GM_LAYOUT_TRANSPOSED : GM_LAYOUT_SAME, names->turned ? C : D,         \
         names->turned ? D : C)

/* The names of a block's tensors in a family. */
const gm_vit_names *gm_clip_tower_names(bool fused);

/* Loads `layers` blocks; prefix: "visual.transformer.resblocks.%." or
 * "vision_model.encoder.layers.%.". Sets shape->hidden from the first block's weight. */
gm_status gm_clip_tower_blocks(gm_vit_block **out, const gm_model_file *file, bool fused,
                               const char *prefix, size_t layers, gm_vit_shape *shape,
                               gm_error *err);

/* *out[rows, columns] = a table of any type as f32, owned by the caller. */
gm_status gm_clip_tower_table(float **out, const gm_tensor *table, gm_error *err);
/* The same into the caller's memory. */
void gm_clip_tower_fill_table(float *out, const gm_tensor *table);

/* The heads must divide the width and be narrow enough for gm_attention. */
gm_status gm_clip_tower_check_heads(const gm_model_file *file, const char *tower, size_t width,
                                    uint32_t heads, gm_error *err);

/* rows[n, C] = row at[i] of each entry of x[n * tokens, C] after all `layers` >= 1 blocks. x is
 * overwritten. Polls for cancellation between layers. */
gm_status gm_clip_tower_forward(gm_compute *c, const gm_vit_block *blocks, size_t layers,
                                const gm_vit_shape *shape, float *x, size_t n, size_t tokens,
                                const size_t *at, float *rows);

/* out[n, D] = unit(LN(x[n, C]) . projection^T); x is overwritten. */
gm_status gm_clip_tower_features(gm_compute *c, float *x, size_t n, size_t width,
                                 const float *ln_w, const float *ln_b, float eps,
                                 const gm_tensor *projection, float *out);

#endif
