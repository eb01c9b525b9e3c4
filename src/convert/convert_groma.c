/* convert_groma.c - Groma's checkpoints: config.json and its neighbours -> metadata keys (those
 * of groma_hparams.h, general.*, tokenizer.*). Sizes come from the tensors' shapes, the rest
 * from config.json, with upstream's defaults (Hugging Face transformers 4.32, docs/MODEL.md)
 * for absent members. groma_config.c has the tables of known members. */
#include "config_tables.h"
#include "groma_config.h"
#include "groma_dims.h"
#include "groma_hparams.h"
#include "json_file.h"
#include "llama_tokenizer.h"
#include "pixel_config.h"
#include "tokenizer_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG GM_MODEL_CONFIG
#define VIT_CFG "perceiver_cfg.vis_encoder_cfg."
#define DDETR_CFG "perceiver_cfg.ddetr_cfg."
#define LLM_CFG "llm_cfg."

/* ---- config.json */

/* The number of layers, from the tensors; the config must not ask for more. */
static gm_status read_layers(const json_t *config, const char *path, size_t *dim, uint32_t *out,
                             gm_error *err) {
  uint32_t layers = (uint32_t)*dim;
  GM_TRY(gm_json_u32(config, path, 1, 1024, &layers, CONFIG, err));
  if (layers != *dim)
    return gm_fail(err, GM_ERR_MODEL, CONFIG ": %s: found %u, but the weights have %zu layers",
                   path, layers, *dim);
  *out = layers;
  return GM_OK;
}

static gm_status read_vision(gm_groma_hparams *h, size_t *dims, const json_t *config,
                             gm_error *err) {
  GM_TRY(read_layers(config, VIT_CFG "num_hidden_layers", &dims[VIT_LAYERS], &h->vision_layers,
                     err));
  h->image_size = 448;
  GM_TRY(gm_json_u32(config, "region_cfg.image_size", 2, 4096, &h->image_size, CONFIG, err));
  h->patch_size = (uint32_t)dims[PATCH];
  h->vision_heads = 12;
  GM_TRY(gm_json_u32(config, VIT_CFG "num_attention_heads", 1, 1024, &h->vision_heads, CONFIG,
                     err));
  h->vision_eps = 1e-6f;
  GM_TRY(gm_json_f32(config, VIT_CFG "layer_norm_eps", 1e-12f, 1, &h->vision_eps, CONFIG, err));
  int32_t output = -2, layers = (int32_t)h->vision_layers; /* as Python indexes a list */
  GM_TRY(gm_json_i32(config, "perceiver_cfg.vis_output_layer", -layers - 1, layers, &output,
                     CONFIG, err));
  h->vision_output = (uint32_t)(output < 0 ? layers + 1 + output : output);
  return GM_OK;
}

static gm_status read_proposer(gm_groma_hparams *h, size_t *dims, const json_t *config,
                               gm_error *err) {
  GM_TRY(read_layers(config, DDETR_CFG "encoder_layers", &dims[ENC_LAYERS], &h->encoder_layers,
                     err));
  GM_TRY(read_layers(config, DDETR_CFG "decoder_layers", &dims[DEC_LAYERS], &h->decoder_layers,
                     err));
  h->encoder_heads = h->decoder_heads = 8;
  GM_TRY(gm_json_u32(config, DDETR_CFG "encoder_attention_heads", 1, 256, &h->encoder_heads,
                     CONFIG, err));
  GM_TRY(gm_json_u32(config, DDETR_CFG "decoder_attention_heads", 1, 256, &h->decoder_heads,
                     CONFIG, err));
  h->feature_levels = 1;
  GM_TRY(gm_json_u32(config, DDETR_CFG "num_feature_levels", 1, 4, &h->feature_levels, CONFIG,
                     err));
  if (h->feature_levels != 1 || dims[LEVELS] != 1)
    return gm_fail(err, GM_ERR_MODEL,
                   CONFIG ": " DDETR_CFG
                          "num_feature_levels: found %u (level_embed: %zu); only "
                          "one feature level is computed",
                   h->feature_levels, dims[LEVELS]);
  h->proposals = 300;
  return gm_json_u32(config, DDETR_CFG "two_stage_num_proposals", 1, 65536, &h->proposals,
                     CONFIG, err);
}

