/* naming.h - naming a picture's regions by CLIP: the model, the classes and the rule of the
 * arguments, for label and eval label. */
#ifndef CLI_NAMING_H
#define CLI_NAMING_H

#include "arguments.h"

#include "gromatic.h"

#include <jansson.h>

typedef struct cli_naming {
  gm_clip *clip;
  gm_classes *classes;
  const char **names; /* [n_names] of the classes */
  size_t n_names;
  gm_view_params view;
  gm_classify_params classify;
  float none; /* the best name is not given where its raw score is lower; -1: always given */
  double merge_iou; /* of two boxes of one name that overlap by more, one is given; 0: both */
  json_t *settings; /* all that changes a name, for a run that may be resumed */
} cli_naming;

/* Opens --clip-model and encodes the classes of the arguments, or the n given ones. On an error
 * says so on stderr and returns an exit code. Close in any case. */
int cli_naming_open(cli_naming *naming, const cli_args *args, const char *const *names,
                    size_t n, const gm_callbacks *callbacks);
void cli_naming_close(cli_naming *naming, const cli_args *args);

/* (*out)[n], to be freed: the best label of each region, whose name lives as long as the
 * classes. NULL on failure. */
gm_status cli_name_regions(const cli_naming *naming, const gm_image *image,
                           const gm_region *regions, size_t n, const gm_callbacks *callbacks,
                           gm_label **out, gm_error *err);

/* True where the best label is not good enough to be given. */
bool cli_naming_is_none(const cli_naming *naming, const gm_label *best);

/* A region's score as one of its label: region score x label score. */
double cli_naming_score(const gm_region *region, const gm_label *best);

/* Sets left_out[i] of n regions where a box of the same label and a higher score (of equal ones
 * an earlier box) overlaps it by more than merge_iou, and is not left out itself. Regions that
 * are left out already, or have no label, take no part. False: no memory. */
bool cli_naming_merge(const cli_naming *naming, const gm_region *regions, const gm_label *best,
                      size_t n, bool *left_out);

#endif
