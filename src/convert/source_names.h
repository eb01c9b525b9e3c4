/* source_names.h - tensor names as training tools write them -> as in the tables. */
#ifndef GM_SOURCE_NAMES_H
#define GM_SOURCE_NAMES_H

#include "checkpoint.h"

/* Removes the prefixes that DistributedDataParallel ("module."), torch.compile ("_orig_mod.")
 * and trainers ("model.", "state_dict.") add to all names, and "text." of open_clip's models
 * with custom_text. */
gm_status gm_source_clean_names(gm_checkpoint *weights, gm_error *err);

/* True for tensors that training checkpoints hold beside the model, such as an optimizer's. */
bool gm_source_is_training(const char *name);

#endif