static gm_status read_regions(gm_groma_hparams *h, const char **geometry, const json_t *config,
                              gm_error *err) {
  h->score_threshold = 0.15f;
  GM_TRY(gm_json_f32(config, "box_score_thres", 0, 1, &h->score_threshold, CONFIG, err));
  h->nms_threshold = 0.6f;
  GM_TRY(gm_json_f32(config, "nms_thres", 0, 1, &h->nms_threshold, CONFIG, err));
  h->max_regions = 100;
  GM_TRY(gm_json_u32(config, "max_region_num", 1, 65536, &h->max_regions, CONFIG, err));
  *geometry = "released";
  GM_TRY(gm_json_string(config, "region_cfg.geometry", geometry, CONFIG, err));
  if (strcmp(*geometry, "released") != 0 && strcmp(*geometry, "xyxy") != 0)
    return gm_fail(err, GM_ERR_MODEL,
                   CONFIG ": region_cfg.geometry: found \"%.40s\", wanted released or xyxy",
                   *geometry);
  return GM_OK;
}

static gm_status read_llm(gm_groma_hparams *h, size_t *dims, const json_t *config,
                          gm_error *err) {
  GM_TRY(
      read_layers(config, LLM_CFG "num_hidden_layers", &dims[LLM_LAYERS], &h->llm_layers, err));
  h->llm_heads = 32;
  GM_TRY(
      gm_json_u32(config, LLM_CFG "num_attention_heads", 1, 1024, &h->llm_heads, CONFIG, err));
  h->llm_kv_heads = h->llm_heads;
  GM_TRY(gm_json_u32(config, LLM_CFG "num_key_value_heads", 1, 1024, &h->llm_kv_heads, CONFIG,
                     err));
  h->llm_context = 2048;
  GM_TRY(gm_json_u32(config, LLM_CFG "max_position_embeddings", 1, 1 << 20, &h->llm_context,
                     CONFIG, err));
  h->llm_rms_eps = 1e-6f;
  GM_TRY(gm_json_f32(config, LLM_CFG "rms_norm_eps", 1e-12f, 1, &h->llm_rms_eps, CONFIG, err));
  h->llm_rope_theta = 10000;
  GM_TRY(gm_json_f32(config, LLM_CFG "rope_theta", 1, 1e9f, &h->llm_rope_theta, CONFIG, err));
  GM_TRY(gm_json_f32(config, LLM_CFG "rope_parameters.rope_theta", 1, 1e9f, &h->llm_rope_theta,
                     CONFIG, err)); /* transformers 5 */
  uint32_t head_dim = (uint32_t)dims[LLM_Q] / h->llm_heads;
  GM_TRY(gm_json_u32(config, LLM_CFG "head_dim", 1, 65536, &head_dim, CONFIG, err));
  if ((size_t)head_dim * h->llm_heads == dims[LLM_Q]) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 CONFIG ": " LLM_CFG "head_dim: found %u with %u heads, but the queries of the "
                        "weights are %zu wide",
                 head_dim, h->llm_heads, dims[LLM_Q]);
}

static void put_hparams(gm_gguf_writer *writer, const gm_groma_hparams *h,
                        const char *geometry) {
#define X(member, key, min, max) gm_gguf_put_u32(writer, key, h->member);
  GM_GROMA_U32_KEYS(X)
#undef X
#define X(member, key, min, max) gm_gguf_put_f32(writer, key, h->member);
  GM_GROMA_F32_KEYS(X)
#undef X
  gm_gguf_put_string(writer, "groma.regions.geometry", geometry);
  gm_gguf_put_f32_array(writer, "groma.image_mean", h->pixel_norm.mean, 3);
  gm_gguf_put_f32_array(writer, "groma.image_std", h->pixel_norm.std, 3);
}

