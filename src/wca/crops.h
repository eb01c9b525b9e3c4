/* crops.h - the random square crops of a picture for WCA.
 *
 * side = max(1, floor(U(alpha, beta) * min(W, H))), its corner uniform over the places where it
 * fits. The generator is SplitMix64 (rng.h); its state is the seed mixed with a hash of the
 * picture's pixels and size, so the crops do not depend on the order of pictures or on threads.
 * Three draws per crop, in the order side, x, y. */
#ifndef GM_CROPS_H
#define GM_CROPS_H

#include "pixels.h"
#include "rng.h"

/* The generator for a part of a picture: the same as for the part cut out as a picture of its
 * own. `purpose` separates crops and redraws. */
gm_rng gm_crops_rng(const gm_image *image, const gm_crop *part, uint64_t seed,
                    const char *purpose);

/* out[n]; 0 < alpha <= beta <= 1. */
void gm_crops_draw(gm_crop *out, size_t n, uint32_t width, uint32_t height, double alpha,
                   double beta, gm_rng *rng);

/* out[n]: indices below count, with replacement. */
void gm_crops_redraw(uint32_t *out, size_t n, size_t count, gm_rng *rng);

/* Keeps the crops whose IoU with every crop kept before is at most the limit, in order; returns
 * how many. */
size_t gm_crops_dedup(gm_crop *crops, size_t n, double limit);

#endif
