/* synthetic.c - see synthetic.h. The tensors are those of Groma's and CLIP's tables; the model
 * is built by the same plan that converts a checkpoint. */
#include "synthetic.h"

#include "clip_tensors.h"
#include "convert.h"
#include "embedded.h"
#include "groma_tensors.h"
#include "rng.h"
#include "types.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ODD 0x9E3779B97F4A7C15u

typedef struct synthetic {
  gm_checkpoint base;
  struct value {
    uint64_t hash;
    float base, scale;
  } * values; /* parallel to base.tensors */
} synthetic;

/* ---- values */

/* The first row whose strings all occur in the name is used. fan: the scale is a gain on sqrt(3
 * / inputs of a row). */
static const struct rule {
  const char *first, *second;
  float base;
  double scale;
  bool fan;
} value_rules[] = {
    {"lambda1", "", 0.3f, 0.2, false},
    {"class_embed", "weight", 0, 0.4, false},
    {"class_embed", "bias", -1.2f, 0, false},
    {"bbox_embed", "layers.2.weight", 0, 0.12, false},
    {"bbox_embed", "layers.2.bias", 0, 0.5, false},
    {"sampling_offsets.weight", "", 0, 0.1, false},
    {"sampling_offsets.bias", "", 0, 2.0, false},
    {"position_embeddings", "", 0, 0.5, false},
    {"cls_token", "", 0, 0.5, false},
    {"mask_token", "", 0, 0, false},
    {"level_embed", "", 0, 0.5, false},
    {"query_position", "", 0, 1.0, false},
    {"embed_tokens", "", 0, 0.5, false},
    {"new_input_embs", "", 0, 0.5, false},
    {"lm_head", "", 0, 3.0, true},
    {"norm", "weight", 1, 0.1, false},
    {".gn.weight", "", 1, 0.1, false},
    {"pos_embedd.2.weight", "", 1, 0.1, false},
    {"pos_embedd.5.weight", "", 1, 0.1, false},
    {"input_proj.0.1.weight", "", 1, 0.1, false},
    {"class_embedding", "", 0, 0.5, false},
    {"positional_embedding", "", 0, 0.5, false},
    {"ln_", "weight", 1, 0.1, false},
    {"logit_scale", "", 4.6052f, 0, false},
    {"bias", "", 0, 0.05, false},
    {"fuse_convs", "conv.weight", 0, 1.4, true},
    {"pconvs", "weight", 0, 1.4, true},
    {"weight", "", 0, 1.0, true},
    {"proj", "", 0, 1.0, true},
};

void gm_synthetic_rule(const char *name, const size_t *shape, uint32_t n_dims, float *base,
                       float *scale) {
  double inputs = 1;
  for (uint32_t d = 1; d < n_dims; d++) inputs *= (double)shape[d];
  *base = *scale = 0;
  for (size_t i = 0; i < sizeof value_rules / sizeof value_rules[0]; i++) {
    const struct rule *rule = &value_rules[i];
    if (!strstr(name, rule->first) || !strstr(name, rule->second)) continue;
    *base = rule->base;
    *scale = (float)(rule->fan ? sqrt(3.0 / inputs) * rule->scale : rule->scale);
    return;
  }
}

float gm_synthetic_unit(uint64_t name_hash, uint64_t index) {
  return (float)(gm_mix64(name_hash ^ (index * ODD)) >> 40) * 0x1p-23f - 1.0f;
}

static gm_status synthetic_read(gm_checkpoint *self, size_t i, size_t first, size_t n,
                                float *out, gm_error *err) {
  (void)err;
  assert(i < self->n_tensors);
  struct value v = ((synthetic *)self)->values[i];
  for (size_t k = 0; k < n; k++)
    out[k] = v.base + v.scale * gm_synthetic_unit(v.hash, first + k);
  return GM_OK;
}

static void synthetic_close(gm_checkpoint *self) {
  free(((synthetic *)self)->values);
}

/* ---- blocks of random levels, with values spread over [-scale, scale) like real ones */

static void random_bytes(void *out, size_t n, uint64_t seed) {
  unsigned char *to = out;
  for (uint64_t k = 0; n > 0; k++) {
    uint64_t word = gm_mix64(seed + k * ODD);
    size_t part = n < sizeof word ? n : sizeof word;
    memcpy(to, &word, part);
    to += part;
    n -= part;
  }
}

