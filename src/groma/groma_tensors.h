/* groma_tensors.h - all tensors of a Groma model as one list of rules. Each stage adds its own,
 * from the same X-macros that its structs and loaders are made of. */
#ifndef GM_GROMA_TENSORS_H
#define GM_GROMA_TENSORS_H

#include "groma_sizes.h"
#include "tensor_rules.h"

/* *rules = the rules of a model of these sizes, in the order of our files. dims may be NULL
 * where shapes and counts of layers are not wanted: they are 0 then. */
void gm_groma_tensor_rules(gm_tensor_rules *rules, const size_t *dims);

#endif
