/* train_ref.c - train_kernels.h in plain C. Sums over a row are in double precision. */
#include "train_kernels.h"

#include <assert.h>
#include <math.h>

static float gate_slope(float x, float u, float slope) {
  float s = 1 / (1 + expf(-u));
  return s + x * s * (1 - s) * slope;
}

static float slope_of(float x, gm_act act) {
  /* Beyond this all of them are flat to within 1e-36, and no product overflows. NaN stays. */
  float near = x < -88 ? -88 : x > 88 ? 88 : x;
  switch (act) {
  case GM_ACT_RELU:
    return x > 0 ? 1 : 0;
  case GM_ACT_GELU:
    return 0.5F * erfcf(near * -0.70710678F) + near * 0.3989422804F * expf(-0.5F * near * near);
  case GM_ACT_GELU_TANH:
    return gate_slope(near, near * (1.5957691216F + 0.0713548162726F * near * near),
                      1.5957691216F + 0.2140644488178F * near * near);
  case GM_ACT_QUICK_GELU:
    return gate_slope(near, 1.702F * near, 1.702F);
  case GM_ACT_SILU:
    return gate_slope(near, near, 1);
  case GM_ACT_NONE:
    break;
  }
  return 1;
}

static void act_back(float *dx, const float *x, const float *dy, size_t n, gm_act act) {
  for (size_t i = 0; i < n; i++) dx[i] = dy[i] * slope_of(x[i], act);
}

static void silu_mul_back(float *d_gate, float *d_up, const float *gate, const float *up,
                          const float *dy, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float g = gate[i], u = up[i], d = dy[i];
    d_up[i] = d * (g / (1 + expf(-g)));
    d_gate[i] = d * u * slope_of(g, GM_ACT_SILU);
  }
}

static void multiply(float *y, const float *a, const float *b, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}

static void multiply_add(float *y, const float *a, const float *b, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] += a[i] * b[i];
}

static void norm_stats(float stats[2], const float *x, size_t n, float eps, bool centred) {
  assert(n > 0);
  double sum = 0, squares = 0;
  for (size_t i = 0; centred && i < n; i++) sum += (double)x[i];
  stats[0] = (float)(sum / (double)n);
  for (size_t i = 0; i < n; i++) {
    double d = (double)(x[i] - stats[0]);
    squares += d * d;
  }
  stats[1] = (float)(1 / sqrt(squares / (double)n + (double)eps));
}

static void norm_back(const gm_norm_row *r, size_t n) {
  double sum = 0, products = 0;
  for (size_t i = 0; i < n; i++) {
    float g = r->dy[i] * r->w[i];
    sum += (double)g;
    products += (double)(g * ((r->x[i] - r->mean) * r->inverse));
  }
  float mean = r->centred ? (float)(sum / (double)n) : 0;
  float along = (float)(products / (double)n);
  for (size_t i = 0; i < n; i++) {
    float x = (r->x[i] - r->mean) * r->inverse, dy = r->dy[i];
    if (r->dw) r->dw[i] += dy * x;
    if (r->db) r->db[i] += dy;
    if (!r->dx) continue;
    float d = r->inverse * (dy * r->w[i] - (mean + x * along));
    r->dx[i] = r->add ? r->dx[i] + d : d;
  }
}

static float channel_dy(const gm_channel_rows *r, size_t at) {
  return r->y && !(r->y[at] > 0) ? 0 : r->dy[at];
}

static void channel_sums(float *sum, float *product, const gm_channel_rows *r, size_t n) {
  for (size_t i = 0; i < n; i++) sum[i] = product[i] = 0;
  for (size_t row = 0; row < r->rows; row++) {
    for (size_t i = 0; i < n; i++) {
      float dy = channel_dy(r, row * n + i);
      sum[i] += dy;
      product[i] += dy * (r->x[row * n + i] - r->mean[i]);
    }
  }
}

static void channel_back(float *dx, bool add, const gm_channel_rows *r, const float *a,
                         const float *b, const float *c, size_t n) {
  for (size_t row = 0; row < r->rows; row++, dx += n) {
    for (size_t i = 0; i < n; i++) {
      float d =
          channel_dy(r, row * n + i) * a[i] + ((r->x[row * n + i] - r->mean[i]) * b[i] + c[i]);
      dx[i] = add ? dx[i] + d : d;
    }
  }
}

static void softmax_again(float *p, const float *lse, float scale, size_t n) {
  for (size_t i = 0; i < n; i++) p[i] = expf(p[i] * scale - lse[i]);
}

static void softmax_back(float *dp, const float *p, const float *delta, float scale, size_t n) {
  for (size_t i = 0; i < n; i++) dp[i] = (dp[i] - delta[i]) * scale * p[i];
}

static void adamw(float *value, float *moment1, float *moment2, const float *gradient,
                  const gm_adamw *a, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float g = gradient[i] * a->clip;
    moment1[i] += a->rest1 * (g - moment1[i]);
    moment2[i] += a->rest2 * (g * g - moment2[i]);
    float down = moment1[i] / (sqrtf(moment2[i]) * a->root + a->eps);
    value[i] -= a->decay * value[i] + a->step * down;
  }
}

void gm_train_kernels_use_ref(gm_train_kernels *k) {
  *k = (gm_train_kernels){
      .act_back = act_back,
      .silu_mul_back = silu_mul_back,
      .multiply = multiply,
      .multiply_add = multiply_add,
      .norm_stats = norm_stats,
      .norm_back = norm_back,
      .channel_sums = channel_sums,
      .channel_back = channel_back,
      .softmax_again = softmax_again,
      .softmax_back = softmax_back,
      .adamw = adamw,
  };
}
