/* classes.h - the classes to choose from: texts, their features, and one vector per class.
 *
 *   baselines      u = unit(mean_j g_j)
 *   wca            u = sum_j v_j g_j               v_j = softmax_j(exp(text_scale) <g, g_j>),
 *   wca-released   u = unit(sum_j v_j g_j)         g the feature of "a photo of a {class}."
 *
 * A class's score is the product of the picture's vector with u, and u = sum_j c_j g_j, so a
 * description contributes c_j <picture, g_j> to the score. */
#ifndef GM_CLASSES_H
#define GM_CLASSES_H

#include "class_texts.h"

struct gm_classes {
  gm_clip *clip; /* that encodes the texts */
  gm_method method;
  gm_class_texts texts;
  size_t dim;      /* D */
  float *features; /* [n_texts, D] */
  float *weights;  /* [n_entries]: v_j; in a baseline 1 / M */
  float *scales;   /* [n_classes]: c_j = scale * v_j */
  float *vectors;  /* [n_classes, D]: u */
};

/* The caller fills in the features between begin and finish. Takes ownership of texts. */
gm_status gm_classes_begin(gm_classes **out, const gm_classes_params *params,
                           gm_class_texts *texts, size_t dim, gm_error *err);
/* Drops similar descriptions, weighs the others and mixes the vectors. */
gm_status gm_classes_finish(gm_classes *classes, const gm_classes_params *params,
                            gm_error *err);

/* scores[n_classes] = <image, u>. */
void gm_classes_scores(const gm_classes *classes, const float *image, float *scores);
/* shares[entries of class i]: what each adds to the score; the sum is <image, u>. */
void gm_classes_shares(const gm_classes *classes, size_t i, const float *image, float *shares);

#endif
