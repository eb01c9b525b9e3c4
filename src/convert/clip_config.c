/* clip_config.c - see clip_config.h. Settings that no tensor's shape gives come from three
 * sources:
 *
 *   openai       nothing beside the file: QuickGELU, heads 64 wide
 *   open_clip    open_clip_config.json
 *   huggingface  config.json, and the files of its processor and tokenizer
 *
 * Members, their meaning and their defaults: OpenAI's CLIP model.py, open_clip 3.3's model.py,
 * factory.py and transform.py, transformers 4.57 and 5.24. */
#include "clip_config.h"

#include "config_tables.h"
#include "json_file.h"
#include "pixel_config.h"
#include "tokenizer_json.h"

#include <stdio.h>
#include <string.h>

#define CONFIG GM_MODEL_CONFIG
#define OPEN_CLIP_CONFIG "open_clip_config.json"
#define PREPROCESSOR GM_PREPROCESSOR_CONFIG
#define PROCESSOR GM_PROCESSOR_CONFIG

enum { OPENAI_HEAD_WIDTH = 64 };

static const gm_pixel_norm openai_norm = {{0.48145466f, 0.4578275f, 0.40821073f},
                                          {0.26862954f, 0.26130258f, 0.27577711f}};

#define UNUSED "of a part that this model does not have"

/* ---- open_clip's tables */

static const gm_member open_clip_model[] = {
    GM_SIZE("embed_dim", CLIP_FEATURES),
    GM_ONLY("quick_gelu", "false", "true", "null"),
    GM_HARMLESS("custom_text", "the same text tower under other names"),
    GM_HARMLESS("init_logit_scale", GM_WHY_INITIAL),
    GM_HARMLESS("init_logit_bias", "adds the same to every class"),
    GM_HARMLESS("nonscalar_logit_scale", "the same number in a vector of one"),
    GM_HARMLESS("cast_dtype", "how upstream computes"),
    GM_HARMLESS("output_dict", GM_WHY_OUTPUTS),
    GM_NULL("multimodal_cfg"),
    GM_MEMBERS_END,
};

/* Of both towers. */
static const gm_member open_clip_tower[] = {
    GM_HARMLESS("mlp_ratio", "the weights have the widths"),
    GM_HARMLESS("output_tokens", GM_WHY_OUTPUTS),
    GM_NULL("ls_init_value"),
    GM_ONLY("block_type", "\"default\"", "null"),
    GM_OFF("qk_norm"),
    GM_OFF("scaled_cosine_attn"),
    GM_OFF("scale_heads"),
    GM_OFF("scale_attn_inner"),
    GM_OFF("scale_attn"),
    GM_OFF("scale_fc"),
    GM_MEMBERS_END,
};

static const gm_member open_clip_vision[] = {
    GM_SIZE("layers", V_LAYERS),
    GM_SIZE("width", V_DIM),
    GM_SIZE("patch_size", CLIP_PATCH),
    GM_SIZE("image_size", CLIP_IMAGE),
    GM_READ("head_width"),
    GM_HARMLESS("patch_dropout", GM_WHY_TRAINING),
    GM_OFF("attentional_pool"),
    GM_HARMLESS("attn_pooler_queries", UNUSED),
    GM_HARMLESS("attn_pooler_heads", UNUSED),
    GM_OFF("global_average_pool"),
    GM_OFF("no_ln_pre"),
    GM_OFF("input_patchnorm"),
    GM_HARMLESS("pos_embed_type", "the weights have the positions"),
    GM_HARMLESS("final_ln_after_pool", "the same for a pooled token"),
    GM_ONLY("pool_type", "\"tok\""),
    GM_NULL("timm_model_name"),
    GM_HARMLESS("timm_*", UNUSED),
    GM_MEMBERS_END,
};

static const gm_member open_clip_text[] = {
    GM_SIZE("layers", T_LAYERS),
    GM_SIZE("width", T_DIM),
    GM_SIZE("context_length", T_ROWS),
    GM_SIZE("vocab_size", T_VOCAB),
    GM_READ("heads"),
    GM_HARMLESS("pad_id", "padding follows the text, which does not see it"),
    GM_HARMLESS("eos_id", "of another pooling"),
    GM_OFF("embed_cls"),
    GM_OFF("no_causal_mask"),
    GM_HARMLESS("final_ln_after_pool", "the same for a pooled token"),
    GM_ONLY("pool_type", "\"argmax\""),
    GM_ONLY("proj_type", "\"linear\""),
    GM_OFF("proj_bias"),
    GM_NULL("hf_tokenizer_name"),
    GM_NULL("tokenizer_mode"),
    GM_NULL("hf_model_name"),
    GM_HARMLESS("hf_*", UNUSED),
    GM_MEMBERS_END,
};

