/* label_signals.c - see label_signals.h. */
#include "label_signals.h"

#include "alignment.h"
#include "clip_handles.h"

#include <math.h>
#include <stdlib.h>

/* Cosines of a picture with names that it does not show scatter about so much. */
static const float scatter = 0.1F;

/* ---- pixels ---- */

typedef struct mean {
  double sum[3], squares[3];
  size_t n;
} mean;

static void count(mean *m, const uint8_t *rgb) {
  for (size_t c = 0; c < 3; c++) {
    m->sum[c] += rgb[c];
    m->squares[c] += (double)rgb[c] * rgb[c];
  }
  m->n++;
}

/* Root of the mean variance of the three colours. */
static double spread(const mean *m) {
  double variance = 0;
  for (size_t c = 0; c < 3 && m->n; c++) {
    double mid = m->sum[c] / (double)m->n;
    variance += fmax(m->squares[c] / (double)m->n - mid * mid, 0) / 3;
  }
  return sqrt(variance);
}

static double distance(const mean *a, const mean *b) {
  double sum = 0;
  for (size_t c = 0; c < 3 && a->n && b->n; c++) {
    double d = a->sum[c] / (double)a->n - b->sum[c] / (double)b->n;
    sum += d * d / 3;
  }
  return sqrt(sum);
}

/* The mean step between neighbours, across plus down. */
static double steps(const uint8_t *rgb, size_t width, const gm_crop *part) {
  double across = 0, down = 0;
  size_t n_across = 0, n_down = 0;
  for (size_t y = part->y; y < part->y + part->height; y++)
    for (size_t x = part->x; x < part->x + part->width; x++) {
      const uint8_t *at = rgb + 3 * (y * width + x);
      bool right = x + 1 < part->x + part->width, below = y + 1 < part->y + part->height;
      for (size_t c = 0; c < 3; c++) {
        if (right) across += abs(at[3 + c] - at[c]);
        if (below) down += abs(at[3 * width + c] - at[c]);
      }
      n_across += 3 * (size_t)right;
      n_down += 3 * (size_t)below;
    }
  return (n_across ? across / (double)n_across : 0) + (n_down ? down / (double)n_down : 0);
}

static void pixel_signals(float *signals, const gm_image *image, const gm_crop *part) {
  const uint8_t *rgb = gm_image_rgb(image);
  size_t width = gm_image_width(image);
  mean all = {.n = 0}, middle = {.n = 0}, rim = {.n = 0};
  size_t margin_x = part->width / 4, margin_y = part->height / 4;
  for (size_t y = 0; y < part->height; y++)
    for (size_t x = 0; x < part->width; x++) {
      const uint8_t *at = rgb + 3 * ((part->y + y) * width + part->x + x);
      bool border = x == 0 || y == 0 || x + 1 == part->width || y + 1 == part->height;
      bool inner = x >= margin_x && y >= margin_y && x + margin_x < part->width &&
                   y + margin_y < part->height;
      count(&all, at);
      if (border) count(&rim, at);
      if (inner) count(&middle, at);
    }
  signals[GM_LABEL_COLOURS] = (float)log1p(spread(&all));
  signals[GM_LABEL_STEPS] = (float)log1p(steps(rgb, width, part));
  signals[GM_LABEL_CONTRAST] = (float)log1p(distance(&middle, &rim));
  signals[GM_LABEL_RIM] = (float)log1p(spread(&rim));
}

/* ---- places ---- */

static float area(gm_box b) {
  return (b.x2 - b.x1) * (b.y2 - b.y1);
}

static float shared(gm_box a, gm_box b) {
  float w = fminf(a.x2, b.x2) - fmaxf(a.x1, b.x1), h = fminf(a.y2, b.y2) - fmaxf(a.y1, b.y1);
  return fmaxf(w, 0) * fmaxf(h, 0);
}

static float logit(float score) {
  const float least = 1e-4F;
  float p = fmaxf(least, fminf(score, 1 - least));
  return logf(p / (1 - p));
}

