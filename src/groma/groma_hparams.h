/* groma_hparams.h - the numbers of a Groma model that its tensors' shapes do not tell.
 *
 * All come from metadata keys "groma.*" of the model file (docs/FORMAT.md), which the converter
 * fills in where upstream's config.json leaves a default. Sizes that a tensor's shape tells
 * (widths, feed-forward sizes, sampling points, vocabulary) have no key: each stage's loader
 * reads them off. */
#ifndef GM_GROMA_HPARAMS_H
#define GM_GROMA_HPARAMS_H

#include "model_file.h"
#include "pixels.h"

/* How RoIAlign is fed. */
typedef enum gm_geometry {
  GM_GEOMETRY_RELEASED, /* "released": (cx, cy, w, h) * S as if corners, strides P/8 P/4 P/2 */
  GM_GEOMETRY_XYXY      /* "xyxy": true corners * S, strides P/4 P/2 P */
} gm_geometry;

/* member, key, smallest and largest value taken. */
#define GM_GROMA_U32_KEYS(X)                                                                   \
  X(image_size, "groma.image_size", 2, 4096) /* S: pictures are S x S pixels */                \
  X(patch_size, "groma.patch_size", 1, 256)  /* P */                                           \
  X(vision_layers, "groma.vision.layers", 3, 1024)                                             \
  X(vision_heads, "groma.vision.heads", 1, 1024)                                               \
  X(vision_output, "groma.vision.output_layer", 0, 1024) /* index into the hidden states */    \
  X(feature_levels, "groma.proposer.feature_levels", 1, 4)                                     \
  X(encoder_layers, "groma.proposer.encoder_layers", 1, 256)                                   \
  X(encoder_heads, "groma.proposer.encoder_heads", 1, 256)                                     \
  X(decoder_layers, "groma.proposer.decoder_layers", 1, 256)                                   \
  X(decoder_heads, "groma.proposer.decoder_heads", 1, 256)                                     \
  X(proposals, "groma.proposer.proposals", 1, 65536)                                           \
  X(max_regions, "groma.regions.max", 1, 65536)                                                \
  X(llm_layers, "groma.llm.layers", 1, 1024)                                                   \
  X(llm_heads, "groma.llm.heads", 1, 1024)                                                     \
  X(llm_kv_heads, "groma.llm.kv_heads", 1, 1024)                                               \
  X(llm_context, "groma.llm.context_length", 1, 1u << 20)

#define GM_GROMA_F32_KEYS(X)                                                                   \
  X(vision_eps, "groma.vision.layer_norm_eps", 1e-12f, 1.0f)                                   \
  X(score_threshold, "groma.regions.score_threshold", 0.0f, 1.0f)                              \
  X(nms_threshold, "groma.regions.nms_threshold", 0.0f, 1.0f)                                  \
  X(llm_rms_eps, "groma.llm.rms_norm_eps", 1e-12f, 1.0f)                                       \
  X(llm_rope_theta, "groma.llm.rope_theta", 1.0f, 1e9f)

/* Besides: "groma.image_mean" and "groma.image_std" (f32[3]), "groma.regions.geometry". */
typedef struct gm_groma_hparams {
#define X(member, key, min, max) uint32_t member;
  GM_GROMA_U32_KEYS(X)
#undef X
#define X(member, key, min, max) float member;
  GM_GROMA_F32_KEYS(X)
#undef X
  gm_pixel_norm pixel_norm;
  gm_geometry geometry;
} gm_groma_hparams;

/* Reads and checks all of them, and what must hold between them (patches divide the picture
 * into an even grid, kv heads divide heads, one feature level, ...). GM_ERR_MODEL says which.
 */
gm_status gm_groma_hparams_read(gm_groma_hparams *out, const gm_model_file *file,
                                gm_error *err);

#endif
