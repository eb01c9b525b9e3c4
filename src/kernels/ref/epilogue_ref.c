/* epilogue_ref.c - plain C: what is done to a product before it is stored. */
#include "ref/kernels_ref.h"

#include <math.h>

static float activate(float v, gm_act act) {
  switch (act) {
  case GM_ACT_RELU:
    return v > 0.0f ? v : 0.0f;
  case GM_ACT_GELU:
    return 0.5f * v * (1.0f + erff(v * 0.70710678f));
  case GM_ACT_GELU_TANH:
    return v / (1.0f + expf(v * (-1.5957691216f - 0.0713548162726f * v * v)));
  case GM_ACT_QUICK_GELU:
    return v / (1.0f + expf(-1.702f * v));
  case GM_ACT_SILU:
    return v / (1.0f + expf(-v));
  case GM_ACT_NONE:
    break;
  }
  return v;
}

void gm_epilogue_ref(float *y, size_t ldy, const float *acc, size_t ld_acc, size_t rows,
                     size_t cols, const gm_epilogue *e) {
  for (size_t r = 0; r < rows; r++)
    for (size_t j = 0; j < cols; j++) {
      float v = acc[r * ld_acc + j];
      if (e->bias) v += e->bias[j];
      v = activate(v, e->act);
      if (e->scale) v *= e->scale[j];
      y[r * ldy + j] = e->accumulate ? y[r * ldy + j] + v : v;
    }
}
