/* quantise_k.c - writing of Q4_K and Q6_K: finds, by least squares, levels, scales and mins
 * that make the sum of squared errors small. Layouts in types.h and quantise_k.h.
 *
 * Each sub-block is fitted by itself in real numbers: for several trial steps the values are
 * rounded to levels, and the best scale (and min) for these levels solves the normal equations.
 * The block's f16 factors follow from the largest scale and min; then every sub-block picks the
 * integers near its scale (and min) that give the least error after the levels are rounded
 * again. Last, the f16 factors are fitted to all 256 values at once, and the choice is
 * repeated. */
#include "quantise_k.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 256, AFFINE = 32, LINEAR = 16, ROUNDS = 2 };

/* Nearest integer, ties to even, for |x| < 2^22: unlike rintf it is two vector additions. */
static inline float nearest(float x) {
  return (x + 0x1.8p23f) - 0x1.8p23f;
}

static inline float clamp(float x, float low, float high) {
  return x < low ? low : x > high ? high : x;
}

/* 0 if the inverse would not be finite: such a step is negligible. */
static inline float inverse_of(float x) {
  return fabsf(x) >= 0x1p-126f ? 1.0f / x : 0.0f;
}

/* ---- Q4_K: x = scale * q - min, q in 0..15, min >= 0 */

typedef struct affine_fit {
  float scale, min, error;
} affine_fit;

static float affine_error(const float *x, float scale, float min) {
  float inverse = inverse_of(scale), sum = 0;
  for (int i = 0; i < AFFINE; i++) {
    float e = scale * clamp(nearest((x[i] + min) * inverse), 0, 15) - min - x[i];
    sum += e * e;
  }
  return sum;
}

/* Rounds x to levels of the step 1 / inverse above `low` and solves for the best scale and min;
 * stores them in *best if their error is smaller. */
static void affine_try(const float *x, float low, float inverse, affine_fit *best) {
  float sq = 0, sqq = 0, sx = 0, sxq = 0;
  for (int i = 0; i < AFFINE; i++) {
    float q = clamp(nearest((x[i] - low) * inverse), 0, 15);
    sq += q;
    sqq += q * q;
    sx += x[i];
    sxq += x[i] * q;
  }
  float det = AFFINE * sqq - sq * sq;
  if (det <= 0) return;
  affine_fit fit = {(AFFINE * sxq - sq * sx) / det, (sq * sxq - sqq * sx) / det, 0};
  if (fit.min < 0) fit = (affine_fit){sxq / sqq, 0, 0};
  if (!(fit.scale > 0)) return;
  fit.error = affine_error(x, fit.scale, fit.min);
  if (fit.error < best->error) *best = fit;
}

static affine_fit affine_search(const float *x) {
  float low = 0, high = x[0];
  for (int i = 0; i < AFFINE; i++) {
    low = fminf(low, x[i]);
    high = fmaxf(high, x[i]);
  }
  if (!(high > low)) return (affine_fit){0, -low, 0};
  affine_fit best = {(high - low) / 15, -low, 0};
  best.error = affine_error(x, best.scale, best.min);
  for (int t = 0; t < 16; t++)
    affine_try(x, low, (12.5f + 0.25f * (float)t) / (high - low), &best);
  for (int t = 0; t < 2; t++) affine_try(x, -best.min, inverse_of(best.scale), &best);
  return best;
}

typedef struct q4_k_choice {
  float d, dmin, error; /* d and dmin as f16 holds them */
  uint8_t scale[8], min[8];
} q4_k_choice;

/* Chooses, of the 3 x 3 integer pairs around (scale / d, min / dmin), the one with the least
 * error. */
static float choose_pair(const float *x, const q4_k_choice *c, affine_fit fit, uint8_t *scale,
                         uint8_t *min) {
  float ls = nearest(clamp(fit.scale * inverse_of(c->d), 0, 63));
  float lm = nearest(clamp(fit.min * inverse_of(c->dmin), 0, 63)), best = INFINITY;
  for (int i = -1; i <= 1; i++)
    for (int j = -1; j <= 1; j++) {
      float s = clamp(ls + (float)i, 0, 63), m = clamp(lm + (float)j, 0, 63);
      float error = affine_error(x, c->d * s, c->dmin * m);
      if (error >= best) continue;
      best = error;
      *scale = (uint8_t)s;
      *min = (uint8_t)m;
    }
  return best;
}

