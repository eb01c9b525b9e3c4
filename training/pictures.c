/* pictures.c - see pictures.h. */
#include "pictures.h"

#include "image.h"
#include "rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct load_job {
  const picture_source *source;
  picture *pictures;
  uint64_t first;
  gm_status *status;
  gm_error *errors;
} load_job;

/* A Feistel network over the next power of four, walked until it stays inside. */
size_t permuted(size_t n, size_t at, uint64_t seed) {
  unsigned bits = 1;
  while (((uint64_t)1 << (2 * bits)) < n) bits++;
  uint64_t mask = ((uint64_t)1 << bits) - 1, x = at;
  do {
    uint64_t left = x >> bits, right = x & mask;
    for (uint64_t round = 0; round < 4; round++) {
      uint64_t next = left ^ (gm_mix64(right + seed * 0x9E3779B97F4A7C15u + round) & mask);
      left = right;
      right = next;
    }
    x = left << bits | right;
  } while (x >= n);
  return (size_t)x;
}

static double between(gm_rng *rng, double low, double high) {
  return low + (high - low) * gm_rng_unit(rng);
}

/* A cut that keeps most of the picture, or all of it. */
static gm_crop draw_crop(gm_rng *rng, const gm_image *image, bool change) {
  gm_crop crop = {0, 0, image->width, image->height};
  if (!change || gm_rng_unit(rng) < 0.5) return crop;
  crop.width = (uint32_t)(image->width * between(rng, 0.6, 1));
  crop.height = (uint32_t)(image->height * between(rng, 0.6, 1));
  crop.x = (uint32_t)((image->width - crop.width) * gm_rng_unit(rng));
  crop.y = (uint32_t)((image->height - crop.height) * gm_rng_unit(rng));
  return crop;
}

/* Boxes in the cut; those of which less than half is left are dropped. */
static void cut_boxes(picture *out, const gm_data_set *set, const gm_data_picture *p,
                      const gm_image *image, gm_crop crop, bool flip) {
  double W = image->width, H = image->height;
  out->n = 0;
  for (size_t i = 0; i < p->n_boxes && out->n < MAX_OBJECTS; i++) {
    const gm_data_box *b = &set->boxes[p->first_box + i];
    gm_corners c = gm_rel_box_corners(b->box);
    double x1 = fmax(c.x1 * W, crop.x), y1 = fmax(c.y1 * H, crop.y);
    double x2 = fmin(c.x2 * W, crop.x + crop.width), y2 = fmin(c.y2 * H, crop.y + crop.height);
    if (x2 - x1 < 3 || y2 - y1 < 3) continue;
    if ((x2 - x1) * (y2 - y1) < 0.5 * (c.x2 - c.x1) * W * (c.y2 - c.y1) * H) continue;
    double cx = ((x1 + x2) / 2 - crop.x) / crop.width;
    out->boxes[out->n] = (gm_rel_box){
        (float)(flip ? 1 - cx : cx), (float)(((y1 + y2) / 2 - crop.y) / crop.height),
        (float)((x2 - x1) / crop.width), (float)((y2 - y1) / crop.height)};
    out->classes[out->n++] = (int32_t)b->category;
  }
}

void flip_pixels(float *pixels, size_t side) {
  for (size_t row = 0; row < 3 * side; row++)
    for (size_t a = 0, b = side - 1; a < b; a++, b--) {
      float *r = pixels + row * side, v = r[a];
      r[a] = r[b];
      r[b] = v;
    }
}

static gm_status load_one(const picture_source *s, picture *out, uint64_t visit,
                          gm_error *err) {
  const gm_data_set *set = s->set;
  uint64_t round = visit / set->n_pictures;
  size_t at = permuted(set->n_pictures, (size_t)(visit % set->n_pictures), s->seed + round);
  const gm_data_picture *p = &set->pictures[at];
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", set->spec.images, gm_data_text(set, p->file));
  gm_image *image;
  GM_TRY(gm_image_open(&image, path, NULL, err));
  gm_rng rng = {gm_mix64(s->seed + visit * 2 + 1)};
  bool flip = s->change && gm_rng_unit(&rng) < 0.5;
  gm_crop crop = draw_crop(&rng, image, s->change);
  cut_boxes(out, set, p, image, crop, flip);
  gm_pixel_resize resize = {(uint32_t)s->side, true};
  gm_status status =
      gm_pixels_centre(out->pixels, image, &crop, &resize, s->side, &s->norm, NULL, err);
  gm_image_free(image);
  if (flip) flip_pixels(out->pixels, s->side);
  return status;
}

static void load_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  load_job *job = arg;
  job->status[task] =
      load_one(job->source, &job->pictures[task], job->first + task, &job->errors[task]);
}

gm_status pictures_load(const picture_source *source, picture *pictures, size_t n,
                        uint64_t first, gm_pool *pool, gm_error *err) {
  enum { MOST = 256 };
  gm_status status[MOST];
  static gm_error errors[MOST];
  if (n > MOST) return gm_fail(err, GM_ERR_ARGUMENT, "%zu pictures at once", n);
  load_job job = {source, pictures, first, status, errors};
  gm_pool_run(pool, load_task, &job, n);
  for (size_t i = 0; i < n; i++)
    if (status[i] != GM_OK) {
      *err = errors[i];
      return status[i];
    }
  return GM_OK;
}
