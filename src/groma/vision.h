/* vision.h - PIXELS -> IMAGE TOKENS, PROPOSALS, REGION VECTORS: the vision half of Groma.
 *
 *   gm_vision_encode           pixels [3,S,S] -> hidden states -> image tokens [T, D]
 *   gm_vision_propose          hidden states -> boxes and scores [proposals]
 *   (regions.h)                proposals + referred boxes -> the chosen regions
 *   gm_vision_fuse             hidden states -> three fused maps, kept for as many lists of
 *                              regions as are asked for
 *   gm_vision_region_vectors   fused maps + boxes -> [r, D]
 *
 * Each stage leaves the resident memory when it is done (gm_model_file_release), since the
 * language model, which comes next, is the largest part of the process.
 *
 * Call them in this order; propose may be left out where boxes come from elsewhere.
 * gm_features belong to one thread at a time; a gm_vision is immutable after load. */
#ifndef GM_VISION_H
#define GM_VISION_H

#include "cache_dir.h"
#include "compute.h"
#include "groma_hparams.h"
#include "mapping.h"
#include "region_encoder.h"
#include "regions.h"
#include "visual_tokens.h"

/* Weights of all vision stages: views of the model file, which must outlive it. */
typedef struct gm_vision gm_vision;

/* Finds and checks every tensor of the vision stages; GM_ERR_MODEL names the first that is
 * missing or of another shape than the others ask for. */
gm_status gm_vision_load(gm_vision **out, const gm_model_file *file,
                         const gm_groma_hparams *hparams, gm_error *err);
void gm_vision_free(gm_vision *vision);
/* Makes anew what was derived from weights at load (positions), after steps of training on a
 * view of the file (model_file.h). Panels must not be kept. */
gm_status gm_vision_refresh(gm_vision *vision, gm_error *err);
/* Panels of the encoder's weights are kept in dir from now on (panel_file.h), which must
 * outlive vision. kernels: those of the gm_compute that encodes. Once, and before vision is
 * used. Errors: GM_ERR_MEMORY. */
gm_status gm_vision_keep_panels(gm_vision *vision, const gm_kernels *kernels, gm_cache_dir *dir,
                                gm_error *err);

size_t gm_vision_n_tokens(const gm_vision *vision); /* T = (S / P / 2)^2 */
size_t gm_vision_dim(const gm_vision *vision);      /* D: the language model's width */

/* Two of the stages, for training. */
const gm_visual_tokens *gm_vision_bridge(const gm_vision *vision);
const gm_region_encoder *gm_vision_regions(const gm_vision *vision);

/* What the stages compute of one image: hidden states, image tokens, proposals, maps. It owns
 * its arrays. */
typedef struct gm_features gm_features;

gm_status gm_features_create(gm_features **out, const gm_vision *vision, gm_error *err);
void gm_features_free(gm_features *features);

/* Memory of its arrays, pages of files counted. */
size_t gm_features_bytes(const gm_vision *vision, const gm_features *features);

/* pixels[3,S,S]: planar, normalised (gm_pixels_squash). */
gm_status gm_vision_encode(gm_compute *c, const gm_vision *vision, gm_features *features,
                           const float *pixels);
/* What the proposer reads of an encoded picture: out[patches, width] (gm_features_patches) =
 * the mean of the last four hidden states, without the class token. */
void gm_vision_mean_state(gm_compute *c, const gm_vision *vision, const gm_features *features,
                          float *out);
gm_status gm_vision_propose(gm_compute *c, const gm_vision *vision, gm_features *features);
gm_status gm_vision_fuse(gm_compute *c, const gm_vision *vision, gm_features *features);
/* out[n, D]: a vector per box, independent (up to rounding) of the other boxes in the list. */
gm_status gm_vision_region_vectors(gm_compute *c, const gm_vision *vision,
                                   const gm_features *features, const gm_rel_box *boxes,
                                   size_t n, float *out);

/* What encode and propose (where `proposed`) leave behind for all later stages, as arrays of
 * the features: to be kept, and to be filled in instead of running them. Returns their number.
 */
enum { GM_FEATURES_ARRAYS = 6 };
typedef struct gm_features_array {
  void *at;
  size_t bytes;
} gm_features_array;
size_t gm_features_arrays(const gm_vision *vision, gm_features *features, bool proposed,
                          gm_features_array out[GM_FEATURES_ARRAYS]);
/* What fuse leaves behind, as one piece: [4n, 4n, R], [2n, 2n, R], [n, n, R] floats. adopt puts
 * maps in their place that a file has at `offset`, a multiple of 64, up to its end. The
 * features own the file from then on and only read it. */
size_t gm_vision_maps_bytes(const gm_vision *vision);
const void *gm_features_maps(const gm_features *features);
void gm_features_adopt_maps(const gm_vision *vision, gm_features *features, gm_mapping *file,
                            size_t offset);
/* GM_ERR_MODEL where a proposal is not a number, which the choice of regions must not see. */
gm_status gm_features_check(const gm_features *features, gm_error *err);

/* The oldest of the hidden states that regions' vectors are made of: [patches, width], without
 * the class token. Valid after encode, and where it was filled in. */
const float *gm_features_patches(const gm_vision *vision, const gm_features *features,
                                 size_t *patches, size_t *width);

/* The hidden state that image tokens are made of, and the three that regions' vectors are made
 * of, oldest first; each [1+n*n, C], valid after encode. */
void gm_features_states(const gm_vision *vision, const gm_features *features,
                        const float **output, const float *states[GM_REGION_LEVELS]);

/* Results, valid after their stage and until the features are freed or encoded again. */
const float *gm_features_tokens(const gm_features *features); /* [T, D] */
/* Boxes and scores in the proposer's order (n = proposals); score not yet thresholded. */
const gm_rel_box *gm_features_proposals(const gm_features *features, const float **scores,
                                        size_t *n);

#endif
