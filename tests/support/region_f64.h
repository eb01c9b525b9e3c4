/* region_f64.h - a small region encoder with random weights, and its forward pass written down
 * plainly in double precision. */
#ifndef GM_REGION_F64_H
#define GM_REGION_F64_H

#include "gradient_check.h"

#include "region_encoder.h"

enum { SMALL_WEIGHTS = 48 }; /* at most */

typedef struct small_encoder {
  gm_region_encoder w;
  learned_array arrays[SMALL_WEIGHTS]; /* [n]: what w points to */
  double *weights64[SMALL_WEIGHTS];    /* the same values, which region_f64 reads */
  const char *names[SMALL_WEIGHTS];
  size_t n;
} small_encoder;

/* 2 x 2 patches, maps of 8, 4 and 2 cells a side, 64 channels (one for each group of the
 * GroupNorms), two fuse steps, 2 x 2 bins. */
void small_encoder_open(small_encoder *s, gm_geometry geometry);
void small_encoder_close(small_encoder *s);

/* out[r, D] from states[k][1 + n*n, C], as gm_region_encoder_fuse and _forward. */
void region_f64(const small_encoder *s, double *const states[GM_REGION_LEVELS],
                const gm_rel_box *boxes, size_t r, double *out);

#endif
