/* rows_ref.c - row_kernels.h in plain C: what the other tables are measured against, and what
 * a processor without any of their instruction sets runs. Loops are written so that a compiler
 * can vectorise those whose order of summation does not matter. */
#include "row_kernels.h"
#include "types.h"
#include "winograd_points.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static void add(float *y, const float *a, const float *b, size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

static void silu_mul(float *gate, const float *up, size_t n) {
  for (size_t i = 0; i < n; i++) gate[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, size_t n,
                       float eps) {
  assert(n > 0);
  double sum = 0, squares = 0;
  for (size_t i = 0; i < n; i++) sum += (double)x[i];
  float mean = (float)(sum / (double)n);
  for (size_t i = 0; i < n; i++) {
    double d = (double)(x[i] - mean);
    squares += d * d;
  }
  float inverse = (float)(1 / sqrt(squares / (double)n + (double)eps));
  for (size_t i = 0; i < n; i++) y[i] = (x[i] - mean) * inverse * w[i] + b[i];
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps) {
  assert(n > 0);
  double squares = 0;
  for (size_t i = 0; i < n; i++) squares += (double)x[i] * (double)x[i];
  float inverse = (float)(1 / sqrt(squares / (double)n + (double)eps));
  for (size_t i = 0; i < n; i++) y[i] = x[i] * inverse * w[i];
}

static void column_stats(float *mean, float *m2, const float *x, size_t rows, size_t n) {
  assert(rows > 0);
  for (size_t i = 0; i < n; i++) mean[i] = m2[i] = 0;
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < n; i++) mean[i] += x[r * n + i];
  for (size_t i = 0; i < n; i++) mean[i] /= (float)rows;
  for (size_t r = 0; r < rows; r++) {
    for (size_t i = 0; i < n; i++) {
      float d = x[r * n + i] - mean[i];
      m2[i] += d * d;
    }
  }
}

static void scale_shift(float *x, const float *scale, const float *shift, size_t rows, size_t n,
                        bool positive) {
  for (size_t r = 0; r < rows; r++) {
    float *row = x + r * n;
    for (size_t i = 0; i < n; i++) {
      float y = row[i] * scale[i] + shift[i];
      row[i] = positive && y < 0 ? 0 : y;
    }
  }
}

static float softmax_step(float *x, size_t n, float scale, float *max) {
  assert(n > 0 && scale > 0);
  float top = x[0];
  for (size_t i = 1; i < n; i++) top = x[i] > top ? x[i] : top;
  top = top * scale > *max ? top * scale : *max;
  *max = top;
  float sum = 0;
  for (size_t i = 0; i < n; i++) {
    x[i] = expf(x[i] * scale - top);
    sum += x[i];
  }
  return sum;
}

static void scale(float *x, size_t n, float s) {
  for (size_t i = 0; i < n; i++) x[i] *= s;
}

static void weighted_rows(float *y, const float *const *rows, const float *w, size_t n_rows,
                          size_t n) {
  for (size_t i = 0; i < n; i++) y[i] = 0;
  for (size_t r = 0; r < n_rows; r++)
    for (size_t i = 0; i < n; i++) y[i] += w[r] * rows[r][i];
}

/* The two cells that a coordinate reads on an axis of n cells, in pixels, and their weights: 0
 * outside the map. */
static void read_axis(float at, size_t n, size_t cell[2], float weight[2]) {
  at = at > -1 ? at : -1; /* NaN too */
  at = at < (float)n ? at : (float)n;
  float low = floorf(at);
  for (int i = 0; i < 2; i++) {
    float position = low + (float)i;
    bool inside = position >= 0 && position < (float)n;
    cell[i] = inside ? (size_t)position : 0;
    weight[i] = inside ? 1 - fabsf(at - position) : 0;
  }
}

