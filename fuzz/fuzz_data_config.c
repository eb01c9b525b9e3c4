/* fuzz_data_config.c - the configuration of a training run. */
#include "support.h"

#include "data_config.h"

#include <string.h>

static void check_specs(const gm_data_spec *specs, size_t n) {
  for (size_t i = 0; i < n; i++) {
    fuzz_check(specs[i].name && specs[i].file && specs[i].images);
    fuzz_check(gm_format_has_task(specs[i].format, specs[i].task));
    fuzz_check(specs[i].share > 0 && specs[i].share <= 1);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  gm_data_config config;
  gm_error err;
  if (gm_data_config_load(&config, fuzz_file(bytes, size), &err) != GM_OK) {
    fuzz_check(!config.sets && !config.val && fuzz_is_text(err.message, strlen(err.message)));
    return 0;
  }
  fuzz_check(config.n_sets > 0);
  check_specs(config.sets, config.n_sets);
  check_specs(config.val, config.n_val);
  gm_data_config_free(&config);
  return 0;
}
