/* naming.h - names a picture's regions by CLIP: what label does with regions and classes. */
#ifndef OUT_NAMING_H
#define OUT_NAMING_H

#include "gromatic.h"

typedef struct out_naming {
  gm_clip *clip;
  gm_classes *classes;
  gm_view_params view;
  gm_classify_params scoring; /* top is 1 */
  float none;       /* no name if the best raw score is below this; -1: always a name */
  double merge_iou; /* if two boxes of one name overlap by more, one is dropped; 0: keep both */
} out_naming;

/* `none` for a CLIP where the user gives none: calibrated for clip-mini, -1 for another, whose
 * cosines are in another range. */
float out_naming_none(const gm_clip *clip);
/* merge_iou where the user gives none. */
#define OUT_MERGE_IOU 0.5

/* (*out)[n], for free(): the best label of each region. Its name lives as long as the classes.
 * NULL on failure. */
gm_status out_name_regions(const out_naming *naming, const gm_image *image,
                           const gm_region *regions, size_t n, const gm_callbacks *callbacks,
                           gm_label **out, gm_error *err);

/* Whether the best label is too weak to be given. */
bool out_naming_is_none(const out_naming *naming, const gm_label *best);

/* The score of a labelled region: region score x label score. */
double out_naming_score(const gm_region *region, const gm_label *best);

/* Sets left_out[i] if a better box of the same label overlaps region i by more than merge_iou
 * and is not left out itself. Better: a higher score, or an equal one and earlier. Regions that
 * are left out already, or have no label, are ignored. False: no memory. */
bool out_naming_merge(const out_naming *naming, const gm_region *regions, const gm_label *best,
                      size_t n, bool *left_out);

#endif
