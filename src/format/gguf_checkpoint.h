/* gguf_checkpoint.h - one of our own files as a gm_checkpoint (gm_gguf_checkpoint_open). */
#ifndef GM_GGUF_CHECKPOINT_H
#define GM_GGUF_CHECKPOINT_H

#include "adapter_changes.h"
#include "checkpoint.h"
#include "model_file.h"

/* The file of a checkpoint whose format is "gguf". */
const gm_model_file *gm_gguf_checkpoint_file(const gm_checkpoint *checkpoint);
/* What is read from now on has these changes of the file in it. They must outlive it. */
void gm_gguf_checkpoint_change(gm_checkpoint *checkpoint, const gm_adapter_changes *changes);
/* Those changes; NULL: none. */
const gm_adapter_changes *gm_gguf_checkpoint_changes(const gm_checkpoint *checkpoint);

#endif
