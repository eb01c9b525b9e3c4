/* bench_pictures.c - see bench_pictures.h. */
#include "bench_pictures.h"

#include "ahead.h"
#include "terminal.h"

static void read_picture(void *user, size_t i, cli_picture *out) {
  const cli_list *files = user;
  out->status = gm_image_open(&out->image, files->items[i], NULL, &out->err);
}

static bool never_waits(void *user, size_t i) {
  (void)user;
  (void)i;
  return false;
}

static gm_status caption(gm_model *model, const gm_image *image, const gm_ask_params *params,
                         const gm_callbacks *callbacks, gm_error *err) {
  gm_scene *scene = NULL;
  gm_answer *answer = NULL;
  gm_status status = gm_scene_create(&scene, model, image, NULL, callbacks, err);
  if (status == GM_OK) status = gm_caption(scene, params, callbacks, &answer, err);
  gm_answer_free(answer);
  gm_scene_free(scene);
  return status;
}

static gm_status caption_all(const cli_list *files, gm_model *model,
                             const gm_ask_params *params, const gm_callbacks *callbacks,
                             gm_error *err) {
  const cli_ahead_calls calls = {(void *)(uintptr_t)files, read_picture, never_waits};
  cli_ahead *ahead = cli_ahead_begin(&calls, files->n);
  gm_status status = ahead ? GM_OK : GM_ERR_MEMORY;
  if (!ahead) *err = (gm_error){.status = status, .message = "no memory to read pictures with"};
  for (size_t i = 0; i < files->n && status == GM_OK; i++) {
    cli_picture picture;
    cli_ahead_next(ahead, &picture);
    status = picture.status;
    if (status != GM_OK)
      *err = picture.err;
    else
      status = caption(model, picture.image, params, callbacks, err);
    gm_image_free(picture.image);
  }
  cli_ahead_end(ahead);
  return status;
}

gm_status cli_bench_pictures(const cli_list *files, const char *model,
                             const gm_bench_params *params, const gm_callbacks *callbacks,
                             double *per_hour, gm_error *err) {
  gm_model_params how = gm_model_params_default();
  how.threads = params->threads;
  how.cache_type_k = params->cache_type_k;
  how.cache_type_v = params->cache_type_v;
  how.fast = params->fast;
  gm_ask_params ask = gm_ask_params_default();
  ask.max_tokens = params->tokens ? params->tokens : 48;
  gm_model *opened;
  gm_status status = gm_model_open(&opened, model, &how, err);
  if (status != GM_OK) return status;
  *per_hour = 0;
  for (uint32_t i = 0; i < (params->repeat ? params->repeat : 3) && status == GM_OK; i++) {
    double began = cli_now();
    status = caption_all(files, opened, &ask, callbacks, err);
    double rate = 3600 * (double)files->n / (cli_now() - began);
    if (rate > *per_hour) *per_hour = rate;
  }
  gm_model_free(opened);
  return status;
}