static void fill_block(gm_type type, void *out, float scale, uint64_t seed) {
  if (type == GM_TYPE_Q8_0) {
    gm_block_q8_0 *b = out;
    random_bytes(b->qs, sizeof b->qs, seed);
    b->d = gm_f32_to_f16(scale / 127);
  } else if (type == GM_TYPE_Q4_0) {
    gm_block_q4_0 *b = out;
    random_bytes(b->qs, sizeof b->qs, seed);
    b->d = gm_f32_to_f16(scale / 8);
  } else if (type == GM_TYPE_Q4_K) {
    gm_block_q4_k *b = out;
    random_bytes(b->qs, sizeof b->qs, seed);
    /* All scales and mins are 32: levels 0..15 in steps of 2/15 scale, from -scale up. */
    memset(b->scales, 32, 8);
    memset(b->scales + 8, 0, 4);
    for (int s = 0; s < 8; s++) b->scales[s] = (uint8_t)(32 | 2 << 6);
    b->d = gm_f32_to_f16(2 * scale / (15 * 32));
    b->dmin = gm_f32_to_f16(scale / 32);
  } else if (type == GM_TYPE_Q6_K) {
    gm_block_q6_k *b = out;
    random_bytes(b->ql, sizeof b->ql, seed);
    random_bytes(b->qh, sizeof b->qh, gm_mix64(seed));
    memset(b->scales, 64, sizeof b->scales);
    b->d = gm_f32_to_f16(scale / (32 * 64));
  }
}

static void fill_blocks(const gm_checkpoint *weights, size_t i, gm_type type, size_t first,
                        size_t n, void *out) {
  const struct value *v = &((const synthetic *)weights)->values[i];
  const gm_type_traits *traits = gm_type_traits_of(type);
  unsigned char *to = out;
  assert(first % traits->block == 0 && n % traits->block == 0);
  for (size_t k = 0; k < n; k += traits->block, to += traits->block_bytes)
    fill_block(type, to, v->scale, gm_mix64(v->hash ^ (first + k) * ODD));
}

/* ---- shapes of Groma-7B */

static void groma_dims(size_t dims[GM_GROMA_N_DIMS], size_t llm_layers) {
  const size_t values[GM_GROMA_N_DIMS] = {
      [LLM_LAYERS] = llm_layers,
      [LLM_DIM] = 4096,
      [LLM_FFN] = 11008,
      [LLM_Q] = 4096,
      [LLM_KV] = 4096,
      [BASE_VOCAB] = 32000,
      [ADDED_VOCAB] = 114,
      [VIT_LAYERS] = 24,
      [VIT_DIM] = 1024,
      [VIT_FFN] = 4096,
      [VIT_ROWS] = 1 + 37 * 37,
      [PATCH] = 14,
      [ENC_LAYERS] = 6,
      [ENC_FFN] = 1024,
      [ENC_OFFSETS] = 8 * 4 * 2,
      [ENC_WEIGHTS] = 8 * 4,
      [DEC_LAYERS] = 6,
      [DEC_FFN] = 1024,
      [DEC_OFFSETS] = 8 * 4 * 2,
      [DEC_WEIGHTS] = 8 * 4,
      [PROP_DIM] = 256,
      [QUERIES] = 300,
      [LEVELS] = 1,
      [BOX1] = 256,
      [BOX2] = 256,
      [FUSE_CONVS] = 5,
      [REGION_DIM] = 1024,
      [REGION_FLAT] = 1024,
      [REGION_BINS] = 1024 * 14 * 14,
      [REGION_POS] = 256,
  };
  memcpy(dims, values, sizeof values);
}

/* What the shapes do not give; the rest is upstream's default. */
static const char config[] =
    "{\"perceiver_cfg\": {\"vis_output_layer\": -2,"
    "  \"vis_encoder_cfg\": {\"num_attention_heads\": 16},"
    "  \"ddetr_cfg\": {\"two_stage_num_proposals\": 300}},"
    " \"llm_cfg\": {\"num_attention_heads\": 32, \"rms_norm_eps\": 1e-5,"
    "  \"max_position_embeddings\": 2048},"
    " \"nms_thres\": 0.6, \"box_score_thres\": 0.15, \"max_region_num\": 100}";

/* ---- shapes of CLIP (arXiv 2103.00020) */

typedef struct clip_shape {
  const char *name;
  size_t patch, grid, vision_layers, vision_dim, text_dim, features;
} clip_shape;

