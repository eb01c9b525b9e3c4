/* convert_clip.c - CLIP checkpoints -> metadata keys (clip.* of clip_hparams.h, tokenizer.*)
 * and the plan of their tensors. clip_config.c gives what no tensor's shape does. */
#include "clip_config.h"
#include "clip_hparams.h"
#include "clip_vocabulary.h"
#include "embedded.h"
#include "tokenizer_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
static gm_status read_image_size(const gm_checkpoint *weights, size_t *dims, gm_error *err) {
  size_t grid = 1, cells = dims[V_ROWS] - 1;
  while (grid * grid < cells && grid < 2048) grid++;
  if (grid * grid != cells || grid * dims[CLIP_PATCH] > 2048)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: found %zu positions of patches of %zu pixels, wanted a class token and "
                   "a square of patches, at most 2048 pixels wide",
                   weights->path, dims[V_ROWS], dims[CLIP_PATCH]);
  dims[CLIP_IMAGE] = grid * dims[CLIP_PATCH];
  return GM_OK;
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
  gm_gguf_put_string(writer, "clip.activation", s->act);
  gm_gguf_put_f32(writer, "clip.layer_norm_epsilon", s->eps);
  gm_gguf_put_f32(writer, "clip.logit_scale", s->logit_scale);
  gm_gguf_put_u32(writer, "clip.image_size", s->image_size);
  gm_gguf_put_u32(writer, "clip.patch_size", (uint32_t)dims[CLIP_PATCH]);
  gm_gguf_put_u32(writer, "clip.vision.block_count", (uint32_t)dims[V_LAYERS]);
  gm_gguf_put_u32(writer, "clip.vision.head_count", s->vision_heads);
  gm_gguf_put_u32(writer, "clip.text.block_count", (uint32_t)dims[T_LAYERS]);
  gm_gguf_put_u32(writer, "clip.text.head_count", s->text_heads);
  gm_gguf_put_f32_array(writer, "clip.image_mean", s->norm.mean, 3);
  gm_gguf_put_f32_array(writer, "clip.image_std", s->norm.std, 3);
  if (strcmp(s->text_act, s->act) != 0)
    gm_gguf_put_string(writer, GM_CLIP_TEXT_ACTIVATION, s->text_act);
  if (memcmp(&s->text_eps, &s->eps, sizeof s->eps) != 0)
    gm_gguf_put_f32(writer, GM_CLIP_TEXT_EPS, s->text_eps);
  if (s->resize.squash) gm_gguf_put_string(writer, GM_CLIP_RESIZE, "squash");
  if (s->resize.size != s->image_size)
    gm_gguf_put_u32(writer, GM_CLIP_RESIZE_SIZE, s->resize.size);
}

/* ---- vocabulary */

static gm_status read_vocabulary_files(const gm_source *source, const clip_settings *s,
                                       gm_clip_vocabulary *out, gm_error *err) {
  void *vocab, *merges = NULL;
  size_t vocab_size, merges_size;
  GM_TRY(gm_source_bytes(source, "vocab.json", &vocab, &vocab_size, err));
  gm_status status = gm_source_bytes(source, "merges.txt", &merges, &merges_size, err);
  if (status == GM_OK)
    status = gm_clip_vocabulary_from_files(out, vocab, vocab_size, merges, merges_size,
                                           s->pad_token[0] ? s->pad_token : NULL, err);
  free(vocab);
  free(merges);
  return status;
}

static bool same_strings(const char *const *a, size_t n_a, const char *const *b, size_t n_b) {
  bool same = n_a == n_b;
  for (size_t i = 0; same && i < n_a; i++) same = strcmp(a[i], b[i]) == 0;
  return same;
}

/* vocab.json and merges.txt, which transformers 4 reads, and tokenizer.json, which 5 reads. */
static gm_status read_own_vocabulary(const gm_source *source, const clip_settings *s,
                                     gm_clip_vocabulary *out, gm_error *err) {
  const json_t *json = gm_configs_root(&s->configs, GM_TOKENIZER_JSON);
  const char *pad = s->pad_token[0] ? s->pad_token : NULL;
  gm_status status = read_vocabulary_files(source, s, out, err);
  if (!json) return status;
  if (status == GM_ERR_FILE_NOT_FOUND) {
    if (err) *err = (gm_error){GM_OK, ""};
    return gm_clip_vocabulary_from_json(out, json, pad, err);
  }
  GM_TRY(status);
  gm_clip_vocabulary other;
  status = gm_clip_vocabulary_from_json(&other, json, pad, err);
  if (status == GM_OK &&
      (!same_strings(out->tokens, out->n, other.tokens, other.n) ||
       !same_strings(out->merges, out->n_merges, other.merges, other.n_merges)))
    status = gm_fail(err, GM_ERR_MODEL,
                     "vocab.json with merges.txt and " GM_TOKENIZER_JSON
                     ": found different vocabularies; transformers 4 takes the first, "
                     "transformers 5 the second. Take one away");
  gm_clip_vocabulary_free(&other);
  if (status != GM_OK) gm_clip_vocabulary_free(out);
  return status;
}

