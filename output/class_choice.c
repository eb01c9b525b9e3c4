/* class_choice.c - see class_choice.h. */
#include "class_choice.h"

#include "presets.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The thresholds of dedup alone, measured in docs/WCA.md. */
#define DEDUP_IOU 0.75
#define DEDUP_COSINE 0.98

out_class_choice out_class_choice_default(void) {
  return (out_class_choice){.dashes = "",
                            .method = GM_METHOD_WCA,
                            .crops = UINT64_MAX,
                            .alpha = -1,
                            .beta = -1,
                            .dedup_iou = -1,
                            .dedup_cosine = -1,
                            .image_scale = NAN,
                            .text_scale = NAN};
}

static int by_name(const void *a, const void *b) {
  return gm_name_compare(*(const char *const *)a, *(const char *const *)b);
}

bool out_name_twice(const char *const *names, size_t n, const char **twice) {
  const char **sorted = malloc((n + 1) * sizeof *sorted);
  *twice = NULL;
  if (!sorted) return false;
  for (size_t i = 0; i < n; i++) sorted[i] = names[i];
  qsort(sorted, n, sizeof *sorted, by_name);
  for (size_t i = 1; i < n && !*twice; i++)
    if (gm_name_compare(sorted[i - 1], sorted[i]) == 0) *twice = sorted[i];
  free(sorted);
  return true;
}

bool out_has_crops(gm_method method) {
  return method == GM_METHOD_WCA || method == GM_METHOD_WCA_RELEASED;
}

/* ---- crops ---- */

/* The library's defaults, as the help has them. They are set here because alpha and beta are
 * compared with them. */
static void set_own(gm_method method, bool of_region, gm_view_params *out) {
  out->crops = !out_has_crops(method) ? GM_NONE : of_region ? 10 : 100;
  out->alpha = of_region ? 0.7F : method == GM_METHOD_WCA_RELEASED ? 0.1F : 0.5F;
  out->beta = of_region ? 1 : 0.9F;
}

static gm_status use_preset(const out_class_choice *choice, gm_view_params *out,
                            gm_error *err) {
  if (!choice->preset) return GM_OK;
  const out_preset *preset = out_preset_named(choice->preset);
  if (!preset) {
    snprintf(err->message, sizeof err->message,
             "%spreset: found '%.100s', wanted imagenet, cub, pets, dtd, food101 or places365",
             choice->dashes, choice->preset);
    return err->status = GM_ERR_ARGUMENT;
  }
  if (out_has_crops(choice->method)) out->crops = preset->crops;
  out->alpha = (float)(choice->method == GM_METHOD_WCA_RELEASED ? preset->released_alpha
                                                                : preset->alpha);
  return GM_OK;
}

gm_status out_choice_view(const out_class_choice *choice, bool of_region, gm_view_params *out,
                          gm_error *err) {
  bool crops = out_has_crops(choice->method);
  *out = gm_view_params_default(choice->method);
  set_own(choice->method, of_region && !choice->preset, out);
  if (use_preset(choice, out, err) != GM_OK) return err->status;
  if (choice->dedup) out->dedup = (float)DEDUP_IOU;
  if (choice->dedup_iou >= 0) out->dedup = (float)choice->dedup_iou;
  if (crops && choice->crops != UINT64_MAX) out->crops = (uint32_t)choice->crops;
  if (choice->alpha >= 0) out->alpha = (float)choice->alpha;
  if (choice->beta >= 0) out->beta = (float)choice->beta;
  out->seed = choice->seed;
  if (!crops || (out->alpha > 0 && out->alpha <= out->beta)) return GM_OK;
  snprintf(err->message, sizeof err->message,
           "%salpha, %sbeta: found %g and %g, wanted 0 < alpha <= beta <= 1", choice->dashes,
           choice->dashes, (double)out->alpha, (double)out->beta);
  return err->status = GM_ERR_ARGUMENT;
}

