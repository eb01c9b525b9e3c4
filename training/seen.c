/* seen.c - see seen.h. The file is a header and a record of fixed size for each scene, mapped;
 * states are f16. Its room is taken at once, since a mapped write on a full disk is a crash. */
#include "seen.h"

#include "image.h"
#include "types.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct file_head {
  char magic[8];
  uint64_t key, n, record;
} file_head;

typedef struct record {
  uint64_t filled, n;
  gm_rel_box boxes[SEEN_REGIONS];
  int32_t object[SEEN_REGIONS], region_of[SEEN_REGIONS];
} record;

enum { HEAD = 4096 };

struct seen_file {
  const scenes *of;
  const gm_groma *groma;
  gm_compute *c;
  seen_rule rule;
  gm_features *features;
  float *pixels;
  size_t dim, state; /* D, floats of a state */
  size_t record_bytes, bytes;
  unsigned char *map;
};

static record *record_of(const seen_file *f, size_t at) {
  return (record *)(f->map + HEAD + at * f->record_bytes);
}

static float *vectors_of(record *r) {
  return (float *)(r + 1);
}

/* The newest state first, so that it has the same place with and without the others. */
static uint16_t *state_of(const seen_file *f, record *r, size_t level) {
  return (uint16_t *)(vectors_of(r) + SEEN_REGIONS * f->dim) +
         (GM_REGION_LEVELS - 1 - level) * f->state;
}

static size_t first_level(const seen_file *f) {
  return f->rule.deep ? 0 : GM_REGION_LEVELS - 1;
}

