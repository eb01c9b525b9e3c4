/* region_encoder.h - last three hidden states + boxes -> one vector per box [r, D].
 *
 *   input_conv   each state's 1x1 conv with two coordinate channels, then bilinear to 4n, 2n, n
 *   fuse_convs   each step mixes neighbouring levels: 3x3 conv, GroupNorm, ReLU
 *   roi_align    per box and level 14 x 14 samples, 3x3 conv; sum, ReLU, flatten, Linear,
 *                + position branch of the box, Linear to D
 *
 * The 1x1 conv and its coordinate terms commute with the resize (bilinear weights sum to one,
 * and the coordinates are linear in x and y), so both run at n x n: exact, and 16 times less
 * work on the finest level. */
#ifndef GM_REGION_ENCODER_H
#define GM_REGION_ENCODER_H

#include "groma_hparams.h"
#include "ops.h"
#include "regions.h"
#include "weight_loader.h"

enum { GM_REGION_LEVELS = 3 };

/* The 1x1 conv of C channels and two coordinates, kept apart; sizes C and R (channels). */
#define GM_REGION_INPUT(VEC, MAT, TENSOR)                                                      \
  TENSOR(w, "weight", "weight", GM_VISION, GM_LAYOUT_ALL_BUT_2, R, C + 2, 1, 1)                \
  TENSOR(coord, "coord", "weight", GM_KEEP_F32, GM_LAYOUT_LAST_2, R, C + 2, 1, 1)              \
  VEC(bias, "bias", R)
typedef struct gm_region_input {
  GM_REGION_INPUT(GM_VEC_MEMBER, GM_MAT_MEMBER, GM_TENSOR_MEMBER)
} gm_region_input;

/* A 3x3 conv with the GroupNorm that follows it; size R. */
#define GM_REGION_FUSE(VEC, MAT, TENSOR)                                                       \
  TENSOR(conv, "conv.weight", "conv.weight", GM_VISION, GM_LAYOUT_TAPS, R, R, 3, 3)            \
  VEC(norm_w, "gn.weight", R)                                                                  \
  VEC(norm_b, "gn.bias", R)
typedef struct gm_region_fuse {
  GM_REGION_FUSE(GM_VEC_MEMBER, GM_MAT_MEMBER, GM_TENSOR_MEMBER)
} gm_region_fuse;

/* A 3x3 conv; size R. */
#define GM_REGION_CONV(VEC, MAT, TENSOR)                                                       \
  TENSOR(conv, "weight", "weight", GM_VISION, GM_LAYOUT_TAPS, R, R, 3, 3)                      \
  VEC(bias, "bias", R)
typedef struct gm_region_conv {
  GM_REGION_CONV(GM_VEC_MEMBER, GM_MAT_MEMBER, GM_TENSOR_MEMBER)
} gm_region_conv;

/* Sizes columns (R * bins * bins), A (position width), F and D. */
#define GM_REGION_HEAD(VEC, MAT, TENSOR)                                                       \
  TENSOR(flatten, "flatten_linear.weight", "flatten_linear.weight", GM_VISION,                 \
         GM_LAYOUT_BINS_FIRST, F, columns)                                                     \
  VEC(flatten_b, "flatten_linear.bias", F)                                                     \
  MAT(pos1, "pos_embedd.0.weight", GM_KEEP_F32, A, 4)                                          \
  VEC(pos1_b, "pos_embedd.0.bias", A)                                                          \
  VEC(pos_norm1_w, "pos_embedd.2.weight", A)                                                   \
  VEC(pos_norm1_b, "pos_embedd.2.bias", A)                                                     \
  MAT(pos2, "pos_embedd.3.weight", GM_KEEP_F32, F, A)                                          \
  VEC(pos2_b, "pos_embedd.3.bias", F)                                                          \
  VEC(pos_norm2_w, "pos_embedd.5.weight", F)                                                   \
  VEC(pos_norm2_b, "pos_embedd.5.bias", F)                                                     \
  MAT(updims, "updims.weight", GM_VISION, D, F)                                                \
  VEC(updims_b, "updims.bias", D)

typedef struct gm_region_encoder {
  gm_geometry geometry;
  size_t image_size, patch_size, grid;     /* S, P, n */
  size_t width, channels, bins;            /* C, R, 14 */
  size_t position_dim, flat_dim, dim;      /* A, F, D */
  gm_region_input input[GM_REGION_LEVELS]; /* oldest state and finest level first */
  gm_region_conv roi[GM_REGION_LEVELS];
  size_t n_fuse;
  gm_region_fuse *fuse; /* [n_fuse], owned */
  GM_REGION_HEAD(GM_VEC_MEMBER, GM_MAT_MEMBER, GM_TENSOR_MEMBER)
} gm_region_encoder;

/* Adds the stage's tensors; dims of groma_sizes.h. */
void gm_region_encoder_rules(gm_tensor_rules *rules, const size_t *dims);

/* On failure gm_region_encoder_free is still to be called. */
gm_status gm_region_encoder_load(gm_region_encoder *w, const gm_model_file *file,
                                 const gm_groma_hparams *hparams, size_t C, gm_error *err);
void gm_region_encoder_free(gm_region_encoder *w);

/* Side of a level's square map: 4n, 2n, n. */
size_t gm_region_level_side(const gm_region_encoder *w, size_t level);

/* ---- what the forward pass shares with its backward */

enum { GM_REGION_GROUPS = 64 };  /* of the GroupNorm after each fuse conv */
#define GM_REGION_NORM_EPS 1e-5f /* of all norms here */

/* xy[n*n, 2]: the coordinate channels x and y, from -1 to 1. */
void gm_region_coordinates(const gm_region_encoder *w, float *xy);

/* A fuse step reads for a level: the first half of its own channels, the last quarter of the
 * coarser level, the third quarter of the finer level, the ends standing in for the level that
 * is missing. Each part is resized to the level's side. */
enum { GM_REGION_PARTS = 3 };
typedef struct gm_region_part {
  size_t level, from, to, n; /* channels [from, from + n) of level go to [to, to + n) */
} gm_region_part;
void gm_region_parts(const gm_region_encoder *w, size_t level,
                     gm_region_part parts[GM_REGION_PARTS]);
/* mixed[side, side, R] = the parts of maps. */
void gm_region_mix(gm_compute *c, const gm_region_encoder *w, size_t level,
                   const float *const maps[GM_REGION_LEVELS], float *mixed);

/* What RoIAlign is given as x1 y1 x2 y2 in image pixels, and image pixels per step of the map.
 */
void gm_region_corners(const gm_region_encoder *w, const gm_rel_box *boxes, size_t r,
                       gm_corners *corners);
float gm_region_stride(const gm_region_encoder *w, size_t level);

/* ---- forward */

/* states[k][1+n*n, C]: the last three hidden states, oldest first (row 0, the class token, is
 * not used) -> maps[k][side, side, R], fused. Polls between steps. */
gm_status gm_region_encoder_fuse(gm_compute *c, const gm_region_encoder *w,
                                 const float *const states[GM_REGION_LEVELS],
                                 float *const maps[GM_REGION_LEVELS]);

/* out[r, D] from the fused maps. Polls between batches of boxes. */
gm_status gm_region_encoder_forward(gm_compute *c, const gm_region_encoder *w,
                                    const float *const maps[GM_REGION_LEVELS],
                                    const gm_rel_box *boxes, size_t r, float *out);

#endif
