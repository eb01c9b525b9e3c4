/* naming.c - see naming.h. */
#include "naming.h"

#include "box_overlap.h"
#include "results.h"

#include <stdlib.h>
#include <string.h>

/* Below this raw score clip-mini gives no name: calibrated in docs/LABEL.md. */
#define CLIP_MINI_NONE 0.6f

float out_naming_none(const gm_clip *clip) {
  return strcmp(out_clip_info(clip).name, "clip-mini") == 0 ? CLIP_MINI_NONE : -1;
}

gm_status out_name_regions(const out_naming *naming, const gm_image *image,
                           const gm_region *regions, size_t n, const gm_callbacks *callbacks,
                           gm_label **out, gm_error *err) {
  gm_box *boxes = calloc(n + 1, sizeof *boxes);
  gm_classification **found = calloc(n + 1, sizeof *found);
  *out = calloc(n + 1, sizeof **out);
  gm_status status = boxes && found && *out ? GM_OK : (err->status = GM_ERR_MEMORY);
  for (size_t i = 0; status == GM_OK && i < n; i++) boxes[i] = regions[i].box;
  if (status == GM_OK)
    status = gm_label_regions(naming->clip, image, boxes, n, naming->classes, &naming->view,
                              &naming->scoring, callbacks, found, err);
  for (size_t i = 0; status == GM_OK && i < n; i++) {
    (*out)[i] = out_label(found[i], 0);
    gm_classification_free(found[i]);
  }
  free(found);
  free(boxes);
  if (status == GM_OK) return GM_OK;
  free(*out);
  *out = NULL;
  return status;
}

bool out_naming_is_none(const out_naming *naming, const gm_label *best) {
  return best->raw_score < naming->none;
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

bool out_naming_merge(const out_naming *naming, const gm_region *regions, const gm_label *best,
                      size_t n, bool *left_out) {
  if (!(naming->merge_iou > 0)) return true;
  scored *list = calloc(n + 1, sizeof *list);
  size_t count = 0, kept = 0; /* the kept ones are at the front of the list */
  if (!list) return false;
  for (size_t i = 0; i < n; i++)
    if (!left_out[i] && !out_naming_is_none(naming, &best[i]))
      list[count++] = (scored){out_naming_score(&regions[i], &best[i]), i};
  qsort(list, count, sizeof *list, by_score);
  for (size_t i = 0; i < count; i++) {
    size_t region = list[i].region;
    for (size_t k = 0; k < kept && !left_out[region]; k++) {
      size_t other = list[k].region;
      left_out[region] =
          best[other].class_index == best[region].class_index &&
          out_box_iou(regions[other].box, regions[region].box) > naming->merge_iou;
    }
    if (!left_out[region]) list[kept++] = list[i];
  }
  free(list);
  return true;
}
