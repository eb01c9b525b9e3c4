/* naming.c - see naming.h. */
#include "naming.h"

#include "box_overlap.h"
#include "results.h"

#include <stdlib.h>

bool out_naming_set_none(out_naming *naming, float none) {
  size_t n = gm_classes_count(naming->classes);
  if (!naming->limits) naming->limits = calloc(n + 1, sizeof *naming->limits);
  for (size_t i = 0; naming->limits && i < n; i++) naming->limits[i] = none;
  naming->scoring.limits = naming->limits;
  return naming->limits != NULL;
}

gm_status out_name_regions(const out_naming *naming, const gm_image *image,
                           const gm_region *regions, size_t n, const gm_callbacks *callbacks,
                           out_named **out, gm_error *err) {
  gm_classify_params scoring = naming->scoring;
  gm_box *boxes = calloc(n + 1, sizeof *boxes);
  float *scores = calloc(n + 1, sizeof *scores);
  gm_classification **found = calloc(n + 1, sizeof *found);
  *out = calloc(n + 1, sizeof **out);
  gm_status status = boxes && scores && found && *out ? GM_OK : (err->status = GM_ERR_MEMORY);
  for (size_t i = 0; status == GM_OK && i < n; i++) {
    boxes[i] = regions[i].box;
    scores[i] = regions[i].score;
  }
  scoring.region_scores = scores;
  if (status == GM_OK)
    status = gm_label_regions(naming->clip, image, boxes, n, naming->classes, &naming->view,
                              &scoring, callbacks, found, err);
  for (size_t i = 0; status == GM_OK && i < n; i++) {
    (*out)[i] = (out_named){out_label(found[i], 0), found[i]->present, found[i]->calibrated,
                            found[i]->none};
    gm_classification_free(found[i]);
  }
  free(found);
  free(scores);
  free(boxes);
  if (status == GM_OK) return GM_OK;
  free(*out);
  *out = NULL;
  return status;
}

double out_naming_score(const gm_region *region, const gm_label *best) {
  return (double)region->score * (double)best->score;
}

/* ---- several boxes of one thing ---- */

typedef struct scored {
  double score;
  size_t region;
} scored;

static int by_score(const void *a, const void *b) {
  const scored *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return (x->region > y->region) - (x->region < y->region);
}

bool out_naming_merge(const out_naming *naming, const gm_region *regions,
                      const out_named *named, size_t n, bool *left_out) {
  if (!(naming->merge_iou > 0)) return true;
  scored *list = calloc(n + 1, sizeof *list);
  size_t count = 0, kept = 0; /* the kept ones are at the front of the list */
  if (!list) return false;
  for (size_t i = 0; i < n; i++)
    if (!left_out[i] && !named[i].none)
      list[count++] = (scored){out_naming_score(&regions[i], &named[i].best), i};
  qsort(list, count, sizeof *list, by_score);
  for (size_t i = 0; i < count; i++) {
    size_t region = list[i].region;
    for (size_t k = 0; k < kept && !left_out[region]; k++) {
      size_t other = list[k].region;
      left_out[region] =
          named[other].best.class_index == named[region].best.class_index &&
          out_box_iou(regions[other].box, regions[region].box) > naming->merge_iou;
    }
    if (!left_out[region]) list[kept++] = list[i];
  }
  free(list);
  return true;
}
