/* train_vec.h - train_kernels.h in vectors. One file of each instruction set includes its
 * vec_NAME.h, then this, and calls use_train_vec. */
#ifndef GM_TRAIN_VEC_H
#define GM_TRAIN_VEC_H

#include "moments_vec.h"
#include "train_kernels.h"
#include "vec_math.h"
#include "widen_k.h"

#include <assert.h>

static inline size_t left_of(size_t n, size_t i) {
  return n - i < VEC ? n - i : VEC;
}

/* ---- activations */

static inline vec sigmoid(vec x) {
  return vec_div(vec_set(1), vec_add(vec_set(1), vec_exp(vec_sub(vec_set(0), x))));
}

/* Of x sigmoid(u), where u' = slope: s + x s (1 - s) slope. */
static inline vec gate_slope(vec x, vec u, vec slope) {
  vec s = sigmoid(u);
  vec rest = vec_mul(vec_mul(s, vec_sub(vec_set(1), s)), slope);
  return vec_fma(x, rest, s);
}

/* Phi(x) + x phi(x); Phi as in epilogue_vec.h. */
static inline vec gelu_slope(vec x) {
  static const float c[] = {0.107720183F,  0.107550467F,  0.101759455F,
                            0.0722391259F, 0.107402224F,  -0.0686250890F,
                            0.169295046F,  -0.126257043F, 0.0289156424F};
  vec a = vec_max(x, vec_sub(vec_set(0), x));
  vec t = vec_div(vec_set(1), vec_fma(a, vec_set(0.27F), vec_set(1)));
  vec p = vec_set(c[8]);
  for (int i = 7; i >= 0; i--) p = vec_fma(p, t, vec_set(c[i]));
  vec e = vec_exp(vec_mul(vec_mul(x, x), vec_set(-0.5F)));
  vec below = vec_mul(vec_mul(p, t), e); /* Phi(-|x|) */
  vec whole = vec_add(below, vec_where_positive(x, vec_fma(below, vec_set(-2), vec_set(1))));
  return vec_fma(vec_mul(x, vec_set(0.3989422804F)), e, whole);
}

/* x is clipped where all of these are flat to within 1e-36, so that no product overflows. */
static inline vec slope_of(vec x, gm_act act) {
  vec near = vec_min(vec_set(88), vec_max(vec_set(-88), x));
  vec one = vec_set(1), square = vec_mul(near, near);
  switch (act) {
  case GM_ACT_RELU:
    return vec_where_positive(x, one);
  case GM_ACT_GELU:
    return gelu_slope(near);
  case GM_ACT_GELU_TANH:
    return gate_slope(
        near, vec_mul(near, vec_fma(square, vec_set(0.0713548162726F), vec_set(1.5957691216F))),
        vec_fma(square, vec_set(0.2140644488178F), vec_set(1.5957691216F)));
  case GM_ACT_QUICK_GELU:
    return gate_slope(near, vec_mul(near, vec_set(1.702F)), vec_set(1.702F));
  case GM_ACT_SILU:
    return gate_slope(near, near, one);
  case GM_ACT_NONE:
    break;
  }
  return one;
}

static inline __attribute__((always_inline)) void
slopes(float *dx, const float *x, const float *dy, size_t n, gm_act act) {
  for (size_t i = 0; i < n; i += VEC) {
    size_t left = left_of(n, i);
    vec d = vec_mul(load_left(dy + i, left), slope_of(load_left(x + i, left), act));
    store_left(dx + i, d, left);
  }
}

static void act_back_vec(float *dx, const float *x, const float *dy, size_t n, gm_act act) {
  switch (act) {
  case GM_ACT_NONE:
    slopes(dx, x, dy, n, GM_ACT_NONE);
    break;
  case GM_ACT_RELU:
    slopes(dx, x, dy, n, GM_ACT_RELU);
    break;
  case GM_ACT_GELU:
    slopes(dx, x, dy, n, GM_ACT_GELU);
    break;
  case GM_ACT_GELU_TANH:
    slopes(dx, x, dy, n, GM_ACT_GELU_TANH);
    break;
  case GM_ACT_QUICK_GELU:
    slopes(dx, x, dy, n, GM_ACT_QUICK_GELU);
    break;
  case GM_ACT_SILU:
    slopes(dx, x, dy, n, GM_ACT_SILU);
    break;
  }
}

