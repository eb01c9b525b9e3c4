/* test_vision_7b2l.c - every vision stage at Groma-7B's true shapes, with synthetic weights,
 * against the reference's values; and the scratch memory that they take. */
#include "vision_support.h"

#include "ops_support.h"
#include "synthetic.h"

static void astronaut(void **state) {
  (void)state;
  gm_compute *c = compute_open(0, NULL);
  gm_error err;
  gm_model_file *file = NULL;
  assert_ok(gm_synthetic_model(&file, "groma-7b-2l", c->pool, &err), &err);
  compute_close(c);
  size_t scratch =
      check_vision_golden(file, "groma-7b-2l/astronaut", "photos", &vision_slices_synthetic);
  gm_model_file_close(file);
  /* The maps mixed in a fuse step are 4 MB * (16 + 4 + 1) = 84 MB, crops of a batch of boxes
   * three times 48 MB; bands of convolutions and packed weights come on top. */
  print_message("  scratch %zu MB\n", scratch >> 20);
  assert_in_range(scratch >> 20, 84, 500);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(astronaut)};
  return cmocka_run_group_tests_name("vision_7b2l", tests, NULL, NULL);
}
