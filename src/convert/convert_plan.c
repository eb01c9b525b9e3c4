/* convert_plan.c - rules -> plan: names unrolled, shapes checked, types chosen. */
#include "convert.h"

#include <ctype.h>
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
  size_t cols = tensor->shape[tensor->n_dims - 1];
  tensor->wanted = tensor->type = wanted_type(asked, precision, layer, n_layers);
  if (cols % gm_type_traits_of(tensor->type)->block != 0)
    tensor->type =
        cols % gm_type_traits_of(GM_TYPE_Q8_0)->block == 0 ? GM_TYPE_Q8_0 : GM_TYPE_F16;
}

/* ---- shapes */

static void lay_out(gm_plan_tensor *t, const gm_checkpoint_tensor *from) {
  size_t rest = 1;
  for (uint32_t d = 1; d < from->n_dims; d++) rest *= from->shape[d];
  t->n_dims = 2;
  t->shape[0] = from->shape[0];
  t->shape[1] = rest;
  switch (t->layout) {
  case GM_LAYOUT_SAME:
    t->n_dims = from->n_dims ? from->n_dims : 1; /* GGUF has no scalars */
    memcpy(t->shape, from->shape, sizeof t->shape);
    break;
  case GM_LAYOUT_TAPS:
    t->n_dims = 4;
    memcpy(t->shape, (size_t[]){from->shape[2], from->shape[3], from->shape[0], from->shape[1]},
           sizeof t->shape);
    break;
  case GM_LAYOUT_ALL_BUT_2:
    t->shape[1] = rest - 2;
    break;
  case GM_LAYOUT_LAST_2:
    t->shape[1] = 2;
    break;
  case GM_LAYOUT_TRANSPOSED:
    t->shape[0] = rest;
    t->shape[1] = from->shape[0];
    break;
  case GM_LAYOUT_MATRIX:
  case GM_LAYOUT_BINS_FIRST:
    break;
  }
}

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
  *t = (gm_plan_tensor){.source = i, .layout = layout, .inner = inner, .shape = {1, 1, 1, 1}};
  snprintf(t->name, sizeof t->name, "%s", name);
  lay_out(t, &weights->tensors[i]);
  return GM_OK;
}

/* ---- rules */

void gm_rule_name(char out[GM_MAX_TENSOR_NAME + 1], const char *pattern, size_t layer) {
  const char *at = strchr(pattern, '%');
  if (at)
    snprintf(out, GM_MAX_TENSOR_NAME + 1, "%.*s%zu%s", (int)(at - pattern), pattern, layer,
             at + 1);
  else
    snprintf(out, GM_MAX_TENSOR_NAME + 1, "%s", pattern);
}

bool gm_rule_fits(const char *pattern, const char *name, size_t *layer) {
  size_t head = strcspn(pattern, "%");
  *layer = 0;
  if (strncmp(pattern, name, head) != 0) return false;
  if (pattern[head] == 0) return name[head] == 0;
  const char *at = name + head;
  if (!isdigit((unsigned char)*at)) return false;
  for (; isdigit((unsigned char)*at) && *layer < 100000; at++)
    *layer = *layer * 10 + (size_t)(*at - '0');
  return strcmp(pattern + head + 1, at) == 0;
}

static gm_status find_source(const gm_checkpoint *weights, const gm_tensor_rule *rule,
                             size_t layer, size_t *out, gm_error *err) {
  char name[GM_MAX_TENSOR_NAME + 1], other[GM_MAX_TENSOR_NAME + 1];
  gm_rule_name(name, rule->name, layer);
  *out = gm_checkpoint_find(weights, name);
  if (*out == SIZE_MAX && rule->otherwise) {
    gm_rule_name(other, rule->otherwise, layer);
    *out = gm_checkpoint_find(weights, other);
  }
  if (*out == SIZE_MAX)
    return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s is missing; is the checkpoint complete?",
                   weights->path, name);
  return GM_OK;
}

static gm_status check_shape(const gm_checkpoint *weights, size_t i, const gm_tensor_rule *rule,
                             const size_t *dims, gm_error *err) {
  const gm_checkpoint_tensor *t = &weights->tensors[i];
  char found[128] = "", wanted[128] = "";
  size_t at = 0, want_at = 0;
  uint32_t n = 0;
  bool same = true;
  for (; n < GM_MAX_DIMS && rule->shape[n]; n++) {
    same = same && n < t->n_dims && t->shape[n] == dims[rule->shape[n]] && t->shape[n] > 0;
    want_at += (size_t)snprintf(wanted + want_at, sizeof wanted - want_at, "%s%zu",
                                n ? ", " : "", dims[rule->shape[n]]);
  }
  if (same && n == t->n_dims) return GM_OK;
  for (uint32_t d = 0; d < t->n_dims; d++)
    at += (size_t)snprintf(found + at, sizeof found - at, "%s%zu", d ? ", " : "", t->shape[d]);
  return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s: found shape [%s], wanted [%s]",
                 weights->path, t->name, found, wanted);
}

static gm_status add_rule(gm_plan *plan, const gm_checkpoint *weights,
                          const gm_tensor_rule *rule, const size_t *dims, size_t inner,
                          gm_error *err) {
  size_t n_layers = rule->repeat ? dims[rule->repeat] : 1;
  for (size_t layer = 0; layer < n_layers; layer++) {
    size_t i;
    char name[GM_MAX_TENSOR_NAME + 1];
    GM_TRY(find_source(weights, rule, layer, &i, err));
    GM_TRY(check_shape(weights, i, rule, dims, err));
    gm_rule_name(name, rule->output ? rule->output : rule->name, layer);
    GM_TRY(gm_plan_add(plan, weights, i, name, rule->layout, inner, err));
    gm_plan_choose_type(&plan->tensors[plan->n_tensors - 1], plan->type, rule->precision, layer,
                        n_layers);
  }
  return GM_OK;
}

gm_status gm_plan_rules(gm_plan *plan, const gm_checkpoint *weights,
                        const gm_tensor_rule *rules, size_t n_rules, const size_t *dims,
                        size_t inner, gm_error *err) {
  for (size_t i = 0; i < n_rules; i++)
    GM_TRY(add_rule(plan, weights, &rules[i], dims, inner, err));
  return GM_OK;
}
