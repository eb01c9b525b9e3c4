/* familiar.h - how unlike the pictures of a model's training a picture is. docs/MODEL.md tells
 * how the rows came about. */
#ifndef GM_FAMILIAR_H
#define GM_FAMILIAR_H

#include "status.h"

/* rows[n, dim + 1] are functions a x + c of a patch's hidden state x, near 0 for the patches of
 * training. *out is the median over patches of their summed squares; above 1 the picture is
 * unlike the training's. states[patches, dim]. Errors: GM_ERR_MEMORY. */
gm_status gm_unlikeness(const float *rows, size_t n, size_t dim, const float *states,
                        size_t patches, float *out, gm_error *err);

#endif
