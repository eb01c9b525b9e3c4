/* alignment.h - the arithmetic of weighted visual-text cross alignment (arXiv 2406.02915) on
 * unit features. Pure functions; all vectors of length D.
 *
 *   f       the whole picture             f_i, i < N   its crops
 *   g       a class's label prompt        g_j, j < M   its descriptions
 *   w_i     softmax_i(exp(4.0) <f, f_i>)  v_j          softmax_j(exp(2.0) <g, g_j>)
 *   paper      sum_ij w_i v_j <f_i, g_j>  = <sum_i w_i f_i, sum_j v_j g_j>
 *   released   <unit(sum_i w_i f_i), unit(sum_j v_j g_j)>
 *
 * Both scores are products of one mixture per side, so a class is one vector, however many
 * descriptions it has. */
#ifndef GM_ALIGNMENT_H
#define GM_ALIGNMENT_H

#include <stddef.h>
#include <stdint.h>

/* Divides each of the n rows by its length; a row of zeros is left alone. */
void gm_unit_rows(float *x, size_t n, size_t dim);

/* <a, b>, summed in double. */
float gm_dot(const float *a, const float *b, size_t dim);

/* weights[n] = softmax over i of scale * <whole, parts_i>; n >= 1. */
void gm_alignment_weights(float *weights, const float *whole, const float *parts, size_t n,
                          size_t dim, float scale);
/* The same over the parts picked[0..n), repeats counted: weights[k] belongs to part picked[k].
 */
void gm_alignment_weights_of(float *weights, const float *whole, const float *parts,
                             const uint32_t *picked, size_t n, size_t dim, float scale);

/* out = sum_i weights_i parts_i; picked may be NULL (all, in order). */
void gm_alignment_mix(float *out, const float *weights, const float *parts,
                      const uint32_t *picked, size_t n, size_t dim);

/* The factor of cosines for an exponent of the public params: exp(exponent), or 0 for a
 * negative one, which makes all weights equal. */
double gm_alignment_scale(float exponent);

/* The probabilities shown to users: softmax over classes of logit_scale * score. In place. */
void gm_alignment_probabilities(float *scores, size_t n, float logit_scale);

#endif
