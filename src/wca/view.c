/* view.c - see view.h. */
#include "view.h"

#include "image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CROPS = 1 << 16 };

/* [floor(a), ceil(b)) within 0..limit; false if it is empty or NaN. */
static bool widen(float a, float b, uint32_t limit, uint32_t *from, uint32_t *size) {
  double low = fmax(0, floor((double)a)), high = fmin(limit, ceil((double)b));
  if (!isfinite(a) || !isfinite(b) || !(a < b) || !(low < high)) return false;
  *from = (uint32_t)low;
  *size = (uint32_t)(high - low);
  return true;
}

gm_status gm_view_whole_pixels(const gm_image *image, gm_box box, size_t number, gm_crop *out,
                               gm_error *err) {
  uint32_t w = gm_image_width(image), h = gm_image_height(image);
  if (widen(box.x1, box.x2, w, &out->x, &out->width) &&
      widen(box.y1, box.y2, h, &out->y, &out->height))
    return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT,
                 "box %zu: found %g,%g,%g,%g on a picture of %ux%u pixels; wanted x1,y1,x2,y2 "
                 "with x1 < x2 and y1 < y2, a part of it on the picture",
                 number, (double)box.x1, (double)box.y1, (double)box.x2, (double)box.y2, w, h);
}

static gm_status draw_crops(gm_view *view, const gm_view_params *p, gm_error *err) {
  const gm_crop *part = &view->crops[0];
  gm_crop *crops = view->crops + 1;
  if (!(p->alpha > 0 && p->alpha <= p->beta && p->beta <= 1))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found alpha %g and beta %g, wanted 0 < alpha <= beta <= 1",
                   (double)p->alpha, (double)p->beta);
  gm_rng rng = gm_crops_rng(view->image, part, p->seed, "crops");
  gm_crops_draw(crops, view->n, part->width, part->height, (double)p->alpha, (double)p->beta,
                &rng);
  for (size_t i = 0; i < view->n; i++) {
    crops[i].x += part->x;
    crops[i].y += part->y;
  }
  return GM_OK;
}

gm_status gm_view_place(gm_view *view, const gm_image *image, const gm_view_params *p,
                        gm_error *err) {
  view->image = gm_image_share(image);
  view->n = p->boxes ? p->n_boxes : p->crops;
  if (view->n > MAX_CROPS || (p->boxes && p->n_boxes == 0) || !(p->dedup <= 1))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found %zu crops and dedup %g, wanted at most %d crops, at least one box "
                   "where boxes are given, and an IoU of at most 1",
                   view->n, (double)p->dedup, MAX_CROPS);
  view->crops = calloc(1 + view->n, sizeof *view->crops);
  if (!view->crops) return gm_fail_memory(err, "the crops", view->n * sizeof *view->crops);
  view->crops[0] = (gm_crop){0, 0, gm_image_width(image), gm_image_height(image)};
  if (p->part) GM_TRY(gm_view_whole_pixels(image, *p->part, 1, &view->crops[0], err));
  for (size_t i = 0; p->boxes && i < view->n; i++)
    GM_TRY(gm_view_whole_pixels(image, p->boxes[i], i + 1, &view->crops[1 + i], err));
  if (!p->boxes && view->n) GM_TRY(draw_crops(view, p, err));
  if (p->dedup > 0) view->n = gm_crops_dedup(view->crops + 1, view->n, (double)p->dedup);
  view->cache = p->cache;
  return GM_OK;
}

gm_status gm_view_encode(gm_view *view, gm_compute *c, const gm_clip_model *model, size_t rows,
                         const gm_callbacks *callbacks) {
  if (!view->features) {
    view->dim = model->features;
    view->features = malloc((1 + view->n) * view->dim * sizeof *view->features);
    if (!view->features)
      return gm_fail_memory(c->err, "the crops", (1 + view->n) * view->dim * sizeof(float));
  }
  if (rows <= view->done) return GM_OK;
  GM_TRY(gm_clip_encode_crops(c, model, view->image, view->crops + view->done,
                              rows - view->done, view->features + view->done * view->dim,
                              callbacks));
  view->done = rows;
  return GM_OK;
}

void gm_view_free(gm_view *view) {
  if (!view) return;
  gm_image_free(view->image);
  free(view->crops);
  free(view->features);
  free(view);
}

size_t gm_view_crop_count(const gm_view *view) {
  return view->n;
}

gm_status gm_view_crop_at(const gm_view *view, size_t i, gm_box *out) {
  if (i >= view->n) return GM_ERR_ARGUMENT;
  const gm_crop *c = &view->crops[1 + i];
  *out =
      (gm_box){(float)c->x, (float)c->y, (float)(c->x + c->width), (float)(c->y + c->height)};
  return GM_OK;
}
