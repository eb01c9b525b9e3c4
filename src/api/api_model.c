/* api_model.c - gm_model: opening a model, what is known of it, and how its callers enter it.
 */
#include "handles.h"

#include "model_file_bytes.h"
#include "model_resolve.h"

#include <stdlib.h>
#include <string.h>

const char *gm_main_type(const gm_model_file *file) {
  size_t bytes[GM_TYPE_COUNT] = {0};
  gm_type most = GM_TYPE_F32;
  for (size_t i = 0; i < gm_model_file_n_tensors(file); i++) {
    const char *name;
    const gm_tensor *tensor = gm_model_file_tensor_at(file, i, &name);
    bytes[tensor->type] += gm_tensor_rows(tensor) * tensor->row_bytes;
    if (bytes[tensor->type] > bytes[most]) most = tensor->type;
  }
  return gm_type_traits_of(most)->name;
}

static gm_status open_parts(gm_model *model, const char *path, const gm_model_params *params,
                            gm_error *err) {
  GM_TRY(gm_refuse_in_callback(err));
  GM_TRY(gm_kernels_check(err));
  GM_TRY(gm_engine_choose(&model->engine, params->engine, params->threads, err));
  /* Not as a job: reading a file takes long, and only a synthetic model is computed. */
  GM_TRY(gm_model_file_resolve(&model->file, path, params, model->engine->pool, err));
  gm_groma_cache cache = {params->context, params->cache_type_k, params->cache_type_v,
                          params->fast};
  GM_TRY(gm_groma_load(&model->groma, model->file, &cache, err));
  model->path = strdup(path ? path : GM_DEFAULT_MODEL);
  if (!model->path) return gm_fail_memory(err, "the model's name", 1);
  if (gm_model_file_has_key(model->file, "general.name"))
    GM_TRY(gm_model_file_string(model->file, "general.name", &model->name, err));
  else
    model->name = gm_model_file_name(model->file);
  model->world = gm_model_world(path);
  model->type = gm_main_type(model->file);
  model->kernels = params->fast ? gm_kernels_fast() : gm_kernels_best();
  return gm_model_open_cache(model, params, err);
}

gm_status gm_model_open(gm_model **out, const char *path, const gm_model_params *params,
                        gm_error *err) {
  *out = NULL;
  gm_model_params own;
  GM_TRY(GM_STRUCT_READ(gm_model_params, &own, params, err));
  gm_model *model = calloc(1, sizeof *model);
  if (!model) return gm_fail_memory(err, "the model", sizeof *model);
  atomic_init(&model->users, 1);
  gm_status status = open_parts(model, path, &own, err);
  if (status == GM_OK)
    *out = model;
  else
    gm_model_free(model);
  return status;
}

gm_model *gm_model_hold(gm_model *model) {
  atomic_fetch_add(&model->users, 1);
  return model;
}

void gm_model_free(gm_model *model) {
  if (!model || atomic_fetch_sub(&model->users, 1) > 1) return;
  if (model->engine) gm_scenes_forget(model);
  gm_groma_free(model->groma);
  gm_model_file_close(model->file);
  gm_cache_dir_free(model->dir);
  gm_engine_release(model->engine);
  free(model->path);
  free(model);
}

gm_status gm_model_get_info(const gm_model *model, gm_model_info *out, gm_error *err) {
  gm_model_info info = {
      .name = model->name,
      .path = model->path,
      .type = model->type,
      .kernels = model->kernels->name,
      .threads = gm_pool_threads(model->engine->pool),
      .image_size = model->groma->hparams.image_size,
      .max_regions = (uint32_t)model->groma->max_regions,
      .context = (uint32_t)model->groma->context,
      .cache_type_k = gm_type_traits_of(model->groma->kv_shape.k_type)->name,
      .cache_type_v = gm_type_traits_of(model->groma->kv_shape.v_type)->name,
      .scope = model->world ? model->world->scope : NULL,
  };
  return GM_STRUCT_WRITE(gm_model_info, out, &info, err);
}

gm_status gm_model_sha256(gm_model *model, char out[65], const gm_callbacks *callbacks,
                          gm_error *err) {
  gm_callbacks own;
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &own, callbacks, err));
  GM_TRY(gm_refuse_in_callback(err));
  const gm_callbacks guarded = gm_callbacks_guarded(&own);
  return gm_model_file_sha256(model->file, out, &guarded, err);
}

gm_status gm_model_refusal_at(const gm_model *model, size_t i, gm_cache_refusal *out) {
  size_t n = 0;
  const gm_cache_refusal *all = model->dir ? gm_cache_dir_refusals(model->dir, &n) : NULL;
  return GM_STRUCT_WRITE_AT(gm_cache_refusal, out, all, i, n);
}

gm_status gm_model_enter(gm_model *model, gm_entry *entry, const gm_callbacks *callbacks,
                         gm_error *err) {
  return gm_engine_enter(model->engine, entry, model->kernels, callbacks, err);
}
