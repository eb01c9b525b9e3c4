/* bench.c - see bench.h. */
#include "bench.h"

#include "prefetch.h"
#include "struct_size.h"
#include "tensor_names.h"
#include "types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- limits ---- */

enum { READ_BYTES = 256 << 20 };

typedef struct probe {
  const gm_kernels *kernels;
  size_t rounds;
  uint64_t *operations; /* one per task */
  uint64_t *sums;
} probe;

static void fp32_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  probe *p = arg;
  float sink = 1;
  p->operations[task] = p->kernels->probe.fp32(p->rounds, &sink);
  p->sums[task] = (uint64_t)(sink > 0);
}

static void bf16_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  probe *p = arg;
  float sink = 1;
  p->operations[task] = p->kernels->probe.bf16(p->rounds, &sink);
  p->sums[task] = (uint64_t)(sink > 0);
}

static void int8_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  probe *p = arg;
  int32_t sink = 1;
  p->operations[task] = p->kernels->probe.int8(p->rounds, &sink);
  p->sums[task] = (uint64_t)sink;
}

/* Sums 8 streams of words, so that it waits for loads, not for additions; and asks for words
 * that far ahead, as the kernels do, since the processor's own prefetching ends at a page. */
static void read_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  gm_read_piece *piece = (gm_read_piece *)arg + task;
  const uint64_t *x = piece->memory;
  uint64_t sum[8] = {0};
  for (size_t i = 0; i + 8 <= piece->bytes / sizeof *x; i += 8) {
    gm_prefetch_ahead(x + i, 64);
    for (size_t k = 0; k < 8; k++) sum[k] += x[i + k];
  }
  piece->sum = sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

double gm_bench_read(gm_compute *c, gm_read_piece *pieces, size_t n) {
  double bytes = 0, began = now();
  gm_pool_run(c->pool, read_task, pieces, n);
  double seconds = now() - began;
  for (size_t i = 0; i < n; i++) bytes += (double)pieces[i].bytes;
  return bytes / seconds;
}

