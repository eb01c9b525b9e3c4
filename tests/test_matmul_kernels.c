/* test_matmul_kernels.c - every matrix product of every kernel table that this processor can
 * run, against double precision, on odd sizes and hostile values. */
#include "activations.h"
#include "k_scales.h"
#include "kernels.h"
#include "rng.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const gm_type types[] = {GM_TYPE_F32,  GM_TYPE_F16,  GM_TYPE_BF16, GM_TYPE_Q8_0,
                                GM_TYPE_Q4_0, GM_TYPE_Q4_K, GM_TYPE_Q6_K};
enum { TYPES = sizeof types / sizeof types[0] };

/* The tables under test: all, or those with certain features only. */
static bool is_chosen(const gm_kernels *table) {
#ifdef ONLY_FEATURES
  return strcmp(table->features, ONLY_FEATURES) == 0;
#else
  return table != NULL;
#endif
}

/* The chosen table that comes i-th or later, at *i; NULL: none. */
static const gm_kernels *table_at(size_t *i) {
  const gm_kernels *table = gm_kernels_at(*i);
  while (table && !is_chosen(table)) table = gm_kernels_at(++*i);
  return table;
}

/* How values are drawn: ordinary; magnitudes from tiny to huge side by side; extremes that
 * saturate 16-bit sums, in mixed signs, all the same way and in regular patterns; zeros;
 * denormals; activations near the largest float; block scales of all magnitudes side by side.
 */
typedef enum fill {
  FILL_PLAIN,
  FILL_WIDE,
  FILL_EXTREME,
  FILL_TOP,
  FILL_ZERO,
  FILL_DENORMAL,
  FILL_SIGNS,
  FILL_HUGE,
  FILL_SCALES,
  FILLS
} fill;
static const char *const fill_names[] = {"plain",    "wide",  "extreme", "top",   "zero",
                                         "denormal", "signs", "huge",    "scales"};

typedef struct product {
  const gm_kernels *table;
  const gm_matmul *mm;
  gm_type type;
  bool rounded; /* one of table->rounded */
  fill how;
  uint64_t seed;
  size_t m, n, k, row_bytes;
  float *x;          /* [m, k] */
  unsigned char *w;  /* [n] rows */
  gm_tile_form form; /* of what y and bound are for; AS_ROWS: gemv too */
  double *y;         /* [m, n]: the true product of w and the packed x */
  double *bound;     /* [m, n]: how far a result may be off */
} product;

static float draw(gm_rng *rng, fill how) {
  float v = (float)(gm_rng_unit(rng) * 2 - 1);
  switch (how) {
  case FILL_WIDE:
    return ldexpf(v, (int)(gm_rng_u64(rng) % 24) - 12);
  case FILL_EXTREME:
    return v < 0 ? -1.0f : 1.0f;
  case FILL_SIGNS:
    return 1.0f;
  case FILL_ZERO:
    return 0.0f;
  case FILL_DENORMAL:
    return v * 1e-39f;
  default:
    return v;
  }
}

static float draw_x(gm_rng *rng, fill how) {
  return draw(rng, how) * (how == FILL_HUGE ? 1e30f : 1.0f);
}

/* +1 or -1 for element i of row j: all of one sign, or signs in turn by one, two, four. */
static float sign_at(size_t j, size_t i) {
  size_t each = j % 5;
  bool minus = each < 2 ? each == 1 : i / ((size_t)1 << (each - 2)) % 2;
  return minus ? -1.0f : 1.0f;
}

/* Rows of blocks whose integers are the largest or the least, in the patterns above. */
static void blocks_of_signs(unsigned char *w, size_t rows, size_t row_bytes, gm_type type) {
  size_t block = gm_type_traits_of(type)->block_bytes;
  bool whole =
      type == GM_TYPE_Q8_0; /* a byte is an element; else parts of some, as far apart */
  size_t first = whole ? offsetof(gm_block_q8_0, qs) : 0;
  for (size_t j = 0; j < rows; j++)
    for (size_t i = 0; i < row_bytes; i++) {
      bool minus = sign_at(j, i % block - first) < 0;
      w[j * row_bytes + i] = whole ? (minus ? 0x80 : 0x7F) : minus ? 0 : 0xFF;
    }
  for (size_t at = 0; type == GM_TYPE_Q6_K && at < rows * row_bytes; at += block)
    memset(w + at + offsetof(gm_block_q6_k, scales), at / row_bytes % 2 ? 0x80 : 0x7F, 16);
}

/* A block's scale: from the smallest of f16 to the largest. */
static uint16_t draw_scale(gm_rng *rng, fill how, float unit) {
  static const uint16_t all[] = {0x0001, 0x8001, 0x03FF, 0x0400, 0x9C00,
                                 0x3C00, 0xBC00, 0x7BFF, 0xFBFF, 0x8000};
  if (how == FILL_SCALES) return all[gm_rng_u64(rng) % (sizeof all / sizeof all[0])];
  return gm_f32_to_f16(draw(rng, how) * unit);
}

