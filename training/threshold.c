/* threshold.c - chooses the score that a model's regions need, and writes it into the model.
 *
 *   train_threshold -m MODEL -e HELD -o OUT
 *
 * The regions of HELD's scenes are compared with their objects as `gromatic eval detect` does
 * it. Of all thresholds the one is taken that is farthest above both aims, a recall of 0.98 and
 * a precision of 0.88, in standard errors of such shares of so many objects and regions. */
#include "gromatic.h"
#include "model_file.h"
#include "scenes.h"
#include "trained_model.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define RECALL_WANTED 0.98
#define PRECISION_WANTED 0.88
/* The thresholds that are tried are multiples of 1 / STEPS. */
enum { STEPS = 200, FEWEST = 10, MOST = 120 };

static const char usage[] =
    "usage: train_threshold -m MODEL -e HELD -o OUT\n"
    "  -m MODEL    model file\n"
    "  -e HELD     folder with annotations.json, referring.json and images/\n"
    "  -o OUT      model file to write: MODEL with the threshold that was chosen\n";

/* Of each threshold: regions that score more, those of them that show an object, and objects
 * that such a region shows. */
typedef struct counts {
  size_t regions[STEPS], right[STEPS], found[STEPS], objects;
} counts;

/* Counts at every threshold that is below the score. */
static void count(size_t at[STEPS], double score) {
  for (size_t t = 0; t < STEPS && (double)t / STEPS < score; t++) at[t]++;
}

static gm_rel_box relative(gm_box b, double width, double height) {
  return (gm_rel_box){.cx = (float)((b.x1 + b.x2) / 2 / width),
                      .cy = (float)((b.y1 + b.y2) / 2 / height),
                      .w = (float)((b.x2 - b.x1) / width),
                      .h = (float)((b.y2 - b.y1) / height)};
}

static gm_status count_regions(counts *c, const gm_scene *found, const scene *sc, double width,
                               double height, gm_error *err) {
  double *best = calloc(sc->n + 1, sizeof *best); /* score of the best region of each object */
  if (!best) return gm_fail_memory(err, "scores", sc->n * sizeof *best);
  for (size_t i = 0; i < gm_scene_region_count(found); i++) {
    gm_region region = {.struct_size = sizeof region};
    gm_box box = {0};
    bool right = false;
    if (gm_scene_region_at(found, i, &region) != GM_OK) break;
    gm_scene_region_unclipped(found, region.index, &box);
    gm_rel_box shown = relative(box, width, height);
    for (size_t k = 0; k < sc->n; k++) {
      if (gm_region_iou(shown, sc->objects[k].box) <= 0.5F) continue;
      right = true;
      best[k] = fmax(best[k], (double)region.score);
    }
    count(c->regions, (double)region.score);
    if (right) count(c->right, (double)region.score);
  }
  for (size_t k = 0; k < sc->n; k++) count(c->found, best[k]);
  c->objects += sc->n;
  free(best);
  return GM_OK;
}

static gm_status count_scene(counts *c, gm_model *model, const scenes *s, const scene *sc,
                             gm_error *err) {
  char path[8192];
  gm_image *image;
  gm_scene *found;
  gm_scene_params params = gm_scene_params_default();
  params.box_score_thres = (float)FEWEST / STEPS;
  snprintf(path, sizeof path, "%s/%s", s->images, sc->file);
  GM_TRY(gm_image_open(&image, path, NULL, err));
  gm_status status = gm_scene_create(&found, model, image, &params, NULL, err);
  if (status == GM_OK) {
    status = count_regions(c, found, sc, gm_image_width(image), gm_image_height(image), err);
    gm_scene_free(found);
  }
  gm_image_free(image);
  return status;
}

static gm_status count_all(counts *c, const char *path, const scenes *s, gm_error *err) {
  gm_model *model;
  GM_TRY(gm_model_open(&model, path, NULL, err));
  gm_status status = GM_OK;
  for (size_t i = 0; status == GM_OK && i < s->n; i++)
    status = count_scene(c, model, s, &s->all[i], err);
  gm_model_free(model);
  return status;
}

static double recall_at(const counts *c, size_t t) {
  return (double)c->found[t] / (double)c->objects;
}

static double precision_at(const counts *c, size_t t) {
  return (double)c->right[t] / (double)c->regions[t];
}

/* How many standard errors a share of n is above its aim. */
static double room_above(double aim, double share, size_t n) {
  return (share - aim) / sqrt(aim * (1 - aim) / (double)n);
}

/* The lowest of those with the most room above both aims. */
static size_t choose(const counts *c) {
  size_t best = FEWEST;
  double most = -INFINITY;
  for (size_t t = FEWEST; t <= MOST; t++) {
    if (c->regions[t] == 0 || c->objects == 0) break;
    double room = fmin(room_above(RECALL_WANTED, recall_at(c, t), c->objects),
                       room_above(PRECISION_WANTED, precision_at(c, t), c->regions[t]));
    if (room > most) best = t;
    most = fmax(most, room);
  }
  return best;
}

static gm_status write_model(const char *from, const char *to, float threshold, gm_error *err) {
  static const gm_learn_rule none = {.how = GM_FROZEN};
  const gm_trained_number number = {"groma.regions.score_threshold", threshold};
  const gm_trained_options options = {
      .type = GM_TYPE_COUNT, .numbers = &number, .n_numbers = 1};
  gm_model_file *file;
  gm_params *params = NULL;
  GM_TRY(gm_model_file_open(&file, from, true, false, err));
  gm_status status = gm_params_create(&params, file, &none, 1, false, 0, err);
  if (status == GM_OK) status = gm_trained_write(params, to, &options, err);
  gm_params_free(params);
  gm_model_file_close(file);
  return status;
}

static gm_status run(const char *model, const char *held, const char *out, gm_error *err) {
  scenes s = {0};
  counts c = {0};
  gm_status status = scenes_load(&s, held, err);
  if (status == GM_OK) status = count_all(&c, model, &s, err);
  if (status == GM_OK && c.objects == 0)
    status = gm_fail(err, GM_ERR_ARGUMENT, "%s: found no objects", held);
  if (status == GM_OK) {
    size_t t = choose(&c);
    printf("score threshold %.3f: recall %.4f, precision %.4f of %zu scenes\n",
           (double)t / STEPS, recall_at(&c, t), precision_at(&c, t), s.n);
    status = write_model(model, out, (float)t / STEPS, err);
  }
  scenes_free(&s);
  return status;
}

int main(int argc, char **argv) {
  const char *model = NULL, *held = NULL, *out = NULL;
  for (int option; (option = getopt(argc, argv, "m:e:o:")) != -1;) {
    if (option == 'm') model = optarg;
    if (option == 'e') held = optarg;
    if (option == 'o') out = optarg;
  }
  if (!model || !held || !out) {
    fputs(usage, stderr);
    return 2;
  }
  gm_error err;
  gm_status status = run(model, held, out, &err);
  if (status != GM_OK) fprintf(stderr, "train_threshold: %s\n", err.message);
  return status != GM_OK;
}
