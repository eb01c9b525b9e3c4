/* api_model.c - gm_model: opening a model, what is known of it, and how its callers enter it.
 */
#include "handles.h"

#include "model_resolve.h"

#include <stdlib.h>

static gm_status open_parts(gm_model *model, const char *path, const gm_model_params *params,
                            gm_error *err) {
  gm_groma_cache cache = {params->context, params->cache_type_k, params->cache_type_v,
                          params->fast};
  GM_TRY(gm_opened_open(&model->base, path ? path : GM_DEFAULT_MODEL, params, err));
  GM_TRY(gm_groma_load(&model->groma, model->base.weights, &cache, err));
  GM_TRY(gm_present_head_read(&model->own_head, model->base.file, err));
  model->head = gm_changes_present(&model->base.adapted.changes, model->own_head);
  return gm_model_use_cache(model, params, err);
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
  if (model->base.engine) gm_scenes_forget(model);
  gm_groma_free(model->groma);
  gm_opened_close(&model->base);
  gm_present_head_free(model->own_head);
  free(model);
}

gm_status gm_model_get_info(const gm_model *model, gm_model_info *out, gm_error *err) {
  gm_model_info info = {
      .name = model->base.name,
      .path = model->base.path,
      .type = model->base.type,
      .kernels = model->base.kernels->name,
      .threads = gm_pool_threads(model->base.engine->pool),
      .image_size = model->groma->hparams.image_size,
      .max_regions = (uint32_t)model->groma->max_regions,
      .context = (uint32_t)model->groma->context,
      .cache_type_k = gm_type_traits_of(model->groma->kv_shape.k_type)->name,
      .cache_type_v = gm_type_traits_of(model->groma->kv_shape.v_type)->name,
      .scope = model->base.world ? model->base.world->scope : NULL,
      .calibrated = model->head != NULL,
      .head_clip = model->head && model->head->n_words ? model->head->clip_name : NULL,
  };
  return GM_STRUCT_WRITE(gm_model_info, out, &info, err);
}

gm_status gm_model_sha256(gm_model *model, char out[65], const gm_callbacks *callbacks,
                          gm_error *err) {
  gm_callbacks own;
  GM_TRY(GM_STRUCT_READ(gm_callbacks, &own, callbacks, err));
  return gm_opened_sha256(&model->base, out, &own, err);
}

gm_status gm_model_adapter_at(const gm_model *model, size_t i, gm_adapter_info *out) {
  return gm_opened_adapter_at(&model->base, i, out);
}

gm_status gm_model_refusal_at(const gm_model *model, size_t i, gm_cache_refusal *out) {
  return gm_opened_refusal_at(&model->base, i, out);
}

gm_status gm_model_enter(gm_model *model, gm_entry *entry, const gm_callbacks *callbacks,
                         gm_error *err) {
  return gm_engine_enter(model->base.engine, entry, model->base.kernels, callbacks, err);
}
