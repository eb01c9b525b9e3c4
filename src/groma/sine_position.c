/* sine_position.c - see sine_position.h. */
#include "sine_position.h"

#include <math.h>

void gm_sine_position(float *out, size_t n_features, float angle) {
  for (size_t i = 0; i < n_features; i += 2) {
    float divisor = powf(10000.0f, (float)i / (float)n_features);
    out[i] = sinf(angle / divisor);
    out[i + 1] = cosf(angle / divisor);
  }
}