/* Without a file, ImageNet's numbers. Upstream makes the picture square, of the model's size,
 * before its processor sees it, so the processor must keep this size. processor_config.json, of
 * transformers 5, takes precedence over preprocessor_config.json. */
static gm_status read_preprocessor(const gm_configs *configs, gm_groma_hparams *h,
                                   gm_error *err) {
  static const gm_pixel_norm imagenet = {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
  const json_t *root =
      gm_json_at(gm_configs_root(configs, GM_PROCESSOR_CONFIG), "image_processor");
  const char *file = root ? GM_PROCESSOR_CONFIG ": image_processor" : GM_PREPROCESSOR_CONFIG;
  h->pixel_norm = imagenet;
  if (!root) root = gm_configs_root(configs, GM_PREPROCESSOR_CONFIG);
  if (!root) return GM_OK;
  GM_TRY(gm_pixel_config_norm(root, file, &h->pixel_norm, err));
  return gm_pixel_config_keeps(root, file, h->image_size, err);
}

static gm_status read_config(const json_t *config, const gm_configs *configs,
                             gm_gguf_writer *writer, size_t *dims, gm_groma_hparams *h,
                             gm_error *err) {
  const char *geometry;
  GM_TRY(read_vision(h, dims, config, err));
  GM_TRY(read_proposer(h, dims, config, err));
  GM_TRY(read_regions(h, &geometry, config, err));
  GM_TRY(read_llm(h, dims, config, err));
  GM_TRY(read_preprocessor(configs, h, err));
  put_hparams(writer, h, geometry);
  return GM_OK;
}

/* ---- vocabulary */

/* names[id - base] for every added token; the ids must be base .. base + n - 1. An entry below
 * base must agree with the base vocabulary. The names are borrowed from root. */
static gm_status list_added(const json_t *root, const gm_sentencepiece_model *model,
                            const char **names, size_t n, gm_error *err) {
  const char *token;
  json_t *value;
  size_t found = 0;
  json_object_foreach((json_t *)(uintptr_t)root, token, value) {
    json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
    if (id >= 0 && (size_t)id < model->n && strcmp(model->pieces[id], token) == 0) continue;
    size_t at = id < 0 || (size_t)id < model->n ? SIZE_MAX : (size_t)id - model->n;
    if (at >= n || names[at] || !*token)
      return gm_fail(err, GM_ERR_MODEL,
                     "the added token \"%.80s\" has no id of its own from %zu to %zu", token,
                     model->n, model->n + n - 1);
    names[at] = token;
    found++;
  }
  if (found != n)
    return gm_fail(err, GM_ERR_MODEL,
                   "found %zu added tokens, but new_input_embs.weight has %zu rows", found, n);
  return GM_OK;
}

static void put_id(gm_gguf_writer *writer, const char *key, int32_t id) {
  if (id >= 0) gm_gguf_put_u32(writer, key, (uint32_t)id);
}

static void put_vocabulary(gm_gguf_writer *writer, const gm_llama_vocabulary *v, size_t base) {
  gm_gguf_put_string(writer, "tokenizer.ggml.model", "llama");
  gm_gguf_put_string_array(writer, "tokenizer.ggml.tokens", v->pieces, v->n);
  gm_gguf_put_f32_array(writer, "tokenizer.ggml.scores", v->scores, v->n);
  gm_gguf_put_i32_array(writer, "tokenizer.ggml.token_type", v->types, v->n);
  put_id(writer, "tokenizer.ggml.bos_token_id", v->bos_id);
  put_id(writer, "tokenizer.ggml.eos_token_id", v->eos_id);
  put_id(writer, "tokenizer.ggml.unknown_token_id", v->unk_id);
  for (size_t i = base; i < v->n; i++)
    if (strcmp(v->pieces[i], "[PAD]") == 0)
      put_id(writer, "tokenizer.ggml.padding_token_id", (int32_t)i);
  gm_gguf_put_bool(writer, "tokenizer.ggml.add_bos_token", true);
  gm_gguf_put_bool(writer, "tokenizer.ggml.add_space_prefix", true);
}

static int64_t find_token(const void *vocabulary, const char *token) {
  const gm_llama_vocabulary *v = vocabulary;
  for (size_t i = 0; i < v->n; i++)
    if (strcmp(v->pieces[i], token) == 0) return (int64_t)i;
  return -1;
}

static gm_status join_vocabulary(const gm_sentencepiece_model *model, const json_t *added,
                                 size_t n_added, const gm_configs *configs,
                                 gm_gguf_writer *writer, gm_error *err) {
  const char **names = calloc(n_added ? n_added : 1, sizeof *names);
  if (!names) return gm_fail_memory(err, "the added tokens", n_added * sizeof *names);
  gm_llama_vocabulary vocabulary;
  gm_status status = list_added(added, model, names, n_added, err);
  if (status == GM_OK)
    status = gm_llama_vocabulary_join(&vocabulary, model, names, n_added, err);
  if (status == GM_OK) {
    status = gm_check_listed_tokens(configs, find_token, &vocabulary, err);
    if (status == GM_OK) put_vocabulary(writer, &vocabulary, model->n);
    gm_llama_vocabulary_free(&vocabulary);
  }
  free(names);
  return status;
}

/* The added tokens: added_tokens.json, else what tokenizer.json or tokenizer_config.json list.
 */
static gm_status read_added(const gm_configs *configs, json_t **out, gm_error *err) {
  const json_t *file = gm_configs_root(configs, GM_ADDED_TOKENS);
  const json_t *tokenizer = gm_configs_root(configs, GM_TOKENIZER_JSON);
  const json_t *config = gm_configs_root(configs, GM_TOKENIZER_CONFIG);
  if (file) {
    *out = json_incref((json_t *)(uintptr_t)file);
    return GM_OK;
  }
  if (tokenizer) return gm_added_tokens_from_json(out, tokenizer, err);
  if (config && json_object_get(config, "added_tokens_decoder"))
    return gm_added_tokens_from_decoder(out, config, err);
  return gm_fail(err, GM_ERR_FILE_NOT_FOUND,
                 "found no added tokens; wanted " GM_ADDED_TOKENS ", " GM_TOKENIZER_JSON
                 " or \"added_tokens_decoder\" in " GM_TOKENIZER_CONFIG);
}

/* If both tokenizer.model and tokenizer.json exist, their vocabularies must be equal. */
static gm_status compare_pieces(const gm_sentencepiece_model *model, const json_t *tokenizer,
                                gm_error *err) {
  const json_t *vocab = gm_json_at(tokenizer, "model.vocab");
  for (size_t i = 0; i < model->n; i++) {
    const json_t *id = json_object_get(vocab, model->pieces[i]);
    if (json_is_integer(id) && json_integer_value(id) == (json_int_t)i) continue;
    return gm_fail(err, GM_ERR_MODEL,
                   "tokenizer.model and " GM_TOKENIZER_JSON
                   ": found \"%.60s\" as id %zu in the first only. Take one file away",
                   model->pieces[i], i);
  }
  return GM_OK;
}

static gm_status read_pieces(const gm_source *source, const gm_configs *configs, size_t n,
                             gm_sentencepiece_model *model, gm_error *err) {
  void *bytes;
  size_t size;
  const json_t *tokenizer = gm_configs_root(configs, GM_TOKENIZER_JSON);
  gm_status status = gm_source_bytes(source, "tokenizer.model", &bytes, &size, err);
  if (status == GM_ERR_FILE_NOT_FOUND && tokenizer) {
    if (err) *err = (gm_error){GM_OK, ""};
    return gm_llama_pieces_from_json(model, tokenizer, n, err);
  }
  GM_TRY(status);
  status = gm_sentencepiece_parse(model, bytes, size, err);
  free(bytes);
  GM_TRY(status);
  if (tokenizer) status = compare_pieces(model, tokenizer, err);
  if (status != GM_OK) gm_sentencepiece_free(model);
  return status;
}

static gm_status convert_tokenizer(const gm_source *source, const gm_configs *configs,
                                   const size_t *dims, gm_gguf_writer *writer, gm_error *err) {
  gm_sentencepiece_model model;
  GM_TRY(read_pieces(source, configs, dims[BASE_VOCAB], &model, err));
  gm_status status = GM_OK;
  json_t *added = NULL;
  if (model.n != dims[BASE_VOCAB])
    status = gm_fail(err, GM_ERR_MODEL,
                     "tokenizer.model: found %zu pieces, but llm.model.embed_tokens.weight has "
                     "%zu rows",
                     model.n, dims[BASE_VOCAB]);
  if (status == GM_OK) status = read_added(configs, &added, err);
  if (status == GM_OK)
    status = join_vocabulary(&model, added, dims[ADDED_VOCAB], configs, writer, err);
  json_decref(added);
  gm_sentencepiece_free(&model);
  return status;
}

/* ---- the architecture */

static bool matches(const gm_source *source) {
  return gm_checkpoint_find(source->weights, "new_input_embs.weight") != SIZE_MAX &&
         gm_checkpoint_find(source->weights, "perceiver.input_proj.0.0.weight") != SIZE_MAX;
}

static gm_status read_files(const gm_source *source, const gm_configs *configs, size_t *dims,
                            gm_gguf_writer *writer, gm_error *err) {
  gm_groma_hparams hparams = {0};
  const json_t *config = gm_configs_root(configs, CONFIG);
  if (!config)
    return gm_fail(err, GM_ERR_FILE_NOT_FOUND, "%s: found no " CONFIG " beside it",
                   source->weights->path);
  GM_TRY(read_config(config, configs, writer, dims, &hparams, err));
  return convert_tokenizer(source, configs, dims, writer, err);
}

static gm_status read_groma(const gm_source *source, gm_gguf_writer *writer, gm_plan *plan,
                            gm_error *err) {
  size_t dims[GM_GROMA_N_DIMS];
  gm_configs configs;
  GM_TRY(gm_groma_read_dims(dims, source->weights, err));
  gm_status status =
      gm_configs_open(&configs, source, gm_groma_files, GM_GROMA_CONFIGS, dims, err);
  if (status == GM_OK) status = read_files(source, &configs, dims, writer, err);
  gm_configs_close(&configs);
  GM_TRY(status);
  if (dims[REGION_BINS] % dims[REGION_DIM] != 0)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: found flatten_linear.weight of %zu columns, wanted a multiple of the "
                   "region encoder's %zu channels",
                   source->weights->path, dims[REGION_BINS], dims[REGION_DIM]);
  gm_tensor_rules rules;
  gm_groma_tensor_rules(&rules, dims);
  return gm_plan_rules(plan, source->weights, &rules, dims[REGION_DIM], err);
}

static void all_rules(gm_tensor_rules *out) {
  gm_groma_tensor_rules(out, NULL);
}

static const gm_spare_tensor spare[] = {
    {"perceiver.vis_encoder.embeddings.mask_token", "training only"},
    {"perceiver.vis_encoder.layernorm.*", "of the encoder's own output, which is not used"},
    {"llm.model.layers.*.self_attn.rotary_emb.inv_freq", "follows from rope_theta"},
    {"llm.model.rotary_emb.inv_freq", "follows from rope_theta"},
    {NULL, NULL},
};

const gm_architecture gm_architecture_groma = {.name = "groma",
                                               .matches = matches,
                                               .read = read_groma,
                                               .rules = all_rules,
                                               .spare = spare};
