/* crops.h - the random squares of a picture that WCA looks at.
 *
 * side = max(1, floor(U(alpha, beta) * min(W, H))), its corner uniform over the places where it
 * fits. The generator is SplitMix64 (rng.h), its state the seed mixed with a hash of the
 * picture's pixels and size: neither the order of pictures nor threads change the crops. Three
 * draws a crop, in the order side, x, y. */
#ifndef GM_CROPS_H
#define GM_CROPS_H

#include "pixels.h"
#include "rng.h"

/* The generator of draws on a part of a picture: that of the part cut out as a picture of its
 * own. `purpose` keeps crops and redraws apart. */
gm_rng gm_crops_rng(const gm_image *image, const gm_crop *part, uint64_t seed,
                    const char *purpose);

/* out[n]; 0 < alpha <= beta <= 1. */
void gm_crops_draw(gm_crop *out, size_t n, uint32_t width, uint32_t height, double alpha,
                   double beta, gm_rng *rng);

/* out[n]: indices below count, with replacement. */
void gm_crops_redraw(uint32_t *out, size_t n, size_t count, gm_rng *rng);

/* Keeps crops that overlap no earlier kept one above the IoU limit; returns how many stay, in
 * order. */
size_t gm_crops_dedup(gm_crop *crops, size_t n, double limit);

#endif
