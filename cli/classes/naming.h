/* naming.h - names a picture's regions by CLIP, with the model, classes and rules of the
 * arguments; for label and eval label. */
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
  float none;       /* no name if the best raw score is below this; -1: always a name */
  double merge_iou; /* if two boxes of one name overlap by more, one is dropped; 0: keep both */
  json_t *settings; /* for cli_job.settings */
} cli_naming;

/* Opens --clip-model and encodes the classes of the arguments, or the n given ones. Returns an
 * exit code, after a message if it is not CLI_DONE. Call cli_naming_close in any case. */
int cli_naming_open(cli_naming *naming, const cli_args *args, const char *const *names,
                    size_t n, const gm_callbacks *callbacks);
void cli_naming_close(cli_naming *naming, const cli_args *args);

/* (*out)[n], for free(): the best label of each region. Its name lives as long as the classes.
 * NULL on failure. */
gm_status cli_name_regions(const cli_naming *naming, const gm_image *image,
                           const gm_region *regions, size_t n, const gm_callbacks *callbacks,
                           gm_label **out, gm_error *err);

/* Whether the best label is too weak to be given. */
bool cli_naming_is_none(const cli_naming *naming, const gm_label *best);

/* The score of a labelled region: region score x label score. */
double cli_naming_score(const gm_region *region, const gm_label *best);

/* Sets left_out[i] if a better box of the same label overlaps region i by more than merge_iou
 * and is not left out itself. Better: a higher score, or an equal one and earlier. Regions that
 * are left out already, or have no label, are ignored. False: no memory. */
bool cli_naming_merge(const cli_naming *naming, const gm_region *regions, const gm_label *best,
                      size_t n, bool *left_out);

#endif
