/* bench.h - timing: the machine's limits, repeated runs, a report that grows. */
#ifndef GM_BENCH_H
#define GM_BENCH_H

#include "compute.h"
#include "gromatic_tools.h"
#include "model_file.h"

/* Measures with c's kernels and threads; takes about a second. GM_ERR_MEMORY. */
gm_status gm_bench_measure_limits(gm_compute *c, gm_limits *out);

/* A report and its memory; gm_bench_finish gives the report to the caller. */
typedef struct gm_bench_row {
  gm_bench_stage stage; /* without its shape */
  char shape[64];
} gm_bench_row;
typedef struct gm_bench_results {
  gm_bench_report report; /* first: callers point at it */
  char processor[80];
  gm_limits limits;
  gm_bench_row *rows; /* [report.n_stages] */
} gm_bench_results;

/* Empty results with the machine's name, kernels, threads and limits. *out is set after a
 * failure too. */
gm_status gm_bench_results_create(gm_bench_results **out, gm_compute *c);

/* Ends a call: *out becomes the report; if status is an error, the results are freed instead.
 * Returns status. */
gm_status gm_bench_finish(gm_bench_results *results, gm_status status, gm_bench_report **out);

/* Reads a caller's params and callbacks. repeat gets its default. */
gm_status gm_bench_read_params(gm_bench_params *own, const gm_bench_params *params,
                               gm_callbacks *own_calls, const gm_callbacks *callbacks,
                               gm_error *err);

/* Pieces of memory to be read once. Each is at most GM_READ_PIECE bytes: one task. */
enum { GM_READ_PIECE = 1 << 20 };
typedef struct gm_read_piece {
  const void *memory;
  size_t bytes;
  uint64_t sum; /* of its words; written */
} gm_read_piece;

/* Reads the pieces once with all threads; returns bytes per second. */
double gm_bench_read(gm_compute *c, gm_read_piece *pieces, size_t n);

/* Something to time; setup (may be NULL) runs before each run and is not timed. */
typedef struct gm_bench_job {
  const char *stage; /* a literal */
  char shape[64];
  double operations, bytes;
  const char *limit; /* "fp32", "bf16", "int8", "read" or "" */
  gm_limits *limits; /* those of c's kernels, which it may raise; NULL: the report's */
  /* For "read": what the job reads. NULL: the rate of the limits above is used. */
  gm_read_piece *pieces;
  size_t n_pieces;
  size_t calls; /* how often run does it; 0: once. The report is for one. */
  gm_status (*setup)(gm_compute *c, void *user);
  gm_status (*run)(gm_compute *c, void *user);
  void *user;
} gm_bench_job;

/* Runs it `repeat` times, measures its limit of arithmetic again, and appends its line. */
gm_status gm_bench_run(gm_bench_results *results, gm_compute *c, const gm_bench_job *job,
                       uint32_t repeat);

/* Elements and bytes of the tensors whose upstream names start with prefix. */
void gm_bench_weights(const gm_model_file *file, const char *prefix, double *elements,
                      double *bytes);
/* The limit of convolutions with weights of this type: "fp32", "bf16" if the kernels round both
 * factors, or "int8" if they convert them to 16-bit integers. */
const char *gm_bench_rounded_limit(const gm_kernels *kernels, gm_type type);
/* The limit of products of many rows: "int8" for block types, else as above. */
const char *gm_bench_limit_of(const gm_kernels *kernels, gm_type type);

/* Whether `stages` (comma-separated names; NULL: all) has this one. */
bool gm_bench_wants(const char *stages, const char *stage);
/* GM_ERR_ARGUMENT if one of `stages` is not among the n known ones. */
gm_status gm_bench_check_stages(const char *stages, const char *const *known, size_t n,
                                gm_error *err);

#endif
