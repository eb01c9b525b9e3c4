/* vision.h - PIXELS -> IMAGE TOKENS, PROPOSALS, REGION FEATURES: the vision half of Groma as a
 * table of contents.
 *
 *   gm_vision_encode           pixels [3,S,S] -> hidden states -> image tokens [T, D]
 *   gm_vision_propose          hidden states -> boxes and scores [proposals]
 *   (regions.h)                proposals + referred boxes -> the chosen regions
 *   gm_vision_fuse             hidden states -> three fused maps, kept for as many lists of
 *                              regions as are asked for
 *   gm_vision_region_features  fused maps + boxes -> [r, D]
 *
 * Each stage leaves the resident memory when it is done (gm_model_file_release), since the
 * language model, which comes next, is the largest part of the process.
 *
 * Call them in this order; propose may be left out where boxes come from elsewhere. A picture
 * belongs to one thread at a time; a gm_vision is immutable after load. */
#ifndef GM_VISION_H
#define GM_VISION_H

#include "cache_dir.h"
#include "compute.h"
#include "groma_hparams.h"
#include "mapping.h"
#include "regions.h"

/* Weights of all vision stages: views of the model file, which must outlive it. */
typedef struct gm_vision gm_vision;

/* Finds and checks every tensor of the vision stages; GM_ERR_MODEL names the first that is
 * missing or of another shape than the others ask for. */
gm_status gm_vision_load(gm_vision **out, const gm_model_file *file,
                         const gm_groma_hparams *hparams, gm_error *err);
void gm_vision_free(gm_vision *vision);
/* Panels of the encoder's weights are kept in dir from now on (panel_file.h), which must
 * outlive vision. kernels: those of the gm_compute that encodes. Once, and before vision is
 * used. Errors: GM_ERR_MEMORY. */
gm_status gm_vision_keep_panels(gm_vision *vision, const gm_kernels *kernels, gm_cache_dir *dir,
                                gm_error *err);

size_t gm_vision_n_tokens(const gm_vision *vision); /* T = (S / P / 2)^2 */
size_t gm_vision_dim(const gm_vision *vision);      /* D: the language model's width */

/* What is known of one picture; it owns its arrays. */
typedef struct gm_vision_image gm_vision_image;

gm_status gm_vision_image_create(gm_vision_image **out, const gm_vision *vision, gm_error *err);
void gm_vision_image_free(gm_vision_image *image);

/* Memory of its arrays, pages of files counted. */
size_t gm_vision_image_bytes(const gm_vision *vision, const gm_vision_image *image);

/* pixels[3,S,S]: planar, normalised (gm_pixels_squash). */
gm_status gm_vision_encode(gm_compute *c, const gm_vision *vision, gm_vision_image *image,
                           const float *pixels);
gm_status gm_vision_propose(gm_compute *c, const gm_vision *vision, gm_vision_image *image);
gm_status gm_vision_fuse(gm_compute *c, const gm_vision *vision, gm_vision_image *image);
/* out[n, D]: a vector per box, independent (up to rounding) of the other boxes in the list. */
gm_status gm_vision_region_features(gm_compute *c, const gm_vision *vision,
                                    const gm_vision_image *image, const gm_rel_box *boxes,
                                    size_t n, float *out);

/* What encode and propose (where `proposed`) leave behind for all later stages, as arrays of
 * the picture: to be kept, and to be filled in instead of running them. Returns their number.
 */
enum { GM_VISION_ARRAYS = 6 };
typedef struct gm_vision_array {
  void *at;
  size_t bytes;
} gm_vision_array;
size_t gm_vision_image_arrays(const gm_vision *vision, gm_vision_image *image, bool proposed,
                              gm_vision_array out[GM_VISION_ARRAYS]);
/* What fuse leaves behind, as one piece: [4n, 4n, R], [2n, 2n, R], [n, n, R] floats. adopt puts
 * maps in its place that stand at `offset`, a multiple of 64, of a file as long as they ask
 * for; the picture takes the file over and only reads it. */
size_t gm_vision_maps_bytes(const gm_vision *vision);
const void *gm_vision_maps(const gm_vision_image *image);
void gm_vision_adopt_maps(const gm_vision *vision, gm_vision_image *image, gm_mapping *file,
                          size_t offset);
/* GM_ERR_MODEL where a proposal is no number, which the choice of regions must not see. */
gm_status gm_vision_check(const gm_vision_image *image, gm_error *err);

/* The oldest of the hidden states that regions' vectors are made of: [patches, width], without
 * the class token. Valid after encode, and where it was filled in. */
const float *gm_vision_patches(const gm_vision *vision, const gm_vision_image *image,
                               size_t *patches, size_t *width);

/* Results, valid after their stage and until the picture is freed or encoded again. */
const float *gm_vision_image_tokens(const gm_vision_image *image); /* [T, D] */
/* Boxes and scores in the proposer's order (n = proposals); score not yet thresholded. */
const gm_rel_box *gm_vision_proposals(const gm_vision_image *image, const float **scores,
                                      size_t *n);

#endif