/* Blocks of any bits but for their scales, which stay finite. */
static void random_blocks(unsigned char *w, size_t bytes, gm_type type, gm_rng *rng, fill how) {
  for (size_t i = 0; i < bytes && how != FILL_SIGNS; i++)
    w[i] = how == FILL_ZERO      ? 0
           : how == FILL_EXTREME ? (gm_rng_u64(rng) & 1 ? 0x80 : 0xFF)
           : how == FILL_TOP     ? (type == GM_TYPE_Q8_0 ? 0x80 : 0xFF)
                                 : (unsigned char)gm_rng_u64(rng);
  size_t block = gm_type_traits_of(type)->block_bytes;
  for (size_t at = 0; at < bytes; at += block) {
    uint16_t d = draw_scale(rng, how, 0.01f), dmin = draw_scale(rng, how, 1);
    memcpy(w + at + (type == GM_TYPE_Q6_K ? offsetof(gm_block_q6_k, d) : 0), &d, 2);
    if (type == GM_TYPE_Q4_K) memcpy(w + at + 2, &dmin, 2);
  }
}

/* The largest |w| that a block's scales allow, both of its terms counted: f32 sums may be off
 * by rounding of each. */
static double block_top(const unsigned char *block, gm_type type) {
  uint16_t d, dmin;
  memcpy(&d, block + (type == GM_TYPE_Q6_K ? offsetof(gm_block_q6_k, d) : 0), 2);
  memcpy(&dmin, block + 2, 2);
  double scale = fabs((double)gm_f16_to_f32(d));
  switch (type) {
  case GM_TYPE_Q8_0:
    return scale * 256; /* as it may be summed with its offset */
  case GM_TYPE_Q4_0:
    return scale * 24;
  case GM_TYPE_Q4_K:
    return scale * 63 * 15 + fabs((double)gm_f16_to_f32(dmin)) * 63;
  default:
    return scale * 128 * 96;
  }
}

static float rounded_to_bf16(float x) {
  return gm_bf16_to_f32(gm_f32_to_bf16(x));
}

static size_t tile_chunk(gm_tile_form form) {
  return form == GM_TILE_WORDS ? GM_XW_CHUNK : GM_X_CHUNK;
}

static size_t tile_chunk_bytes(gm_tile_form form) {
  return form == GM_TILE_WORDS   ? GM_XW_BYTES
         : form == GM_TILE_QUADS ? GM_XU_BYTES
                                 : GM_XT_BYTES;
}

/* Bytes of a row that lie side by side. */
static size_t tile_line(gm_tile_form form) {
  return form == GM_TILE_LINES ? 64 : 32;
}

/* Forms 3 to 6 of activations.h, element by element. */
static void pack_tile(gm_tile_form form, void *out, const float *x, size_t ldx, size_t rows,
                      size_t group, size_t k) {
  bool words = form == GM_TILE_WORDS, quads = form == GM_TILE_QUADS;
  size_t line = tile_line(form), part = words ? line / 2 : line;
  size_t chunk = tile_chunk(form);
  unsigned char *dst = out;
  for (size_t at = 0; at < k; at += chunk) {
    for (size_t r = 0; r < rows; r++) {
      float most = words ? GM_XW_TOP : 127, top = 0;
      float *d = (float *)(void *)(dst + (words ? 128 : 256) * group) + r;
      int32_t *s = (int32_t *)(void *)(dst + 260 * group) + r;
      for (size_t i = at; i < k && i < at + chunk; i++) top = fmaxf(top, fabsf(x[r * ldx + i]));
      float inverse = top > GM_X_TINY ? most / top : 0.0f;
      *d = top > GM_X_TINY ? top / most : 0.0f;
      for (size_t i = at; i < k && i < at + chunk; i++) {
        int16_t q = (int16_t)rintf(x[r * ldx + i] * inverse);
        unsigned char *place = dst + ((i - at) / part * group + r) * line;
        if (words)
          memcpy(place + i % part * 2, &q, 2);
        else if (quads)
          place[i % part] = (unsigned char)(q + 128);
        else
          place[i % part] = (unsigned char)(q & 0xFF), *s -= 128 * q;
      }
    }
    dst += tile_chunk_bytes(form) * group;
  }
}

/* Element i of a chunk of one packed row. */
static float unpacked(const product *p, const unsigned char *chunk, size_t block, size_t i) {
  int16_t word;
  switch (p->form) {
  case GM_TILE_BYTES:
  case GM_TILE_LINES:
    return (float)gm_x_q(chunk, 1, i / 32, 0)[i % 32] * gm_xt_d(chunk, 1)[0];
  case GM_TILE_WORDS:
    memcpy(&word, chunk + 2 * i, 2);
    return (float)word * *(const float *)(const void *)(chunk + 128);
  case GM_TILE_QUADS:
    return (float)(chunk[i] - 128) * *(const float *)(const void *)(chunk + 256);
  default:
    return (float)(block == 32 ? gm_x_q : gm_xk_q)(chunk, 1, i / 32, 0)[i % 32] *
           (block == 32 ? gm_x32_d(chunk, 1)[i / 32] : gm_xk_d(chunk, 1)[0]);
  }
}