static void silu_mul_back_vec(float *d_gate, float *d_up, const float *gate, const float *up,
                              const float *dy, size_t n) {
  for (size_t i = 0; i < n; i += VEC) {
    size_t left = left_of(n, i);
    vec g = load_left(gate + i, left), u = load_left(up + i, left), d = load_left(dy + i, left);
    store_left(d_up + i, vec_mul(d, vec_silu(g)), left);
    store_left(d_gate + i, vec_mul(vec_mul(d, u), slope_of(g, GM_ACT_SILU)), left);
  }
}

static void multiply_vec(float *y, const float *a, const float *b, size_t n) {
  for (size_t i = 0; i < n; i += VEC) {
    size_t left = left_of(n, i);
    store_left(y + i, vec_mul(load_left(a + i, left), load_left(b + i, left)), left);
  }
}

static void multiply_add_vec(float *y, const float *a, const float *b, size_t n) {
  for (size_t i = 0; i < n; i += VEC) {
    size_t left = left_of(n, i);
    vec sum = vec_fma(load_left(a + i, left), load_left(b + i, left), load_left(y + i, left));
    store_left(y + i, sum, left);
  }
}

/* ---- norms */

static void norm_stats_vec(float stats[2], const float *x, size_t n, float eps, bool centred) {
  assert(n > 0);
  stats[0] = centred ? mean_of(x, n) : 0;
  stats[1] = inverse_of(x, n, stats[0], eps);
}

/* What a lane adds to the means of dy w and of dy w (x - mean) inverse. Lanes from `left` on
 * read as x = dy = w = 0, so dy w is 0 there. */
static inline void norm_terms(const gm_norm_row *r, size_t i, size_t left, vec *g, vec *h) {
  vec x = vec_mul(vec_sub(load_left(r->x + i, left), vec_set(r->mean)), vec_set(r->inverse));
  vec d = vec_mul(load_left(r->dy + i, left), load_left(r->w + i, left));
  *g = vec_add(*g, d);
  *h = vec_fma(d, x, *h);
}

/* dx = inverse (dy w - mean(dy w) - x' mean(dy w x')), x' the normalised row. */
static void norm_back_vec(const gm_norm_row *r, size_t n) {
  vec g[4], h[4];
  GM_UNROLL
  for (size_t j = 0; j < 4; j++) g[j] = h[j] = vec_set(0);
  size_t i = 0;
  for (; r->dx && i + 4 * VEC <= n; i += 4 * VEC) {
    GM_UNROLL
    for (size_t j = 0; j < 4; j++) norm_terms(r, i + j * VEC, VEC, &g[j], &h[j]);
  }
  for (; r->dx && i < n; i += VEC) norm_terms(r, i, left_of(n, i), &g[0], &h[0]);
  float count = (float)n;
  const vec along = vec_set(vec_sum(vec_add(vec_add(h[0], h[1]), vec_add(h[2], h[3]))) / count);
  const vec mean = vec_set(
      r->centred ? vec_sum(vec_add(vec_add(g[0], g[1]), vec_add(g[2], g[3]))) / count : 0);
  const vec inverse = vec_set(r->inverse), m = vec_set(r->mean);
  for (i = 0; i < n; i += VEC) {
    size_t left = left_of(n, i);
    vec x = vec_mul(vec_sub(load_left(r->x + i, left), m), inverse);
    vec dy = load_left(r->dy + i, left);
    if (r->dw) store_left(r->dw + i, vec_fma(dy, x, load_left(r->dw + i, left)), left);
    if (r->db) store_left(r->db + i, vec_add(dy, load_left(r->db + i, left)), left);
    if (!r->dx) continue;
    vec d = vec_sub(vec_mul(dy, load_left(r->w + i, left)), vec_fma(x, along, mean));
    d = vec_mul(d, inverse);
    if (r->add) d = vec_add(d, load_left(r->dx + i, left));
    store_left(r->dx + i, d, left);
  }
}