/* The checkpoint's own files, else OpenAI's merges, which come with the program. */
static gm_status read_vocabulary(const gm_source *source, const clip_settings *s,
                                 gm_clip_vocabulary *out, gm_error *err) {
  gm_status status = read_own_vocabulary(source, s, out, err);
  gm_embedded merges;
  if (status != GM_ERR_FILE_NOT_FOUND || !gm_embedded_find("clip-merges.gz", &merges))
    return status;
  if (err) *err = (gm_error){GM_OK, ""};
  return gm_clip_vocabulary_from_merges_gz(out, merges.bytes, merges.size, err);
}

static int64_t find_token(const void *vocabulary, const char *token) {
  const gm_clip_vocabulary *v = vocabulary;
  for (size_t i = v->n; i-- > 0;)
    if (strcmp(v->tokens[i], token) == 0) return (int64_t)i;
  return -1;
}

/* Hugging Face's text tower looks for the first token with the configuration's id; with 2, as
 * configurations before transformers 4.31 have it, for the largest id of the text. */
static gm_status check_end(const clip_settings *s, const gm_clip_vocabulary *v, gm_error *err) {
  if (s->eos_id < 0 || s->eos_id == v->end_id ||
      (s->eos_id == 2 && (size_t)v->end_id + 1 == v->n))
    return GM_OK;
  return gm_fail(err, GM_ERR_MODEL,
                 "config.json: text_config.eos_token_id: found %lld; only %d is computed, the "
                 "vocabulary's <|endoftext|>%s",
                 (long long)s->eos_id, v->end_id,
                 s->eos_id == 2 ? ", or 2 where no token has a larger id" : "");
}

static gm_status convert_tokenizer(const gm_source *source, const clip_settings *s,
                                   const size_t *dims, gm_gguf_writer *writer, gm_error *err) {
  gm_clip_vocabulary v = {0};
  GM_TRY(read_vocabulary(source, s, &v, err));
  gm_status status = GM_OK;
  if (v.n != dims[T_VOCAB])
    status = gm_fail(err, GM_ERR_MODEL,
                     "%s: found a vocabulary of %zu tokens, but the token embedding has %zu "
                     "rows; wanted the checkpoint's own vocab.json and merges.txt (or "
                     "tokenizer.json) beside it",
                     source->weights->path, v.n, dims[T_VOCAB]);
  if (status == GM_OK) status = check_end(s, &v, err);
  if (status == GM_OK) status = gm_check_listed_tokens(&s->configs, find_token, &v, err);
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

static gm_status read_settings(const gm_source *source, clip_settings *s, size_t *dims,
                               gm_gguf_writer *writer, gm_error *err) {
  GM_TRY(gm_clip_config_read(s, source, dims, err));
  GM_TRY(check_heads(source, "image", dims[V_DIM], s->vision_heads, err));
  GM_TRY(check_heads(source, "text", dims[T_DIM], s->text_heads, err));
  put_settings(writer, s, dims);
  return convert_tokenizer(source, s, dims, writer, err);
}

static gm_status read_clip(const gm_source *source, gm_gguf_writer *writer, gm_plan *plan,
                           gm_error *err) {
  size_t dims[GM_CLIP_N_DIMS];
  clip_settings s = {0};
  gm_clip_is_checkpoint(source->weights, &s.fused);
  GM_TRY(gm_clip_read_dims(dims, source->weights, s.fused, err));
  GM_TRY(read_logit_scale(source->weights, &s.logit_scale, err));
  GM_TRY(read_image_size(source->weights, dims, err));
  gm_status status = read_settings(source, &s, dims, writer, err);
  gm_configs_close(&s.configs);
  GM_TRY(status);
  gm_tensor_rules rules = {.n = 0};
  gm_clip_tensor_rules(&rules, dims, s.fused);
  return gm_plan_rules(plan, source->weights, &rules, 0, err);
}

static void all_rules(gm_tensor_rules *out) {
  out->n = 0;
  gm_clip_tensor_rules(out, NULL, true);
  gm_clip_tensor_rules(out, NULL, false);
}

#define BUFFER "a buffer of its positions, which need no table"

static const gm_spare_tensor spare[] = {
    {"logit_scale", "it is a key of the model file"},
    {"logit_bias", "adds the same to every class"},
    {"*position_ids", BUFFER},
    {"*attn_mask", "the causal mask, which needs no table"},
    {"input_resolution", "the weights have the positions"},
    {"context_length", "the weights have the positions"},
    {"vocab_size", "the weights have the token embedding"},
    {NULL, NULL},
};

const gm_architecture gm_architecture_clip = {
    .name = "clip", .matches = matches, .read = read_clip, .rules = all_rules, .spare = spare};
