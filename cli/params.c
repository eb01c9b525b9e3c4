/* params.c - see params.h. */
#include "params.h"

#include "adapters.h"
#include "cache_options.h"
#include "engine.h"
#include "results.h"
#include "terminal.h"

#include <math.h>
#include <stdlib.h>

cli_scope cli_scope_of(const cli_args *args, const gm_model *model) {
  gm_model_info info = out_model_info(model);
  return (cli_scope){info.name, args->model ? NULL : info.scope};
}

static void tell_adapters(const cli_args *args, const gm_model *model) {
  gm_adapter_info info = {.struct_size = sizeof info};
  for (size_t i = 0; gm_model_adapter_at(model, i, &info) == GM_OK; i++)
    cli_tell_adapter(args, &info);
}

int cli_open_model(const cli_args *args, size_t n, bool both, gm_model **out) {
  gm_error err = {0};
  char *directory;
  gm_model_params params = gm_model_params_default();
  params.context = (uint32_t)args->context;
  params.cache_type_k = args->cache_type_k;
  params.cache_type_v = args->cache_type_v;
  params.fast = args->fast;
  params.no_mmap = args->no_mmap;
  params.no_pack = args->no_pack;
  params.mlock = args->mlock;
  gm_adapter_use *adapters;
  int code = cli_adapters(args, "groma", both, &adapters, &params.n_adapters);
  if (code != CLI_DONE) return code;
  params.adapters = adapters;
  if (!cli_cache_options(args, &directory, &params.cache_bytes)) {
    free(adapters);
    return CLI_USAGE;
  }
  params.cache = directory;
  params.no_scenes = !args->cache && (n == 0 || n > CLI_CACHE_PICTURES);
  gm_status status = cli_engine(args, &params.engine, &err);
  if (status == GM_OK) status = gm_model_open(out, args->model, &params, &err);
  free(directory);
  free(adapters);
  if (status != GM_OK) {
    cli_report_error(&err);
    return cli_model_exit_code(status);
  }
  cli_scope_tell(cli_scope_of(args, *out));
  tell_adapters(args, *out);
  return CLI_DONE;
}

void cli_close_model(const cli_args *args, gm_model *model) {
  gm_cache_refusal refusal = {.struct_size = sizeof refusal};
  if (!model) return;
  for (size_t i = 0; gm_model_refusal_at(model, i, &refusal) == GM_OK; i++)
    cli_tell_refusal(args, &refusal);
  gm_model_free(model);
}

gm_image_params cli_image_params(const cli_args *args) {
  gm_image_params params = gm_image_params_default();
  params.max_pixels = args->max_pixels;
  params.max_bytes = CLI_MAX_FILE;
  return params;
}

gm_scene_params cli_scene_params(const cli_args *a) {
  gm_scene_params params = gm_scene_params_default();
  /* The library takes 0 for the model's own number and negative ones for none; here 0 is a
   * threshold. */
  if (a->conf >= 0) params.box_score_thres = fmaxf((float)a->conf, 1e-9F);
  if (a->iou >= 0) params.nms_thres = fmaxf((float)a->iou, 1e-9F);
  params.max_regions = (uint32_t)a->max_det;
  params.append_boxes = a->append_boxes;
  params.shuffle_seed = a->shuffle_seed;
  return params;
}

bool cli_above_conf(const cli_args *args, const gm_region *region) {
  return args->conf < 0 || args->regions_file || region->score > (float)args->conf;
}

gm_ask_params cli_ask_params(const cli_args *args) {
  gm_ask_params params = gm_ask_params_default();
  params.max_tokens = (uint32_t)args->max_tokens;
  params.temperature = (float)args->temperature;
  params.top_k = (uint32_t)args->top_k;
  params.top_p = (float)args->top_p;
  params.seed = args->seed;
  params.grounding = args->grounding;
  params.no_grounding = args->no_grounding;
  params.verbatim = args->verbatim;
  return params;
}

size_t cli_together(const cli_args *args) {
  return args->parallel ? (size_t)args->parallel : 1;
}