static const gm_member open_clip_tokenizer[] = {
    GM_ONLY("clean", "\"lower\""),
    GM_ONLY("reduction_mask", "\"\"", "null"),
    GM_ONLY("additional_special_tokens", "[]", "null"),
    GM_MEMBERS_END,
};

static const gm_member open_clip_act[] = {
    GM_ONLY("approximate", "\"none\"", "\"tanh\""),
    GM_MEMBERS_END,
};

static const gm_member open_clip_norm[] = {
    GM_READ("eps"),
    GM_ONLY("elementwise_affine", "true"),
    GM_ONLY("bias", "true"),
    GM_MEMBERS_END,
};

static const gm_member open_clip_pixels[] = {
    GM_READ("mean"),
    GM_READ("std"),
    GM_ONLY("mode", "\"RGB\"", "null"),
    GM_ONLY("interpolation", "\"bicubic\"", "null"),
    GM_ONLY("resize_mode", "\"shortest\"", "\"squash\"", "null"),
    GM_HARMLESS("size", "open_clip takes the model's image_size"),
    GM_HARMLESS("fill_color", "of another resize_mode"),
    GM_MEMBERS_END,
};

static const gm_config_rows open_clip_rows[] = {
    {"model_cfg", open_clip_model},
    {"model_cfg.vision_cfg", open_clip_vision},
    {"model_cfg.vision_cfg", open_clip_tower},
    {"model_cfg.vision_cfg.act_kwargs", open_clip_act},
    {"model_cfg.vision_cfg.norm_kwargs", open_clip_norm},
    {"model_cfg.text_cfg", open_clip_text},
    {"model_cfg.text_cfg", open_clip_tower},
    {"model_cfg.text_cfg.act_kwargs", open_clip_act},
    {"model_cfg.text_cfg.norm_kwargs", open_clip_norm},
    {"model_cfg.text_cfg.tokenizer_kwargs", open_clip_tokenizer},
    {"preprocess_cfg", open_clip_pixels},
};

/* The files of open_clip's own model_configs hold the object that is model_cfg elsewhere. */
static bool prepare_open_clip(json_t **root) {
  if (json_object_get(*root, "model_cfg") || !json_object_get(*root, "vision_cfg")) return true;
  json_t *outer = json_object();
  if (!outer) return false;
  if (json_object_set_new(outer, "model_cfg", *root) != 0) {
    *root = NULL; /* jansson has released it */
    json_decref(outer);
    return false;
  }
  *root = outer;
  return true;
}

static const gm_config_file open_clip_files[] = {
    GM_CONFIG(OPEN_CLIP_CONFIG, open_clip_rows, prepare_open_clip),
};

/* ---- Hugging Face's tables */

static const gm_member clip_root[] = {
    GM_ONLY("model_type", "\"clip\"", "null"),
    GM_SIZE("projection_dim", CLIP_FEATURES),
    GM_HARMLESS("logit_scale_init_value", GM_WHY_INITIAL),
    GM_HARMLESS("eos_token_id", "the text tower's own counts"),
    GM_MEMBERS_END,
};

/* Of both towers. */
static const gm_member clip_tower[] = {
    GM_HARMLESS("projection_dim", "that of the whole model counts"),
    GM_HARMLESS("dropout", GM_WHY_TRAINING),
    GM_HARMLESS("attention_dropout", GM_WHY_TRAINING),
    GM_READ("num_attention_heads"),
    GM_READ("hidden_act"),
    GM_READ("layer_norm_eps"),
    GM_MEMBERS_END,
};

static const gm_member clip_text[] = {
    GM_ONLY("model_type", "\"clip_text_model\"", "null"),
    GM_SIZE("vocab_size", T_VOCAB),
    GM_SIZE("hidden_size", T_DIM),
    GM_SIZE("intermediate_size", T_FFN),
    GM_SIZE("num_hidden_layers", T_LAYERS),
    GM_SIZE("max_position_embeddings", T_ROWS),
    GM_READ("eos_token_id"),
    GM_MEMBERS_END,
};

