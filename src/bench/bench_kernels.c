/* bench_kernels.c - gm_bench_kernels: every kernel timed by itself, for each instruction set.
 *
 * Matrix products go through gm_linear, so threads, packing and epilogue are included. Many
 * rows are compared with the arithmetic limit of the same instruction set. One row is compared
 * with the memory: its weights are several copies, larger together than any cache. Loops over
 * rows run on one thread on data that stays in the cache. */
#include "bench.h"
#include "ops.h"
#include "rng.h"

#include <stdio.h>
#include <string.h>

enum { COLD_BYTES = 192 << 20, SEED_ROWS = 16 };

/* One product: m rows of x with a w[n, k] of `type`, `copies` of it in turn. */
typedef struct product {
  gm_type type;
  size_t m, n, k, copies;
  float *x, *y;
  unsigned char *w;
} product;

static gm_status run_product(gm_compute *c, void *user) {
  const product *p = user;
  gm_tensor w = {.type = p->type,
                 .n_dims = 2,
                 .shape = {p->n, p->k, 1, 1},
                 .row_bytes = gm_type_row_bytes(p->type, p->k)};
  c->way = p->m == 1 ? GM_WAY_STEP : GM_WAY_READ;
  for (size_t i = 0; i < p->copies; i++) {
    w.data = p->w + i * p->n * w.row_bytes;
    gm_linear_out out = {.w = &w, .y = p->y, .ldy = p->n};
    GM_TRY(gm_linear(c, p->x, p->k, p->m, &out, 1));
  }
  return GM_OK;
}

static void fill(float *x, size_t n, uint64_t seed) {
  gm_rng rng = {seed};
  for (size_t i = 0; i < n; i++) x[i] = (float)(gm_rng_unit(&rng) - 0.5);
}

/* Some rows of random weights, repeated. */
static void fill_weights(product *p, float *row) {
  const gm_type_traits *traits = gm_type_traits_of(p->type);
  size_t bytes = gm_type_row_bytes(p->type, p->k), rows = p->n * p->copies;
  for (size_t j = 0; j < rows && j < SEED_ROWS; j++) {
    fill(row, p->k, j);
    traits->from_float(p->w + j * bytes, row, p->k);
  }
  for (size_t j = SEED_ROWS; j < rows; j++)
    memcpy(p->w + j * bytes, p->w + (j - SEED_ROWS) * bytes, bytes);
}

/* The stages of a type's products. */
typedef struct type_stages {
  gm_type type;
  const char *many_rows, *one_row;
} type_stages;

static const type_stages types[] = {
    {GM_TYPE_F32, "gemm f32", "gemv f32"},    {GM_TYPE_F16, "gemm f16", "gemv f16"},
    {GM_TYPE_BF16, "gemm bf16", "gemv bf16"}, {GM_TYPE_Q8_0, "gemm q8_0", "gemv q8_0"},
    {GM_TYPE_Q4_0, "gemm q4_0", "gemv q4_0"}, {GM_TYPE_Q4_K, "gemm q4_k", "gemv q4_k"},
    {GM_TYPE_Q6_K, "gemm q6_k", "gemv q6_k"},
};
enum { N_TYPES = sizeof types / sizeof types[0] };

/* What is added to a report, and how. */
typedef struct kernel_bench {
  gm_bench_results *results;
  const char *stages; /* those to time; NULL: all */
  uint32_t repeat;
} kernel_bench;

static gm_status time_product(const kernel_bench *b, gm_compute *c, gm_limits *limits,
                              const type_stages *of, const size_t shape[3]) {
  gm_type type = of->type;
  const char *stage = shape[0] == 1 ? of->one_row : of->many_rows;
  if (!gm_bench_wants(b->stages, stage)) return GM_OK;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  product p = {.type = type, .m = shape[0], .n = shape[1], .k = shape[2], .copies = 1};
  size_t bytes = p.n * gm_type_row_bytes(type, p.k);
  if (p.m == 1) p.copies = COLD_BYTES / bytes + 1;
  p.x = gm_scratch_f32(c, p.m * p.k, "activations to time");
  p.y = gm_scratch_f32(c, p.m * p.n, "a product to time");
  p.w = gm_scratch(c, p.copies * bytes, "weights to time");
  float *row = gm_scratch_f32(c, p.k, "a row of weights");
  if (!p.x || !p.y || !p.w || !row) return GM_ERR_MEMORY;
  fill(p.x, p.m * p.k, 1);
  fill_weights(&p, row);
  gm_bench_job job = {.stage = stage,
                      .operations = 2.0 * (double)p.m * (double)p.n * (double)p.k,
                      .bytes = (double)bytes,
                      .limit = p.m == 1 ? "read" : gm_bench_limit_of(c->kernels, type),
                      .limits = limits,
                      .calls = p.copies,
                      .run = run_product,
                      .user = &p};
  snprintf(job.shape, sizeof job.shape, "m %zu n %zu k %zu", p.m, p.n, p.k);
  gm_status status = gm_bench_run(b->results, c, &job, b->repeat);
  gm_arena_restore(&c->arena, mark);
  return status;
}

