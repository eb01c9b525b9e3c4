/* alignment.c - see alignment.h. Sums are in double: they are short, and a weighted mean of a
 * hundred crops should not depend on their order. */
#include "alignment.h"

#include <assert.h>
#include <math.h>

double gm_alignment_scale(float exponent) {
  return exponent < 0 ? 0 : exp((double)exponent);
}

float gm_dot(const float *a, const float *b, size_t dim) {
  double sum = 0;
  for (size_t i = 0; i < dim; i++) sum += (double)a[i] * (double)b[i];
  return (float)sum;
}

void gm_unit_rows(float *x, size_t n, size_t dim) {
  for (size_t i = 0; i < n; i++, x += dim) {
    double sum = 0;
    for (size_t k = 0; k < dim; k++) sum += (double)x[k] * (double)x[k];
    if (sum <= 0) continue;
    double inverse = 1 / sqrt(sum);
    for (size_t k = 0; k < dim; k++) x[k] = (float)((double)x[k] * inverse);
  }
}

static void softmax(float *x, size_t n, double scale) {
  assert(n > 0);
  double largest = (double)x[0], sum = 0;
  for (size_t i = 1; i < n; i++) largest = (double)x[i] > largest ? (double)x[i] : largest;
  for (size_t i = 0; i < n; i++) sum += exp(scale * ((double)x[i] - largest));
  for (size_t i = 0; i < n; i++) x[i] = (float)(exp(scale * ((double)x[i] - largest)) / sum);
}

static const float *part(const float *parts, const uint32_t *picked, size_t i, size_t dim) {
  return parts + (picked ? picked[i] : i) * dim;
}

void gm_alignment_weights_of(float *weights, const float *whole, const float *parts,
                             const uint32_t *picked, size_t n, size_t dim, float scale) {
  for (size_t i = 0; i < n; i++) weights[i] = gm_dot(whole, part(parts, picked, i, dim), dim);
  softmax(weights, n, (double)scale);
}

void gm_alignment_weights(float *weights, const float *whole, const float *parts, size_t n,
                          size_t dim, float scale) {
  gm_alignment_weights_of(weights, whole, parts, NULL, n, dim, scale);
}

void gm_alignment_mix(float *out, const float *weights, const float *parts,
                      const uint32_t *picked, size_t n, size_t dim) {
  for (size_t k = 0; k < dim; k++) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
      sum += (double)weights[i] * (double)part(parts, picked, i, dim)[k];
    out[k] = (float)sum;
  }
}

void gm_alignment_probabilities(float *scores, size_t n, float logit_scale) {
  if (n) softmax(scores, n, (double)logit_scale);
}
