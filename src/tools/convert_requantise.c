/* convert_requantise.c - a model file -> the same in another type. How much precision a tensor
 * needs is looked up in its architecture's table by its name. */
#include "convert.h"
#include "gguf_checkpoint.h"
#include "model_file_bytes.h"
#include "tensor_names.h"

#include <stdlib.h>
#include <string.h>

/* The number of layers of the rule's kind that the file has. */
static size_t count_layers(const gm_checkpoint *weights, const gm_tensor_rule *rule) {
  size_t n = 0, layer;
  char name[GM_MAX_TENSOR_NAME + 1];
  for (size_t i = 0; i < weights->n_tensors; i++) {
    gm_tensor_upstream_name(weights->tensors[i].name, name, sizeof name);
    n += gm_rule_fits(rule->prefix, rule->name, name, &layer);
  }
  return n;
}

static gm_status plan_tensor(gm_plan *plan, const gm_architecture *architecture,
                             const gm_tensor_rules *rules, const gm_checkpoint *weights,
                             size_t i, gm_error *err) {
  char name[GM_MAX_TENSOR_NAME + 1];
  size_t layer;
  const gm_checkpoint_tensor *t = &weights->tensors[i];
  gm_tensor_upstream_name(t->name, name, sizeof name);
  const gm_tensor_rule *rule = gm_rules_find(rules, name, &layer);
  if (!rule)
    return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s belongs to no %s model", weights->path,
                   t->name, architecture->name);
  GM_TRY(gm_plan_add(plan, weights, i, name, GM_LAYOUT_SAME, 0, err));
  gm_plan_choose_type(&plan->tensors[plan->n_tensors - 1], plan->type, rule->precision, layer,
                      count_layers(weights, rule));
  return GM_OK;
}

/* The heads that hold with the changes, if they replace the file's own. */
static bool replaces_heads(const gm_adapter_changes *changes, const gm_present_head **present,
                           const gm_label_head **label) {
  static const gm_present_head own_present;
  static const gm_label_head own_label;
  *present = changes ? gm_changes_present(changes, &own_present) : &own_present;
  *label = changes ? gm_changes_label(changes, &own_label) : &own_label;
  return *present != &own_present;
}

static bool is_of_a_head(const char *key) {
  return strncmp(key, GM_PRESENT_KEYS, sizeof GM_PRESENT_KEYS - 1) == 0 ||
         strncmp(key, GM_LABEL_KEYS, sizeof GM_LABEL_KEYS - 1) == 0;
}

static void copy_keys(gm_gguf_writer *writer, const gm_gguf *gguf, gm_type type,
                      const gm_adapter_changes *changes) {
  const gm_present_head *present;
  const gm_label_head *label;
  bool replaced = replaces_heads(changes, &present, &label);
  if (replaced && present) gm_present_head_put(writer, present);
  if (replaced && label) gm_label_head_put(writer, label);
  for (size_t i = 0; i < gguf->n_keys; i++) {
    const gm_gguf_key *key = &gguf->keys[i];
    if (strcmp(key->name, "general.file_type") == 0)
      gm_gguf_put_u32(writer, key->name, gm_file_type_of(type));
    else if (replaced && is_of_a_head(key->name))
      continue;
    else if (strcmp(key->name, GM_GGUF_SUMS_KEY) != 0 &&
             strcmp(key->name, "general.alignment") != 0)
      gm_gguf_put_key(writer, key);
  }
}

gm_status gm_requantise(const gm_source *source, gm_gguf_writer *writer, gm_type type,
                        const gm_plan_options *options, gm_error *err) {
  const gm_model_file *file = gm_gguf_checkpoint_file(source->weights);
  const char *name;
  GM_TRY(gm_model_file_string(file, "general.architecture", &name, err));
  const gm_architecture *architecture = gm_architecture_named(name);
  if (!architecture)
    return gm_fail(err, GM_ERR_MODEL, "%s: found architecture \"%.60s\", wanted groma or clip",
                   source->weights->path, name);
  gm_plan plan = {.type = type};
  gm_tensor_rules rules;
  architecture->rules(&rules);
  gm_status status = GM_OK;
  for (size_t i = 0; status == GM_OK && i < source->weights->n_tensors; i++)
    status = plan_tensor(&plan, architecture, &rules, source->weights, i, err);
  if (status == GM_OK) {
    copy_keys(writer, gm_model_file_gguf(file), type,
              gm_gguf_checkpoint_changes(source->weights));
    status = gm_plan_run(&plan, source->weights, writer, options, err);
  }
  if (status == GM_OK) gm_plan_summary(&plan, source->weights, source->params);
  gm_plan_free(&plan);
  return status;
}
