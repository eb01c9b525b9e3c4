/* probe_vec.h - the loop of probe_kernels.h in vectors, on what the including file defines
 * before:
 *
 *   CHAINS   sums side by side: enough to hide the latency of a step, and few enough to stay in
 *            registers with both factors
 *   sum, factor   types of vectors
 *   sum chain(int k)   the value with which chain k begins
 *   sum step(sum a, factor x, factor *y)   a with products of x and *y added, or a * x + *y
 *   sum join(sum a, sum b)   a + b */
#ifndef GM_PROBE_VEC_H
#define GM_PROBE_VEC_H

#include <stddef.h>

/* Without it the chains live in memory. */
#if defined(__clang__)
#define UNROLL_CHAINS _Pragma("clang loop unroll(full)")
#else
#define UNROLL_CHAINS _Pragma("GCC unroll 32")
#endif

/* n rounds of one step of every chain; returns the sum of all chains. */
static inline __attribute__((always_inline)) sum probe_chains(size_t n, factor x, factor y) {
  sum acc[CHAINS];
  UNROLL_CHAINS
  for (int k = 0; k < CHAINS; k++) acc[k] = chain(k);
  for (size_t i = 0; i < n; i++) {
    UNROLL_CHAINS
    for (int k = 0; k < CHAINS; k++) acc[k] = step(acc[k], x, &y);
  }
  UNROLL_CHAINS
  for (int k = 1; k < CHAINS; k++) acc[0] = join(acc[0], acc[k]);
  return acc[0];
}

#endif
