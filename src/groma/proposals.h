/* proposals.h - the proposer's first stage: a box for every cell of the grid, the choice of the
 * best, and what the decoder makes of a reference box. Pure functions on arrays. */
#ifndef GM_PROPOSALS_H
#define GM_PROPOSALS_H

#include "kernels.h"
#include "regions.h"

/* The proposal of a cell of an n x n grid as logits; false where it is invalid, which makes
 * them +infinity. */
bool gm_proposal_logits(float out[4], size_t cell, size_t n);

typedef struct gm_scored_cell {
  float score;
  uint32_t cell;
} gm_scored_cell;

/* cells[q]: those of the q best of n scores, falling; equal scores (and NaN, which is below
 * all) in the order of cells. scratch[n]; q <= n. */
void gm_best_cells(const float *score, size_t n, gm_scored_cell *scratch, size_t q,
                   uint32_t *cells);

/* out[n, 2 d] = sine features of cx, cy, w, h; d is a multiple of 4. */
void gm_box_features(float *out, const gm_rel_box *boxes, size_t n, size_t d);

/* Where deformable attention of `points` points looks from a box: an offset of `points` reaches
 * half the box's size. */
void gm_box_references(gm_reference *out, const gm_rel_box *boxes, size_t n, size_t points);

#endif
