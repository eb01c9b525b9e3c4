/* fuzz_run_options.c - config.json of a run's folder. What is taken is sound, and comes back.
 */
#include "support.h"

#include "run_options.h"

#include <stdlib.h>

static void check(const gm_run_settings *s) {
  fuzz_check(s->batch && s->chunk && s->micro_batch && s->batch % s->chunk == 0);
  fuzz_check(s->chunk % s->micro_batch == 0 && s->model && s->data);
  const gm_run_length l = gm_run_settings_length(s, 3, 1000);
  fuzz_check(l.updates >= 1 && l.total >= l.updates && l.eval_every >= 1 && l.save_every >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  json_t *json = json_loadb((const char *)bytes, size, 0, NULL);
  gm_run_settings s;
  gm_error err = {.message = ""};
  if (!json) return 0;
  gm_status status = gm_run_settings_read(&s, json, "fuzz", &err);
  if (status == GM_OK) {
    check(&s);
    json_t *again = gm_run_settings_json(&s);
    gm_run_settings copy;
    fuzz_check(gm_run_settings_read(&copy, again, "fuzz", &err) == GM_OK);
    check(&copy);
    gm_run_settings_free(&copy);
    json_decref(again);
  } else {
    fuzz_check(err.message[0]);
  }
  gm_run_settings_free(&s);
  json_decref(json);
  return 0;
}
