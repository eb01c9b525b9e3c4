/* groma.c - see groma.h. */
#include "groma.h"

#include "llama_tokenizer_file.h"

#include <stdlib.h>

static gm_status load_parts(gm_groma *groma, const gm_model_file *file, gm_error *err) {
  GM_TRY(gm_model_file_want_kind(file, "groma", err));
  GM_TRY(gm_groma_hparams_read(&groma->hparams, file, err));
  GM_TRY(gm_vision_load(&groma->vision, file, &groma->hparams, err));
  GM_TRY(gm_llama_load(&groma->llama, file, &groma->hparams, err));
  if (gm_vision_dim(groma->vision) != groma->llama->dim)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: the image tokens have %zu features, the language model %zu; wanted "
                   "equal widths",
                   gm_model_file_name(file), gm_vision_dim(groma->vision), groma->llama->dim);
  GM_TRY(gm_llama_tokenizer_from_file(&groma->tokenizer, file, err));
  return gm_prompt_create(&groma->prompt, groma->tokenizer, groma->llama->vocab, err);
}

/* *type stays where no name is given. */
static gm_status choose_type(gm_type *type, const char *name, const gm_llama *llama,
                             gm_error *err) {
  if (!name) return GM_OK;
  if (!gm_type_from_name(name, type) || !gm_is_kv_type(*type))
    return gm_fail(err, GM_ERR_ARGUMENT, "found cache type %.20s, wanted f32, f16 or q8_0",
                   name);
  if (!gm_kv_fits(*type, llama->head_dim))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found cache type %s and heads of %zu numbers; wanted a multiple of %zu: "
                   "take f16 for this model",
                   gm_type_traits_of(*type)->name, llama->head_dim,
                   gm_type_traits_of(*type)->block);
  return GM_OK;
}

static gm_status set_cache(gm_groma *groma, const gm_groma_cache *cache, gm_error *err) {
  size_t most = groma->llama->context, context = cache->context;
  if (context > most)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found a context of %zu positions, wanted at most the model's own %zu",
                   context, most);
  groma->context = context ? context : most;
  groma->max_regions = groma->prompt->n_region_tokens;
  const gm_llama *llama = groma->llama;
  gm_type usual = llama->layers[0].k.type == GM_TYPE_F32 ? GM_TYPE_F32 : GM_TYPE_F16;
  if (cache->fast && gm_kv_fits(GM_TYPE_Q8_0, llama->head_dim)) usual = GM_TYPE_Q8_0;
  groma->kv_shape =
      (gm_kv_shape){llama->n_layers, llama->kv_heads, llama->head_dim, usual, usual};
  GM_TRY(choose_type(&groma->kv_shape.k_type, cache->k_type, llama, err));
  return choose_type(&groma->kv_shape.v_type, cache->v_type, llama, err);
}

gm_status gm_groma_load(gm_groma **out, const gm_model_file *file, const gm_groma_cache *cache,
                        gm_error *err) {
  *out = NULL;
  gm_groma *groma = calloc(1, sizeof *groma);
  if (!groma) return gm_fail_memory(err, "the model", sizeof *groma);
  gm_status status = load_parts(groma, file, err);
  if (status == GM_OK) status = set_cache(groma, cache, err);
  if (status == GM_OK)
    *out = groma;
  else
    gm_groma_free(groma);
  return status;
}

void gm_groma_free(gm_groma *groma) {
  if (!groma) return;
  gm_prompt_free(groma->prompt);
  gm_llama_tokenizer_free(groma->tokenizer);
  gm_llama_free(groma->llama);
  gm_vision_free(groma->vision);
  free(groma);
}