void gm_label_place_signals(float signals[GM_LABEL_SIGNALS], const gm_view *view,
                            const gm_box *regions, const float *scores, size_t n, size_t i) {
  const gm_crop *whole = &view->crops[0];
  float own = area(regions[i]), overlap = 0, inside = 0, around = 0;
  pixel_signals(signals, view->image, whole);
  signals[GM_LABEL_AREA] =
      logf((float)whole->width * (float)whole->height /
           ((float)gm_image_width(view->image) * (float)gm_image_height(view->image)));
  for (size_t s = GM_LABEL_PLACES; s < GM_LABEL_SIGNALS; s++) signals[s] = NAN;
  if (!scores) return;
  for (size_t k = 0; k < n; k++) {
    bool better = scores[k] != scores[i] ? scores[k] > scores[i] : k < i;
    if (!better) continue;
    float both = shared(regions[i], regions[k]), other = area(regions[k]);
    overlap = fmaxf(overlap, both / (own + other - both));
    inside = fmaxf(inside, both / own);
    around = fmaxf(around, both / other);
  }
  signals[GM_LABEL_OBJECT] = logit(scores[i]);
  signals[GM_LABEL_OVERLAP] = overlap;
  signals[GM_LABEL_INSIDE] = inside;
  signals[GM_LABEL_AROUND] = around;
}

/* ---- names ---- */

/* Whether no class of the list has a higher cosine with the crop. */
static bool is_best_for(const float *crop, const gm_classes *classes, const size_t *among,
                        size_t n, size_t best, float cosine) {
  for (size_t i = 0; i < n; i++) {
    size_t class_index = among ? among[i] : i;
    if (class_index != best &&
        gm_dot(crop, classes->vectors + class_index * classes->dim, classes->dim) > cosine)
      return false;
  }
  return true;
}

static void crop_signals(float *signals, const gm_view *view, const gm_classes *classes,
                         const size_t *among, size_t n, size_t best) {
  const float *name = classes->vectors + best * classes->dim;
  float whole = gm_dot(view->features, name, view->dim), least = INFINITY;
  double agree = 0, steady = 0;
  for (size_t c = 0; c < view->n; c++) {
    const float *crop = view->features + (1 + c) * view->dim;
    float cosine = gm_dot(crop, name, view->dim);
    least = fminf(least, cosine);
    agree += is_best_for(crop, classes, among, n, best, cosine);
    steady += (double)gm_dot(crop, view->features, view->dim);
  }
  signals[GM_LABEL_WHOLE] = whole;
  signals[GM_LABEL_LEAST] = view->n ? least : whole;
  signals[GM_LABEL_AGREE] = view->n ? (float)(agree / (double)view->n) : 1;
  signals[GM_LABEL_STEADY] = view->n ? (float)(steady / (double)view->n) : 1;
}

size_t gm_label_name_signals(float signals[GM_LABEL_SIGNALS], const gm_view *view,
                             const gm_classes *classes, const float *raw, const size_t *among,
                             size_t n) {
  double scale = fmax((double)view->clip->model->hparams.logit_scale, 1), sum = 0;
  size_t best = among ? among[0] : 0;
  float second = 0;
  for (size_t i = 1; i < n; i++) {
    size_t class_index = among ? among[i] : i;
    if (raw[class_index] > raw[best]) best = class_index;
  }
  for (size_t i = 0, others = 0; i < n; i++) {
    size_t class_index = among ? among[i] : i;
    sum += exp(scale * ((double)raw[class_index] - (double)raw[best]));
    if (class_index == best) continue;
    second = others++ ? fmaxf(second, raw[class_index]) : raw[class_index];
  }
  signals[GM_LABEL_BEST] = raw[best];
  signals[GM_LABEL_CLASSES] = logf((float)n);
  signals[GM_LABEL_CHANCE] = raw[best] - scatter * sqrtf(2 * logf((float)n));
  signals[GM_LABEL_MARGIN] = raw[best] - second;
  signals[GM_LABEL_LEAD] = (float)-log(sum);
  crop_signals(signals, view, classes, among, n, best);
  return best;
}
