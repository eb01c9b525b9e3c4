/* read_dims.c - see read_dims.h. */
#include "read_dims.h"

#include <assert.h>

size_t gm_find_upstream(const gm_checkpoint *weights, const gm_tensor_rule *rule,
                        size_t layer) {
  char name[GM_MAX_RULE_NAME + 1];
  gm_rule_name(name, rule->prefix, rule->from, layer);
  size_t i = gm_checkpoint_find(weights, name);
  if (i != SIZE_MAX || !rule->other_prefix) return i;
  gm_rule_name(name, rule->other_prefix, rule->from, layer);
  return gm_checkpoint_find(weights, name);
}

static size_t count_layers(const gm_checkpoint *weights, const gm_tensor_rule *rule) {
  size_t n = 0;
  while (gm_find_upstream(weights, rule, n) != SIZE_MAX) n++;
  return n;
}

static gm_status read_size(size_t *out, const gm_checkpoint *weights,
                           const gm_tensor_rule *rule, const char *name, uint32_t axis,
                           gm_error *err) {
  size_t i = gm_find_upstream(weights, rule, 0);
  if (i == SIZE_MAX)
    return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s is missing; is the checkpoint complete?",
                   weights->path, name);
  const gm_checkpoint_tensor *t = &weights->tensors[i];
  if (axis >= t->n_dims || t->shape[axis] == 0)
    return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s: found %u dimensions, wanted at least %u",
                   weights->path, name, t->n_dims, axis + 1);
  *out = t->shape[axis];
  return GM_OK;
}

gm_status gm_read_dims(size_t *dims, const gm_checkpoint *weights, const gm_tensor_rules *rules,
                       const gm_dim_row *rows, size_t n_rows, gm_error *err) {
  for (size_t i = 0; i < n_rows; i++) {
    size_t layer;
    const gm_tensor_rule *rule = gm_rules_find(rules, rows[i].tensor, &layer);
    assert(rule && layer == 0);
    if (rows[i].axis == GM_DIM_LAYERS)
      dims[rows[i].dim] = count_layers(weights, rule);
    else
      GM_TRY(read_size(&dims[rows[i].dim], weights, rule, rows[i].tensor,
                       (uint32_t)rows[i].axis, err));
  }
  return GM_OK;
}