static void choose_pairs(const float *x, const affine_fit fits[8], q4_k_choice *c) {
  c->error = 0;
  for (int s = 0; s < 8; s++)
    c->error += choose_pair(x + s * AFFINE, c, fits[s], &c->scale[s], &c->min[s]);
}

static float as_f16(float x) {
  return gm_f16_to_f32(gm_f32_to_f16(x));
}

/* Fits d and dmin to the chosen integers and levels: x ~ d * (scale q) - dmin * min. */
static void refit_factors(const float *x, q4_k_choice *c) {
  double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
  for (int i = 0; i < BLOCK; i++) {
    int s = i / AFFINE;
    float step = c->d * (float)c->scale[s], min = c->dmin * (float)c->min[s];
    float q = clamp(nearest((x[i] + min) * inverse_of(step)), 0, 15);
    double a = (double)((float)c->scale[s] * q), b = -(double)c->min[s], v = (double)x[i];
    aa += a * a;
    ab += a * b;
    bb += b * b;
    ax += a * v;
    bx += b * v;
  }
  double det = aa * bb - ab * ab;
  if (det <= 1e-9 * aa * bb) {
    if (aa > 0 && bb == 0) c->d = as_f16((float)(ax / aa));
    return;
  }
  float d = as_f16((float)((ax * bb - bx * ab) / det));
  float dmin = as_f16((float)((bx * aa - ax * ab) / det));
  if (d > 0 && dmin >= 0) {
    c->d = d;
    c->dmin = dmin;
  }
}

static void pack_q4_k(gm_block_q4_k *b, const float *x, const q4_k_choice *c) {
  memset(b, 0, sizeof *b);
  b->d = gm_f32_to_f16(c->d);
  b->dmin = gm_f32_to_f16(c->dmin);
  for (int s = 0; s < 8; s++) {
    unsigned scale = c->scale[s], min = c->min[s];
    if (s < 4) {
      b->scales[s] = (uint8_t)(b->scales[s] | scale);
      b->scales[s + 4] = (uint8_t)(b->scales[s + 4] | min);
    } else {
      b->scales[s + 4] = (uint8_t)((scale & 15) | (min & 15) << 4);
      b->scales[s - 4] = (uint8_t)(b->scales[s - 4] | (scale >> 4) << 6);
      b->scales[s] = (uint8_t)(b->scales[s] | (min >> 4) << 6);
    }
    float step = c->d * (float)scale, offset = c->dmin * (float)min;
    for (int j = 0; j < AFFINE; j++) {
      float q = clamp(nearest((x[s * AFFINE + j] + offset) * inverse_of(step)), 0, 15);
      uint8_t *qs = &b->qs[s / 2 * 32 + j];
      *qs = (uint8_t)(*qs | (unsigned)q << (s % 2 * 4));
    }
  }
}

void gm_q4_k_from_float(void *y, const float *x, size_t n) {
  gm_block_q4_k *b = y;
  for (size_t i = 0; i < n / BLOCK; i++, x += BLOCK) {
    affine_fit fits[8];
    float scale = 0, min = 0;
    for (int s = 0; s < 8; s++) {
      fits[s] = affine_search(x + s * AFFINE);
      scale = fmaxf(scale, fits[s].scale);
      min = fmaxf(min, fits[s].min);
    }
    q4_k_choice best = {as_f16(scale / 63), as_f16(min / 63), 0, {0}, {0}};
    choose_pairs(x, fits, &best);
    for (int round = 0; round < ROUNDS; round++) {
      q4_k_choice next = best;
      refit_factors(x, &next);
      choose_pairs(x, fits, &next);
      if (next.error >= best.error) break;
      best = next;
    }
    pack_q4_k(&b[i], x, &best);
  }
}

/* ---- Q6_K: x = scale * q, q in -32..31, scale of either sign */

typedef struct linear_fit {
  float scale, error;
} linear_fit;