static void deform(float *out, const gm_deform_map *map, const gm_reference *from,
                   const float *offset, const float *score) {
  size_t d = map->d;
  for (size_t a = 0; a < map->heads; a++, out += d, score += map->points) {
    float top = score[0], sum = 0;
    for (size_t p = 1; p < map->points; p++) top = score[p] > top ? score[p] : top;
    for (size_t p = 0; p < map->points; p++) sum += expf(score[p] - top);
    for (size_t i = 0; i < d; i++) out[i] = 0;
    for (size_t p = 0; p < map->points; p++, offset += 2) {
      size_t x[2], y[2];
      float wx[2], wy[2], share = expf(score[p] - top) / sum;
      read_axis((from->x + offset[0] * from->step_x) * (float)map->w - 0.5F, map->w, x, wx);
      read_axis((from->y + offset[1] * from->step_y) * (float)map->h - 0.5F, map->h, y, wy);
      for (size_t j = 0; j < 4; j++) {
        const float *row = map->value + (y[j / 2] * map->w + x[j % 2]) * map->ld + a * d;
        float weight = share * wx[j % 2] * wy[j / 2];
        for (size_t i = 0; i < d; i++) out[i] += weight * row[i];
      }
    }
  }
}

static void tile_product(float *c, size_t ldc, const float *keep, const float *a, size_t lda,
                         const float *b, size_t ldb, size_t m, size_t n, size_t k) {
  for (size_t i = 0; i < m; i++) {
    float *row = c + i * ldc;
    for (size_t j = 0; j < n; j++) row[j] = keep ? row[j] * keep[i] : 0;
    for (size_t l = 0; l < k; l++) {
      float x = a[i * lda + l];
      for (size_t j = 0; j < n; j++) row[j] += x * b[l * ldb + j];
    }
  }
}

static void transpose(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, size_t n) {
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < n; i++) y[i * ldy + r] = x[r * ldx + i];
}

static void strips(float *y, size_t y_step, size_t width, const float *x, size_t ldx,
                   size_t rows, size_t n) {
  for (size_t first = 0; first < n; first += width, y += y_step)
    for (size_t r = 0; r < rows; r++)
      for (size_t c = 0; c < width; c++)
        y[r * width + c] = first + c < n ? x[r * ldx + first + c] : 0;
}

static void dots_f32(float *s, const float *q, const void *k, size_t ldk, size_t n, size_t d) {
  const float *keys = k;
  for (size_t j = 0; j < n; j++) {
    float sum = 0;
    for (size_t i = 0; i < d; i++) sum += q[i] * keys[j * ldk + i];
    s[j] = sum;
  }
}

static void dots_f16(float *s, const float *q, const void *k, size_t ldk, size_t n, size_t d) {
  const uint16_t *keys = k;
  for (size_t j = 0; j < n; j++) {
    float sum = 0;
    for (size_t i = 0; i < d; i++) sum += q[i] * gm_f16_to_f32(keys[j * ldk + i]);
    s[j] = sum;
  }
}

static void mix_f32(float *o, const float *p, const void *v, size_t ldv, size_t n, size_t d,
                    bool add) {
  const float *values = v;
  for (size_t i = 0; i < d && !add; i++) o[i] = 0;
  for (size_t j = 0; j < n; j++)
    for (size_t i = 0; i < d; i++) o[i] += p[j] * values[j * ldv + i];
}

static void mix_f16(float *o, const float *p, const void *v, size_t ldv, size_t n, size_t d,
                    bool add) {
  const uint16_t *values = v;
  for (size_t i = 0; i < d && !add; i++) o[i] = 0;
  for (size_t j = 0; j < n; j++)
    for (size_t i = 0; i < d; i++) o[i] += p[j] * gm_f16_to_f32(values[j * ldv + i]);
}

static void dots_q8_0(float *s, const float *q, const void *k, size_t ldk, size_t n, size_t d) {
  assert(ldk % 32 == 0 && d % 32 == 0);
  const gm_block_q8_0 *blocks = k;
  for (size_t j = 0; j < n; j++, blocks += ldk / 32) {
    float sum = 0;
    for (size_t i = 0; i < d; i++)
      sum += q[i] * gm_f16_to_f32(blocks[i / 32].d) * (float)blocks[i / 32].qs[i % 32];
    s[j] = sum;
  }
}

