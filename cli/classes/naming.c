/* naming.c - see naming.h. */
#include "naming.h"

#include "box_overlap.h"
#include "class_options.h"
#include "results.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

/* Below this raw score clip-mini gives no name: calibrated in docs/LABEL.md. */
#define CLIP_MINI_NONE 0.6f

static int list_names(cli_naming *naming) {
  naming->n_names = gm_classes_count(naming->classes);
  naming->names = calloc(naming->n_names, sizeof *naming->names);
  if (!naming->names) return CLI_SOME_FAILED;
  for (size_t i = 0; i < naming->n_names; i++)
    naming->names[i] = gm_classes_name(naming->classes, i);
  return CLI_DONE;
}

/* The cosines of another CLIP are in another range: it has a limit only if the user gives one.
 */
static float none_score(const cli_naming *naming, const cli_args *args) {
  if (args->none >= -1) return (float)args->none;
  bool mini = strcmp(out_clip_info(naming->clip).name, "clip-mini") == 0;
  return mini ? CLIP_MINI_NONE : -1;
}

int cli_naming_open(cli_naming *naming, const cli_args *args, const char *const *names,
                    size_t n, const gm_callbacks *callbacks) {
  *naming = (cli_naming){0};
  gm_method method;
  if (!cli_method(args, &method) || !cli_view_params(args, method, true, &naming->view))
    return CLI_USAGE;
  naming->view.cache = true;
  naming->classify = cli_classify_params(args);
  naming->classify.top = 1;
  int code = cli_open_clip(args, args->clip_model, true, &naming->clip);
  if (code == CLI_DONE)
    code = cli_make_classes(args, naming->clip, method, names, n, callbacks, &naming->classes);
  if (code == CLI_DONE) code = list_names(naming);
  if (code == CLI_DONE) {
    naming->none = none_score(naming, args);
    naming->merge_iou = args->merge_iou;
    naming->settings = cli_class_settings(args);
    if (!naming->settings) code = CLI_SOME_FAILED;
  }
  return code;
}

void cli_naming_close(cli_naming *naming, const cli_args *args) {
  free(naming->names);
  json_decref(naming->settings);
  gm_classes_free(naming->classes);
  cli_close_clip(args, naming->clip);
  *naming = (cli_naming){0};
}

gm_status cli_name_regions(const cli_naming *naming, const gm_image *image,
                           const gm_region *regions, size_t n, const gm_callbacks *callbacks,
                           gm_label **out, gm_error *err) {
  gm_box *boxes = calloc(n + 1, sizeof *boxes);
  gm_classification **found = calloc(n + 1, sizeof *found);
  *out = calloc(n + 1, sizeof **out);
  gm_status status = boxes && found && *out ? GM_OK : (err->status = GM_ERR_MEMORY);
  for (size_t i = 0; status == GM_OK && i < n; i++) boxes[i] = regions[i].box;
  if (status == GM_OK)
    status = gm_label_regions(naming->clip, image, boxes, n, naming->classes, &naming->view,
                              &naming->classify, callbacks, found, err);
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

bool cli_naming_is_none(const cli_naming *naming, const gm_label *best) {
  return best->raw_score < naming->none;
}

double cli_naming_score(const gm_region *region, const gm_label *best) {
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

bool cli_naming_merge(const cli_naming *naming, const gm_region *regions, const gm_label *best,
                      size_t n, bool *left_out) {
  if (!(naming->merge_iou > 0)) return true;
  scored *list = calloc(n + 1, sizeof *list);
  size_t count = 0, kept = 0; /* the kept ones are at the front of the list */
  if (!list) return false;
  for (size_t i = 0; i < n; i++)
    if (!left_out[i] && !cli_naming_is_none(naming, &best[i]))
      list[count++] = (scored){cli_naming_score(&regions[i], &best[i]), i};
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
