/* sine_position.h - the sine features that DETR describes a coordinate with (arXiv 2005.12872).
 */
#ifndef GM_SINE_POSITION_H
#define GM_SINE_POSITION_H

#include <stddef.h>

/* out[n_features] = sin, cos, sin, cos, ... of angle / 10000^(2k / n_features), k = 0, 1, ...;
 * n_features is even. The coordinate is scaled to an angle by the caller. */
void gm_sine_position(float *out, size_t n_features, float angle);

#endif
