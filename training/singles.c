/* singles.c - see singles.h. */
#include "singles.h"

#include "image.h"
#include "pictures.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the file */

static gm_status class_of(singles *set, const char *name, const char *group, uint32_t *class,
                          gm_error *err) {
  for (size_t i = 0; i < set->n_classes; i++)
    if (strcmp(set->names[i], name) == 0) {
      *class = (uint32_t)i;
      return GM_OK;
    }
  size_t i = set->n_classes;
  set->names[i] = strdup(name);
  set->groups[i] = strdup(group);
  set->n_classes++;
  *class = (uint32_t)i;
  return set->names[i] && set->groups[i] ? GM_OK : gm_fail_memory(err, "classes", 64);
}

static gm_status read_single(singles *set, const char *folder, json_t *entry, gm_error *err) {
  single *s = &set->all[set->n++];
  const char *file, *name, *background, *group = "thing";
  if (json_unpack(entry, "{s:s, s:s, s:s, s?s}", "file_name", &file, "name", &name,
                  "background", &background, "group", &group) != 0)
    return gm_fail(err, GM_ERR_IO,
                   "%s/singles.json: entry %zu: wanted file_name, name and background", folder,
                   set->n);
  size_t bytes = strlen(folder) + strlen(file) + 2;
  s->path = malloc(bytes);
  s->background = strdup(background);
  if (!s->path || !s->background) return gm_fail_memory(err, "pictures", bytes);
  snprintf(s->path, bytes, "%s/%s", folder, file);
  s->boxed = json_unpack(entry, "{s:[F, F, F, F]}", "bbox", &s->x, &s->y, &s->w, &s->h) == 0;
  return class_of(set, name, group, &s->class, err);
}

static gm_status read_all(singles *set, const char *folder, json_t *root, const char *why,
                          gm_error *err) {
  size_t n = json_array_size(root);
  if (n == 0)
    return gm_fail(err, GM_ERR_IO, "%s/singles.json: wanted a list of pictures%s%s", folder,
                   *why ? ": " : "", why);
  set->all = calloc(n, sizeof *set->all);
  set->names = calloc(n, sizeof *set->names);
  set->groups = calloc(n, sizeof *set->groups);
  if (!set->all || !set->names || !set->groups)
    return gm_fail_memory(err, "pictures", n * sizeof *set->all);
  for (size_t i = 0; i < n; i++) GM_TRY(read_single(set, folder, json_array_get(root, i), err));
  return GM_OK;
}

gm_status singles_load(singles *out, const char *folder, gm_error *err) {
  char path[4096];
  json_error_t why = {.text = ""};
  *out = (singles){0};
  snprintf(path, sizeof path, "%s/singles.json", folder);
  json_t *root = json_load_file(path, 0, &why);
  gm_status status = read_all(out, folder, root, why.text, err);
  json_decref(root);
  return status;
}

void singles_free(singles *set) {
  for (size_t i = 0; i < set->n; i++) {
    free(set->all[i].path);
    free(set->all[i].background);
  }
  for (size_t i = 0; i < set->n_classes; i++) {
    free(set->names[i]);
    free(set->groups[i]);
  }
  free(set->all);
  free(set->names);
  free(set->groups);
}

/* ---- cuts */

static double between(gm_rng *rng, double low, double high) {
  return low + (high - low) * gm_rng_unit(rng);
}

/* The share of the object that a cut shows. */
static double shown(const single *s, const gm_crop *c) {
  double w = fmin(s->x + s->w, c->x + c->width) - fmax(s->x, c->x);
  double h = fmin(s->y + s->h, c->y + c->height) - fmax(s->y, c->y);
  return w > 0 && h > 0 ? w * h / (s->w * s->h) : 0;
}

/* A square of this side that has the point (cx, cy) in the middle, as far as the picture goes.
 */
static gm_crop square_at(const gm_image *image, double side, double cx, double cy) {
  double W = image->width, H = image->height;
  side = floor(fmin(fmax(8, side), fmin(W, H)));
  double x = fmax(0, fmin(cx - side / 2, W - side)), y = fmax(0, fmin(cy - side / 2, H - side));
  return (gm_crop){(uint32_t)x, (uint32_t)y, (uint32_t)side, (uint32_t)side};
}

/* A square around the object; the whole picture, of which CLIP sees the square in the middle;
 * or a square as WCA cuts it. Cuts that show less than half of the object would teach nothing:
 * they are drawn again. */
static gm_crop draw_cut(gm_rng *rng, const single *s, const gm_image *image, double near) {
  double W = image->width, H = image->height, least = fmin(W, H);
  gm_crop whole = {0, 0, image->width, image->height};
  gm_crop middle = square_at(image, least, W / 2, H / 2);
  if (!s->boxed) return whole;
  if (gm_rng_unit(rng) >= near) {
    if (gm_rng_unit(rng) < 0.5 && shown(s, &middle) >= 0.5) return whole;
    for (int attempt = 0; attempt < 8; attempt++) {
      double side = least * between(rng, 0.5, 0.9), x = between(rng, side / 2, W - side / 2);
      gm_crop cut = square_at(image, side, x, between(rng, side / 2, H - side / 2));
      if (shown(s, &cut) >= 0.5) return cut;
    }
  }
  double object = fmax(s->w, s->h), side = object * between(rng, 0.9, 2);
  double room = fmax(0, side - object) / 2;
  return square_at(image, side, s->x + s->w / 2 + between(rng, -room, room),
                   s->y + s->h / 2 + between(rng, -room, room));
}

