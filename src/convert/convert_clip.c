/* convert_clip.c - CLIP checkpoints -> metadata keys (clip.* of clip_hparams.h, tokenizer.*)
 * and the plan of their tensors. Three sources of what no tensor tells:
 *
 *   openai       nothing beside the file: QuickGELU, heads 64 wide
 *   open_clip    open_clip_config.json: exact GELU unless quick_gelu, head_width, text heads
 *   huggingface  config.json: hidden_act, heads; preprocessor_config.json
 *
 * Sources: OpenAI's CLIP model.py, open_clip's model.py and factory.py, Hugging Face
 * transformers 4.32 (defaults of absent members). */
#include "clip_tensors.h"
#include "clip_vocabulary.h"
#include "embedded.h"
#include "json_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG "config.json"
#define OPEN_CLIP_CONFIG "open_clip_config.json"
#define PREPROCESSOR "preprocessor_config.json"

enum { OPENAI_HEAD_WIDTH = 64 };

/* The keys that shapes do not give. */
typedef struct clip_settings {
  bool fused, quick_gelu;
  float eps, logit_scale, mean[3], std[3];
  uint32_t image_size, vision_heads, text_heads;
} clip_settings;

static const float openai_mean[3] = {0.48145466f, 0.4578275f, 0.40821073f};
static const float openai_std[3] = {0.26862954f, 0.26130258f, 0.27577711f};

/* ---- small files */

/* The file as JSON; *out NULL where there is none. */
static gm_status optional_json(const gm_source *source, const char *name, json_t **out,
                               gm_error *err) {
  gm_status status = gm_source_json(source, name, out, err);
  if (status != GM_ERR_FILE_NOT_FOUND) return status;
  *out = NULL;
  if (err) *err = (gm_error){GM_OK, ""};
  return GM_OK;
}

/* A member that must be absent or have this value: a variant that is not computed. */
static gm_status want_value(const json_t *config, const char *path, json_t *wanted,
                            const char *file, gm_error *err) {
  const json_t *found = gm_json_at(config, path);
  bool same = !found || json_equal(found, wanted);
  char *text = same ? NULL : json_dumps(wanted, JSON_ENCODE_ANY);
  gm_status status = same ? GM_OK
                          : gm_fail(err, GM_ERR_MODEL, "%s: %s: only %s is computed", file,
                                    path, text ? text : "the default");
  free(text);
  json_decref(wanted);
  return status;
}

/* ---- open_clip */

/* Members that change what is computed, and their one value here. */
static gm_status refuse_open_clip_variants(const json_t *model, gm_error *err) {
  static const char *const off[] = {
      "vision_cfg.attentional_pool", "vision_cfg.global_average_pool", "vision_cfg.no_ln_pre",
      "vision_cfg.input_patchnorm",  "text_cfg.no_causal_mask",        "text_cfg.embed_cls",
  };
  static const char *const absent[] = {
      "vision_cfg.timm_model_name",
      "vision_cfg.ls_init_value",
      "text_cfg.ls_init_value",
      "text_cfg.hf_model_name",
  };
  for (size_t i = 0; i < sizeof off / sizeof off[0]; i++)
    GM_TRY(want_value(model, off[i], json_false(), OPEN_CLIP_CONFIG, err));
  for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
    GM_TRY(want_value(model, absent[i], json_null(), OPEN_CLIP_CONFIG, err));
  GM_TRY(want_value(model, "vision_cfg.pool_type", json_string("tok"), OPEN_CLIP_CONFIG, err));
  return want_value(model, "text_cfg.pool_type", json_string("argmax"), OPEN_CLIP_CONFIG, err);
}