static const gm_member clip_vision[] = {
    GM_ONLY("model_type", "\"clip_vision_model\"", "null"),
    GM_SIZE("hidden_size", V_DIM),
    GM_SIZE("intermediate_size", V_FFN),
    GM_SIZE("num_hidden_layers", V_LAYERS),
    GM_SIZE("image_size", CLIP_IMAGE),
    GM_SIZE("patch_size", CLIP_PATCH),
    GM_ONLY("num_channels", "3"),
    GM_HARMLESS("eos_token_id", GM_WHY_OF_TEXT),
    GM_MEMBERS_END,
};

static const gm_config_rows config_rows[] = {
    {"", clip_root},
    GM_COMMON_ROWS(""),
    {"text_config", clip_text},
    {"text_config", clip_tower},
    GM_COMMON_ROWS("text_config"),
    {"vision_config", clip_vision},
    {"vision_config", clip_tower},
    GM_COMMON_ROWS("vision_config"),
};

static const gm_member clip_tokens[] =
    GM_SPECIAL_TOKEN_MEMBERS("\"<|startoftext|>\"", "\"<|endoftext|>\"", "\"<|endoftext|>\"");

static const gm_member clip_tokenizer[] = {
    GM_ONLY("tokenizer_class", "\"CLIPTokenizer\"", "\"CLIPTokenizerFast\"", "null"),
    GM_ONLY("do_lower_case", "true", "null"),
    GM_OFF("add_prefix_space"),
    GM_HARMLESS("add_bos_token", "the text is always between its two tokens"),
    GM_MEMBERS_END,
};

static const gm_config_rows special_rows[] = {{"", clip_tokens}};
static const gm_config_rows tokenizer_rows[] = {
    {"", clip_tokens},
    {"", clip_tokenizer},
    {"", gm_tokenizer_members},
};

/* CLIP generates nothing, so any member is harmless. */
static const gm_member generation[] = {
    GM_HARMLESS("*", "no text is generated"),
    GM_MEMBERS_END,
};
static const gm_config_rows generation_rows[] = {{"", generation}};

/* text_config_dict and vision_config_dict, complete with defaults, override text_config and
 * vision_config in transformers 4 and 5. */
static bool prepare_config(json_t **root) {
  static const char *const names[2][2] = {{"text_config_dict", "text_config"},
                                          {"vision_config_dict", "vision_config"}};
  for (int i = 0; i < 2; i++) {
    json_t *value = json_object_get(*root, names[i][0]);
    if (json_is_object(value) && json_object_set(*root, names[i][1], value) != 0) return false;
    if (json_is_object(value) || json_is_null(value)) json_object_del(*root, names[i][0]);
  }
  return true;
}

static const gm_config_file huggingface_files[] = {
    GM_CONFIG(CONFIG, config_rows, prepare_config),
    GM_CONFIG(PREPROCESSOR, gm_preprocessor_rows, NULL),
    GM_CONFIG(PROCESSOR, gm_processor_rows, NULL),
    GM_CONFIG(GM_TOKENIZER_CONFIG, tokenizer_rows, NULL),
    GM_CONFIG(GM_SPECIAL_TOKENS, special_rows, NULL),
    GM_CONFIG(GM_GENERATION_CONFIG, generation_rows, NULL),
    GM_CONFIG(GM_ADDED_TOKENS, gm_added_rows, NULL),
    /* last: a large file */
    GM_CONFIG(GM_TOKENIZER_JSON, gm_clip_tokenizer_rows, NULL),
};

#define COUNT(files) (sizeof(files) / sizeof((files)[0]))

/* ---- open_clip */

/* Checks open_clip's default for an absent member: if it differs from the weights' sizes,
 * open_clip would resize the positions. */
static gm_status check_default(const json_t *model, const char *path, size_t upstream,
                               size_t weights, gm_error *err) {
  if (gm_json_at(model, path) || weights == upstream) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 OPEN_CLIP_CONFIG
                 ": model_cfg.%s is absent, so open_clip takes %zu, but the weights have %zu",
                 path, upstream, weights);
}

static gm_status read_tower(const json_t *model, const char *tower, bool quick,
                            const char **act, float *eps, gm_error *err) {
  char path[64];
  const char *form = NULL;
  snprintf(path, sizeof path, "%s.norm_kwargs.eps", tower);
  GM_TRY(gm_json_f32(model, path, 1e-12f, 1, eps, OPEN_CLIP_CONFIG, err));
  snprintf(path, sizeof path, "%s.act_kwargs.approximate", tower);
  GM_TRY(gm_json_string(model, path, &form, OPEN_CLIP_CONFIG, err));
  if (form && quick)
    return gm_fail(err, GM_ERR_MODEL,
                   OPEN_CLIP_CONFIG ": model_cfg.%s: found it beside quick_gelu, which has no "
                                    "such forms",
                   path);
  *act = quick ? "quick_gelu" : form && strcmp(form, "tanh") == 0 ? "gelu_tanh" : "gelu";
  return GM_OK;
}

