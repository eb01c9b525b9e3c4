/* convert_plan.c - rules -> plan: names unrolled, shapes checked, types chosen. */
#include "convert.h"
#include "read_dims.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gm_plan_free(gm_plan *plan) {
  free(plan->tensors);
  plan->tensors = NULL;
  plan->n_tensors = plan->capacity = 0;
}

/* ---- types (docs/FORMAT.md says why) */

static bool touchy_layer(size_t layer, size_t n_layers) {
  size_t eighth = n_layers / 8;
  return layer < eighth || layer >= n_layers - eighth || (layer - eighth) % 3 == 2;
}

static gm_type wanted_type(gm_type asked, gm_precision precision, size_t layer,
                           size_t n_layers) {
  if (precision == GM_KEEP_F32) return GM_TYPE_F32;
  if (!gm_type_traits_of(asked)->quantised) return asked;
  bool small = asked == GM_TYPE_Q4_0 || asked == GM_TYPE_Q4_K;
  switch (precision) {
  case GM_KEEP_F16:
    return GM_TYPE_F16;
  case GM_VISION:
    return GM_TYPE_Q8_0;
  case GM_LLM_OUTPUT:
    return small ? GM_TYPE_Q6_K : asked;
  case GM_LLM_TOUCHY:
    return asked == GM_TYPE_Q4_K && touchy_layer(layer, n_layers) ? GM_TYPE_Q6_K : asked;
  case GM_LLM:
  case GM_KEEP_F32:
    break;
  }
  return asked;
}

void gm_plan_choose_type(gm_plan_tensor *tensor, gm_type asked, gm_precision precision,
                         size_t layer, size_t n_layers) {
  assert(tensor->n_dims >= 1 && tensor->n_dims <= GM_MAX_DIMS);
  size_t cols = tensor->shape[tensor->n_dims - 1];
  tensor->wanted = tensor->type = wanted_type(asked, precision, layer, n_layers);
  if (cols % gm_type_traits_of(tensor->type)->block != 0)
    tensor->type =
        cols % gm_type_traits_of(GM_TYPE_Q8_0)->block == 0 ? GM_TYPE_Q8_0 : GM_TYPE_F16;
}

/* ---- tensors */

gm_status gm_plan_add(gm_plan *plan, const gm_checkpoint *weights, size_t i, const char *name,
                      gm_layout layout, size_t inner, gm_error *err) {
  if (plan->n_tensors == plan->capacity) {
    size_t capacity = plan->capacity ? 2 * plan->capacity : 256;
    void *grown = realloc(plan->tensors, capacity * sizeof *plan->tensors);
    if (!grown) return gm_fail_memory(err, "the plan", capacity * sizeof *plan->tensors);
    plan->tensors = grown;
    plan->capacity = capacity;
  }
  gm_plan_tensor *t = &plan->tensors[plan->n_tensors++];
  const gm_checkpoint_tensor *from = &weights->tensors[i];
  assert(i < weights->n_tensors);
  *t = (gm_plan_tensor){.source = i, .layout = layout, .inner = inner};
  snprintf(t->name, sizeof t->name, "%s", name);
  t->n_dims = gm_layout_shape(layout, from->shape, from->n_dims, t->shape);
  return GM_OK;
}

/* ---- rules */

static gm_status check_shape(const gm_checkpoint *weights, size_t i, const gm_tensor_rule *rule,
                             gm_error *err) {
  const gm_checkpoint_tensor *t = &weights->tensors[i];
  char found[128] = "", wanted[128] = "";
  size_t at = 0, want_at = 0;
  uint32_t n = 0;
  bool same = true;
  assert(rule->n_dims >= 1);
  for (; n < rule->n_dims; n++) {
    same = same && n < t->n_dims && t->shape[n] == rule->shape[n] && t->shape[n] > 0;
    want_at += (size_t)snprintf(wanted + want_at, sizeof wanted - want_at, "%s%zu",
                                n ? ", " : "", rule->shape[n]);
  }
  if (same && n == t->n_dims) return GM_OK;
  for (uint32_t d = 0; d < t->n_dims; d++)
    at += (size_t)snprintf(found + at, sizeof found - at, "%s%zu", d ? ", " : "", t->shape[d]);
  return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s: found shape [%s], wanted [%s]",
                 weights->path, t->name, found, wanted);
}

static gm_status add_rule(gm_plan *plan, const gm_checkpoint *weights,
                          const gm_tensor_rule *rule, size_t inner, gm_error *err) {
  for (size_t layer = 0; layer < rule->layers; layer++) {
    char name[GM_MAX_RULE_NAME + 1];
    size_t i = gm_find_upstream(weights, rule, layer);
    gm_rule_name(name, rule->prefix, rule->from, layer);
    if (i == SIZE_MAX)
      return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s is missing; is the checkpoint complete?",
                     weights->path, name);
    GM_TRY(check_shape(weights, i, rule, err));
    gm_rule_name(name, rule->prefix, rule->name, layer);
    GM_TRY(gm_plan_add(plan, weights, i, name, rule->layout, inner, err));
    gm_plan_choose_type(&plan->tensors[plan->n_tensors - 1], plan->type, rule->precision, layer,
                        rule->layers);
  }
  return GM_OK;
}

gm_status gm_plan_rules(gm_plan *plan, const gm_checkpoint *weights,
                        const gm_tensor_rules *rules, size_t inner, gm_error *err) {
  for (size_t i = 0; i < rules->n; i++)
    GM_TRY(add_rule(plan, weights, &rules->rules[i], inner, err));
  return GM_OK;
}