static gm_status read_open_clip(const json_t *root, const size_t *dims, clip_settings *s,
                                gm_error *err) {
  const json_t *model = gm_json_at(root, "model_cfg");
  if (!model) model = root;
  GM_TRY(refuse_open_clip_variants(model, err));
  const json_t *quick = gm_json_at(model, "quick_gelu");
  s->quick_gelu = quick && json_is_true(quick);
  uint32_t head_width = OPENAI_HEAD_WIDTH;
  GM_TRY(
      gm_json_u32(model, "vision_cfg.head_width", 1, 4096, &head_width, OPEN_CLIP_CONFIG, err));
  s->vision_heads = (uint32_t)dims[V_DIM] / head_width;
  GM_TRY(gm_json_u32(model, "text_cfg.heads", 1, 1024, &s->text_heads, OPEN_CLIP_CONFIG, err));
  const json_t *pixels = gm_json_at(root, "preprocess_cfg");
  if (!pixels) return GM_OK;
  GM_TRY(want_value(pixels, "interpolation", json_string("bicubic"), OPEN_CLIP_CONFIG, err));
  GM_TRY(want_value(pixels, "resize_mode", json_string("shortest"), OPEN_CLIP_CONFIG, err));
  GM_TRY(gm_json_f32_array(pixels, "mean", 3, 0, 1, s->mean, OPEN_CLIP_CONFIG, err));
  return gm_json_f32_array(pixels, "std", 3, 1e-6f, 1e3f, s->std, OPEN_CLIP_CONFIG, err);
}

/* ---- Hugging Face */

static gm_status read_activation(const json_t *config, const char *path, bool *quick_gelu,
                                 gm_error *err) {
  const char *name = "quick_gelu";
  GM_TRY(gm_json_string(config, path, &name, CONFIG, err));
  *quick_gelu = strcmp(name, "quick_gelu") == 0;
  if (*quick_gelu || strcmp(name, "gelu") == 0) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 CONFIG ": %s: found \"%.60s\"; only quick_gelu and gelu are computed", path,
                 name);
}

static gm_status read_huggingface(const json_t *config, clip_settings *s, gm_error *err) {
  bool text_quick;
  float text_eps = s->eps;
  s->vision_heads = 12; /* CLIPVisionConfig's and CLIPTextConfig's defaults */
  s->text_heads = 8;
  GM_TRY(read_activation(config, "vision_config.hidden_act", &s->quick_gelu, err));
  GM_TRY(read_activation(config, "text_config.hidden_act", &text_quick, err));
  GM_TRY(
      gm_json_f32(config, "vision_config.layer_norm_eps", 1e-12f, 1e-2f, &s->eps, CONFIG, err));
  GM_TRY(
      gm_json_f32(config, "text_config.layer_norm_eps", 1e-12f, 1e-2f, &text_eps, CONFIG, err));
  if (text_quick != s->quick_gelu || memcmp(&text_eps, &s->eps, sizeof text_eps) != 0)
    return gm_fail(err, GM_ERR_MODEL,
                   CONFIG ": found hidden_act or layer_norm_eps to differ between "
                          "vision_config and text_config; wanted the same for both");
  GM_TRY(gm_json_u32(config, "vision_config.num_attention_heads", 1, 1024, &s->vision_heads,
                     CONFIG, err));
  return gm_json_u32(config, "text_config.num_attention_heads", 1, 1024, &s->text_heads, CONFIG,
                     err);
}

static gm_status read_preprocessor(const json_t *root, clip_settings *s, gm_error *err) {
  GM_TRY(want_value(root, "resample", json_integer(3), PREPROCESSOR, err));
  GM_TRY(want_value(root, "do_center_crop", json_true(), PREPROCESSOR, err));
  GM_TRY(want_value(root, "do_normalize", json_true(), PREPROCESSOR, err));
  GM_TRY(gm_json_f32_array(root, "image_mean", 3, 0, 1, s->mean, PREPROCESSOR, err));
  return gm_json_f32_array(root, "image_std", 3, 1e-6f, 1e3f, s->std, PREPROCESSOR, err);
}

/* ---- all layouts */

/* *value = exp(logit_scale). */
static gm_status read_logit_scale(gm_checkpoint *weights, float *value, gm_error *err) {
  size_t i = gm_checkpoint_find(weights, "logit_scale");
  if (i == SIZE_MAX || weights->tensors[i].n_elements != 1)
    return gm_fail(err, GM_ERR_MODEL, "%s: wanted a tensor logit_scale of one number",
                   weights->path);
  GM_TRY(gm_checkpoint_read(weights, i, 0, 1, value, err));
  *value = expf(*value);
  if (*value >= 1e-3f && *value <= 1e4f) return GM_OK;
  return gm_fail(
      err, GM_ERR_MODEL,
      "%s: found a logit scale of %g, wanted 1e-3 to 1e4; is the checkpoint damaged?",
      weights->path, (double)*value);
}

