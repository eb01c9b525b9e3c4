/* tensor_rules.c - see tensor_rules.h. */
#include "tensor_rules.h"

#include "tensor_names.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- layouts */

uint32_t gm_layout_shape(gm_layout layout, const size_t *from, uint32_t n,
                         size_t out[GM_MAX_DIMS]) {
  assert(n <= GM_MAX_DIMS);
  size_t first = n ? from[0] : 1, rest = 1;
  for (uint32_t d = 1; d < n; d++) rest *= from[d];
  out[0] = first;
  out[1] = rest;
  out[2] = out[3] = 1;
  switch (layout) {
  case GM_LAYOUT_SAME:
    for (uint32_t d = 0; d < n; d++) out[d] = from[d];
    if (n < 2) out[1] = 1;
    return n ? n : 1; /* GGUF has no scalars */
  case GM_LAYOUT_TAPS:
    assert(n == 4);
    out[0] = from[2];
    out[1] = from[3];
    out[2] = from[0];
    out[3] = from[1];
    return 4;
  case GM_LAYOUT_ALL_BUT_2:
    assert(rest == 0 || rest > 2);
    out[1] = rest ? rest - 2 : 0;
    break;
  case GM_LAYOUT_LAST_2:
    out[1] = 2;
    break;
  case GM_LAYOUT_TRANSPOSED:
    out[0] = rest;
    out[1] = first;
    break;
  case GM_LAYOUT_MATRIX:
  case GM_LAYOUT_BINS_FIRST:
    break;
  }
  return 2;
}

/* ---- the list */

void gm_rules_group(gm_tensor_rules *rules, const char *part, const char *prefix,
                    const char *other_prefix, size_t layers) {
  assert(strchr(prefix, '%') || layers == 1);
  rules->group = (gm_tensor_rule){
      .part = part, .prefix = prefix, .other_prefix = other_prefix, .layers = layers};
}

void gm_rules_add(gm_tensor_rules *rules, const char *name, const char *from,
                  gm_tensor_kind kind, gm_precision precision, gm_layout layout,
                  uint32_t n_dims, const size_t *shape) {
  if (!name) return;
  assert(rules->n < GM_MAX_RULES && n_dims <= GM_MAX_DIMS && rules->group.prefix);
  gm_tensor_rule *rule = &rules->rules[rules->n++];
  *rule = rules->group;
  rule->name = name;
  rule->from = from;
  rule->kind = kind;
  rule->layout = layout;
  rule->precision = precision;
  rule->n_dims = n_dims;
  memcpy(rule->shape, shape, n_dims * sizeof *shape);
}

/* ---- names */

void gm_rule_name(char out[GM_MAX_RULE_NAME + 1], const char *prefix, const char *name,
                  size_t layer) {
  int head = (int)strcspn(prefix, "%"), length;
  if (prefix[head])
    length = snprintf(out, GM_MAX_RULE_NAME + 1, "%.*s%zu%s%s", head, prefix, layer,
                      prefix + head + 1, name);
  else
    length = snprintf(out, GM_MAX_RULE_NAME + 1, "%s%s", prefix, name);
  assert(length >= 0 && length <= GM_MAX_RULE_NAME);
  (void)length;
}

bool gm_rule_fits(const char *prefix, const char *name, const char *tensor, size_t *layer) {
  size_t head = strcspn(prefix, "%");
  *layer = 0;
  if (strncmp(prefix, tensor, head) != 0) return false;
  const char *at = tensor + head, *rest = prefix + head;
  if (*rest == '%') {
    rest++;
    if (!isdigit((unsigned char)*at)) return false;
    for (; isdigit((unsigned char)*at) && *layer < 100000; at++)
      *layer = *layer * 10 + (size_t)(*at - '0');
  }
  size_t n = strlen(rest);
  return strncmp(rest, at, n) == 0 && strcmp(name, at + n) == 0;
}

const gm_tensor_rule *gm_rules_find(const gm_tensor_rules *rules, const char *name,
                                    size_t *layer) {
  for (size_t i = 0; i < rules->n; i++)
    if (gm_rule_fits(rules->rules[i].prefix, rules->rules[i].name, name, layer))
      return &rules->rules[i];
  return NULL;
}

gm_status gm_rules_visit(const gm_tensor_rules *rules, const gm_model_file *file,
                         gm_status (*visit)(void *user, const gm_tensor_rule *rule,
                                            size_t layer, const char *name,
                                            const gm_tensor *tensor),
                         void *user) {
  for (size_t i = 0; i < gm_model_file_n_tensors(file); i++) {
    char name[GM_MAX_RULE_NAME + 1];
    const char *stored;
    size_t layer;
    const gm_tensor *tensor = gm_model_file_tensor_at(file, i, &stored);
    gm_tensor_upstream_name(stored, name, sizeof name);
    const gm_tensor_rule *rule = gm_rules_find(rules, name, &layer);
    if (rule) GM_TRY(visit(user, rule, layer, name, tensor));
  }
  return GM_OK;
}