static gm_status map_file(seen_file *f, const char *path, uint64_t key, gm_error *err) {
  file_head want = {"GMSEEN1", key + f->rule.truth, f->of->n, f->record_bytes}, found = {0};
  int fd = open(path, O_RDWR | O_CREAT, 0644);
  if (fd < 0) return gm_fail(err, GM_ERR_IO, "%s: cannot be opened", path);
  bool same = pread(fd, &found, sizeof found, 0) == sizeof found &&
              memcmp(&found, &want, sizeof want) == 0;
  f->bytes = HEAD + f->of->n * f->record_bytes;
  bool sized = (same || ftruncate(fd, 0) == 0) &&
               posix_fallocate(fd, 0, (off_t)f->bytes) == 0 &&
               pwrite(fd, &want, sizeof want, 0) == sizeof want;
  f->map = sized ? mmap(NULL, f->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  close(fd);
  if (f->map != MAP_FAILED) return GM_OK;
  f->map = NULL;
  return gm_fail(err, GM_ERR_IO, "%s: cannot be mapped, wanted %zu bytes", path, f->bytes);
}

gm_status seen_open(seen_file **out, const char *path, uint64_t key, const scenes *of,
                    const gm_groma *groma, gm_compute *c, seen_rule rule, gm_error *err) {
  seen_file *f = calloc(1, sizeof *f);
  *out = f;
  if (!f) return gm_fail_memory(err, "what is seen", sizeof *f);
  size_t S = groma->hparams.image_size, grid = S / groma->hparams.patch_size;
  *f = (seen_file){.of = of, .groma = groma, .c = c, .rule = rule};
  f->dim = groma->llama->dim;
  f->state = (1 + grid * grid) * gm_vision_regions(groma->vision)->width;
  f->record_bytes = sizeof(record) + SEEN_REGIONS * f->dim * sizeof(float) +
                    (GM_REGION_LEVELS - first_level(f)) * f->state * sizeof(uint16_t);
  f->record_bytes = (f->record_bytes + 63) / 64 * 64;
  f->pixels = malloc(3 * S * S * sizeof *f->pixels);
  if (!f->pixels) return gm_fail_memory(err, "pixels", 3 * S * S * sizeof *f->pixels);
  GM_TRY(gm_features_create(&f->features, groma->vision, err));
  return map_file(f, path, key, err);
}

void seen_close(seen_file *f) {
  if (!f) return;
  if (f->map) munmap(f->map, f->bytes);
  gm_features_free(f->features);
  free(f->pixels);
  free(f);
}

/* Proposals, then true boxes at the score that lets any proposal go first. */
static gm_status choose(const seen_file *f, const scene *sc, record *r) {
  enum { MOST = 1024 };
  const gm_groma_hparams *h = &f->groma->hparams;
  gm_rel_box boxes[MOST];
  float scores[MOST];
  uint32_t chosen[MOST];
  const float *found_scores;
  size_t n;
  const gm_rel_box *found = gm_features_proposals(f->features, &found_scores, &n);
  if (n > MOST - SEEN_REGIONS) n = MOST - SEEN_REGIONS;
  memcpy(boxes, found, n * sizeof *boxes);
  memcpy(scores, found_scores, n * sizeof *scores);
  for (size_t i = 0; f->rule.truth && i < sc->n && i < SEEN_REGIONS; i++) {
    boxes[n] = sc->objects[i].box;
    scores[n++] = 0.2f;
  }
  const gm_region_rule rule = {h->score_threshold, h->nms_threshold, SEEN_REGIONS};
  r->n = gm_regions_choose(boxes, scores, n, &rule, chosen);
  for (size_t i = 0; i < r->n; i++) r->boxes[i] = boxes[chosen[i]];
  return GM_OK;
}

static void match(const scene *sc, record *r) {
  for (size_t i = 0; i < SEEN_REGIONS; i++) r->object[i] = r->region_of[i] = -1;
  for (size_t i = 0; r->n > 0 && i < sc->n && i < SEEN_REGIONS; i++) {
    size_t at = gm_regions_referred(r->boxes, r->n, sc->objects[i].box);
    if (r->object[at] >= 0 || gm_region_iou(r->boxes[at], sc->objects[i].box) < 0.5f) continue;
    r->object[at] = (int32_t)i;
    r->region_of[i] = (int32_t)at;
  }
}

static gm_status see(seen_file *f, size_t scene_at, record *r) {
  gm_compute *c = f->c;
  const gm_vision *vision = f->groma->vision;
  const gm_groma_hparams *h = &f->groma->hparams;
  const scene *sc = &f->of->all[scene_at];
  char path[8192];
  gm_image *image;
  snprintf(path, sizeof path, "%s/%s", f->of->images, sc->file);
  GM_TRY(gm_image_open(&image, path, NULL, c->err));
  gm_status status =
      gm_pixels_squash(f->pixels, image, h->image_size, &h->pixel_norm, c->pool, c->err);
  gm_image_free(image);
  GM_TRY(status);
  GM_TRY(gm_vision_encode(c, vision, f->features, f->pixels));
  GM_TRY(gm_vision_propose(c, vision, f->features));
  GM_TRY(choose(f, sc, r));
  match(sc, r);
  GM_TRY(gm_vision_fuse(c, vision, f->features));
  GM_TRY(gm_vision_region_vectors(c, vision, f->features, r->boxes, r->n, vectors_of(r)));
  const float *output, *states[GM_REGION_LEVELS];
  gm_features_states(vision, f->features, &output, states);
  for (size_t l = first_level(f); l < GM_REGION_LEVELS; l++)
    gm_type_traits_of(GM_TYPE_F16)->from_float(state_of(f, r, l), states[l], f->state);
  r->filled = 1;
  return GM_OK;
}

gm_status seen_get(seen_file *f, size_t scene_at, seen *out) {
  record *r = record_of(f, scene_at);
  if (!r->filled) GM_TRY(see(f, scene_at, r));
  out->n = r->n;
  memcpy(out->boxes, r->boxes, sizeof out->boxes);
  for (size_t i = 0; i < SEEN_REGIONS; i++) {
    out->object[i] = r->object[i];
    out->region_of[i] = r->region_of[i];
  }
  out->vectors = vectors_of(r);
  for (size_t l = 0; l < GM_REGION_LEVELS; l++) {
    out->states[l] = NULL;
    if (l < first_level(f)) continue;
    float *state = gm_scratch_f32(f->c, f->state, "a hidden state");
    if (!state) return GM_ERR_MEMORY;
    gm_type_traits_of(GM_TYPE_F16)->to_float(state, state_of(f, r, l), f->state);
    out->states[l] = state;
  }
  return GM_OK;
}