static gm_status read_open_clip_pixels(const json_t *pixels, clip_settings *s, gm_error *err) {
  const char *mode = "shortest";
  if (!pixels) return GM_OK;
  GM_TRY(gm_json_string(pixels, "resize_mode", &mode, OPEN_CLIP_CONFIG, err));
  s->resize.squash = strcmp(mode, "squash") == 0;
  GM_TRY(
      gm_json_f32_array(pixels, "mean", 3, -1e3f, 1e3f, s->norm.mean, OPEN_CLIP_CONFIG, err));
  return gm_json_f32_array(pixels, "std", 3, 1e-6f, 1e3f, s->norm.std, OPEN_CLIP_CONFIG, err);
}

static gm_status read_open_clip(const json_t *root, const size_t *dims, clip_settings *s,
                                gm_error *err) {
  const json_t *model = gm_json_at(root, "model_cfg");
  bool quick = json_is_true(gm_json_at(model, "quick_gelu"));
  GM_TRY(check_default(model, "vision_cfg.image_size", 224, dims[CLIP_IMAGE], err));
  GM_TRY(check_default(model, "text_cfg.context_length", 77, dims[T_ROWS], err));
  GM_TRY(read_tower(model, "vision_cfg", quick, &s->act, &s->eps, err));
  GM_TRY(read_tower(model, "text_cfg", quick, &s->text_act, &s->text_eps, err));
  uint32_t head_width = OPENAI_HEAD_WIDTH;
  GM_TRY(
      gm_json_u32(model, "vision_cfg.head_width", 1, 4096, &head_width, OPEN_CLIP_CONFIG, err));
  s->vision_heads = (uint32_t)dims[V_DIM] / head_width;
  s->text_heads = 8;
  GM_TRY(gm_json_u32(model, "text_cfg.heads", 1, 1024, &s->text_heads, OPEN_CLIP_CONFIG, err));
  return read_open_clip_pixels(gm_json_at(root, "preprocess_cfg"), s, err);
}

static gm_status read_fused(const gm_source *source, const size_t *dims, clip_settings *s,
                            gm_error *err) {
  const char *layout = source->params ? source->params->layout : NULL;
  bool openai = layout && strcmp(layout, "openai") == 0;
  bool open_clip = layout && !openai;
  s->vision_heads = (uint32_t)dims[V_DIM] / OPENAI_HEAD_WIDTH;
  s->text_heads = (uint32_t)dims[T_DIM] / OPENAI_HEAD_WIDTH;
  s->act = s->text_act = open_clip ? "gelu" : "quick_gelu";
  if (openai) return GM_OK;
  GM_TRY(
      gm_configs_open(&s->configs, source, open_clip_files, COUNT(open_clip_files), dims, err));
  const json_t *root = gm_configs_root(&s->configs, OPEN_CLIP_CONFIG);
  return root ? read_open_clip(root, dims, s, err) : GM_OK;
}

/* ---- Hugging Face */

static gm_status read_activation(const json_t *config, const char *path, const char **out,
                                 gm_error *err) {
  static const char *const names[][2] = {
      {"quick_gelu", "quick_gelu"},       {"gelu", "gelu"},
      {"gelu_new", "gelu_tanh"},          {"gelu_fast", "gelu_tanh"},
      {"gelu_pytorch_tanh", "gelu_tanh"},
  };
  const char *name = "quick_gelu";
  GM_TRY(gm_json_string(config, path, &name, CONFIG, err));
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(names[i][0], name) != 0) continue;
    *out = names[i][1];
    return GM_OK;
  }
  return gm_fail(err, GM_ERR_MODEL,
                 CONFIG ": %s: found \"%.60s\"; only quick_gelu, gelu and gelu_pytorch_tanh "
                        "(gelu_new, gelu_fast) are computed",
                 path, name);
}

