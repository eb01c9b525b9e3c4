/* upstream_slice.c - see upstream_slice.h; independent of the converter. */
#include "upstream_slice.h"

#include "support.h"

#include <math.h>
#include <string.h>

/* What upstream's tensor became: one tensor of ours, or two. */
typedef struct parts {
  const gm_param *of[2];
  size_t n, all;   /* elements in all */
  size_t channels; /* of GM_LAYOUT_BINS_FIRST */
} parts;

static bool comes_from(const gm_param *p, const char *name) {
  if (!p->rule || p->how != GM_LEARN_WHOLE) return false;
  char from[GM_MAX_RULE_NAME + 1];
  gm_rule_name(from, p->rule->prefix, p->rule->from, p->layer);
  return strcmp(from, name) == 0;
}

static parts find_parts(const gm_params *params, const char *name) {
  parts found = {.n = 0};
  for (size_t i = 0; i < params->n; i++) {
    const gm_param *p = &params->all[i];
    if (!comes_from(p, name)) continue;
    assert_true(found.n < 2);
    found.of[found.n++] = p;
    found.all += p->n;
    if (p->rule->layout == GM_LAYOUT_BINS_FIRST)
      found.channels = gm_params_find(params, "region_encoder.mlvl_fuse.input_conv.0.bias")->n;
  }
  if (found.n == 0) fail_msg("%s does not learn", name);
  return found;
}

/* Where element `index` of upstream's tensor lies in this part; SIZE_MAX: in the other. */
static size_t place(const parts *in, const gm_param *p, size_t index) {
  const size_t *s = p->base.shape;
  switch (p->rule->layout) {
  case GM_LAYOUT_SAME:
  case GM_LAYOUT_MATRIX:
    return index;
  case GM_LAYOUT_TAPS: { /* upstream [out, in, h, w], ours [h, w, out, in] */
    size_t taps = s[0] * s[1];
    return (index % taps * s[2] + index / (taps * s[3])) * s[3] + index / taps % s[3];
  }
  case GM_LAYOUT_ALL_BUT_2:
  case GM_LAYOUT_LAST_2: { /* upstream [a, b] */
    size_t b = in->all / s[0], row = index / b, column = index % b;
    bool last = column >= b - 2;
    if (last != (p->rule->layout == GM_LAYOUT_LAST_2)) return SIZE_MAX;
    return last ? row * 2 + column - (b - 2) : row * (b - 2) + column;
  }
  case GM_LAYOUT_BINS_FIRST: { /* upstream [a, channels * bins], ours [a, bins * channels] */
    size_t bins = s[1] / in->channels, row = index / s[1], column = index % s[1];
    return row * s[1] + column % bins * in->channels + column / bins;
  }
  case GM_LAYOUT_TRANSPOSED: /* upstream [in, out], ours [out, in] */
    return index % s[0] * s[1] + index / s[0];
  }
  fail_msg("%s has an unknown layout", p->name);
  return SIZE_MAX;
}

upstream_slice upstream_slice_of(const gm_params *params, const char *name, bool gradient) {
  parts found = find_parts(params, name);
  upstream_slice out = {.all = found.all};
  size_t step = found.all / UPSTREAM_SLICE > 1 ? found.all / UPSTREAM_SLICE : 1;
  double sum = 0;
  for (size_t i = 0; i < found.n; i++) {
    const float *x = gradient ? found.of[i]->gradient : found.of[i]->value;
    for (size_t k = 0; k < found.of[i]->n; k++) sum += (double)x[k] * (double)x[k];
  }
  out.norm = sqrt(sum);
  for (size_t at = 0; at < found.all && out.n < UPSTREAM_SLICE; at += step) {
    size_t before = out.n;
    for (size_t i = 0; i < found.n; i++) {
      size_t ours = place(&found, found.of[i], at);
      const float *x = gradient ? found.of[i]->gradient : found.of[i]->value;
      if (ours != SIZE_MAX) out.values[out.n++] = x[ours];
    }
    assert_int_equal(out.n, before + 1);
  }
  return out;
}
