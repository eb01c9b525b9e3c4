/* convert_left_over.c - tensors of a source that are not in the plan: known ones are skipped;
 * any other is refused, since it may belong to something that is not computed. */
#include "config_check.h"
#include "source_names.h"

#include <assert.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED = 6, PART = 4096 };

/* The name under which the plan has this tensor, if a rule has two names for it; NULL: none. */
static const char *other_name(const gm_architecture *architecture, const char *name,
                              char out[GM_MAX_RULE_NAME + 1]) {
  size_t layer;
  gm_tensor_rules rules;
  architecture->rules(&rules);
  for (size_t i = 0; i < rules.n; i++) {
    const gm_tensor_rule *rule = &rules.rules[i];
    if (!rule->other_prefix || !gm_rule_fits(rule->other_prefix, rule->from, name, &layer))
      continue;
    gm_rule_name(out, rule->prefix, rule->from, layer);
    return out;
  }
  return NULL;
}

static gm_status compare(gm_checkpoint *weights, size_t a, size_t b, gm_error *err) {
  size_t n = weights->tensors[a].n_elements;
  bool same = n == weights->tensors[b].n_elements;
  float x[PART], y[PART];
  for (size_t at = 0; same && at < n; at += PART) {
    size_t part = n - at < PART ? n - at : PART;
    GM_TRY(gm_checkpoint_read(weights, a, at, part, x, err));
    GM_TRY(gm_checkpoint_read(weights, b, at, part, y, err));
    same = memcmp(x, y, part * sizeof *x) == 0;
  }
  if (same) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 "%s: found tensors %s and %s to differ; they are two names of one",
                 weights->path, weights->tensors[a].name, weights->tensors[b].name);
}

static bool is_spare(const gm_architecture *architecture, const char *name) {
  for (const gm_spare_tensor *s = architecture->spare; s->name; s++)
    if (fnmatch(s->name, name, 0) == 0) return true;
  return false;
}

static gm_status judge(const gm_source *source, const gm_architecture *architecture, size_t i,
                       bool *unknown, gm_error *err) {
  gm_checkpoint *weights = source->weights;
  char other[GM_MAX_RULE_NAME + 1];
  const char *name = weights->tensors[i].name;
  *unknown = false;
  if (is_spare(architecture, name) || gm_source_is_training(name) ||
      gm_source_ignores(source, "tensor", name))
    return GM_OK;
  size_t same =
      other_name(architecture, name, other) ? gm_checkpoint_find(weights, other) : SIZE_MAX;
  if (same != SIZE_MAX) return compare(weights, same, i, err);
  *unknown = true;
  return GM_OK;
}

static gm_status find_left_over(const bool *taken, const gm_source *source,
                                const gm_architecture *architecture, gm_error *err) {
  char names[600] = "";
  size_t at = 0, n = 0;
  for (size_t i = 0; i < source->weights->n_tensors; i++) {
    bool unknown;
    if (taken[i]) continue;
    GM_TRY(judge(source, architecture, i, &unknown, err));
    if (!unknown) continue;
    int added = n >= NAMED ? 0
                           : snprintf(names + at, sizeof names - at, "%s%s", n ? ", " : "",
                                      source->weights->tensors[i].name);
    if (added > 0 && (size_t)added < sizeof names - at) at += (size_t)added;
    names[at] = 0;
    n++;
  }
  if (n == 0) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 "%s: found %zu tensor%s that no part of a %s model takes: %s%s; the model may "
                 "compute what this program does not. If they change nothing, go on with "
                 "--ignore-config NAME,... ('*' stands for anything)",
                 source->weights->path, n, n == 1 ? "" : "s", architecture->name, names,
                 n > NAMED ? ", ..." : "");
}

gm_status gm_plan_check_left_over(const gm_plan *plan, const gm_source *source,
                                  const gm_architecture *architecture, gm_error *err) {
  size_t n = source->weights->n_tensors;
  bool *taken = calloc(n ? n : 1, sizeof *taken);
  if (!taken) return gm_fail_memory(err, "the list of tensors", n);
  for (size_t i = 0; i < plan->n_tensors; i++) {
    assert(plan->tensors[i].source < n);
    taken[plan->tensors[i].source] = true;
  }
  gm_status status = find_left_over(taken, source, architecture, err);
  free(taken);
  return status;
}