static gm_status read_config(const json_t *config, clip_settings *s, gm_error *err) {
  int32_t eos = -1;
  s->vision_heads = 12; /* CLIPVisionConfig's and CLIPTextConfig's defaults */
  s->text_heads = 8;
  GM_TRY(read_activation(config, "vision_config.hidden_act", &s->act, err));
  GM_TRY(read_activation(config, "text_config.hidden_act", &s->text_act, err));
  GM_TRY(gm_json_f32(config, "vision_config.layer_norm_eps", 1e-12f, 1, &s->eps, CONFIG, err));
  GM_TRY(
      gm_json_f32(config, "text_config.layer_norm_eps", 1e-12f, 1, &s->text_eps, CONFIG, err));
  GM_TRY(gm_json_u32(config, "vision_config.num_attention_heads", 1, 1024, &s->vision_heads,
                     CONFIG, err));
  GM_TRY(gm_json_u32(config, "text_config.num_attention_heads", 1, 1024, &s->text_heads, CONFIG,
                     err));
  GM_TRY(gm_json_i32(config, "text_config.eos_token_id", 0, INT32_MAX, &eos, CONFIG, err));
  s->eos_id = eos;
  return GM_OK;
}

/* transformers 4 prefers preprocessor_config.json, 5 the object in processor_config.json. If
 * both exist, they must agree. */
static gm_status read_pixels(const gm_configs *configs, clip_settings *s, gm_error *err) {
  const json_t *old = gm_configs_root(configs, PREPROCESSOR);
  const json_t *new = gm_json_at(gm_configs_root(configs, PROCESSOR), "image_processor");
  const char *file = new ? PROCESSOR ": image_processor" : PREPROCESSOR;
  if (!old && !new) return GM_OK;
  if (old && new) {
    gm_pixel_norm norm = openai_norm;
    gm_pixel_resize resize = s->resize;
    GM_TRY(gm_pixel_config_norm(old, PREPROCESSOR, &norm, err));
    GM_TRY(gm_pixel_config_resize(old, PREPROCESSOR, s->image_size, &resize, err));
    GM_TRY(gm_pixel_config_norm(new, file, &s->norm, err));
    GM_TRY(gm_pixel_config_resize(new, file, s->image_size, &s->resize, err));
    if (memcmp(&norm, &s->norm, sizeof norm) == 0 && resize.size == s->resize.size &&
        resize.squash == s->resize.squash)
      return GM_OK;
    return gm_fail(err, GM_ERR_MODEL,
                   PREPROCESSOR " and " PROCESSOR
                                ": found different preprocessing; transformers "
                                "4 takes the first, transformers 5 the second. Take one away");
  }
  GM_TRY(gm_pixel_config_norm(new ? new : old, file, &s->norm, err));
  return gm_pixel_config_resize(new ? new : old, file, s->image_size, &s->resize, err);
}

/* The text of a token: a string, or an object that holds one. */
static const char *token_text(const json_t *root, const char *name) {
  const json_t *token = root ? json_object_get(root, name) : NULL;
  return json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);
}

static void read_pad_token(const gm_configs *configs, clip_settings *s) {
  const char *pad = token_text(gm_configs_root(configs, GM_SPECIAL_TOKENS), "pad_token");
  if (!pad) pad = token_text(gm_configs_root(configs, GM_TOKENIZER_CONFIG), "pad_token");
  snprintf(s->pad_token, sizeof s->pad_token, "%s", pad ? pad : "");
}

static gm_status read_separate(const gm_source *source, const size_t *dims, clip_settings *s,
                               gm_error *err) {
  if (source->params && source->params->layout)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "%s: found Hugging Face's tensor names, which no other layout has; leave "
                   "the layout out",
                   source->weights->path);
  GM_TRY(gm_configs_open(&s->configs, source, huggingface_files, COUNT(huggingface_files), dims,
                         err));
  const json_t *config = gm_configs_root(&s->configs, CONFIG);
  if (!config)
    return gm_fail(err, GM_ERR_FILE_NOT_FOUND, "%s: found no " CONFIG " beside it",
                   source->weights->path);
  GM_TRY(read_config(config, s, err));
  GM_TRY(read_pixels(&s->configs, s, err));
  read_pad_token(&s->configs, s);
  return GM_OK;
}

gm_status gm_clip_config_read(clip_settings *s, const gm_source *source, const size_t *dims,
                              gm_error *err) {
  s->eps = s->text_eps = 1e-5f;
  s->image_size = (uint32_t)dims[CLIP_IMAGE];
  s->norm = openai_norm;
  s->resize = (gm_pixel_resize){s->image_size, false};
  s->eos_id = -1;
  s->pad_token[0] = 0;
  return s->fused ? read_fused(source, dims, s, err) : read_separate(source, dims, s, err);
}