/* Row r of x as it is packed in p->form; the packing itself has a test of its own. */
static void packed_row(const product *p, size_t r, float *row) {
  bool own = p->form != GM_TILE_AS_ROWS;
  if (p->rounded && !own) {
    for (size_t i = 0; i < p->k; i++) row[i] = rounded_to_bf16(p->x[r * p->k + i]);
    return;
  }
  const gm_matmul *ref = gm_kernels_at(0)->matmul[p->type];
  size_t elements = own ? tile_chunk(p->form) : ref->chunk;
  size_t chunks = (p->k + elements - 1) / elements;
  size_t chunk_bytes = own ? tile_chunk_bytes(p->form) : ref->row_chunk_bytes;
  unsigned char *packed = calloc(chunks, chunk_bytes);
  assert_non_null(packed);
  if (own)
    pack_tile(p->form, packed, p->x + r * p->k, p->k, 1, 1, p->k);
  else
    ref->pack_x(packed, p->x + r * p->k, p->k, 1, 1, p->k);
  for (size_t i = 0; i < p->k; i++) {
    const unsigned char *chunk = packed + i / elements * chunk_bytes;
    if (ref->block == 1 && !own)
      memcpy(&row[i], chunk, sizeof(float));
    else
      row[i] = unpacked(p, chunk, ref->block, i % elements);
  }
  free(packed);
}

/* The step of bytes to which up to 256 elements of a row of w are rounded, so that the largest
 * that their own scales allow is 127 steps (of Q8_0: 127 of the largest scale). */
static double byte_step(const unsigned char *w, gm_type type, size_t n) {
  const gm_type_traits *traits = gm_type_traits_of(type);
  double top = 0;
  for (size_t at = 0; at < n; at += traits->block, w += traits->block_bytes) {
    uint16_t d, dmin;
    memcpy(&d, w + (type == GM_TYPE_Q6_K ? offsetof(gm_block_q6_k, d) : 0), 2);
    memcpy(&dmin, w + 2, 2);
    double scale = (double)gm_f16_to_f32(d), least = (double)gm_f16_to_f32(dmin);
    if (type == GM_TYPE_Q8_0) top = fmax(top, fabs(scale) * 127);
    if (type == GM_TYPE_Q4_0) top = fmax(top, fabs(scale) * 8);
    if (type == GM_TYPE_Q6_K)
      for (size_t i = 0; i < 16; i++)
        top = fmax(top, fabs(scale * ((const gm_block_q6_k *)(const void *)w)->scales[i]) * 32);
    if (type == GM_TYPE_Q4_K) {
      uint8_t s[8], m[8];
      gm_q4_k_scales(s, m, w + offsetof(gm_block_q4_k, scales));
      for (size_t i = 0; i < 8; i++)
        top = fmax(top, fmax(fabs(least * m[i]), fabs(15 * scale * s[i] - least * m[i])));
    }
  }
  return top / 127;
}

/* The steps of 8 elements each of up to 256 elements w of a row: those of one sign among the
 * four whose products a tile sums in 16 bits, {0, 1, 4, 5} and {2, 3, 6, 7}, are 125.5 steps
 * together; a step is 127 / 125.5 of the block's own at least, and is rounded up to a multiple
 * of the largest / 1023. */
static void quad_steps(double steps[32], const float *w, const unsigned char *blocks,
                       gm_type type, size_t n) {
  double top = 0;
  for (size_t g = 0; g < n / 8; g++) {
    uint16_t d;
    memcpy(&d,
           type == GM_TYPE_Q6_K ? blocks + offsetof(gm_block_q6_k, d)
                                : blocks + g / 4 * sizeof(gm_block_q8_0),
           2);
    double most = 127 * fabs((double)gm_f16_to_f32(d));
    for (size_t i = 0; i < 2; i++) {
      double above = 0, below = 0;
      for (size_t j = 0; j < 4; j++) {
        double v = (double)w[g * 8 + i * 2 + j / 2 * 4 + j % 2];
        above += fmax(v, 0), below += fmax(-v, 0);
      }
      most = fmax(most, fmax(above, below));
    }
    steps[g] = most / 125.5;
    top = fmax(top, steps[g]);
  }
  for (size_t g = 0; g < n / 8; g++) steps[g] += top / 1023;
}