static void mix_q8_0(float *o, const float *p, const void *v, size_t ldv, size_t n, size_t d,
                     bool add) {
  assert(ldv % 32 == 0 && d % 32 == 0);
  const gm_block_q8_0 *blocks = v;
  for (size_t i = 0; i < d && !add; i++) o[i] = 0;
  for (size_t j = 0; j < n; j++, blocks += ldv / 32)
    for (size_t i = 0; i < d; i++)
      o[i] += p[j] * gm_f16_to_f32(blocks[i / 32].d) * (float)blocks[i / 32].qs[i % 32];
}

static void widen_q8_0(float *y, const void *x, size_t n) {
  gm_type_traits_of(GM_TYPE_Q8_0)->to_float(y, x, n);
}

static void narrow_q8_0(void *y, const float *x, size_t n) {
  gm_type_traits_of(GM_TYPE_Q8_0)->from_float(y, x, n);
}

static void widen_f16(float *y, const void *x, size_t n) {
  const uint16_t *from = x;
  for (size_t i = 0; i < n; i++) y[i] = gm_f16_to_f32(from[i]);
}

static void narrow_f16(void *y, const float *x, size_t n) {
  uint16_t *to = y;
  for (size_t i = 0; i < n; i++) to[i] = gm_f32_to_f16(x[i]);
}

static void widen_f32(float *y, const void *x, size_t n) {
  memcpy(y, x, n * sizeof *y);
}

static void narrow_f32(void *y, const float *x, size_t n) {
  memcpy(y, x, n * sizeof *x);
}

static void rotate(float *x, const float *cos, const float *sin, size_t half) {
  for (size_t i = 0; i < half; i++) {
    float a = x[i], b = x[half + i];
    x[i] = a * cos[i] - b * sin[i];
    x[half + i] = b * cos[i] + a * sin[i];
  }
}

/* ---- Winograd, as products with the three matrices */

#define A GM_WINO_A
#define B GM_WINO_B
#define AA GM_WINO_AA
#define BB GM_WINO_BB
static const float input_matrix[6][6] = {
    {AA * BB, 0, -AA - BB, 0, 1, 0}, {0, -A *BB, -BB, A, 1, 0}, {0, A *BB, -BB, -A, 1, 0},
    {0, -AA *B, -AA, B, 1, 0},       {0, AA *B, -AA, -B, 1, 0}, {0, AA *BB, 0, -AA - BB, 0, 1},
};
static const float weight_matrix[6][3] = {
    {GM_WINO_G0, 0, 0},
    {GM_WINO_GA, A *GM_WINO_GA, AA *GM_WINO_GA},
    {GM_WINO_GA, -A *GM_WINO_GA, AA *GM_WINO_GA},
    {GM_WINO_GB, B *GM_WINO_GB, BB *GM_WINO_GB},
    {GM_WINO_GB, -B *GM_WINO_GB, BB *GM_WINO_GB},
    {0, 0, 1},
};
static const float output_matrix[4][6] = {
    {1, 1, 1, 1, 1, 0},
    {0, A, -A, B, -B, 0},
    {0, AA, AA, BB, BB, 0},
    {0, A *AA, -A *AA, B *BB, -B *BB, 1},
};
#undef A
#undef B
#undef AA
#undef BB

/* y[rows, rows] = matrix[rows, columns] . x[columns, columns] . matrix^T */
static void both_sides(float *y, const float *matrix, const float *x, size_t rows,
                       size_t columns) {
  for (size_t i = 0; i < rows; i++) {
    float half[6] = {0};
    for (size_t j = 0; j < columns; j++)
      for (size_t l = 0; l < columns; l++)
        half[j] += matrix[i * columns + l] * x[l * columns + j];
    for (size_t j = 0; j < rows; j++) {
      y[i * rows + j] = 0;
      for (size_t l = 0; l < columns; l++) y[i * rows + j] += half[l] * matrix[j * columns + l];
    }
  }
}