/* The best of five readings of READ_BYTES of fresh memory; 0 if memory is short. */
static double read_rate(gm_compute *c, int pages) {
  enum { PIECES = READ_BYTES / GM_READ_PIECE };
  gm_read_piece pieces[PIECES];
  unsigned char *memory =
      mmap(NULL, READ_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 0;
  (void)madvise(memory, READ_BYTES, pages);
  memset(memory, 1, READ_BYTES);
  for (size_t i = 0; i < PIECES; i++)
    pieces[i] = (gm_read_piece){memory + i * GM_READ_PIECE, GM_READ_PIECE, 0};
  double best = 0;
  for (int i = 0; i < 5; i++) {
    double rate = gm_bench_read(c, pieces, PIECES);
    if (rate > best) best = rate;
  }
  munmap(memory, READ_BYTES);
  return best;
}

/* Operations per second of a probe, the best of some runs of about `seconds` each. */
static double rate_of(gm_compute *c, gm_task_fn task, probe *p, int runs, double seconds) {
  double best = 0;
  size_t n = gm_pool_threads(c->pool);
  p->rounds = 2000;
  for (int i = 0; i < runs;) {
    double began = now(), operations = 0;
    gm_pool_run(c->pool, task, p, n);
    double took = now() - began;
    for (size_t k = 0; k < n; k++) operations += (double)p->operations[k];
    if (operations / took > best) best = operations / took;
    if (took < seconds / 2)
      p->rounds *= took > seconds / 32 ? 2 : 8;
    else
      i++;
  }
  return best;
}

enum { RUNS = 5, RUNS_AGAIN = 3 };
#define RUN_SECONDS 0.04
#define RUN_AGAIN_SECONDS 0.01

/* Raises a limit of arithmetic, if it is higher now: a neighbour on the same core can halve it
 * for seconds, and it must not have been measured in those alone. */
static gm_status measure_again(gm_compute *c, gm_limits *limits, const char *limit) {
  double *rate = NULL;
  gm_task_fn task = NULL;
  if (strcmp(limit, "fp32") == 0) rate = &limits->fp32_gflops, task = fp32_task;
  if (strcmp(limit, "bf16") == 0) rate = &limits->bf16_gflops, task = bf16_task;
  if (strcmp(limit, "int8") == 0) rate = &limits->int8_gops, task = int8_task;
  if (!rate || *rate == 0) return GM_OK;
  size_t n = gm_pool_threads(c->pool);
  gm_arena_mark mark = gm_arena_save(&c->arena);
  uint64_t *numbers = gm_scratch(c, 2 * n * sizeof *numbers, "the limits' sums");
  if (!numbers) return GM_ERR_MEMORY;
  probe p = {.kernels = c->kernels, .operations = numbers, .sums = numbers + n};
  double again = rate_of(c, task, &p, RUNS_AGAIN, RUN_AGAIN_SECONDS) * 1e-9;
  if (again > *rate) *rate = again;
  gm_arena_restore(&c->arena, mark);
  return GM_OK;
}

gm_status gm_bench_measure_limits(gm_compute *c, gm_limits *out) {
  size_t n = gm_pool_threads(c->pool);
  gm_arena_mark mark = gm_arena_save(&c->arena);
  uint64_t *numbers = gm_scratch(c, 2 * n * sizeof *numbers, "the limits' sums");
  if (!numbers) return GM_ERR_MEMORY;
  probe p = {.kernels = c->kernels, .operations = numbers, .sums = numbers + n};
  out->fp32_gflops = rate_of(c, fp32_task, &p, RUNS, RUN_SECONDS) * 1e-9;
  out->int8_gops = rate_of(c, int8_task, &p, RUNS, RUN_SECONDS) * 1e-9;
  out->bf16_gflops =
      c->kernels->probe.bf16 ? rate_of(c, bf16_task, &p, RUNS, RUN_SECONDS) * 1e-9 : 0;
  gm_arena_restore(&c->arena, mark);
  out->read_gbs = read_rate(c, MADV_HUGEPAGE) * 1e-9;
  out->read_small_pages_gbs = read_rate(c, MADV_NOHUGEPAGE) * 1e-9;
  if (out->read_gbs > 0) return GM_OK;
  return gm_fail_memory(c->err, "the memory to read", READ_BYTES);
}

/* ---- report ---- */

static void read_processor(char *out, size_t size) {
  FILE *file = fopen("/proc/cpuinfo", "re");
  char line[256];
  snprintf(out, size, "unknown processor");
  while (file && fgets(line, sizeof line, file)) {
    char *colon = strchr(line, ':');
    if (!colon || strncmp(line, "model name", 10) != 0) continue;
    colon[strcspn(colon, "\n")] = 0;
    snprintf(out, size, "%s", colon + 1 + (colon[1] == ' '));
    break;
  }
  if (file) fclose(file);
}

/* VmHWM of /proc/self/status: the peak of resident pages, including those of mapped files. */
static uint64_t peak_resident(void) {
  FILE *file = fopen("/proc/self/status", "re");
  char line[256];
  unsigned long long kilobytes = 0;
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "VmHWM: %llu", &kilobytes) == 1) break;
  if (file) fclose(file);
  return kilobytes * 1024;
}

gm_status gm_bench_results_create(gm_bench_results **out, gm_compute *c) {
  gm_bench_results *results = calloc(1, sizeof *results);
  *out = results;
  if (!results) return gm_fail_memory(c->err, "the report", sizeof *results);
  read_processor(results->processor, sizeof results->processor);
  results->report = (gm_bench_report){.struct_size = sizeof results->report,
                                      .kernels = c->kernels->name,
                                      .processor = results->processor,
                                      .threads = gm_pool_threads(c->pool)};
  return gm_bench_measure_limits(c, &results->limits);
}

void gm_bench_report_free(gm_bench_report *report) {
  if (!report) return;
  free(((gm_bench_results *)report)->rows);
  free(report);
}

gm_status gm_bench_finish(gm_bench_results *results, gm_status status, gm_bench_report **out) {
  if (status == GM_OK)
    *out = &results->report;
  else if (results)
    gm_bench_report_free(&results->report);
  return status;
}