/* Contrast, brightness, and a little of each for every channel. */
static void tint_pixels(gm_rng *rng, float *pixels, size_t side) {
  double contrast = between(rng, 0.85, 1.15), light = between(rng, -0.2, 0.2);
  for (size_t c = 0; c < 3; c++) {
    float a = (float)(contrast * between(rng, 0.95, 1.05));
    float b = (float)(light + between(rng, -0.07, 0.07));
    for (size_t i = 0; i < side * side; i++)
      pixels[c * side * side + i] = a * pixels[c * side * side + i] + b;
  }
}

/* ---- sentences */

static const char *const words[] = {
    "animal", "pet",   "wild", "face", "fruit",  "food",   "sweet",  "fresh", "plant", "flower",
    "insect", "bird",  "sea",  "sky",  "travel", "wheels", "road",   "sport", "game",  "music",
    "tool",   "light", "home", "hat",  "shiny",  "round",  "yellow", "red",   "green", "wings"};

/* A word, or random letters, that the picture need not fit: a class's name is to outweigh what
 * else a description says. */
static const char *draw_word(gm_rng *rng, char *letters) {
  if (gm_rng_unit(rng) < 0.6) return words[gm_rng_u64(rng) % (sizeof words / sizeof *words)];
  size_t n = 3 + gm_rng_u64(rng) % 4;
  for (size_t i = 0; i < n; i++) letters[i] = (char)('a' + gm_rng_u64(rng) % 26);
  letters[n] = 0;
  return letters;
}

static void draw_sentence(gm_rng *rng, const singles *set, const single *s, char *out) {
  const char *name = set->names[s->class], *group = set->groups[s->class];
  char one[16], other[16];
  const char *word = draw_word(rng, one), *second = draw_word(rng, other);
  double kind = gm_rng_unit(rng);
  if (kind < 0.28)
    snprintf(out, MAX_SENTENCE, "a photo of a %s.", name);
  else if (kind < 0.36)
    snprintf(out, MAX_SENTENCE, "a picture of a %s.", name);
  else if (kind < 0.56)
    snprintf(out, MAX_SENTENCE, "a picture of a %s on a %s background.", name, s->background);
  else if (kind < 0.64)
    snprintf(out, MAX_SENTENCE, "a close-up of a part of a %s.", name);
  else if (kind < 0.73)
    snprintf(out, MAX_SENTENCE, "a photo of a %s, a type of %s.", name,
             gm_rng_unit(rng) < 0.5 ? group : "thing");
  else if (kind < 0.81)
    snprintf(out, MAX_SENTENCE, "%s", name);
  else if (kind < 0.86)
    snprintf(out, MAX_SENTENCE, "%s %s", word, name);
  else if (kind < 0.89)
    snprintf(out, MAX_SENTENCE, "a %s: %s.", name, word);
  else if (kind < 0.94)
    snprintf(out, MAX_SENTENCE, "a %s: %s, %s.", name, word, second);
  else
    snprintf(out, MAX_SENTENCE, "a photo of a %s, which has %s.", name, word);
}

/* ---- lessons */

static gm_status load_one(const lesson_source *source, lesson *out, uint64_t visit,
                          gm_error *err) {
  const singles *set = source->set;
  uint64_t round = visit / set->n;
  const single *s = &set->all[permuted(set->n, (size_t)(visit % set->n), source->seed + round)];
  gm_rng rng = {gm_mix64(source->seed + visit * 2 + 1)};
  gm_image *image;
  GM_TRY(gm_image_open(&image, s->path, NULL, err));
  gm_crop cut = {0, 0, image->width, image->height};
  if (source->change) cut = draw_cut(&rng, s, image, source->near);
  gm_status status = gm_pixels_centre(out->pixels, image, &cut, &source->resize, source->side,
                                      &source->norm, NULL, err);
  gm_image_free(image);
  out->class = s->class;
  snprintf(out->sentence, sizeof out->sentence, "a photo of a %s.", set->names[s->class]);
  if (status != GM_OK || !source->change) return status;
  if (gm_rng_unit(&rng) < 0.5) flip_pixels(out->pixels, source->side);
  tint_pixels(&rng, out->pixels, source->side);
  draw_sentence(&rng, set, s, out->sentence);
  return GM_OK;
}

enum { MOST = 1024 };

typedef struct load_job {
  const lesson_source *source;
  lesson *lessons;
  uint64_t first;
  gm_status status[MOST];
  gm_error errors[MOST];
} load_job;

static void load_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  load_job *job = arg;
  job->status[task] =
      load_one(job->source, &job->lessons[task], job->first + task, &job->errors[task]);
}

gm_status lessons_load(const lesson_source *source, lesson *lessons, size_t n, uint64_t first,
                       gm_pool *pool, gm_error *err) {
  static load_job job; /* too large for a stack; the program loads one batch at a time */
  if (n > MOST) return gm_fail(err, GM_ERR_ARGUMENT, "%zu pictures at once", n);
  job.source = source;
  job.lessons = lessons;
  job.first = first;
  gm_pool_run(pool, load_task, &job, n);
  for (size_t i = 0; i < n; i++)
    if (job.status[i] != GM_OK) {
      *err = job.errors[i];
      return job.status[i];
    }
  return GM_OK;
}