static inline vec channel_dy(const gm_channel_rows *r, size_t at, size_t left) {
  vec dy = load_left(r->dy + at, left);
  return r->y ? vec_where_positive(load_left(r->y + at, left), dy) : dy;
}

static void channel_sums_vec(float *sum, float *product, const gm_channel_rows *r, size_t n) {
  for (size_t i = 0; i < n; i += VEC) {
    size_t left = left_of(n, i);
    vec s = vec_set(0), p = s, mean = load_left(r->mean + i, left);
    for (size_t row = 0; row < r->rows; row++) {
      vec dy = channel_dy(r, row * n + i, left);
      s = vec_add(s, dy);
      p = vec_fma(dy, vec_sub(load_left(r->x + row * n + i, left), mean), p);
    }
    store_left(sum + i, s, left);
    store_left(product + i, p, left);
  }
}

static void channel_back_vec(float *dx, bool add, const gm_channel_rows *r, const float *a,
                             const float *b, const float *c, size_t n) {
  for (size_t row = 0; row < r->rows; row++, dx += n) {
    for (size_t i = 0; i < n; i += VEC) {
      size_t left = left_of(n, i);
      vec x = vec_sub(load_left(r->x + row * n + i, left), load_left(r->mean + i, left));
      vec d = vec_fma(x, load_left(b + i, left), load_left(c + i, left));
      d = vec_fma(channel_dy(r, row * n + i, left), load_left(a + i, left), d);
      if (add) d = vec_add(d, load_left(dx + i, left));
      store_left(dx + i, d, left);
    }
  }
}

/* ---- softmax, optimiser */

static void softmax_again_vec(float *p, const float *lse, float scale, size_t n) {
  const vec s = vec_set(scale);
  for (size_t i = 0; i < n; i += VEC) {
    size_t left = left_of(n, i);
    vec x = vec_sub(vec_mul(load_left(p + i, left), s), load_left(lse + i, left));
    store_left(p + i, vec_exp(x), left);
  }
}

static void softmax_back_vec(float *dp, const float *p, const float *delta, float scale,
                             size_t n) {
  const vec s = vec_set(scale);
  for (size_t i = 0; i < n; i += VEC) {
    size_t left = left_of(n, i);
    vec d = vec_sub(load_left(dp + i, left), load_left(delta + i, left));
    store_left(dp + i, vec_mul(vec_mul(d, s), load_left(p + i, left)), left);
  }
}

static void adamw_vec(float *value, float *moment1, float *moment2, const float *gradient,
                      const gm_adamw *a, size_t n) {
  const vec clip = vec_set(a->clip), rest1 = vec_set(a->rest1), rest2 = vec_set(a->rest2);
  const vec eps = vec_set(a->eps), decay = vec_set(a->decay);
  const vec step = vec_set(a->step), root = vec_set(a->root);
  for (size_t i = 0; i < n; i += VEC) {
    size_t left = left_of(n, i);
    vec w = load_left(value + i, left), g = vec_mul(load_left(gradient + i, left), clip);
    vec m = load_left(moment1 + i, left), v = load_left(moment2 + i, left);
    m = vec_fma(rest1, vec_sub(g, m), m);
    v = vec_fma(rest2, vec_sub(vec_mul(g, g), v), v);
    vec down = vec_div(m, vec_fma(vec_sqrt(v), root, eps));
    store_left(moment1 + i, m, left);
    store_left(moment2 + i, v, left);
    store_left(value + i, vec_sub(w, vec_fma(decay, w, vec_mul(step, down))), left);
  }
}

static void use_train_vec(gm_train_kernels *k) {
  *k = (gm_train_kernels){
      .act_back = act_back_vec,
      .silu_mul_back = silu_mul_back_vec,
      .multiply = multiply_vec,
      .multiply_add = multiply_add_vec,
      .norm_stats = norm_stats_vec,
      .norm_back = norm_back_vec,
      .channel_sums = channel_sums_vec,
      .channel_back = channel_back_vec,
      .softmax_again = softmax_again_vec,
      .softmax_back = softmax_back_vec,
      .widen = {[GM_TYPE_Q4_K] = widen_q4_k, [GM_TYPE_Q6_K] = widen_q6_k},
      .adamw = adamw_vec,
  };
}

#endif
