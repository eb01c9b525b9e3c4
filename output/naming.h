/* naming.h - names a picture's regions by CLIP: what label does with regions and classes. */
#ifndef OUT_NAMING_H
#define OUT_NAMING_H

#include "gromatic.h"

typedef struct out_naming {
  gm_clip *clip;
  gm_classes *classes;
  gm_view_params view;
  gm_classify_params scoring; /* top is 1 */
  float *limits;    /* of scoring, owned; NULL: the CLIP's head decides which have no name */
  double merge_iou; /* if two boxes of one name overlap by more, one is dropped; 0: keep both */
} out_naming;

/* What a region was named, and whether it is a name at all. */
typedef struct out_named {
  gm_label best; /* its name lives as long as the classes */
  float present; /* as in gm_classification */
  bool calibrated, none;
} out_named;

/* No name if the best raw score is below `none`; -1: always a name. To be called when the
 * classes are there. False: no memory. */
bool out_naming_set_none(out_naming *naming, float none);
/* merge_iou where the user gives none. */
#define OUT_MERGE_IOU 0.5

/* (*out)[n], for free(): what each region is. NULL on failure. */
gm_status out_name_regions(const out_naming *naming, const gm_image *image,
                           const gm_region *regions, size_t n, const gm_callbacks *callbacks,
                           out_named **out, gm_error *err);

/* The score of a labelled region: region score x label score. */
double out_naming_score(const gm_region *region, const gm_label *best);

/* Sets left_out[i] if a better box of the same label overlaps region i by more than merge_iou
 * and is not left out itself. Better: a higher score, or an equal one and earlier. Regions that
 * are left out already, or have no label, are ignored. False: no memory. */
bool out_naming_merge(const out_naming *naming, const gm_region *regions,
                      const out_named *named, size_t n, bool *left_out);

#endif