gm_status gm_bench_limits(const gm_bench_report *report, gm_limits *out) {
  return GM_STRUCT_WRITE(gm_limits, out, &((const gm_bench_results *)report)->limits, NULL);
}

gm_status gm_bench_stage_at(const gm_bench_report *report, size_t i, gm_bench_stage *out) {
  const gm_bench_results *results = (const gm_bench_results *)report;
  if (i >= report->n_stages) return GM_ERR_ARGUMENT;
  gm_bench_stage stage = results->rows[i].stage;
  stage.shape = results->rows[i].shape;
  return GM_STRUCT_WRITE(gm_bench_stage, out, &stage, NULL);
}

gm_status gm_bench_read_params(gm_bench_params *own, const gm_bench_params *params,
                               gm_callbacks *own_calls, const gm_callbacks *callbacks,
                               gm_error *err) {
  GM_TRY(GM_STRUCT_READ(gm_bench_params, own, params, err));
  GM_TRY(GM_STRUCT_READ(gm_callbacks, own_calls, callbacks, err));
  if (own->repeat == 0) own->repeat = 3;
  return GM_OK;
}

/* Both names in one literal. */
static const char *kernels_name(const gm_kernels *k) {
  static const char *const names[] = {"avx2 fast",
                                      "avx2 avxvnni",
                                      "avx2 avxvnni+fast",
                                      "avx512 vnni",
                                      "avx512 vnni+bf16",
                                      "avx512 vnni+bf16+fast",
                                      "avx512 vnni+bf16+amx",
                                      "avx512 vnni+bf16+amx+fast",
                                      "neon dotprod",
                                      "neon dotprod+i8mm"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    size_t n = strlen(k->name);
    if (strncmp(names[i], k->name, n) == 0 && names[i][n] == ' ' &&
        strcmp(names[i] + n + 1, k->features) == 0)
      return names[i];
  }
  return k->name;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Per second: operations of arithmetic, bytes of reading; 0 without a limit. */
static double limit_rate(const gm_limits *limits, const gm_bench_job *job) {
  if (strcmp(job->limit, "read") == 0) return limits->read_gbs * 1e9;
  if (strcmp(job->limit, "int8") == 0) return limits->int8_gops * 1e9;
  if (strcmp(job->limit, "bf16") == 0) return limits->bf16_gflops * 1e9;
  return job->limit[0] ? limits->fp32_gflops * 1e9 : 0;
}

/* seconds[repeat]: the time of each run. reads[repeat + 1]: the rate of reading the job's
 * pieces, if it has any, before each run and after the last. */
static gm_status run_all(gm_compute *c, const gm_bench_job *job, uint32_t repeat,
                         double *seconds, double *reads) {
  for (uint32_t i = 0; i < repeat; i++) {
    if (job->setup) GM_TRY(job->setup(c, job->user));
    if (job->pieces) reads[i] = gm_bench_read(c, job->pieces, job->n_pieces);
    double began = now();
    GM_TRY(job->run(c, job->user));
    seconds[i] = (now() - began) / (job->calls ? (double)job->calls : 1);
  }
  if (job->pieces) reads[repeat] = gm_bench_read(c, job->pieces, job->n_pieces);
  return GM_OK;
}

/* The median over the runs of the share of the faster reading beside the run; *best: the
 * fastest reading. Overwrites reads. */
static double share_of_reading(const gm_bench_job *job, uint32_t repeat, const double *seconds,
                               double *reads, double *best) {
  for (uint32_t i = 0; i <= repeat; i++)
    if (reads[i] > *best) *best = reads[i];
  for (uint32_t i = 0; i < repeat; i++)
    reads[i] = job->bytes / seconds[i] / (reads[i] > reads[i + 1] ? reads[i] : reads[i + 1]);
  qsort(reads, repeat, sizeof *reads, by_value);
  return reads[repeat / 2];
}

static gm_bench_row *grow(gm_bench_results *results) {
  size_t n = results->report.n_stages + 1;
  gm_bench_row *grown = realloc(results->rows, n * sizeof *grown);
  if (grown) results->rows = grown;
  return grown ? &grown[n - 1] : NULL;
}

gm_status gm_bench_run(gm_bench_results *results, gm_compute *c, const gm_bench_job *job,
                       uint32_t repeat) {
  double *seconds = malloc((2 * (size_t)repeat + 1) * sizeof *seconds);
  gm_bench_row *row = grow(results);
  if (!row || !seconds) {
    free(seconds);
    return gm_fail_memory(c->err, "the report", sizeof *row);
  }
  gm_limits *limits = job->limits ? job->limits : &results->limits;
  gm_status status = run_all(c, job, repeat, seconds, seconds + repeat);
  if (status == GM_OK) status = measure_again(c, limits, job->limit);
  if (status == GM_OK) {
    double rate = 0, share = 0;
    if (job->pieces)
      share = share_of_reading(job, repeat, seconds, seconds + repeat, &rate);
    else
      rate = limit_rate(limits, job);
    qsort(seconds, repeat, sizeof *seconds, by_value);
    double work = strcmp(job->limit, "read") == 0 ? job->bytes : job->operations;
    if (!job->pieces && rate > 0) share = work / seconds[0] / rate;
    row->stage = (gm_bench_stage){.stage = job->stage,
                                  .kernels = kernels_name(c->kernels),
                                  .seconds_min = seconds[0],
                                  .seconds_median = seconds[repeat / 2],
                                  .operations = job->operations,
                                  .bytes = job->bytes,
                                  .limit = job->limit,
                                  .limit_rate = rate,
                                  .share = share};
    memcpy(row->shape, job->shape, sizeof row->shape);
    results->report.n_stages++;
    results->report.peak_bytes = peak_resident();
  }
  free(seconds);
  return status;
}

/* ---- work ---- */

void gm_bench_weights(const gm_model_file *file, const char *prefix, double *elements,
                      double *bytes) {
  *elements = *bytes = 0;
  for (size_t i = 0; i < gm_model_file_n_tensors(file); i++) {
    const char *name;
    char upstream[GM_GGUF_NAME_SIZE + 64];
    const gm_tensor *t = gm_model_file_tensor_at(file, i, &name);
    gm_tensor_upstream_name(name, upstream, sizeof upstream);
    if (strncmp(upstream, prefix, strlen(prefix)) != 0) continue;
    double rows = (double)gm_tensor_rows(t);
    *elements += rows * (double)gm_tensor_cols(t);
    *bytes += rows * (double)t->row_bytes;
  }
}

const char *gm_bench_rounded_limit(const gm_kernels *kernels, gm_type type) {
  if (!kernels->rounds[type]) return "fp32";
  /* 16-bit integers need one multiplication and one addition for half as many products as
   * bytes, which need two and one. The number of multiplications is the same and decides. */
  return kernels->probe.bf16 ? "bf16" : "int8";
}

const char *gm_bench_limit_of(const gm_kernels *kernels, gm_type type) {
  if (gm_type_traits_of(type)->quantised) return "int8";
  return gm_bench_rounded_limit(kernels, type);
}

/* ---- choosing stages ---- */

bool gm_bench_wants(const char *stages, const char *stage) {
  if (!stages) return true;
  size_t n = strlen(stage);
  for (const char *at = stages; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
    if (strncmp(at, stage, n) == 0 && (at[n] == ',' || !at[n])) return true;
  return false;
}

gm_status gm_bench_check_stages(const char *stages, const char *const *known, size_t n,
                                gm_error *err) {
  char list[512] = "";
  for (size_t i = 0, at = 0; i < n && at < sizeof list; i++)
    at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", known[i]);
  for (const char *at = stages; at; at = strchr(at, ','), at = at ? at + 1 : NULL) {
    int length = (int)strcspn(at, ",");
    bool found = false;
    for (size_t i = 0; i < n; i++)
      found = found || (strlen(known[i]) == (size_t)length &&
                        strncmp(at, known[i], (size_t)length) == 0);
    if (!found)
      return gm_fail(err, GM_ERR_ARGUMENT, "found no stage named '%.*s', wanted some of %s",
                     length > 40 ? 40 : length, at, list);
  }
  return GM_OK;
}
