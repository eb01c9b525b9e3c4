/* proposals.c - see proposals.h. */
#include "proposals.h"

#include "sine_position.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define TWO_PI 6.28318530717958647692f
#define PROPOSAL_SIZE 0.05f   /* width and height of a proposal */
#define PROPOSAL_MARGIN 0.01f /* coordinates outside (margin, 1 - margin) are invalid */

bool gm_proposal_logits(float out[4], size_t cell, size_t n) {
  float p[4] = {((float)(cell % n) + 0.5f) / (float)n, ((float)(cell / n) + 0.5f) / (float)n,
                PROPOSAL_SIZE, PROPOSAL_SIZE};
  bool valid = true;
  for (int k = 0; k < 4; k++)
    valid = valid && p[k] > PROPOSAL_MARGIN && p[k] < 1 - PROPOSAL_MARGIN;
  for (int k = 0; k < 4; k++) out[k] = valid ? logf(p[k] / (1 - p[k])) : INFINITY;
  return valid;
}

static int by_score(const void *a, const void *b) {
  const gm_scored_cell *l = a, *r = b;
  bool l_nan = isnan(l->score), r_nan = isnan(r->score);
  if (l_nan != r_nan) return l_nan ? 1 : -1;
  if (l->score > r->score) return -1;
  if (l->score < r->score) return 1;
  return l->cell < r->cell ? -1 : l->cell > r->cell;
}

void gm_best_cells(const float *score, size_t n, gm_scored_cell *scratch, size_t q,
                   uint32_t *cells) {
  assert(q <= n);
  for (size_t i = 0; i < n; i++) scratch[i] = (gm_scored_cell){score[i], (uint32_t)i};
  qsort(scratch, n, sizeof *scratch, by_score);
  for (size_t k = 0; k < q; k++) cells[k] = scratch[k].cell;
}

void gm_box_features(float *out, const gm_rel_box *boxes, size_t n, size_t d) {
  const float *coordinate = (const float *)boxes;
  for (size_t i = 0; i < 4 * n; i++)
    gm_sine_position(out + i * (d / 2), d / 2, coordinate[i] * TWO_PI);
}

void gm_box_references(gm_reference *out, const gm_rel_box *boxes, size_t n, size_t points) {
  float reach = 0.5f / (float)points;
  for (size_t k = 0; k < n; k++)
    out[k] = (gm_reference){boxes[k].cx, boxes[k].cy, boxes[k].w * reach, boxes[k].h * reach};
}
