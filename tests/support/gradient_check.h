/* gradient_check.h - what the tests of backward passes share: analytic gradients against
 * differences of a plain function in double precision, and a gm_training over test arrays. */
#ifndef GM_GRADIENT_CHECK_H
#define GM_GRADIENT_CHECK_H

#include "ops_support.h"

#include "training.h"

/* ---- differences */

/* A loss in double precision, of values that lie where the test put them. */
typedef double (*loss_fn)(void *user);

/* Fails with the worst element unless gradient[n] is the gradient of the loss by x[n], which
 * the loss reads; x is moved and put back. sampled: how many elements are looked at one by one,
 * drawn at random by a fixed seed; 0 or >= n: all. Then all are moved at once, in a random
 * direction of length 1: an element that was not drawn and is wrong by more than n times what
 * is allowed shows.
 *
 * The five-point difference (8 (f(+h) - f(-h)) - (f(+2h) - f(-2h))) / 12 h with h = 1e-3 is off
 * by h^4 / 30 = 3e-14 of the fifth derivative, and by 2e-16 * 1.5 / h = 3e-13 of |f| for each
 * rounding in its sums. Both vanish beside one rounding to f32 (6e-8), so what is allowed is
 * the error of the pass under test:
 *
 *   |gradient - difference| <= units * UNIT * largest + 1e-10 * (1 + |f|)
 *
 * largest: of the |differences| looked at and `least`. units: the caller counts them, as the
 * roundings on the longest chain (a sum of n terms: n at worst, about sqrt(n) in practice),
 * each times the size of what is rounded over the largest gradient. least: where gradients
 * cancel (they are 0 in theory), the size of their terms; else 0. In the direction d the error
 * is that times the sum of |d[i]|, at most sqrt(n). A loss with a kink (ReLU) needs points that
 * are more than 2 h away from it. */
void assert_gradient(loss_fn loss, void *user, double *x, const float *gradient, size_t n,
                     size_t sampled, double units, double least, const char *what);

/* x as doubles; free() them. */
double *as_doubles(const float *x, size_t n);
/* The same with every value moved at least `gap` away from 0 first, in x too. */
double *away_from_zero(float *x, size_t n, float gap);

/* ---- training */

/* f32 weights that learn. */
typedef struct learned_array {
  const float *weights;
  size_t n;
} learned_array;

/* A training of `threads` threads over `kernels` (NULL: the best) in which these arrays learn;
 * gradients are 0. Its members may be changed: bf16, dropout, the learned's lora. */
gm_training *training_open(unsigned threads, const gm_kernels *kernels,
                           const learned_array *arrays, size_t n);
/* The gradient of the array at `weights`, and whether a pass asked for it since then. */
const float *training_gradient(const gm_training *t, const float *weights);
bool training_reached(const gm_training *t, const float *weights);
void training_close(gm_training *t);

/* A pass, or a forward and its backward, that fills (or changes) out. */
typedef void (*training_fn)(const gm_training *t, void *arg, float *out);
/* Runs it with 1, 2 and 3 threads, each on its own copy of initial[n] (NULL: zeros). Fails
 * unless all give the same bits in out and in the gradients of the arrays. Returns out[n],
 * followed by the gradients, array after array; free() it. */
float *run_training(const gm_kernels *kernels, training_fn fn, void *arg,
                    const learned_array *arrays, size_t n_arrays, const float *initial,
                    size_t n, const char *what);

#endif