static float linear_error(const float *x, float scale) {
  float inverse = inverse_of(scale), sum = 0;
  for (int i = 0; i < LINEAR; i++) {
    float e = scale * clamp(nearest(x[i] * inverse), -32, 31) - x[i];
    sum += e * e;
  }
  return sum;
}

static void linear_try(const float *x, float inverse, linear_fit *best) {
  float sqq = 0, sxq = 0;
  for (int i = 0; i < LINEAR; i++) {
    float q = clamp(nearest(x[i] * inverse), -32, 31);
    sqq += q * q;
    sxq += x[i] * q;
  }
  if (sqq <= 0) return;
  linear_fit fit = {sxq / sqq, 0};
  fit.error = linear_error(x, fit.scale);
  if (fit.error < best->error) *best = fit;
}

static linear_fit linear_search(const float *x) {
  float extreme = 0;
  for (int i = 0; i < LINEAR; i++)
    if (fabsf(x[i]) > fabsf(extreme)) extreme = x[i];
  linear_fit best = {extreme / -32, 0};
  if (extreme == 0) return best;
  best.error = linear_error(x, best.scale);
  for (int t = 0; t < 16; t++) linear_try(x, (-33.5f + 0.25f * (float)t) / extreme, &best);
  linear_try(x, inverse_of(best.scale), &best);
  return best;
}

typedef struct q6_k_choice {
  float d, error;
  int8_t scale[16];
} q6_k_choice;

static void choose_scales(const float *x, const linear_fit fits[16], q6_k_choice *c) {
  c->error = 0;
  for (int s = 0; s < 16; s++) {
    float middle = nearest(clamp(fits[s].scale * inverse_of(c->d), -128, 127)), best = INFINITY;
    for (int i = -2; i <= 2; i++) {
      float scale = clamp(middle + (float)i, -128, 127);
      float error = linear_error(x + s * LINEAR, c->d * scale);
      if (error >= best) continue;
      best = error;
      c->scale[s] = (int8_t)scale;
    }
    c->error += best;
  }
}

static void refit_factor(const float *x, q6_k_choice *c) {
  double aa = 0, ax = 0;
  for (int i = 0; i < BLOCK; i++) {
    float scale = (float)c->scale[i / LINEAR];
    float q = clamp(nearest(x[i] * inverse_of(c->d * scale)), -32, 31);
    double a = (double)(scale * q);
    aa += a * a;
    ax += a * (double)x[i];
  }
  if (aa > 0) c->d = as_f16((float)(ax / aa));
}

static void pack_q6_k(gm_block_q6_k *b, const float *x, const q6_k_choice *c) {
  memset(b, 0, sizeof *b);
  b->d = gm_f32_to_f16(c->d);
  memcpy(b->scales, c->scale, sizeof b->scales);
  for (unsigned i = 0; i < BLOCK; i++) {
    float inverse = inverse_of(c->d * (float)c->scale[i / LINEAR]);
    unsigned q = (unsigned)(clamp(nearest(x[i] * inverse), -32, 31) + 32);
    unsigned half = i / 128, j = i % 128;
    uint8_t *low = &b->ql[half * 64 + j % 64], *high = &b->qh[half * 32 + j % 32];
    *low = (uint8_t)(*low | (q & 15) << (j / 64 * 4));
    *high = (uint8_t)(*high | (q >> 4) << (j / 32 * 2));
  }
}

void gm_q6_k_from_float(void *y, const float *x, size_t n) {
  gm_block_q6_k *b = y;
  for (size_t i = 0; i < n / BLOCK; i++, x += BLOCK) {
    linear_fit fits[16];
    float largest = 0;
    for (int s = 0; s < 16; s++) {
      fits[s] = linear_search(x + s * LINEAR);
      if (fabsf(fits[s].scale) > fabsf(largest)) largest = fits[s].scale;
    }
    q6_k_choice best = {as_f16(largest / -128), 0, {0}};
    choose_scales(x, fits, &best);
    for (int round = 0; round < ROUNDS; round++) {
      q6_k_choice next = best;
      refit_factor(x, &next);
      choose_scales(x, fits, &next);
      if (next.error >= best.error) break;
      best = next;
    }
    pack_q6_k(&b[i], x, &best);
  }
}