/* For the library 0 is the default: NaN (not given) becomes 0, and 0 becomes an exponent whose
 * exp is 1 too. */
static float exponent(double given) {
  if (isnan(given)) return 0;
  return given == 0 ? 1e-20F : (float)given;
}

gm_classify_params out_choice_scoring(const out_class_choice *choice) {
  gm_classify_params params = gm_classify_params_default();
  params.draws = choice->draws;
  params.redraws = choice->redraws;
  params.image_scale = exponent(choice->image_scale);
  params.stop = choice->stop;
  params.seed = choice->seed;
  return params;
}

/* ---- classes ---- */

/* The file that the method needs and the choice lacks, or NULL. Without it the method would be
 * clip under another name. */
static const char *missing(const out_class_choice *choice) {
  switch (choice->method) {
  case GM_METHOD_CUPL:
    return choice->descriptions ? NULL : "descriptions";
  case GM_METHOD_CLIP_E:
    return choice->templates ? NULL : "templates";
  case GM_METHOD_CLIP_D:
    return choice->descriptors ? NULL : "descriptors";
  default:
    return NULL;
  }
}

static gm_status check(const out_class_choice *choice, gm_error *err) {
  const char *name = missing(choice);
  err->status = GM_OK;
  if (name)
    snprintf(err->message, sizeof err->message,
             "%smethod %s wants %s%s%s; wca, wca-released, clip and waffle need the names only",
             choice->dashes, gm_method_name(choice->method), choice->dashes, name,
             *choice->dashes ? " FILE" : "");
  else if (choice->n_names == 0 && !choice->descriptions)
    snprintf(err->message, sizeof err->message,
             *choice->dashes
                 ? "no names of classes given; say which with --classes a,b,c or --classes "
                   "FILE, or with --descriptions FILE"
                 : "no names of classes given; say which with classes or descriptions");
  else
    return GM_OK;
  return err->status = GM_ERR_ARGUMENT;
}

/* {name: [], ...}: no descriptions, so each class has its label prompt only. NULL after an
 * error. */
static char *empty_descriptions(const out_class_choice *choice, gm_error *err) {
  json_t *root = json_object();
  for (size_t i = 0; root && i < choice->n_names; i++) {
    if (json_object_set_new(root, choice->names[i], json_array()) == 0) continue;
    snprintf(err->message, sizeof err->message, "%sclasses: class %zu: wanted UTF-8",
             choice->dashes, i + 1);
    err->status = GM_ERR_ARGUMENT;
    json_decref(root);
    return NULL;
  }
  char *text = json_dumps(root, JSON_COMPACT);
  json_decref(root);
  if (text) return text;
  snprintf(err->message, sizeof err->message, "no memory for the classes");
  err->status = GM_ERR_MEMORY;
  return NULL;
}

gm_status out_choice_classes(const out_class_choice *choice, gm_clip *clip,
                             const gm_callbacks *callbacks, gm_classes **out, gm_error *err) {
  char *empty = NULL;
  *out = NULL;
  if (check(choice, err) != GM_OK) return err->status;
  gm_classes_params params = gm_classes_params_default();
  params.method = choice->method;
  params.names = choice->n_names ? choice->names : NULL;
  params.n_names = choice->n_names;
  params.descriptions = choice->descriptions;
  params.templates = choice->templates;
  params.descriptors = choice->descriptors;
  params.words = choice->words;
  params.seed = choice->seed;
  params.text_scale = exponent(choice->text_scale);
  if (choice->dedup) params.dedup = (float)DEDUP_COSINE;
  if (choice->dedup_cosine >= 0) params.dedup = (float)choice->dedup_cosine;
  if (out_has_crops(choice->method) && choice->n_names && !choice->descriptions) {
    params.descriptions = empty = empty_descriptions(choice, err);
    if (!empty) return err->status;
  }
  gm_status status = gm_classes_create(out, clip, &params, callbacks, err);
  free(empty);
  return status;
}
