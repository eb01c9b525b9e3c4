/* clip_drift.c - how far a CLIP's features and scores move from another's:
 *
 *   clip_drift DESCRIPTIONS.json REFERENCE OTHER... -- PICTURE...   one line of JSON per OTHER
 *
 * Features: of the pictures as a whole, and of the descriptions. Their cosine with the
 * reference's (mean and least), and the largest difference of an element over the largest
 * element. Scores: largest difference of a score of wca with 20 crops, seed 0. */
#include "gromatic.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CROPS = 20 };

typedef struct record {
  size_t dim, n_pictures, n_texts, n_classes;
  float *pictures; /* [n_pictures, dim] */
  float *texts;    /* [n_texts, dim] */
  float *scores;   /* [n_pictures, n_classes] */
} record;

static void give_up(const char *what, const gm_error *err) {
  fprintf(stderr, "%s: %s\n", what, err->message);
  exit(1);
}

static float *floats(size_t n) {
  float *x = calloc(n + 1, sizeof *x);
  if (!x) abort();
  return x;
}

static void record_free(record *r) {
  free(r->pictures);
  free(r->texts);
  free(r->scores);
}

/* Every description of the file, in its order; free() the list. */
static const char **all_texts(const json_t *root, size_t *n) {
  const char *name, **texts = NULL;
  json_t *list, *text;
  size_t i;
  *n = 0;
  json_object_foreach((json_t *)root, name, list) json_array_foreach(list, i, text) {
    texts = realloc(texts, (*n + 1) * sizeof *texts);
    if (!texts) abort();
    texts[(*n)++] = json_string_value(text);
  }
  return texts;
}

static void score(gm_clip *clip, const gm_classes *classes, const gm_image *image, float *out) {
  gm_error err = {0};
  gm_view_params params = gm_view_params_default(GM_METHOD_WCA);
  params.crops = CROPS;
  gm_view *view = NULL;
  gm_classification *found = NULL;
  if (gm_view_create(&view, clip, image, &params, &err) != GM_OK ||
      gm_classify(view, classes, NULL, NULL, &found, &err) != GM_OK)
    give_up("scores", &err);
  gm_label label = {.struct_size = sizeof label};
  for (size_t i = 0; gm_label_at(found, i, &label) == GM_OK; i++)
    out[label.class_index] = label.raw_score;
  gm_classification_free(found);
  gm_view_free(view);
}

static record measure(const char *model, const json_t *root, char *const *pictures, size_t n) {
  gm_error err = {0};
  gm_clip *clip = NULL;
  gm_classes *classes = NULL;
  char *json = json_dumps(root, 0);
  gm_classes_params params = gm_classes_params_default();
  params.descriptions = json;
  gm_clip_info info = {.struct_size = sizeof info};
  if (gm_clip_open(&clip, model, NULL, &err) != GM_OK ||
      gm_clip_get_info(clip, &info, &err) != GM_OK ||
      gm_classes_create(&classes, clip, &params, NULL, &err) != GM_OK)
    give_up(model, &err);
  record r = {.dim = info.features, .n_pictures = n};
  const char **texts = all_texts(root, &r.n_texts);
  r.n_classes = gm_classes_count(classes);
  r.pictures = floats(n * r.dim);
  r.texts = floats(r.n_texts * r.dim);
  r.scores = floats(n * r.n_classes);
  if (gm_clip_encode_texts(clip, texts, r.n_texts, r.texts, NULL, &err) != GM_OK)
    give_up("texts", &err);
  for (size_t i = 0; i < n; i++) {
    gm_image *image = NULL;
    if (gm_image_open(&image, pictures[i], NULL, &err) != GM_OK ||
        gm_clip_encode_boxes(clip, image, NULL, 1, r.pictures + i * r.dim, NULL, &err) != GM_OK)
      give_up(pictures[i], &err);
    score(clip, classes, image, r.scores + i * r.n_classes);
    gm_image_free(image);
  }
  free(texts);
  free(json);
  gm_classes_free(classes);
  gm_clip_free(clip);
  return r;
}

static double largest_difference(const float *a, const float *b, size_t n) {
  double most = 0;
  for (size_t i = 0; i < n; i++) {
    double d = fabs((double)a[i] - (double)b[i]);
    if (!(d <= most)) most = d;
  }
  return most;
}

static json_t *compare_features(const float *a, const float *b, size_t n, size_t dim) {
  double least = 1, sum = 0, largest = 0;
  for (size_t i = 0; i < n; i++) {
    double dot = 0;
    for (size_t k = 0; k < dim; k++) {
      double x = (double)a[i * dim + k];
      dot += x * (double)b[i * dim + k];
      if (fabs(x) > largest) largest = fabs(x);
    }
    sum += dot;
    if (!(dot >= least)) least = dot;
  }
  return json_pack("{s:f, s:f, s:f}", "mean_cosine", sum / (double)n, "least_cosine", least,
                   "error", largest_difference(a, b, n * dim) / largest);
}

static void compare(const char *model, const record *a, const record *b) {
  if (a->dim != b->dim) {
    fprintf(stderr, "%s: found features of length %zu, wanted %zu\n", model, b->dim, a->dim);
    exit(1);
  }
  json_t *line =
      json_pack("{s:s, s:o, s:o, s:f}", "model", model, "pictures",
                compare_features(a->pictures, b->pictures, a->n_pictures, a->dim), "texts",
                compare_features(a->texts, b->texts, a->n_texts, a->dim), "score_error",
                largest_difference(a->scores, b->scores, a->n_pictures * a->n_classes));
  char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(10));
  puts(text);
  free(text);
  json_decref(line);
}

int main(int argc, char **argv) {
  int end = 3;
  while (end < argc && strcmp(argv[end], "--") != 0) end++;
  if (end < 4 || end + 1 >= argc) {
    fprintf(stderr, "usage: clip_drift DESCRIPTIONS.json REFERENCE OTHER... -- PICTURE...\n");
    return 2;
  }
  json_error_t where;
  json_t *root = json_load_file(argv[1], 0, &where);
  if (!json_is_object(root)) {
    fprintf(stderr, "%s: wanted descriptions: %s\n", argv[1], where.text);
    return 1;
  }
  char **pictures = argv + end + 1;
  size_t n = (size_t)(argc - end - 1);
  record reference = measure(argv[2], root, pictures, n);
  for (int i = 3; i < end; i++) {
    record other = measure(argv[i], root, pictures, n);
    compare(argv[i], &reference, &other);
    record_free(&other);
  }
  record_free(&reference);
  json_decref(root);
  return 0;
}
