/* wca.c - see wca.h. */
#include "wca.h"

#include "alignment.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void gm_wca_paper(const gm_wca_mix *out, const float *whole, const float *crops, size_t n,
                  size_t dim, const gm_wca_params *params) {
  assert(n >= 1);
  gm_alignment_weights(out->weights, whole, crops, n, dim, params->scale);
  memcpy(out->scales, out->weights, n * sizeof *out->scales);
  gm_alignment_mix(out->vector, out->weights, crops, NULL, n, dim);
}

/* Adds one redraw's part to weights and scales. */
static void add_redraw(const gm_wca_mix *out, const float *whole, const float *crops,
                       const uint32_t *picked, float *weights, float *mixed, size_t dim,
                       const gm_wca_params *params) {
  size_t n = params->draws;
  gm_alignment_weights_of(weights, whole, crops, picked, n, dim, params->scale);
  gm_alignment_mix(mixed, weights, crops, picked, n, dim);
  double length = sqrt((double)gm_dot(mixed, mixed, dim));
  double unit = length > 0 ? 1 / length : 1;
  assert(params->redraws > 0);
  for (size_t k = 0; k < n; k++) {
    out->weights[picked[k]] += weights[k] / (float)params->redraws;
    out->scales[picked[k]] += (float)((double)weights[k] * unit / params->redraws);
  }
}

gm_status gm_wca_released(const gm_wca_mix *out, const float *whole, const float *crops,
                          size_t n, size_t dim, const gm_wca_params *params, gm_rng *rng,
                          gm_error *err) {
  uint32_t *picked = malloc(params->draws * sizeof *picked);
  float *weights = malloc((params->draws + dim) * sizeof *weights);
  gm_status status = GM_OK;
  if (!picked || !weights) {
    status = gm_fail_memory(err, "the drawn crops", params->draws * sizeof *weights);
  } else {
    memset(out->weights, 0, n * sizeof *out->weights);
    memset(out->scales, 0, n * sizeof *out->scales);
    for (uint32_t r = 0; r < params->redraws; r++) {
      gm_crops_redraw(picked, params->draws, n, rng);
      add_redraw(out, whole, crops, picked, weights, weights + params->draws, dim, params);
    }
    gm_alignment_mix(out->vector, out->scales, crops, NULL, n, dim);
  }
  free(picked);
  free(weights);
  return status;
}

/* ---- when to stop */

/* Closed forms for whole degrees of freedom: Abramowitz and Stegun 26.7.3 and 26.7.4. */
double gm_student_tail(double t, unsigned freedom) {
  assert(freedom >= 1);
  double theta = atan2(t, sqrt((double)freedom)), c = cos(theta), s = sin(theta);
  double term, sum = 0, inside;
  if (freedom % 2) {
    term = c;
    for (unsigned k = 1; k + 2 <= freedom; k += 2) {
      sum += term;
      term *= c * c * (k + 1) / (k + 2);
    }
    inside = 2 / 3.14159265358979323846 * (theta + s * sum);
  } else {
    term = 1;
    for (unsigned k = 0; k + 2 <= freedom; k += 2) {
      sum += term;
      term *= c * c * (k + 1) / (k + 2);
    }
    inside = s * sum;
  }
  return inside < 1 ? (1 - inside) / 2 : 0;
}

/* The chance that a rival would still win. The sum over all crops of D_i = W_i (s_i(leader) -
 * s_i(rival)) decides; n of its terms are known. */
static double rival_chance(const double *weights, const float *scores, size_t n_classes,
                           size_t leader, size_t rival, size_t n, size_t total) {
  double sum = 0, squares = 0;
  assert(n >= 2 && n < total && leader < n_classes && rival < n_classes);
  for (size_t i = 0; i < n; i++) {
    const float *s = scores + i * n_classes;
    double d = weights[i] * ((double)s[leader] - (double)s[rival]);
    sum += d;
    squares += d * d;
  }
  double mean = sum / (double)n, variance = (squares - sum * mean) / (double)(n - 1);
  double left = 1 - (double)n / (double)total; /* finite population: the seen are certain */
  if (mean <= 0) return 1;
  if (variance * left <= 0) return 0;
  return gm_student_tail(mean / sqrt(variance * left / (double)n), (unsigned)(n - 1));
}

static size_t find_leader(const gm_classes *classes, const double *weights, const float *scores,
                          size_t n) {
  size_t n_classes = classes->texts.n_classes, leader = 0;
  double best = -INFINITY;
  for (size_t y = 0; y < n_classes; y++) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += weights[i] * (double)scores[i * n_classes + y];
    if (sum > best) {
      best = sum;
      leader = y;
    }
  }
  return leader;
}

gm_status gm_wca_certain(const gm_classes *classes, const float *whole, const float *crops,
                         size_t n, size_t total, size_t looks, double rate,
                         const gm_wca_params *params, bool *out, gm_error *err) {
  size_t n_classes = classes->texts.n_classes;
  *out = n >= total || n_classes < 2;
  if (*out || n < 2) return GM_OK;
  float *scores = malloc(n * n_classes * sizeof *scores);
  double *weights = malloc(n * sizeof *weights);
  if (!scores || !weights) {
    free(scores);
    free(weights);
    return gm_fail_memory(err, "scores of crops", n * n_classes * sizeof *scores);
  }
  for (size_t i = 0; i < n; i++) {
    const float *f = crops + i * classes->dim;
    gm_classes_scores(classes, f, scores + i * n_classes);
    weights[i] = exp((double)params->scale * ((double)gm_dot(whole, f, classes->dim) - 1));
  }
  size_t leader = find_leader(classes, weights, scores, n);
  double chance = 0, allowed = rate / (double)looks;
  for (size_t y = 0; y < n_classes && chance <= allowed; y++)
    if (y != leader) chance += rival_chance(weights, scores, n_classes, leader, y, n, total);
  *out = chance <= allowed;
  free(scores);
  free(weights);
  return GM_OK;
}
