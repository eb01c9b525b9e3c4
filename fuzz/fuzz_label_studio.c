/* fuzz_label_studio.c - labelling configurations, which whoever may edit a project of Label
 * Studio writes. */
#include "support.h"

#include "label_studio_config.h"
#include "limits.h"

#include <string.h>

static void check_control(const srv_ls_control *c) {
  size_t n = json_array_size(c->labels);
  fuzz_check(c->name && *c->name && c->to_name && *c->to_name && c->image && *c->image);
  fuzz_check(c->threshold == -1 || (c->threshold >= 0 && c->threshold <= 1));
  fuzz_check((c->kind == SRV_LS_TEXT) == (c->n_classes == 0));
  fuzz_check(c->n_classes >= n && c->n_classes <= SRV_MAX_ITEMS);
  for (size_t i = 0; i < c->n_classes; i++) {
    fuzz_check(c->classes[i][0] && c->label_of[i] < n);
    fuzz_touch(c->classes[i], strlen(c->classes[i]));
  }
  for (size_t i = 0; i < n; i++) {
    json_t *label = json_array_get(c->labels, i);
    fuzz_check(c->kind == SRV_LS_TAXONOMY ? json_array_size(label) > 0
                                          : json_string_length(label) > 0);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  srv_ls_config config;
  gm_error err = {0};
  if (srv_ls_config_read(&config, (const char *)bytes, size, &err) == GM_OK) {
    fuzz_check(config.n > 0 && config.n <= SRV_LS_MAX_TAGS);
    for (size_t i = 0; i < config.n; i++) check_control(&config.controls[i]);
    srv_ls_config_free(&config);
  } else {
    fuzz_check(err.status == GM_ERR_ARGUMENT && err.message[0]);
    fuzz_check(!config.controls && config.n == 0);
  }
  return 0;
}