/* The positions are a class token and a square of patches. */
static gm_status read_image_size(const gm_checkpoint *weights, const size_t *dims,
                                 uint32_t *out, gm_error *err) {
  size_t grid = 1, cells = dims[V_ROWS] - 1;
  while (grid * grid < cells && grid < 2048) grid++;
  if (grid * grid != cells || grid * dims[CLIP_PATCH] > 2048)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: found %zu positions of patches of %zu pixels, wanted a class token and "
                   "a square of patches, at most 2048 pixels wide",
                   weights->path, dims[V_ROWS], dims[CLIP_PATCH]);
  *out = (uint32_t)(grid * dims[CLIP_PATCH]);
  return GM_OK;
}

static gm_status read_fused(const gm_source *source, const size_t *dims, clip_settings *s,
                            gm_error *err) {
  bool openai = source->layout && strcmp(source->layout, "openai") == 0;
  bool open_clip = source->layout && !openai;
  json_t *config = NULL;
  s->vision_heads = (uint32_t)dims[V_DIM] / OPENAI_HEAD_WIDTH;
  s->text_heads = (uint32_t)dims[T_DIM] / OPENAI_HEAD_WIDTH;
  s->quick_gelu = !open_clip;
  if (!openai) GM_TRY(optional_json(source, OPEN_CLIP_CONFIG, &config, err));
  gm_status status = config ? read_open_clip(config, dims, s, err) : GM_OK;
  json_decref(config);
  return status;
}

static gm_status read_separate(const gm_source *source, clip_settings *s, gm_error *err) {
  json_t *root;
  if (source->layout)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "%s: found Hugging Face's tensor names, which no other layout has; leave "
                   "the layout out",
                   source->weights->path);
  GM_TRY(gm_source_json(source, CONFIG, &root, err));
  gm_status status = read_huggingface(root, s, err);
  json_decref(root);
  GM_TRY(status);
  GM_TRY(optional_json(source, PREPROCESSOR, &root, err));
  if (root) status = read_preprocessor(root, s, err);
  json_decref(root);
  return status;
}

static gm_status check_heads(const gm_source *source, const char *tower, size_t width,
                             uint32_t heads, gm_error *err) {
  if (heads > 0 && heads <= 256 && width % heads == 0) return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 "%s: the %s tower has width %zu and %u heads; wanted 1 to 256 heads that "
                 "divide it",
                 source->weights->path, tower, width, heads);
}

static void put_settings(gm_gguf_writer *writer, const clip_settings *s, const size_t *dims) {
  gm_gguf_put_string(writer, "clip.layout", s->fused ? "openai" : "huggingface");
  gm_gguf_put_string(writer, "clip.activation", s->quick_gelu ? "quick_gelu" : "gelu");
  gm_gguf_put_f32(writer, "clip.layer_norm_epsilon", s->eps);
  gm_gguf_put_f32(writer, "clip.logit_scale", s->logit_scale);
  gm_gguf_put_u32(writer, "clip.image_size", s->image_size);
  gm_gguf_put_u32(writer, "clip.patch_size", (uint32_t)dims[CLIP_PATCH]);
  gm_gguf_put_u32(writer, "clip.vision.block_count", (uint32_t)dims[V_LAYERS]);
  gm_gguf_put_u32(writer, "clip.vision.head_count", s->vision_heads);
  gm_gguf_put_u32(writer, "clip.text.block_count", (uint32_t)dims[T_LAYERS]);
  gm_gguf_put_u32(writer, "clip.text.head_count", s->text_heads);
  gm_gguf_put_f32_array(writer, "clip.image_mean", s->mean, 3);
  gm_gguf_put_f32_array(writer, "clip.image_std", s->std, 3);
}

/* ---- vocabulary */

/* The name of the padding token: a string, or an object that holds one; NULL: not said. */
static const char *pad_token_of(const json_t *root) {
  const json_t *token = root ? json_object_get(root, "pad_token") : NULL;
  const json_t *name = json_is_object(token) ? json_object_get(token, "content") : token;
  return json_string_value(name);
}

