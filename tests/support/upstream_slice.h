/* upstream_slice.h - weights and gradients in upstream's order: goldens are slices of
 * upstream's tensors, while our files lay some of them out in another order, or split them. */
#ifndef GM_UPSTREAM_SLICE_H
#define GM_UPSTREAM_SLICE_H

#include "params.h"

enum { UPSTREAM_SLICE = 48 };

typedef struct upstream_slice {
  float values[UPSTREAM_SLICE]; /* [n]: every max(1, all / 48)-th from 0, at most 48, of the */
  size_t n, all;                /* flat, row-major tensor of `all` elements */
  double norm;                  /* of the whole tensor, summed in double precision */
} upstream_slice;

/* Of upstream's tensor `name`, which learns as a whole: its gradient, or else its value. Fails
 * the test if it does not learn. */
upstream_slice upstream_slice_of(const gm_params *params, const char *name, bool gradient);

#endif
