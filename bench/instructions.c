/* instructions.c - does one piece of work once, for a tool that counts instructions.
 *
 *   bench_instructions gemm|gemv|attention|decode|conv TYPE
 *
 * Only code inside gm_measured() is counted (callgrind --toggle-collect). Prints the
 * multiply-adds of the straightforward algorithm. bench/instructions.py runs it. */
#include "ops.h"
#include "rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sizes at which packing, epilogues and transforms have about the same share as in the models,
 * and which a tool 50 times slower than the processor finishes in seconds. */
enum {
  ROWS = 128,
  OUT = 128,
  DEPTH = 1024,
  TOKENS = 128,
  HEADS = 4,
  KEYS = 512,
  SIDE = 14,
  MAPS = 8,
  CHANNELS = 128
};

typedef struct work {
  gm_status (*run)(gm_compute *c, const struct work *w);
  gm_tensor weight;
  gm_type kv_type;
  float *x, *y;
  void *kv;
  size_t m;
  double multiply_adds;
} work;

gm_status gm_measured(gm_compute *c, const work *w);
__attribute__((noinline)) gm_status gm_measured(gm_compute *c, const work *w) {
  return w->run(c, w);
}

static void *room(size_t bytes) {
  void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (!p) exit(1);
  return p;
}

/* n random values of a type, in rows of `cols`. */
static void *filled(gm_type type, size_t n, size_t cols) {
  gm_rng rng = {n};
  float *row = room(cols * sizeof *row);
  size_t bytes = gm_type_row_bytes(type, cols);
  unsigned char *out = room(n / cols * bytes);
  for (size_t i = 0; i < n / cols; i++) {
    for (size_t j = 0; j < cols; j++) row[j] = (float)(gm_rng_unit(&rng) - 0.5);
    gm_type_traits_of(type)->from_float(out + i * bytes, row, cols);
  }
  free(row);
  return out;
}

static gm_tensor matrix(gm_type type, size_t n, size_t k) {
  return (gm_tensor){.type = type,
                     .n_dims = 2,
                     .shape = {n, k, 1, 1},
                     .row_bytes = gm_type_row_bytes(type, k),
                     .data = filled(type, n * k, k)};
}

static gm_status run_linear(gm_compute *c, const work *w) {
  gm_linear_out out = {.w = &w->weight, .y = w->y, .ldy = OUT};
  return gm_linear(c, w->x, DEPTH, w->m, &out, 1);
}

static void set_linear(work *w, gm_type type, size_t m) {
  w->run = run_linear;
  w->m = m;
  w->weight = matrix(type, OUT, DEPTH);
  w->x = filled(GM_TYPE_F32, m * DEPTH, DEPTH);
  w->y = room(m * OUT * sizeof *w->y);
  w->multiply_adds = (double)m * OUT * DEPTH;
}

static gm_status run_attention(gm_compute *c, const work *w) {
  size_t head_dim = w->m == 1 ? 128 : 64, row = HEADS * head_dim;
  gm_kv_span span = {w->kv, w->kv, KEYS, row, head_dim};
  gm_attention_args args = {.q = w->x,
                            .q_row = row,
                            .spans = &span,
                            .n_spans = 1,
                            .k_type = w->kv_type,
                            .v_type = w->kv_type,
                            .tq = w->m,
                            .heads = HEADS,
                            .kv_heads = HEADS,
                            .head_dim = head_dim,
                            .scale = 0.1f,
                            .out = w->y,
                            .out_row = row};
  return gm_attention(c, &args);
}

static void set_attention(work *w, gm_type type, size_t m) {
  size_t row = HEADS * (m == 1 ? 128 : 64);
  w->run = run_attention;
  w->m = m;
  w->kv_type = type;
  w->x = filled(GM_TYPE_F32, m * row, row);
  w->kv = filled(type, KEYS * row, row);
  w->y = room(m * row * sizeof *w->y);
  w->multiply_adds = 2.0 * (double)(m * KEYS * row);
}

static gm_status run_conv(gm_compute *c, const work *w) {
  gm_conv_args args = {
      .x = w->x, .b = MAPS, .h = SIDE, .w = SIDE, .weight = &w->weight, .y = w->y};
  return gm_conv3x3(c, &args);
}

static void set_conv(work *w, gm_type type) {
  size_t n = 9 * CHANNELS * CHANNELS, cells = (size_t)MAPS * SIDE * SIDE;
  w->run = run_conv;
  w->weight = (gm_tensor){.type = type,
                          .n_dims = 4,
                          .shape = {3, 3, CHANNELS, CHANNELS},
                          .row_bytes = gm_type_row_bytes(type, CHANNELS),
                          .data = filled(type, n, CHANNELS)};
  w->x = filled(GM_TYPE_F32, cells * CHANNELS, CHANNELS);
  w->y = room(cells * CHANNELS * sizeof *w->y);
  w->multiply_adds = (double)cells * (double)n;
}

/* Leaves w->run NULL if there is no such work. */
static void set(work *w, const char *name, gm_type type) {
  if (strcmp(name, "gemm") == 0) set_linear(w, type, ROWS);
  if (strcmp(name, "gemv") == 0) set_linear(w, type, 1);
  if (strcmp(name, "attention") == 0) set_attention(w, type, TOKENS);
  if (strcmp(name, "decode") == 0) set_attention(w, type, 1);
  if (strcmp(name, "conv") == 0) set_conv(w, type);
}

int main(int argc, char **argv) {
  gm_error err = {0};
  gm_type type;
  work w = {0};
  if (argc == 3 && gm_type_from_name(argv[2], &type)) set(&w, argv[1], type);
  if (!w.run) {
    fprintf(stderr, "wanted gemm, gemv, attention, decode or conv, and a type\n");
    return 2;
  }
  gm_compute c = {.kernels = gm_kernels_best(), .err = &err};
  gm_status status = gm_measured(&c, &w);
  printf("%s %.0f\n", c.kernels->name, w.multiply_adds);
  gm_arena_free(&c.arena);
  free((void *)(uintptr_t)w.weight.data);
  free(w.x);
  free(w.y);
  free(w.kv);
  if (status != GM_OK) fprintf(stderr, "%s\n", err.message);
  return status != GM_OK;
}