static gm_status read_vocabulary_files(const gm_source *source, const void *vocab,
                                       size_t vocab_size, gm_clip_vocabulary *out,
                                       gm_error *err) {
  void *merges;
  size_t merges_size;
  GM_TRY(gm_source_bytes(source, "merges.txt", &merges, &merges_size, err));
  json_t *special = NULL;
  gm_status status = optional_json(source, "special_tokens_map.json", &special, err);
  if (status == GM_OK)
    status = gm_clip_vocabulary_from_files(out, vocab, vocab_size, merges, merges_size,
                                           pad_token_of(special), err);
  json_decref(special);
  free(merges);
  return status;
}

/* The checkpoint's own files, else OpenAI's merges, which come with the program. */
static gm_status read_vocabulary(const gm_source *source, gm_clip_vocabulary *out,
                                 gm_error *err) {
  void *vocab;
  size_t size;
  gm_status status = gm_source_bytes(source, "vocab.json", &vocab, &size, err);
  if (status == GM_OK) {
    status = read_vocabulary_files(source, vocab, size, out, err);
    free(vocab);
    return status;
  }
  gm_embedded merges;
  if (status != GM_ERR_FILE_NOT_FOUND || !gm_embedded_find("clip-merges.gz", &merges))
    return status;
  if (err) *err = (gm_error){GM_OK, ""};
  return gm_clip_vocabulary_from_merges_gz(out, merges.bytes, merges.size, err);
}

static gm_status convert_tokenizer(const gm_source *source, const size_t *dims,
                                   gm_gguf_writer *writer, gm_error *err) {
  gm_clip_vocabulary v = {0};
  GM_TRY(read_vocabulary(source, &v, err));
  gm_status status = GM_OK;
  if (v.n != dims[T_VOCAB])
    status = gm_fail(err, GM_ERR_MODEL,
                     "%s: found a vocabulary of %zu tokens, but the token embedding has %zu "
                     "rows; wanted the checkpoint's own vocab.json and merges.txt beside it",
                     source->weights->path, v.n, dims[T_VOCAB]);
  if (status == GM_OK) {
    gm_gguf_put_string(writer, "tokenizer.ggml.model", "clip");
    gm_gguf_put_string_array(writer, "tokenizer.ggml.tokens", v.tokens, v.n);
    gm_gguf_put_string_array(writer, "tokenizer.ggml.merges", v.merges, v.n_merges);
    gm_gguf_put_u32(writer, "tokenizer.ggml.bos_token_id", (uint32_t)v.start_id);
    gm_gguf_put_u32(writer, "tokenizer.ggml.eos_token_id", (uint32_t)v.end_id);
    gm_gguf_put_u32(writer, "tokenizer.ggml.padding_token_id", (uint32_t)v.pad_id);
  }
  gm_clip_vocabulary_free(&v);
  return status;
}

/* ---- the architecture */

static bool matches(const gm_source *source) {
  bool fused;
  return gm_clip_is_checkpoint(source->weights, &fused);
}

static gm_status read_clip(const gm_source *source, gm_gguf_writer *writer, gm_plan *plan,
                           gm_error *err) {
  size_t dims[GM_CLIP_N_DIMS];
  clip_settings s = {.eps = 1e-5f};
  memcpy(s.mean, openai_mean, sizeof s.mean);
  memcpy(s.std, openai_std, sizeof s.std);
  gm_clip_is_checkpoint(source->weights, &s.fused);
  GM_TRY(gm_clip_read_dims(dims, source->weights, s.fused, err));
  GM_TRY(read_logit_scale(source->weights, &s.logit_scale, err));
  GM_TRY(read_image_size(source->weights, dims, &s.image_size, err));
  GM_TRY(s.fused ? read_fused(source, dims, &s, err) : read_separate(source, &s, err));
  GM_TRY(check_heads(source, "image", dims[V_DIM], s.vision_heads, err));
  GM_TRY(check_heads(source, "text", dims[T_DIM], s.text_heads, err));
  put_settings(writer, &s, dims);
  GM_TRY(convert_tokenizer(source, dims, writer, err));
  return gm_plan_rules(plan, source->weights, gm_clip_rules + (s.fused ? 0 : gm_clip_n_fused),
                       s.fused ? gm_clip_n_fused : gm_clip_n_rules - gm_clip_n_fused, dims, 0,
                       err);
}

const gm_architecture gm_architecture_clip = {"clip", matches, read_clip, gm_clip_rules,
                                              &gm_clip_n_rules};