/* Shapes {m, n, k}: DINOv2-L, CLIP B/32 with 60 crops, a tap of the region encoder's
 * convolutions, then LLaMA-7B. Instruction sets below the best have a smaller shape, plain C an
 * even smaller one. */
static const size_t vision_shapes[][3] = {
    {1025, 1024, 1024}, {1025, 4096, 1024}, {3000, 3072, 768}, {4096, 1024, 1024}};
static const size_t language_shapes[][3] = {
    {512, 4096, 4096}, {512, 11008, 4096}, {512, 4096, 11008}};
static const size_t one_row_shapes[][3] = {{1, 4096, 4096}, {1, 32114, 4096}};
static const size_t small_shape[3] = {256, 1024, 4096}, plain_shape[3] = {64, 512, 1024};

static gm_status time_type(const kernel_bench *b, gm_compute *c, gm_limits *limits,
                           const type_stages *of, bool best) {
  bool quantised = gm_type_traits_of(of->type)->quantised;
  const size_t(*shapes)[3] = quantised ? language_shapes : vision_shapes;
  size_t n = quantised ? sizeof language_shapes / sizeof language_shapes[0]
                       : sizeof vision_shapes / sizeof vision_shapes[0];
  if (!best) shapes = strcmp(c->kernels->name, "ref") == 0 ? &plain_shape : &small_shape, n = 1;
  for (size_t i = 0; i < n; i++) GM_TRY(time_product(b, c, limits, of, shapes[i]));
  n = best ? sizeof one_row_shapes / sizeof one_row_shapes[0] : 1;
  for (size_t i = 0; i < n && strcmp(c->kernels->name, "ref") != 0; i++)
    GM_TRY(time_product(b, c, limits, of, one_row_shapes[i]));
  return GM_OK;
}

/* ---- loops over rows ------------------------------------------------------------------- */

enum { ROW = 4096, KEYS = 512, HEAD = 128, ROW_CALLS = 200 };

typedef struct row_data {
  float *a, *b, *out;  /* [ROW] */
  float *keys;         /* [KEYS * HEAD] */
  uint16_t *half_keys; /* the same */
  void (*call)(const gm_row_kernels *k, const struct row_data *d);
} row_data;

static void call_add(const gm_row_kernels *k, const row_data *d) {
  k->add(d->out, d->a, d->b, ROW);
}

static void call_silu_mul(const gm_row_kernels *k, const row_data *d) {
  memcpy(d->out, d->a, ROW * sizeof(float));
  k->silu_mul(d->out, d->b, ROW);
}

static void call_layer_norm(const gm_row_kernels *k, const row_data *d) {
  k->layer_norm(d->out, d->a, d->b, d->b, ROW, 1e-6f);
}

static void call_rms_norm(const gm_row_kernels *k, const row_data *d) {
  k->rms_norm(d->out, d->a, d->b, ROW, 1e-6f);
}

static void call_softmax(const gm_row_kernels *k, const row_data *d) {
  float max = -1e30f;
  memcpy(d->out, d->a, ROW * sizeof(float));
  (void)k->softmax_step(d->out, ROW, 1, &max);
}

static void call_dots_f16(const gm_row_kernels *k, const row_data *d) {
  k->kv[GM_TYPE_F16].dots(d->out, d->a, d->half_keys, HEAD, KEYS, HEAD);
}

static void call_mix_f16(const gm_row_kernels *k, const row_data *d) {
  k->kv[GM_TYPE_F16].mix(d->out, d->a, d->half_keys, HEAD, KEYS, HEAD, false);
}

static void call_dots_f32(const gm_row_kernels *k, const row_data *d) {
  k->kv[GM_TYPE_F32].dots(d->out, d->a, d->keys, HEAD, KEYS, HEAD);
}

static void call_mix_f32(const gm_row_kernels *k, const row_data *d) {
  k->kv[GM_TYPE_F32].mix(d->out, d->a, d->keys, HEAD, KEYS, HEAD, false);
}

static gm_status run_rows(gm_compute *c, void *user) {
  const row_data *d = user;
  for (size_t i = 0; i < ROW_CALLS; i++) d->call(&c->kernels->rows, d);
  return GM_OK;
}

static const struct {
  const char *name, *shape;
  void (*call)(const gm_row_kernels *k, const row_data *d);
  double operations, bytes; /* bytes read and written, in the cache */
} row_stages[] = {
    {"add", "4096", call_add, ROW, 12.0 * ROW},
    {"silu_mul", "4096", call_silu_mul, 4.0 * ROW, 12.0 * ROW},
    {"layer_norm", "4096", call_layer_norm, 8.0 * ROW, 16.0 * ROW},
    {"rms_norm", "4096", call_rms_norm, 4.0 * ROW, 12.0 * ROW},
    {"softmax_step", "4096", call_softmax, 4.0 * ROW, 8.0 * ROW},
    {"dots_f16", "512 keys x 128", call_dots_f16, 2.0 * (KEYS * HEAD), 2.0 * (KEYS * HEAD)},
    {"mix_f16", "512 values x 128", call_mix_f16, 2.0 * (KEYS * HEAD), 2.0 * (KEYS * HEAD)},
    {"dots_f32", "512 keys x 128", call_dots_f32, 2.0 * (KEYS * HEAD), 4.0 * (KEYS * HEAD)},
    {"mix_f32", "512 values x 128", call_mix_f32, 2.0 * (KEYS * HEAD), 4.0 * (KEYS * HEAD)},
};
enum { N_ROWS = sizeof row_stages / sizeof row_stages[0] };