/* The step to which each element w of row j is rounded, 0: as it is. */
static void tile_steps(double *steps, const product *p, const float *w, size_t j) {
  const gm_type_traits *traits = gm_type_traits_of(p->type);
  size_t chunk = tile_chunk(p->form);
  for (size_t at = 0; at < p->k; at += chunk) {
    const unsigned char *block =
        p->w + j * p->row_bytes + at / traits->block * traits->block_bytes;
    size_t n = p->k - at < chunk ? p->k - at : chunk;
    double parts[32];
    float top = 0; /* a double here stops gcc 12 for ARM */
    for (size_t i = 0; i < n; i++) top = fmaxf(top, fabsf(w[at + i]));
    if (p->form == GM_TILE_QUADS) quad_steps(parts, w + at, block, p->type, n);
    for (size_t i = 0; i < n; i++)
      steps[at + i] = p->form == GM_TILE_QUADS     ? parts[i / 8]
                      : p->form == GM_TILE_WORDS   ? (double)top / GM_WW_TOP
                      : p->form == GM_TILE_AS_ROWS ? 0
                                                   : byte_step(block, p->type, n);
  }
}

static void product_make(product *p) {
  const gm_type_traits *traits = gm_type_traits_of(p->type);
  gm_rng rng = {p->seed};
  p->row_bytes = gm_type_row_bytes(p->type, p->k);
  p->x = malloc(p->m * p->k * sizeof(float));
  p->w = malloc(p->n * p->row_bytes);
  p->y = calloc(p->m * p->n, sizeof(double));
  p->bound = calloc(p->m * p->n, sizeof(double));
  float *row = malloc(p->k * sizeof(float));
  assert_true(p->x && p->w && p->y && p->bound && row);
  for (size_t i = 0; i < p->m * p->k; i++) p->x[i] = draw_x(&rng, p->how);
  if (traits->quantised && p->how == FILL_SIGNS)
    blocks_of_signs(p->w, p->n, p->row_bytes, p->type);
  if (traits->quantised)
    random_blocks(p->w, p->n * p->row_bytes, p->type, &rng, p->how);
  else
    for (size_t j = 0; j < p->n; j++) {
      for (size_t i = 0; i < p->k; i++)
        row[i] = draw(&rng, p->how) * (p->how == FILL_SIGNS ? sign_at(j, i) : 1.0f);
      traits->from_float(p->w + j * p->row_bytes, row, p->k);
    }
  free(row);
}

/* Fills y and bound, for what holds its numbers in `form`. */
static void product_expect(product *p, gm_tile_form form) {
  const gm_type_traits *traits = gm_type_traits_of(p->type);
  float *row = malloc(p->k * sizeof(float)), *weights = malloc(p->n * p->k * sizeof(float));
  double *all_steps = malloc(p->n * p->k * sizeof(double));
  assert_true(row && weights && all_steps);
  p->form = form;
  for (size_t j = 0; j < p->n; j++)
    traits->to_float(weights + j * p->k, p->w + j * p->row_bytes, p->k);
  for (size_t i = 0; p->rounded && form == GM_TILE_AS_ROWS && i < p->n * p->k; i++)
    weights[i] = rounded_to_bf16(weights[i]);
  for (size_t j = 0; j < p->n; j++) tile_steps(all_steps + j * p->k, p, weights + j * p->k, j);

  /* A chain of s rounded sums of rounded products is off by at most about s * 2^-24 times the
   * sum of magnitudes (Higham, 3.1); the sums are k, or one a block with some rounded factors.
   * Denormal results may be off by half the smallest step for each, or, as may denormal
   * factors, be flushed to zero by a product of bf16 pairs. */
  double smallest = p->rounded ? 0x1p-126 : 0x1p-149;
  double steps = traits->quantised ? (double)(p->k / 32 + 8) : (double)(p->k + 2);
  for (size_t r = 0; r < p->m; r++) {
    packed_row(p, r, row);
    for (size_t j = 0; j < p->n; j++) {
      double part = form == GM_TILE_QUADS ? 0.57 : 0.51;
      double sum = 0, size = 0, worst = 0, likely = 0;
      for (size_t i = 0; i < p->k; i++) {
        double v = (double)row[i], w = (double)weights[j * p->k + i];
        double step = all_steps[j * p->k + i];
        const unsigned char *block =
            p->w + j * p->row_bytes + i / traits->block * traits->block_bytes;
        sum += v * w;
        size += fabs(v) * (traits->quantised ? block_top(block, p->type) : fabs(w));
        worst += fabs(v) * part * step;
        if (form == GM_TILE_BYTES || form == GM_TILE_LINES)
          worst += fabs(v) * fmax(0, fabs(w) - 127 * step);
        likely += v * v * step * step;
      }
      /* A tile's weights are off by half a step, one in 100 of a step more for its 16-bit
       * arithmetic (of quads, whose words have 2^14 and factors 2^-16, 2^-4), and by what is
       * beyond 127 steps (-128 of Q8_0 in bytes). Of ordinary values these are independent and
       * even, of a deviation of a step / sqrt(12) each; 8 of the deviations of the sum never
       * happen. */
      if (p->how == FILL_PLAIN) worst = fmin(worst, 8 * sqrt(likely / 12));
      p->y[r * p->n + j] = sum;
      p->bound[r * p->n + j] = worst + steps * (size * 0x1p-24 + smallest);
    }
  }
  free(row);
  free(weights);
  free(all_steps);
}

