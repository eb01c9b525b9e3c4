/* bench_pictures.c - see bench_pictures.h. */
#include "bench_pictures.h"

#include "ahead.h"
#include "params.h"
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

/* Captions and frees scenes[n], n <= CLI_MOST_TOGETHER. */
static gm_status caption(gm_scene **scenes, size_t n, const gm_ask_params *params,
                         const gm_callbacks *callbacks, gm_error *err) {
  gm_answer *answers[CLI_MOST_TOGETHER] = {NULL};
  gm_status status = gm_captions(scenes, n, params, callbacks, answers, err);
  for (size_t i = 0; i < n; i++) {
    gm_answer_free(answers[i]);
    gm_scene_free(scenes[i]);
  }
  return status;
}

static gm_status next_scene(cli_ahead *ahead, gm_model *model, gm_scene **out,
                            const gm_callbacks *callbacks, gm_error *err) {
  cli_picture picture;
  cli_ahead_next(ahead, &picture);
  gm_status status = picture.status;
  *out = NULL;
  if (status != GM_OK) *err = picture.err;
  if (status == GM_OK)
    status = gm_scene_create(out, model, picture.image, NULL, callbacks, err);
  gm_image_free(picture.image);
  return status;
}

static gm_status caption_all(const cli_list *files, size_t together, gm_model *model,
                             const gm_ask_params *params, const gm_callbacks *callbacks,
                             gm_error *err) {
  const cli_ahead_calls calls = {(void *)(uintptr_t)files, read_picture, never_waits};
  cli_ahead *ahead = cli_ahead_begin(&calls, files->n);
  gm_status status = ahead ? GM_OK : GM_ERR_MEMORY;
  if (!ahead) *err = (gm_error){.status = status, .message = "no memory to read pictures with"};
  gm_scene *scenes[CLI_MOST_TOGETHER];
  size_t n = 0;
  for (size_t i = 0; i < files->n && status == GM_OK; i++) {
    status = next_scene(ahead, model, &scenes[n], callbacks, err);
    if (status != GM_OK) break;
    if (++n < together && i + 1 < files->n) continue;
    status = caption(scenes, n, params, callbacks, err);
    n = 0;
  }
  while (n > 0) gm_scene_free(scenes[--n]);
  cli_ahead_end(ahead);
  return status;
}

gm_status cli_bench_pictures(const cli_list *files, size_t together, const char *model,
                             const gm_bench_params *params, const gm_callbacks *callbacks,
                             double *per_hour, gm_error *err) {
  gm_model_params how = gm_model_params_default();
  how.threads = params->threads;
  how.cache_type_k = params->cache_type_k;
  how.cache_type_v = params->cache_type_v;
  how.fast = params->fast;
  how.adapters = params->adapters;
  how.n_adapters = params->n_adapters;
  gm_ask_params ask = gm_ask_params_default();
  ask.max_tokens = params->tokens ? params->tokens : 48;
  gm_model *opened;
  gm_status status = gm_model_open(&opened, model, &how, err);
  if (status != GM_OK) return status;
  *per_hour = 0;
  for (uint32_t i = 0; i < (params->repeat ? params->repeat : 3) && status == GM_OK; i++) {
    double began = cli_now();
    status = caption_all(files, together, opened, &ask, callbacks, err);
    double rate = 3600 * (double)files->n / (cli_now() - began);
    if (rate > *per_hour) *per_hour = rate;
  }
  gm_model_free(opened);
  return status;
}