static const clip_shape clip_shapes[] = {
    {"clip-vit-b-32", 32, 7, 12, 768, 512, 512},
    {"clip-vit-l-14", 14, 16, 24, 1024, 768, 768},
};

static const clip_shape *clip_shape_of(const char *name) {
  for (size_t i = 0; i < sizeof clip_shapes / sizeof clip_shapes[0]; i++)
    if (strcmp(name, clip_shapes[i].name) == 0) return &clip_shapes[i];
  return NULL;
}

static void clip_dims(size_t dims[GM_CLIP_N_DIMS], const clip_shape *s) {
  const size_t values[GM_CLIP_N_DIMS] = {
      [CLIP_PATCH] = s->patch,
      [CLIP_FEATURES] = s->features,
      [V_LAYERS] = s->vision_layers,
      [V_DIM] = s->vision_dim,
      [V_FFN] = 4 * s->vision_dim,
      [V_ROWS] = 1 + s->grid * s->grid,
      [T_LAYERS] = 12,
      [T_DIM] = s->text_dim,
      [T_FFN] = 4 * s->text_dim,
      [T_ROWS] = 77,
      [T_VOCAB] = 49408,
  };
  memcpy(dims, values, sizeof values);
}

/* ---- the checkpoint */

static gm_status add_tensor(synthetic *s, const char *name, const gm_tensor_rule *rule,
                            gm_error *err) {
  uint64_t shape[GM_MAX_DIMS];
  uint32_t n_dims = rule->n_dims;
  assert(n_dims <= GM_MAX_DIMS);
  for (uint32_t d = 0; d < n_dims; d++) shape[d] = rule->shape[d];
  size_t i = s->base.n_tensors;
  GM_TRY(
      gm_checkpoint_add(&s->base, name, strlen(name), "F32", GM_TYPE_F32, n_dims, shape, err));
  struct value *values = realloc(s->values, (i + 1) * sizeof *values);
  if (!values) return gm_fail_memory(err, name, (i + 1) * sizeof *values);
  s->values = values;
  values[i].hash = gm_fnv1a(name, strlen(name));
  gm_synthetic_rule(name, s->base.tensors[i].shape, n_dims, &values[i].base, &values[i].scale);
  return GM_OK;
}

static gm_status list_tensors(synthetic *s, const gm_tensor_rules *rules, gm_error *err) {
  for (size_t r = 0; r < rules->n; r++) {
    const gm_tensor_rule *rule = &rules->rules[r];
    if (strcmp(rule->name, rule->from) != 0) continue; /* another part of a listed tensor */
    for (size_t layer = 0; layer < rule->layers; layer++) {
      char name[GM_MAX_RULE_NAME + 1];
      gm_rule_name(name, rule->prefix, rule->from, layer);
      GM_TRY(add_tensor(s, name, rule, err));
    }
  }
  return GM_OK;
}

/* The language model's layers, by the name; 0 if there is no such model. */
static size_t layers_of(const char *name) {
  static const char family[] = "groma-7b";
  if (strncmp(name, family, sizeof family - 1) != 0) return 0;
  const char *rest = name + sizeof family - 1;
  if (!*rest) return 32;
  char *end;
  unsigned long layers =
      rest[0] == '-' && rest[1] >= '1' && rest[1] <= '9' ? strtoul(rest + 1, &end, 10) : 0;
  return layers >= 1 && layers <= 32 && strcmp(end, "l") == 0 ? layers : 0;
}

static gm_status list_groma(synthetic *s, const size_t *dims, gm_error *err) {
  gm_tensor_rules rules;
  gm_groma_tensor_rules(&rules, dims);
  return list_tensors(s, &rules, err);
}

static gm_status list_clip(synthetic *s, const clip_shape *shape, gm_error *err) {
  static const gm_tensor_rule scale = {.name = "logit_scale"}; /* a number, not a tensor */
  size_t dims[GM_CLIP_N_DIMS];
  gm_tensor_rules rules = {.n = 0};
  clip_dims(dims, shape);
  gm_clip_tensor_rules(&rules, dims, true);
  GM_TRY(add_tensor(s, scale.name, &scale, err));
  return list_tensors(s, &rules, err);
}