static void product_free(product *p) {
  free(p->x);
  free(p->w);
  free(p->y);
  free(p->bound);
}

static void check(const product *p, const char *way, size_t r, size_t j, float got) {
  size_t at = r * p->n + j;
  if (fabs((double)got - p->y[at]) <= p->bound[at]) return;
  fail_msg(
      "%s%s %s%s %s, %s values, seed %llu, m %zu n %zu k %zu: y[%zu,%zu] is %.9g, want %.9g "
      "within %.3g",
      p->table->name, p->table->features, gm_type_traits_of(p->type)->name,
      p->rounded ? " rounded" : "", way, fill_names[p->how], (unsigned long long)p->seed, p->m,
      p->n, p->k, r, j, (double)got, p->y[at], p->bound[at]);
}

static void *aligned(size_t bytes) {
  void *block = aligned_alloc(64, (bytes + 63) / 64 * 64);
  assert_non_null(block);
  return block;
}

/* The first rows alone are bit-identical to those of the whole tile. */
static void check_tile_part(const gm_matmul *mm, const float *acc, const void *x,
                            const void *panel, size_t k) {
  float *part = aligned(mm->mr * mm->nr * sizeof(float));
  for (size_t rows = 1; rows < mm->mr; rows++) {
    mm->tile_part(part, x, panel, k, true, rows);
    assert_memory_equal(part, acc, rows * mm->nr * sizeof(float));
  }
  free(part);
}

/* All tiles and panels of the product, k cut at `cut`; rows and columns beyond m, n are zero.
 */
static void check_tiles(const product *p, size_t cut) {
  const gm_matmul *mm = p->mm;
  size_t chunks = (p->k + mm->chunk - 1) / mm->chunk;
  unsigned char *x = aligned(mm->mr * mm->x_chunk_bytes * chunks);
  unsigned char *panel = aligned(mm->nr * mm->w_chunk_bytes * chunks);
  float *acc = aligned(mm->mr * mm->nr * sizeof(float));
  gm_matmul_begin(mm);
  for (size_t row = 0; row < p->m; row += mm->mr)
    for (size_t column = 0; column < p->n; column += mm->nr) {
      size_t rows = p->m - row < mm->mr ? p->m - row : mm->mr;
      size_t columns = p->n - column < mm->nr ? p->n - column : mm->nr;
      mm->pack_x(x, p->x + row * p->k, p->k, rows, mm->mr, p->k);
      for (size_t at = 0; at < p->k; at += cut) {
        size_t k = p->k - at < cut ? p->k - at : cut;
        const gm_type_traits *traits = gm_type_traits_of(p->type);
        mm->pack_w(panel,
                   p->w + column * p->row_bytes + at / traits->block * traits->block_bytes,
                   p->row_bytes, columns, k);
        mm->tile(acc, x + at / mm->chunk * mm->x_chunk_bytes * mm->mr, panel, k, at == 0);
      }
      if (mm->tile_part && cut == p->k) check_tile_part(mm, acc, x, panel, p->k);
      for (size_t r = 0; r < mm->mr; r++)
        for (size_t j = 0; j < mm->nr; j++) {
          if (r < rows && j < columns)
            check(p, "tile", row + r, column + j, acc[r * mm->nr + j]);
          else
            assert_true(acc[r * mm->nr + j] == 0.0f);
        }
    }
  gm_matmul_end(mm);
  free(x);
  free(panel);
  free(acc);
}

/* With m rows of x, and then the same bits with each alone. */
static void check_gemv(const product *p, size_t m) {
  const gm_matmul *mm = p->mm;
  size_t chunks = (p->k + mm->chunk - 1) / mm->chunk, row = mm->row_chunk_bytes * chunks;
  unsigned char *x = aligned(m * row);
  /* y has wider rows than n, and the floats between them must not change. */
  size_t ldy = p->n + 3;
  float *y = aligned(m * ldy * sizeof(float));
  for (size_t i = 0; i < m * ldy; i++) y[i] = 12345.0f;
  for (size_t r = 0; r < m; r++) mm->pack_x(x + r * row, p->x + r * p->k, p->k, 1, 1, p->k);
  mm->gemv(y, ldy, x, m, p->w, p->row_bytes, p->n, p->k);
  for (size_t r = 0; r < m; r++)
    for (size_t j = 0; j < ldy; j++) {
      if (j < p->n)
        check(p, "gemv", r, j, y[r * ldy + j]);
      else
        assert_true(y[r * ldy + j] == 12345.0f);
    }
  float *alone = aligned(p->n * sizeof(float));
  for (size_t r = 0; r < m; r++) {
    mm->gemv(alone, p->n, x + r * row, 1, p->w, p->row_bytes, p->n, p->k);
    if (memcmp(alone, y + r * ldy, p->n * sizeof(float)) != 0)
      fail_msg("%s%s %s: row %zu of %zu differs from the same row alone, k %zu", p->table->name,
               p->table->features, gm_type_traits_of(p->type)->name, r, m, p->k);
  }
  free(alone);
  free(x);
  free(y);
}

