/* ops_support.h - what the tests of whole-tensor operations share: a gm_compute with a given
 * number of threads, random tensors, and comparison element by element. */
#ifndef GM_OPS_SUPPORT_H
#define GM_OPS_SUPPORT_H

#include "support.h"

#include "ops.h"
#include "rng.h"

/* Half the distance between 1 and the next float: the relative error of one rounding. */
#define UNIT 5.9604645e-8

/* A compute context of `threads` threads over `kernels` (NULL: the best). */
gm_compute *compute_open(unsigned threads, const gm_kernels *kernels);
void compute_close(gm_compute *c);

/* n floats, uniform in [low, high); free() them. */
float *random_floats(gm_rng *rng, size_t n, float low, float high);
/* n zeros; free() them. */
float *zeros(size_t n);
/* An F32 view of a [rows, cols] matrix. */
gm_tensor f32_matrix(const float *data, size_t rows, size_t cols);

/* Fails with the worst element unless |a[i] - want[i]| <= bound for every i (NaN fails). */
void assert_within(const float *a, const double *want, size_t n, double bound,
                   const char *what);
/* Fails at the first bit that differs. */
void assert_same_bits(const float *a, const float *b, size_t n, const char *what);

/* An operation that fills (or changes) out. */
typedef void (*op_fn)(gm_compute *c, void *arg, float *out);
/* Runs the operation with 1, 2 and 5 threads, each on its own copy of initial[n] (NULL: zeros),
 * fails unless all give the same bits, and returns them; free() it. */
float *run_op(op_fn fn, void *arg, const float *initial, size_t n, const char *what);
/* The same on a given table of kernels. */
float *run_op_with(const gm_kernels *kernels, op_fn fn, void *arg, const float *initial,
                   size_t n, const char *what);

#endif
