/* test_upstream_slice.c - the tests' own map from upstream's tensors to ours, on groma-mini:
 * the slice of a tensor of the converted file is that of the checkpoint's tensor. */
#include "upstream_slice.h"
#include "vision_support.h"

#include "checkpoint.h"

#include <math.h>
#include <stdlib.h>

static void check_slice(gm_checkpoint *c, const gm_params *params, const char *name) {
  gm_error err;
  size_t i = gm_checkpoint_find(c, name);
  if (i == SIZE_MAX) fail_msg("no tensor %s", name);
  size_t n = c->tensors[i].n_elements, step = n / 48 > 1 ? n / 48 : 1;
  float *x = malloc(n * sizeof *x);
  assert_non_null(x);
  assert_ok(gm_checkpoint_read(c, i, 0, n, x, &err), &err);
  upstream_slice slice = upstream_slice_of(params, name, false);
  assert_int_equal(slice.all, n);
  assert_int_equal(slice.n, n < 48 ? n : 48);
  double sum = 0;
  for (size_t k = 0; k < n; k++) sum += (double)x[k] * (double)x[k];
  /* The same squares in another order, in double precision. */
  assert_true(fabs(slice.norm - sqrt(sum)) <= 1e-12 * slice.norm);
  for (size_t k = 0; k < slice.n; k++)
    if (slice.values[k] != x[k * step]) fail_msg("%s: value %zu differs", name, k);
  free(x);
}

static void slices_are_upstreams(void **state) {
  (void)state;
  static const char *const names[] = {
      "img_txt_bridge.0.weight",
      "img_txt_bridge.2.bias",
      "region_encoder.mlvl_fuse.input_conv.1.weight",
      "region_encoder.mlvl_fuse.fuse_convs.0.conv.weight",
      "region_encoder.mlvl_fuse.fuse_convs.1.gn.weight",
      "region_encoder.roi_align.pconvs.2.weight",
      "region_encoder.roi_align.pos_embedd.0.weight",
      "region_encoder.roi_align.flatten_linear.weight",
  };
  static const gm_learn_rule rules[] = {
      {.which = {.part = "regions"}, .how = GM_LEARN_WHOLE},
      {.which = {.part = "bridge"}, .how = GM_LEARN_WHOLE},
  };
  gm_error err;
  gm_checkpoint *c;
  gm_params *params;
  gm_model_file *file = converted_model(GM_TEST_DATA "/models/groma-mini", "f32");
  assert_ok(gm_checkpoint_open(&c, GM_TEST_DATA "/models/groma-mini", &err), &err);
  assert_ok(gm_params_create(&params, file, rules, 2, false, 0, &err), &err);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) check_slice(c, params, names[i]);
  gm_params_free(params);
  gm_checkpoint_close(c);
  gm_model_file_close(file);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(slices_are_upstreams)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
