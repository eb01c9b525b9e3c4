/* source_names.c - see source_names.h. */
#include "source_names.h"

#include <string.h>

bool gm_source_is_training(const char *name) {
  static const char *const heads[] = {"optimizer.", "optimizers.", "scaler.", "lr_scheduler.",
                                      "scheduler."};
  for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
    if (strncmp(name, heads[i], strlen(heads[i])) == 0) return true;
  return false;
}

static bool has_prefix(const char *name, const char *prefix) {
  return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* True if all names of the model begin with prefix. */
static bool all_have(const gm_checkpoint *weights, const char *prefix) {
  size_t n = 0;
  for (size_t i = 0; i < weights->n_tensors; i++) {
    const char *name = weights->tensors[i].name;
    if (has_prefix(name, prefix) && name[strlen(prefix)])
      n++;
    else if (!gm_source_is_training(name))
      return false;
  }
  return n > 0;
}

gm_status gm_source_clean_names(gm_checkpoint *weights, gm_error *err) {
  static const char *const prefixes[] = {"module.", "_orig_mod.", "model.", "state_dict."};
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0];) {
    if (!all_have(weights, prefixes[i])) {
      i++;
      continue;
    }
    GM_TRY(gm_checkpoint_strip(weights, prefixes[i], err));
    i = 0; /* a prefix may follow another */
  }
  if (gm_checkpoint_find(weights, "visual.conv1.weight") != SIZE_MAX &&
      gm_checkpoint_find(weights, "text.text_projection") != SIZE_MAX)
    return gm_checkpoint_strip(weights, "text.", err);
  return GM_OK;
}
