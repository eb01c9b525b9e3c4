/* conv_weight.h - the gradient of a 3x3 convolution by its weight, by Winograd's algorithm. */
#ifndef GM_CONV_WEIGHT_H
#define GM_CONV_WEIGHT_H

#include "training.h"

/* gradient[3, 3, co, ci] += that of b maps of h x w positions, x[b, h, w, ci], dy[b, h, w, co].
 * Computed in f32. */
gm_status gm_conv_weight_winograd(const gm_training *t, float *gradient, const float *x,
                                  size_t ci, const float *dy, size_t co, size_t b, size_t h,
                                  size_t w);

#endif