static void check_product(const gm_kernels *table, gm_type type, bool rounded, fill how,
                          uint64_t seed, size_t m, size_t n, size_t k) {
  product p = {.table = table,
               .mm = rounded ? table->rounded[type] : table->matmul[type],
               .type = type,
               .rounded = rounded,
               .how = how,
               .seed = seed,
               .m = m,
               .n = n,
               .k = k};
  product_make(&p);
  product_expect(&p, p.mm->form);
  check_tiles(&p, k);
  if (p.mm->chunk < k) check_tiles(&p, p.mm->chunk > 1 ? p.mm->chunk : k / 2);
  if (!rounded) {
    if (p.mm->form != GM_TILE_AS_ROWS) product_expect(&p, GM_TILE_AS_ROWS);
    check_gemv(&p, m < GM_GEMV_ROWS ? m : GM_GEMV_ROWS);
  }
  product_free(&p);
}

static void products(void **state) {
  (void)state;
  static const size_t ks[] = {1, 3, 8, 17, 32, 64, 77, 96, 160, 256, 288, 512, 544, 768};
  const gm_kernels *table;
  for (size_t t = 0; (table = table_at(&t)) != NULL; t++)
    for (size_t i = 0; i < TYPES; i++) {
      size_t block = table->matmul[types[i]]->block;
      for (size_t j = 0; j < sizeof ks / sizeof ks[0]; j++)
        for (int how = 0; how < FILLS; how++) {
          if (ks[j] % block != 0) continue;
          uint64_t seed = gm_mix64(t * 1000 + i * 100 + j * 10 + (uint64_t)how);
          size_t m = 1 + seed % 19, n = 1 + (seed >> 20) % 70;
          check_product(table, types[i], false, (fill)how, seed, m, n, ks[j]);
          if (table->rounded[types[i]])
            check_product(table, types[i], true, (fill)how, seed, m, n, ks[j]);
        }
    }
}

/* NaN stays NaN through any rounding. Among a row's activations it makes all of its products
 * NaN, among a row's weights or in a block's scale all of that row of w. */
typedef struct poisoned {
  size_t x_row, w_row; /* SIZE_MAX: none */
} poisoned;

static void check_poison(const product *p, const char *way, const poisoned *at, size_t r,
                         size_t j, float got) {
  if (isnan(got) == (r == at->x_row || j == at->w_row)) return;
  fail_msg("%s%s %s%s %s k %zu: y[%zu,%zu] is %g, NaN is in row %zd of x or %zd of w",
           p->table->name, p->table->features, gm_type_traits_of(p->type)->name,
           p->rounded ? " rounded" : "", way, p->k, r, j, (double)got, (ssize_t)at->x_row,
           (ssize_t)at->w_row);
}

static void check_poisoned(const product *p, const poisoned *at) {
  const gm_matmul *mm = p->mm;
  size_t chunks = (p->k + mm->chunk - 1) / mm->chunk, row = mm->row_chunk_bytes * chunks;
  assert_true(p->m <= mm->mr && p->n <= mm->nr);
  unsigned char *x = aligned(mm->mr * mm->x_chunk_bytes * chunks);
  unsigned char *panel = aligned(mm->nr * mm->w_chunk_bytes * chunks);
  float *y = aligned(mm->mr * mm->nr * sizeof(float));
  mm->pack_x(x, p->x, p->k, p->m, mm->mr, p->k);
  mm->pack_w(panel, p->w, p->row_bytes, p->n, p->k);
  gm_matmul_begin(mm);
  mm->tile(y, x, panel, p->k, true);
  gm_matmul_end(mm);
  for (size_t r = 0; r < p->m; r++)
    for (size_t j = 0; j < p->n; j++) check_poison(p, "tile", at, r, j, y[r * mm->nr + j]);
  free(x);
  free(panel);
  free(y);
  if (!mm->gemv) return;
  x = aligned(p->m * row);
  y = aligned(p->m * p->n * sizeof(float));
  for (size_t r = 0; r < p->m; r++) mm->pack_x(x + r * row, p->x + r * p->k, p->k, 1, 1, p->k);
  mm->gemv(y, p->n, x, p->m, p->w, p->row_bytes, p->n, p->k);
  for (size_t r = 0; r < p->m; r++)
    for (size_t j = 0; j < p->n; j++) check_poison(p, "gemv", at, r, j, y[r * p->n + j]);
  free(x);
  free(y);
}

/* Poisons each scale of one row of w in turn. */
static void poison_scales(product *p) {
  const gm_type_traits *traits = gm_type_traits_of(p->type);
  const uint16_t nan = gm_f32_to_f16(NAN);
  const poisoned at = {SIZE_MAX, 2};
  size_t first = p->type == GM_TYPE_Q6_K ? offsetof(gm_block_q6_k, d) : 0;
  for (size_t b = 0; b < p->k / traits->block; b++)
    for (size_t scale = 0; scale < (p->type == GM_TYPE_Q4_K ? 2 : 1); scale++) {
      unsigned char *place =
          p->w + at.w_row * p->row_bytes + b * traits->block_bytes + first + 2 * scale;
      uint16_t before;
      memcpy(&before, place, 2);
      memcpy(place, &nan, 2);
      check_poisoned(p, &at);
      memcpy(place, &before, 2);
    }
}

