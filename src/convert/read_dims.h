/* read_dims.h - the sizes in the shapes of a checkpoint's tensors. */
#ifndef GM_READ_DIMS_H
#define GM_READ_DIMS_H

#include "checkpoint.h"
#include "tensor_rules.h"

enum { GM_DIM_LAYERS = -1 };

/* The source of a size: an axis of a tensor's shape, or GM_DIM_LAYERS: the number of layers
 * that have the tensor. The name is that of layer 0 in our files; it has a rule. */
typedef struct gm_dim_row {
  uint8_t dim;
  const char *tensor;
  int axis;
} gm_dim_row;

/* dims[row.dim] of each row. GM_ERR_MODEL if a tensor is missing or has too few dimensions. */
gm_status gm_read_dims(size_t *dims, const gm_checkpoint *weights, const gm_tensor_rules *rules,
                       const gm_dim_row *rows, size_t n_rows, gm_error *err);

/* The index of the tensor of this rule and layer, by either of its names; SIZE_MAX if it is
 * missing. */
size_t gm_find_upstream(const gm_checkpoint *weights, const gm_tensor_rule *rule, size_t layer);

#endif