static gm_status time_rows(const kernel_bench *b, gm_compute *c) {
  gm_arena_mark mark = gm_arena_save(&c->arena);
  row_data d = {0};
  d.a = gm_scratch_f32(c, ROW, "rows to time");
  d.b = gm_scratch_f32(c, ROW, "rows to time");
  d.out = gm_scratch_f32(c, ROW, "rows to time");
  d.keys = gm_scratch_f32(c, KEYS * HEAD, "keys to time");
  d.half_keys = gm_scratch(c, KEYS * HEAD * sizeof *d.half_keys, "keys to time");
  if (!d.a || !d.b || !d.out || !d.keys || !d.half_keys) return GM_ERR_MEMORY;
  fill(d.a, ROW, 1);
  fill(d.b, ROW, 2);
  fill(d.keys, KEYS * HEAD, 3);
  gm_type_traits_of(GM_TYPE_F16)->from_float(d.half_keys, d.keys, KEYS * HEAD);
  gm_status status = GM_OK;
  for (size_t i = 0; i < N_ROWS && status == GM_OK; i++) {
    if (!gm_bench_wants(b->stages, row_stages[i].name)) continue;
    d.call = row_stages[i].call;
    gm_bench_job job = {.stage = row_stages[i].name,
                        .operations = row_stages[i].operations,
                        .bytes = row_stages[i].bytes,
                        .limit = "",
                        .calls = ROW_CALLS,
                        .run = run_rows,
                        .user = &d};
    snprintf(job.shape, sizeof job.shape, "%s", row_stages[i].shape);
    status = gm_bench_run(b->results, c, &job, b->repeat);
  }
  gm_arena_restore(&c->arena, mark);
  return status;
}

/* ---- the whole ------------------------------------------------------------------------- */

/* Loops over rows are not compared with a limit. */
static bool needs_limits(const kernel_bench *b) {
  for (size_t i = 0; i < N_TYPES; i++)
    if (gm_bench_wants(b->stages, types[i].many_rows) ||
        gm_bench_wants(b->stages, types[i].one_row))
      return true;
  return false;
}

static gm_status time_table(const kernel_bench *b, gm_compute *c) {
  bool best = c->kernels == gm_kernels_best();
  gm_limits below = b->results->limits, *limits = best ? &b->results->limits : &below;
  if (!best && needs_limits(b)) GM_TRY(gm_bench_measure_limits(c, limits));
  for (size_t i = 0; i < N_TYPES; i++) {
    GM_TRY(gm_poll(c));
    GM_TRY(time_type(b, c, limits, &types[i], best));
  }
  return time_rows(b, c);
}

static gm_status check_stages(const char *stages, gm_error *err) {
  const char *names[2 * N_TYPES + N_ROWS];
  for (size_t i = 0; i < N_TYPES; i++) {
    names[2 * i] = types[i].many_rows;
    names[2 * i + 1] = types[i].one_row;
  }
  for (size_t i = 0; i < N_ROWS; i++) names[2 * N_TYPES + i] = row_stages[i].name;
  return gm_bench_check_stages(stages, names, 2 * N_TYPES + N_ROWS, err);
}

gm_status gm_bench_kernels(gm_bench_report **out, const gm_bench_params *params,
                           const gm_callbacks *callbacks, gm_error *err) {
  *out = NULL;
  gm_bench_params p;
  gm_callbacks calls;
  GM_TRY(gm_bench_read_params(&p, params, &calls, callbacks, err));
  uint32_t repeat = p.repeat;
  if (repeat > 1000)
    return gm_fail(err, GM_ERR_ARGUMENT, "found %u runs, wanted at most 1000", repeat);
  GM_TRY(check_stages(p.stages, err));
  GM_TRY(gm_kernels_check(err));
  gm_compute c = {.kernels = gm_kernels_best(), .err = err};
  c.cancelled = calls.cancelled;
  c.cancel_user = calls.user;
  GM_TRY(gm_pool_create(&c.pool, p.threads, err));
  kernel_bench b = {.stages = p.stages, .repeat = repeat};
  gm_status status = gm_bench_results_create(&b.results, &c);
  const gm_kernels *best = c.kernels;
  if (status == GM_OK) status = time_table(&b, &c);
  for (size_t i = 0; status == GM_OK && (c.kernels = gm_kernels_at(i)) != NULL; i++)
    if (c.kernels != best) status = time_table(&b, &c);
  gm_pool_free(c.pool);
  gm_arena_free(&c.arena);
  return gm_bench_finish(b.results, status, out);
}
