/* engine.c - see engine.h. */
#include "engine.h"

static gm_engine *shared;

gm_status cli_engine(const cli_args *args, gm_engine **out, gm_error *err) {
  gm_status status = GM_OK;
  if (!shared) {
    gm_engine_params params = gm_engine_params_default();
    params.threads = (unsigned)args->threads;
    params.memory = UINT64_MAX;
    params.kept_scenes = GM_NONE;
    status = gm_engine_create(&shared, &params, err);
  }
  *out = shared;
  return status;
}

void cli_free_engine(void) {
  gm_engine_free(shared);
  shared = NULL;
}
