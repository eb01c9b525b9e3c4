/* convert_summary.c - the summary of a successful conversion: tensors that have another type
 * than was asked for, and why; types of the source that were narrowed. */
#include "convert.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { KINDS = 4 };

typedef struct kind {
  gm_type type;
  char why[64];
  size_t n;
} kind;

/* Why a tensor does not have the type that was asked for. */
static void reason_of(char out[64], const gm_plan_tensor *t, gm_type asked) {
  if (t->type != t->wanted)
    snprintf(out, 64, "rows no multiple of %zu",
             t->type == GM_TYPE_Q8_0 ? gm_type_traits_of(t->wanted)->block : (size_t)32);
  else if (t->type == GM_TYPE_F32)
    snprintf(out, 64, "small or sensitive");
  else
    snprintf(out, 64, "more precision than %s where it matters",
             gm_type_traits_of(asked)->name);
}

static void count(kind *kinds, size_t *n, const gm_plan_tensor *t, gm_type asked) {
  kind k = {.type = t->type, .n = 1};
  reason_of(k.why, t, asked);
  for (size_t i = 0; i < *n; i++) {
    if (kinds[i].type != k.type || strcmp(kinds[i].why, k.why) != 0) continue;
    kinds[i].n++;
    return;
  }
  assert(*n < GM_TYPE_COUNT * KINDS);
  kinds[(*n)++] = k;
}

static void note_types(const gm_plan *plan, const gm_convert_params *params) {
  /* of each type: small, precise, and two blocks that do not divide */
  kind kinds[GM_TYPE_COUNT * KINDS];
  char line[512];
  size_t n = 0, others = 0, at;
  for (size_t i = 0; i < plan->n_tensors; i++) {
    if (plan->tensors[i].type == plan->type) continue;
    others++;
    count(kinds, &n, &plan->tensors[i], plan->type);
  }
  if (others == 0) return;
  at = (size_t)snprintf(line, sizeof line, "%zu of %zu tensors are not %s: ", others,
                        plan->n_tensors, gm_type_traits_of(plan->type)->name);
  for (size_t i = 0; i < n && at < sizeof line; i++)
    at += (size_t)snprintf(line + at, sizeof line - at, "%s%zu %s (%s)", i ? ", " : "",
                           kinds[i].n, gm_type_traits_of(kinds[i].type)->name, kinds[i].why);
  params->note(params->note_user, false, line);
}

void gm_plan_summary(const gm_plan *plan, const gm_checkpoint *weights,
                     const gm_convert_params *params) {
  if (!params || !params->note) return;
  if (gm_type_traits_of(plan->type)->quantised) note_types(plan, params);
  size_t doubles = 0;
  for (size_t i = 0; i < plan->n_tensors; i++)
    doubles += weights->tensors[plan->tensors[i].source].f64;
  char line[128];
  snprintf(line, sizeof line, "%zu of %zu tensors were rounded from f64 to f32", doubles,
           plan->n_tensors);
  if (doubles) params->note(params->note_user, true, line);
}
