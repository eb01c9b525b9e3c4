/* models.c - see models.h. */
#include "models.h"

#include "results.h"

#include <stdio.h>
#include <string.h>

const char *srv_models_path(const srv_settings *settings, size_t model) {
  return settings->n_models ? settings->models[model] : NULL;
}

bool srv_models_looks(const srv_models *models, const gm_model *model) {
  const char *wanted = out_model_info(model).head_clip;
  return wanted && strcmp(wanted, models->clip_name) == 0;
}

/* The smallest picture: what counts is that all weights were read once. */
static gm_status warm_up(gm_model *model, gm_error *err) {
  static const uint8_t grey[16 * 16 * 3] = {128};
  gm_image *image = NULL;
  gm_scene *scene = NULL;
  gm_answer *answer = NULL;
  gm_ask_params ask = gm_ask_params_default();
  ask.max_tokens = 1;
  gm_status status = gm_image_from_rgb(&image, grey, 16, 16, err);
  if (status == GM_OK) status = gm_scene_create(&scene, model, image, NULL, NULL, err);
  if (status == GM_OK) status = gm_caption(scene, &ask, NULL, &answer, err);
  gm_answer_free(answer);
  gm_scene_free(scene);
  gm_image_free(image);
  return status;
}

static gm_status open_model(srv_models *out, gm_engine *engine, const srv_settings *settings,
                            size_t i, gm_error *err) {
  gm_model_params params = settings->model_params;
  const char *path = srv_models_path(settings, i);
  params.engine = engine;
  gm_status status = gm_model_open(&out->models[i], path, &params, err);
  if (status != GM_OK) return status;
  out->n = i + 1;
  gm_model_info info = out_model_info(out->models[i]);
  out->names[i] = info.name;
  out->scopes[i] = path ? NULL : info.scope;
  out->contexts[i] = info.context;
  for (size_t k = 0; k < i; k++)
    if (strcmp(out->names[k], info.name) == 0) {
      snprintf(err->message, sizeof err->message,
               "-m: found two models of the name %.200s, by which clients choose; wanted each "
               "name once",
               info.name);
      return err->status = GM_ERR_ARGUMENT;
    }
  return warm_up(out->models[i], err);
}

gm_status srv_models_open(srv_models *out, gm_engine *engine, const srv_settings *settings,
                          gm_error *err) {
  gm_status status = GM_OK;
  size_t n = settings->n_models ? settings->n_models : 1;
  *out = (srv_models){0};
  for (size_t i = 0; status == GM_OK && i < n; i++)
    status = open_model(out, engine, settings, i, err);
  if (status != GM_OK) return status;
  gm_clip_params params = settings->clip_params;
  params.engine = engine;
  status = gm_clip_open(&out->clip, settings->clip_model, &params, err);
  if (status != GM_OK) return status;
  gm_clip_info info = out_clip_info(out->clip);
  out->clip_name = info.name;
  for (size_t i = 0; i < out->n; i++) out->with_clip[i] = srv_models_looks(out, out->models[i]);
  out->clip_scope = settings->clip_model ? NULL : info.scope;
  return GM_OK;
}

void srv_models_close(srv_models *models) {
  for (size_t i = 0; i < models->n; i++) gm_model_free(models->models[i]);
  gm_clip_free(models->clip);
  *models = (srv_models){0};
}

size_t srv_models_find(const srv_models *models, const char *name) {
  for (size_t i = 0; i < models->n; i++)
    if (!name || strcmp(models->names[i], name) == 0) return i;
  return SRV_MAX_MODELS;
}