/* A Groma of these sizes, or a CLIP of that shape. */
static gm_status open_sizes(gm_checkpoint **out, const char *name, const size_t *dims,
                            const clip_shape *clip, gm_error *err) {
  const gm_checkpoint common = {
      .format = "synthetic", .read = synthetic_read, .close = synthetic_close};
  synthetic *s = gm_checkpoint_begin(sizeof *s, &common, name, err);
  if (!s) return GM_ERR_MEMORY;
  gm_status status = clip ? list_clip(s, clip, err) : list_groma(s, dims, err);
  if (status == GM_OK) status = gm_checkpoint_seal(&s->base, err);
  return gm_checkpoint_end(out, &s->base, status);
}

gm_status gm_synthetic_open(gm_checkpoint **out, const char *name, gm_error *err) {
  *out = NULL;
  size_t layers = layers_of(name);
  const clip_shape *clip = clip_shape_of(name);
  if (layers == 0 && !clip)
    return gm_fail(
        err, GM_ERR_ARGUMENT,
        "found no synthetic model \"%.60s\", wanted groma-7b, groma-7b-2l (any number "
        "of layers from 1 to 32), clip-vit-b-32 or clip-vit-l-14",
        name);
  size_t dims[GM_GROMA_N_DIMS];
  groma_dims(dims, layers);
  return open_sizes(out, name, dims, clip, err);
}

/* ---- the model */

typedef struct request {
  char name[64];
  gm_type type;
  bool fast;
} request;

static gm_status parse_spec(request *out, const char *spec, gm_error *err) {
  char text[128];
  *out = (request){"", GM_TYPE_F32, false};
  snprintf(text, sizeof text, "%s", spec);
  char *type = strchr(text, ':'), *fast = NULL;
  if (type) *type++ = 0;
  if (type && (fast = strchr(type, ':'))) *fast++ = 0;
  if (strlen(spec) >= sizeof text || strlen(text) >= sizeof out->name ||
      (type && !gm_type_from_name(type, &out->type)) || (fast && strcmp(fast, "fast") != 0))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found synthetic:%.80s, wanted synthetic:NAME[:TYPE[:fast]] with TYPE f32, "
                   "f16, bf16, q8_0, q4_0, q4_k or q6_k",
                   spec);
  memcpy(out->name, text, strlen(text) + 1);
  out->fast = fast != NULL;
  return GM_OK;
}

static gm_status build(gm_model_file **out, const gm_source *source, gm_type type,
                       const gm_plan_options *options, gm_error *err) {
  gm_gguf_writer *writer;
  GM_TRY(gm_gguf_writer_create(&writer, NULL, err));
  gm_status status = gm_convert_source(source, writer, type, options, err);
  if (status == GM_OK) status = gm_gguf_finish_model(writer, out, source->name, err);
  gm_gguf_writer_free(writer);
  return status;
}

gm_status gm_synthetic_model(gm_model_file **out, const char *spec, gm_pool *pool,
                             gm_error *err) {
  *out = NULL;
  request wanted;
  gm_embedded tokenizer, added;
  GM_TRY(parse_spec(&wanted, spec, err));
  if (!gm_embedded_find("llama-tokenizer.model", &tokenizer) ||
      !gm_embedded_find("groma-added-tokens.json", &added))
    return gm_fail(err, GM_ERR_MODEL, "this build has no vocabulary for synthetic models");
  const gm_source_file groma_files[] = {
      {"config.json", config, sizeof config - 1},
      {"tokenizer.model", tokenizer.bytes, tokenizer.size},
      {"added_tokens.json", added.bytes, added.size},
  };
  static const gm_convert_params openai = {.layout = "openai"};
  gm_source source = {.name = wanted.name, .files = groma_files, .n_files = 3};
  if (clip_shape_of(wanted.name)) source = (gm_source){.name = wanted.name, .params = &openai};
  gm_plan_options options = {.pool = pool, .fill = wanted.fast ? fill_blocks : NULL};
  GM_TRY(gm_synthetic_open(&source.weights, wanted.name, err));
  gm_status status = build(out, &source, wanted.type, &options, err);
  gm_checkpoint_close(source.weights);
  return status;
}

gm_status gm_synthetic_groma(gm_model_file **out, const char *name,
                             const size_t dims[GM_GROMA_N_DIMS], const gm_source_file *files,
                             size_t n_files, gm_pool *pool, gm_error *err) {
  *out = NULL;
  gm_source source = {.name = name, .files = files, .n_files = n_files};
  const gm_plan_options options = {.pool = pool};
  GM_TRY(open_sizes(&source.weights, name, dims, NULL, err));
  gm_status status = build(out, &source, GM_TYPE_F32, &options, err);
  gm_checkpoint_close(source.weights);
  return status;
}
