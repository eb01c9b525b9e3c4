/* clip_tensors.h - all tensors of a CLIP as one list of rules, with the names of either family
 * of checkpoints. Each tower adds its own, from the X-macros that make its struct and loader.
 */
#ifndef GM_CLIP_TENSORS_H
#define GM_CLIP_TENSORS_H

#include "clip_sizes.h"
#include "tensor_rules.h"

/* Adds the rules of a model of these sizes, in the order of our files. fused: the names of
 * OpenAI and open_clip (query, key and value in one matrix), else those of Hugging Face. dims
 * may be NULL; then shapes and numbers of layers are 0. */
void gm_clip_tensor_rules(gm_tensor_rules *rules, const size_t *dims, bool fused);

#endif