/* Poisons each weight of a row in turn. */
static void poison_weights(product *p) {
  const gm_type_traits *traits = gm_type_traits_of(p->type);
  const poisoned at = {SIZE_MAX, 2};
  const float nan = NAN;
  for (size_t i = 0; i < p->k; i++) {
    unsigned char *place = p->w + at.w_row * p->row_bytes + i * traits->block_bytes;
    unsigned char before[sizeof nan];
    memcpy(before, place, traits->block_bytes);
    traits->from_float(place, &nan, 1);
    check_poisoned(p, &at);
    memcpy(place, before, traits->block_bytes);
  }
}

static void poison(const gm_kernels *table, gm_type type, bool rounded) {
  product p = {.table = table,
               .mm = rounded ? table->rounded[type] : table->matmul[type],
               .type = type,
               .rounded = rounded,
               .seed = 3,
               .m = 3,
               .n = 4,
               .k = rounded ? 160 : 512};
  const poisoned none = {SIZE_MAX, SIZE_MAX}, at = {1, SIZE_MAX};
  product_make(&p);
  check_poisoned(&p, &none);
  for (size_t i = 0; i < p.k; i++) {
    float before = p.x[p.k + i];
    p.x[p.k + i] = i % 2 ? NAN : -NAN;
    check_poisoned(&p, &at);
    p.x[p.k + i] = before;
  }
  if (gm_type_traits_of(type)->quantised)
    poison_scales(&p);
  else
    poison_weights(&p);
  product_free(&p);
}

static void not_a_number(void **state) {
  (void)state;
  const gm_kernels *table;
  for (size_t t = 0; (table = table_at(&t)) != NULL; t++)
    for (size_t i = 0; i < TYPES; i++) {
      poison(table, types[i], false);
      if (table->rounded[types[i]]) poison(table, types[i], true);
    }
}

/* Counts of rows that gemv may be asked for: all of the small ones, and those around the groups
 * that kernels make. There are more columns than in any unrolling. */
static void gemv_rows(void **state) {
  (void)state;
  static const size_t rows[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 23, 31, GM_GEMV_ROWS};
  const gm_kernels *table;
  for (size_t t = 0; (table = table_at(&t)) != NULL; t++)
    for (size_t i = 0; i < TYPES; i++)
      for (size_t j = 0; j < sizeof rows / sizeof rows[0]; j++)
        check_product(table, types[i], false, FILL_PLAIN, 77 + rows[j], rows[j], 37, 512);
}

/* The packed forms are bit-identical to plain C's: the same rounding, the same scales. */
static void packing(void **state) {
  (void)state;
  enum { K = 800, ROWS = 32 };
  static float x[ROWS * (K + 5)];
  const gm_kernels *table;
  for (size_t t = 1; (table = table_at(&t)) != NULL; t++)
    for (size_t i = 0; i < TYPES; i++)
      for (int how = 0; how < FILLS; how++) {
        const gm_matmul *mm = table->matmul[types[i]];
        const gm_matmul *ref = gm_kernels_at(0)->matmul[types[i]];
        gm_rng rng = {(uint64_t)how + 5};
        for (size_t j = 0; j < ROWS * (K + 5); j++) x[j] = draw_x(&rng, (fill)how);
        size_t k = mm->block == 256 ? 768 : K, chunks = (k + mm->chunk - 1) / mm->chunk;
        size_t groups[2] = {1, mm->mr};
        for (size_t g = 0; g < 2; g++) {
          size_t bytes =
              groups[g] * chunks * (g == 0 ? mm->row_chunk_bytes : mm->x_chunk_bytes);
          unsigned char *a = aligned(bytes), *b = aligned(bytes);
          memset(a, 0, bytes);
          memset(b, 0, bytes);
          size_t rows = groups[g] > 1 ? groups[g] - 1 : 1;
          mm->pack_x(a, x, K + 5, rows, groups[g], k);
          if (g == 1 && mm->form != GM_TILE_AS_ROWS)
            pack_tile(mm->form, b, x, K + 5, rows, groups[g], k);
          else
            ref->pack_x(b, x, K + 5, rows, groups[g], k);
          if (memcmp(a, b, bytes) != 0)
            fail_msg("%s%s %s: packed activations differ from plain C's, group %zu, %s values",
                     table->name, table->features, gm_type_traits_of(types[i])->name, groups[g],
                     fill_names[how]);
          free(a);
          free(b);
        }
      }
}

/* Rounding to int8 is off by at most half a step, and the sums are those of what was rounded.
 */
