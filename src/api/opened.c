/* opened.c - see opened.h. */
#include "opened.h"

#include "model_file_bytes.h"
#include "model_resolve.h"

#include <stdlib.h>
#include <string.h>

/* The type that most weights of a file have, by bytes. */
static const char *main_type(const gm_model_file *file) {
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

static gm_status refuse_adapter(const gm_model_file *file, gm_error *err) {
  const char *type = "model";
  if (!gm_model_file_has_key(file, "general.type")) return GM_OK;
  GM_TRY(gm_model_file_string(file, "general.type", &type, err));
  if (strcmp(type, "adapter") != 0) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 "%s: found an adapter, wanted a model; an adapter is given beside its model "
                 "(--adapter)",
                 gm_model_file_name(file));
}

gm_status gm_opened_open(gm_opened *o, const char *path, const gm_model_params *params,
                         gm_error *err) {
  GM_TRY(gm_refuse_in_callback(err));
  GM_TRY(gm_kernels_check(err));
  o->path = strdup(path);
  if (!o->path) return gm_fail_memory(err, "the model's name", 1);
  GM_TRY(gm_engine_choose(&o->engine, params->engine, params->threads, err));
  GM_TRY(gm_model_file_resolve(&o->file, path, params, o->engine->pool, err));
  GM_TRY(refuse_adapter(o->file, err));
  GM_TRY(gm_adapted_open(&o->adapted, o->file, params->adapters, params->n_adapters, err));
  o->weights = gm_adapted_file(&o->adapted, o->file);
  o->name = gm_model_file_name(o->file);
  if (gm_model_file_has_key(o->file, "general.name"))
    GM_TRY(gm_model_file_string(o->file, "general.name", &o->name, err));
  o->world = gm_model_world(path);
  o->type = main_type(o->file);
  o->kernels = params->fast ? gm_kernels_fast() : gm_kernels_best();
  if (!params->cache) return GM_OK;
  uint64_t limit = params->cache_bytes == GM_NONE ? UINT64_MAX : params->cache_bytes;
  o->dir = gm_cache_dir_open(params->cache, limit);
  return o->dir ? GM_OK : gm_fail_memory(err, "the cache", 1);
}

void gm_opened_close(gm_opened *o) {
  gm_adapted_close(&o->adapted);
  gm_model_file_close(o->file);
  gm_cache_dir_free(o->dir);
  gm_engine_release(o->engine);
  free(o->path);
  *o = (gm_opened){0};
}

gm_status gm_opened_sha256(const gm_opened *o, char out[65], const gm_callbacks *callbacks,
                           gm_error *err) {
  GM_TRY(gm_refuse_in_callback(err));
  const gm_callbacks guarded = gm_callbacks_guarded(callbacks);
  return gm_model_file_sha256(o->file, out, &guarded, err);
}

gm_status gm_opened_adapter_at(const gm_opened *o, size_t i, gm_adapter_info *out) {
  return gm_adapted_info(&o->adapted.changes, i, out);
}

gm_status gm_opened_refusal_at(const gm_opened *o, size_t i, gm_cache_refusal *out) {
  size_t n = 0;
  const gm_cache_refusal *all = o->dir ? gm_cache_dir_refusals(o->dir, &n) : NULL;
  return GM_STRUCT_WRITE_AT(gm_cache_refusal, out, all, i, n);
}
