/* cmd_serve.c - gromatic serve: the settings of server/ from the command line. */
#include "adapters.h"
#include "cache_options.h"
#include "commands.h"
#include "server.h"
#include "terminal.h"

#include <stdlib.h>

static int check(const cli_args *args, srv_settings *settings) {
  if (args->inputs.n) {
    cli_error("serve: found '%s', wanted options only; clients send the pictures",
              args->inputs.items[0]);
    return CLI_USAGE;
  }
  if (args->memory && !cli_parse_size(args->memory, &settings->memory)) {
    cli_error("--memory: found '%s', wanted a size as 500M or 6G", args->memory);
    return CLI_USAGE;
  }
  return CLI_DONE;
}

static int serve(const cli_args *args, srv_settings *settings) {
  gm_error err = {0};
  gm_adapter_use *groma = NULL, *clip = NULL;
  int code = cli_adapters(args, "groma", true, &groma, &settings->model_params.n_adapters);
  if (code == CLI_DONE)
    code = cli_adapters(args, "clip", true, &clip, &settings->clip_params.n_adapters);
  settings->model_params.adapters = groma;
  settings->clip_params.adapters = clip;
  if (code == CLI_DONE) {
    code = (int)srv_run(settings, &err);
    if (code != CLI_DONE) cli_error("%s", err.message);
  }
  free(groma);
  free(clip);
  return code;
}

int cmd_serve(const cli_args *args) {
  srv_settings settings = {
      .models = args->models.items,
      .n_models = args->models.n,
      .clip_model = args->clip_model,
      .model_params = gm_model_params_default(),
      .clip_params = gm_clip_params_default(),
      .threads = (unsigned)args->threads,
      .host = args->host,
      .port = (unsigned)args->port,
      .unix_path = args->unix_path,
      .key_file = args->api_key_file,
      .cors_origins = args->cors_origins.items,
      .n_cors_origins = args->cors_origins.n,
      .media_path = args->media_path,
      .allow_url_hosts = args->allow_url_hosts,
      .slots = (unsigned)args->slots,
      .timeout = (double)args->request_time,
      .max_pixels = args->max_pixels,
      .log_json = args->log_json,
      .log_prompts = args->log_prompts,
      .quiet = args->quiet,
  };
  settings.model_params.context = (uint32_t)args->context;
  settings.model_params.cache_type_k = args->cache_type_k;
  settings.model_params.cache_type_v = args->cache_type_v;
  settings.model_params.fast = settings.clip_params.fast = args->fast;
  settings.model_params.no_mmap = settings.clip_params.no_mmap = args->no_mmap;
  settings.model_params.mlock = settings.clip_params.mlock = args->mlock;
  int code = check(args, &settings);
  return code == CLI_DONE ? serve(args, &settings) : code;
}