static void rounding(void **state) {
  (void)state;
  float x[256];
  gm_rng rng = {11};
  for (size_t i = 0; i < 256; i++) x[i] = draw(&rng, FILL_WIDE);
  _Alignas(64) unsigned char chunk[GM_XK_BYTES];
  gm_kernels_at(0)->matmul[GM_TYPE_Q8_0]->pack_x(chunk, x, 256, 1, 1, 256);
  for (size_t i = 0; i < 256; i++) {
    float d = gm_x32_d(chunk, 1)[i / 32], q = gm_x_q(chunk, 1, i / 32, 0)[i % 32];
    assert_true(fabsf(d * q - x[i]) <= d * 0.5001f);
  }
  gm_kernels_at(0)->matmul[GM_TYPE_Q4_K]->pack_x(chunk, x, 256, 1, 1, 256);
  for (size_t i = 0; i < 256; i++) {
    float d = gm_xk_d(chunk, 1)[0], q = gm_xk_q(chunk, 1, i / 32, 0)[i % 32];
    assert_true(fabsf(d * q - x[i]) <= d * 0.5001f);
  }
  for (size_t b = 0; b < 8; b++) {
    int32_t low = 0, high = 0;
    for (size_t i = 0; i < 16; i++) low += gm_xk_q(chunk, 1, b, 0)[i];
    for (size_t i = 16; i < 32; i++) high += gm_xk_q(chunk, 1, b, 0)[i];
    assert_int_equal(gm_xk_s16(chunk, 1)[2 * b], low);
    assert_int_equal(gm_xk_s16(chunk, 1)[2 * b + 1], high);
    assert_int_equal(gm_xk_s32(chunk, 1)[b], low + high);
  }
}

/* Activations in double precision; the f32 forms may be off by a few steps of their result and
 * of their input. */
static void epilogues(void **state) {
  (void)state;
  enum { ROWS = 3, COLUMNS = 37 };
  float acc[ROWS * COLUMNS], y[ROWS * 40], before[ROWS * 40], bias[COLUMNS], scale[COLUMNS];
  const gm_kernels *table;
  for (size_t t = 0; (table = table_at(&t)) != NULL; t++)
    for (unsigned how = 0; how < 6 * 8; how++) {
      gm_rng rng = {how};
      gm_epilogue e = {how & 1 ? bias : NULL, how & 2 ? scale : NULL, (gm_act)(how / 8),
                       (how & 4) != 0};
      for (size_t i = 0; i < ROWS * COLUMNS; i++)
        acc[i] = draw(&rng, FILL_WIDE) * (i % 3 == 0 ? 0.01f : 1.0f);
      acc[0] = 100.0f, acc[1] = -100.0f, acc[2] = 3e38f, acc[3] = -3e38f, acc[4] = 0.0f;
      for (size_t i = 0; i < COLUMNS; i++) bias[i] = draw(&rng, 0), scale[i] = draw(&rng, 0);
      for (size_t i = 0; i < ROWS * 40; i++) y[i] = before[i] = draw(&rng, 0);
      table->epilogue(y, 40, acc, COLUMNS, ROWS, COLUMNS, &e);
      for (size_t r = 0; r < ROWS; r++)
        for (size_t j = 0; j < 40; j++) {
          float got = y[r * 40 + j], was = before[r * 40 + j];
          if (j >= COLUMNS) {
            assert_true(got == was);
            continue;
          }
          double v = (double)(acc[r * COLUMNS + j] + (e.bias ? bias[j] : 0.0f)), in = v;
          if (e.act == GM_ACT_RELU) v = v > 0 ? v : 0;
          if (e.act == GM_ACT_GELU) v = 0.5 * v * erfc(-v * 0.70710678118654752);
          if (e.act == GM_ACT_GELU_TANH)
            v = v / (1 + exp(-2 * sqrt(2 / 3.14159265358979324) * (v + 0.044715 * v * v * v)));
          if (e.act == GM_ACT_QUICK_GELU) v = v / (1 + exp(-1.702 * v));
          if (e.act == GM_ACT_SILU) v = v / (1 + exp(-v));
          double unit = e.act >= GM_ACT_GELU ? 4e-7 * fmin(fabs(in), 1 + fabs(v)) : 0;
          if (e.scale) v *= (double)scale[j], unit *= fabs((double)scale[j]);
          if (e.accumulate) v += (double)was;
          double bound = unit + 3e-7 * (fabs(v) + (e.accumulate ? 2 : 0)) + 1e-36;
          if (!(fabs((double)got - v) <= bound))
            fail_msg("%s%s epilogue %u: %.9g gives %.9g, want %.9g within %.3g", table->name,
                     table->features, how, in, (double)got, v, bound);
        }
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rounding),  cmocka_unit_test(packing),      cmocka_unit_test(products),
      cmocka_unit_test(gemv_rows), cmocka_unit_test(not_a_number), cmocka_unit_test(epilogues),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  const char *name;
  for (size_t i = 0; (name = gm_kernels_missing(i)) != NULL; i++)
    printf("skipped: %s is not in this processor\n", name);
  return failed;
}
