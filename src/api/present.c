/* present.c - see present.h. */
#include "present.h"

#include "clip_handles.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- from logits ---- */

float gm_present_estimate(const float *logits, const gm_prompt *prompt, size_t n) {
  const float *regions = logits + prompt->region_0;
  float none = logits[prompt->roi_end], largest = none;
  double named = 0;
  for (size_t i = 0; i < n; i++) largest = fmaxf(largest, regions[i]);
  for (size_t i = 0; i < n; i++) named += exp((double)regions[i] - (double)largest);
  double present = named / (named + exp((double)none - (double)largest));
  return isfinite(present) ? (float)present : 0; /* damaged weights */
}

/* ln of the sum of exp(values). */
static double log_sum(const float *values, size_t n) {
  float largest = -INFINITY;
  double sum = 0;
  for (size_t i = 0; i < n; i++) largest = fmaxf(largest, values[i]);
  for (size_t i = 0; i < n; i++) sum += exp((double)values[i] - (double)largest);
  return (double)largest + log(sum);
}

size_t gm_present_signals(float signals[GM_SIGNALS], const float *logits, size_t vocab,
                          const gm_prompt *prompt, size_t n) {
  /* A single region leads by as much as one could say. */
  static const float alone = 20;
  const float *regions = logits + prompt->region_0;
  size_t best = 0;
  float second = -INFINITY;
  assert(n >= 1);
  for (size_t i = 0; i < GM_SIGNALS; i++) signals[i] = NAN;
  for (size_t i = 1; i < n; i++)
    if (regions[i] > regions[best]) best = i;
  for (size_t i = 0; i < n; i++)
    if (i != best) second = fmaxf(second, regions[i]);
  double all = log_sum(regions, n), entropy = 0;
  for (size_t i = 0; i < n; i++) {
    double part = (double)regions[i] - all;
    entropy -= exp(part) * part;
  }
  signals[GM_SIGNAL_NAMED] = (float)(all - (double)logits[prompt->roi_end]);
  signals[GM_SIGNAL_BEST] = (float)((double)regions[best] - log_sum(logits, vocab));
  signals[GM_SIGNAL_MARGIN] = n > 1 ? fminf(regions[best] - second, alone) : alone;
  signals[GM_SIGNAL_ENTROPY] = (float)entropy;
  signals[GM_SIGNAL_REGIONS] = logf((float)n);
  return best;
}

float gm_present_words(const char *phrase) {
  size_t words = 0;
  bool within = false;
  for (const char *at = phrase; *at; at++) {
    bool space = isspace((unsigned char)*at);
    words += !space && !within;
    within = !space;
  }
  return logf(words ? (float)words : 1);
}

/* ---- from a CLIP ---- */

bool gm_present_fits(const gm_present_head *head, const gm_clip *clip) {
  return head->n_words > 0 && head->features == clip->model->features &&
         strcmp(head->clip_name, clip->base.name) == 0 && !clip->base.adapted.key[0] &&
         strcmp(head->clip_vocabulary, clip->vocabulary) == 0;
}

static double dot(const float *a, const float *b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
  return sum;
}

/* ln of the sum of exp(scale cosine) over the background, by scale. */
static double soft_maximum(const float *crop, const float *background, size_t n_words,
                           size_t dim, double scale) {
  double largest = -INFINITY, sum = 0;
  for (size_t i = 0; i < n_words; i++)
    largest = fmax(largest, dot(crop, background + i * dim, dim));
  for (size_t i = 0; i < n_words; i++)
    sum += exp(scale * (dot(crop, background + i * dim, dim) - largest));
  return largest + log(sum) / scale;
}

/* Boxes that are equal are looked at once: place[i] is where box i is among distinct. */
static size_t distinct_boxes(const gm_box *boxes, size_t n, gm_box *distinct, size_t *place) {
  size_t m = 0;
  for (size_t i = 0; i < n; i++) {
    size_t k = 0;
    while (k < m && memcmp(&distinct[k], &boxes[i], sizeof boxes[i]) != 0) k++;
    if (k == m) distinct[m++] = boxes[i];
    place[i] = k;
  }
  return m;
}

gm_status gm_present_look(gm_clip *clip, const gm_image *image, const float *background,
                          size_t n_words, const char *const *phrases, const gm_box *boxes,
                          size_t n, const gm_callbacks *callbacks, float (*signals)[GM_SIGNALS],
                          gm_error *err) {
  size_t dim = clip->model->features;
  double scale = fmax((double)clip->model->hparams.logit_scale, 1);
  gm_box *distinct = calloc(n, sizeof *distinct);
  size_t *place = calloc(n, sizeof *place);
  float *texts = calloc(n * dim, sizeof *texts), *crops = calloc(n * dim, sizeof *crops);
  gm_status status = distinct && place && texts && crops
                         ? GM_OK
                         : gm_fail_memory(err, "the phrases", 2 * n * dim * sizeof *texts);
  size_t m = status == GM_OK ? distinct_boxes(boxes, n, distinct, place) : 0;
  if (status == GM_OK) status = gm_clip_encode_texts(clip, phrases, n, texts, callbacks, err);
  if (status == GM_OK)
    status = gm_clip_encode_boxes(clip, image, distinct, m, crops, callbacks, err);
  for (size_t i = 0; i < n && status == GM_OK; i++) {
    const float *crop = crops + place[i] * dim;
    double cosine = dot(crop, texts + i * dim, dim);
    signals[i][GM_SIGNAL_COSINE] = (float)cosine;
    signals[i][GM_SIGNAL_LEAD] =
        (float)(cosine - soft_maximum(crop, background, n_words, dim, scale));
  }
  free(distinct);
  free(place);
  free(texts);
  free(crops);
  return status;
}