/* y[columns, columns] = matrix^T . x[rows, rows] . matrix[rows, columns] */
static void both_sides_turned(float *y, const float *matrix, const float *x, size_t rows,
                              size_t columns) {
  float turned[24];
  assert(rows * columns <= 24);
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < columns; j++) turned[j * rows + i] = matrix[i * columns + j];
  both_sides(y, turned, x, columns, rows);
}

static void winograd_output_back(float *m, size_t m_step, const float *const *y, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float in[16], out[36];
    for (size_t p = 0; p < 16; p++) in[p] = y[p] ? y[p][i] : 0;
    both_sides_turned(out, output_matrix[0], in, 4, 6);
    for (size_t f = 0; f < 36; f++) m[f * m_step + i] = out[f];
  }
}

static void winograd_weight_back(float *const *w, const float *u, size_t u_step, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float in[36], out[9];
    for (size_t f = 0; f < 36; f++) in[f] = u[f * u_step + i];
    both_sides_turned(out, weight_matrix[0], in, 6, 3);
    for (size_t p = 0; p < 9; p++) w[p][i] += out[p];
  }
}

static void winograd_input(float *v, size_t v_step, const float *const *x, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float in[36], out[36];
    for (size_t p = 0; p < 36; p++) in[p] = x[p][i];
    both_sides(out, input_matrix[0], in, 6, 6);
    for (size_t f = 0; f < 36; f++) v[f * v_step + i] = out[f];
  }
}

static void winograd_weight(float *u, size_t u_step, const float *const *w, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float in[9], out[36];
    for (size_t p = 0; p < 9; p++) in[p] = w[p][i];
    both_sides(out, weight_matrix[0], in, 6, 3);
    for (size_t f = 0; f < 36; f++) u[f * u_step + i] = out[f];
  }
}

static void winograd_output(float *const *y, const float *m, size_t m_step, const float *bias,
                            bool accumulate, bool relu, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float in[36], out[16];
    for (size_t f = 0; f < 36; f++) in[f] = m[f * m_step + i];
    both_sides(out, output_matrix[0], in, 4, 6);
    for (size_t p = 0; p < 16; p++) {
      if (!y[p]) continue;
      float sum = out[p] + (bias ? bias[i] : 0) + (accumulate ? y[p][i] : 0);
      y[p][i] = relu && sum < 0 ? 0 : sum;
    }
  }
}

void gm_row_kernels_use_ref(gm_row_kernels *k) {
  *k = (gm_row_kernels){
      .add = add,
      .silu_mul = silu_mul,
      .layer_norm = layer_norm,
      .rms_norm = rms_norm,
      .column_stats = column_stats,
      .scale_shift = scale_shift,
      .softmax_step = softmax_step,
      .scale = scale,
      .weighted_rows = weighted_rows,
      .deform = deform,
      .tile_product = tile_product,
      .transpose = transpose,
      .strips = strips,
      .kv[GM_TYPE_F32] = {.widen = widen_f32,
                          .narrow = narrow_f32,
                          .dots = dots_f32,
                          .mix = mix_f32},
      .kv[GM_TYPE_F16] = {.widen = widen_f16,
                          .narrow = narrow_f16,
                          .dots = dots_f16,
                          .mix = mix_f16},
      .kv[GM_TYPE_Q8_0] = {.widen = widen_q8_0,
                           .narrow = narrow_q8_0,
                           .dots = dots_q8_0,
                           .mix = mix_q8_0},
      .rotate = rotate,
      .winograd_output_back = winograd_output_back,
      .winograd_weight_back = winograd_weight_back,
      .winograd_input = winograd_input,
      .winograd_weight = winograd_weight,
      .winograd_output = winograd_output,
  };
}
