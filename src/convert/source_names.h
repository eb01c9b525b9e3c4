/* source_names.h - names of tensors as training leaves them -> as the tables have them. */
#ifndef GM_SOURCE_NAMES_H
#define GM_SOURCE_NAMES_H

#include "checkpoint.h"

/* Takes off what DistributedDataParallel ("module."), torch.compile ("_orig_mod.") and trainers
 * ("model.", "state_dict.") put in front of all names, and "text." of open_clip's models with
 * custom_text. */
gm_status gm_source_clean_names(gm_checkpoint *weights, gm_error *err);

/* True for tensors of an optimizer and its like, which training checkpoints hold beside the
 * model. */
bool gm_source_is_training(const char *name);

#endif
