/* groma_tensors.c - see groma_tensors.h. Names as in the released checkpoint; layouts and types
 * are explained in docs/FORMAT.md. mask_token and vis_encoder.layernorm take no part in
 * inference and are left out. */
#include "groma_tensors.h"

#include <stdio.h>
#include <string.h>

#define SAME(name, precision, ...)                                                             \
  {                                                                                            \
    name, NULL, NULL, 0, GM_LAYOUT_SAME, precision, {                                          \
      __VA_ARGS__                                                                              \
    }                                                                                          \
  }
#define VEC(name, size) SAME(name, GM_KEEP_F32, size)
#define EACH(count, name, precision, ...)                                                      \
  {                                                                                            \
    name, NULL, NULL, count, GM_LAYOUT_SAME, precision, {                                      \
      __VA_ARGS__                                                                              \
    }                                                                                          \
  }
#define LINEAR(name, precision, out, in)                                                       \
  SAME(name ".weight", precision, out, in), VEC(name ".bias", out)
#define EACH_LINEAR(count, name, precision, out, in)                                           \
  EACH(count, name ".weight", precision, out, in), EACH(count, name ".bias", GM_KEEP_F32, out)
#define NORM(name, size) VEC(name ".weight", size), VEC(name ".bias", size)
#define EACH_NORM(count, name, size)                                                           \
  EACH(count, name ".weight", GM_KEEP_F32, size), EACH(count, name ".bias", GM_KEEP_F32, size)
/* The proposer's heads stand under two names. */
#define HEAD(count, name, ...)                                                                 \
  {                                                                                            \
    "perceiver.ddetr_transformer." name, "perceiver.ddetr_transformer.decoder." name, NULL,    \
        count, GM_LAYOUT_SAME, GM_KEEP_F32, {                                                  \
      __VA_ARGS__                                                                              \
    }                                                                                          \
  }
#define DDETR "perceiver.ddetr_transformer."
#define ENC DDETR "encoder.layers.%."
#define DEC DDETR "decoder.layers.%."
#define VIT "perceiver.vis_encoder.encoder.layer.%."
#define LLM "llm.model.layers.%."
#define FUSE "region_encoder.mlvl_fuse."
#define ROI "region_encoder.roi_align."

const gm_tensor_rule gm_groma_rules[] = {
    /* DINOv2 */
    SAME("perceiver.vis_encoder.embeddings.cls_token", GM_KEEP_F32, ONE, ONE, VIT_DIM),
    SAME("perceiver.vis_encoder.embeddings.position_embeddings", GM_KEEP_F32, ONE, VIT_ROWS,
         VIT_DIM),
    {"perceiver.vis_encoder.embeddings.patch_embeddings.projection.weight",
     NULL,
     NULL,
     0,
     GM_LAYOUT_MATRIX,
     GM_VISION,
     {VIT_DIM, THREE, PATCH, PATCH}},
    VEC("perceiver.vis_encoder.embeddings.patch_embeddings.projection.bias", VIT_DIM),
    EACH_NORM(VIT_LAYERS, VIT "norm1", VIT_DIM),
    EACH_LINEAR(VIT_LAYERS, VIT "attention.attention.query", GM_VISION, VIT_DIM, VIT_DIM),
    EACH_LINEAR(VIT_LAYERS, VIT "attention.attention.key", GM_VISION, VIT_DIM, VIT_DIM),
    EACH_LINEAR(VIT_LAYERS, VIT "attention.attention.value", GM_VISION, VIT_DIM, VIT_DIM),
    EACH_LINEAR(VIT_LAYERS, VIT "attention.output.dense", GM_VISION, VIT_DIM, VIT_DIM),
    EACH(VIT_LAYERS, VIT "layer_scale1.lambda1", GM_KEEP_F32, VIT_DIM),
    EACH_NORM(VIT_LAYERS, VIT "norm2", VIT_DIM),
    EACH_LINEAR(VIT_LAYERS, VIT "mlp.fc1", GM_VISION, VIT_FFN, VIT_DIM),
    EACH_LINEAR(VIT_LAYERS, VIT "mlp.fc2", GM_VISION, VIT_DIM, VIT_FFN),
    EACH(VIT_LAYERS, VIT "layer_scale2.lambda1", GM_KEEP_F32, VIT_DIM),
    /* region proposer */
    {"perceiver.input_proj.0.0.weight",
     NULL,
     NULL,
     0,
     GM_LAYOUT_MATRIX,
     GM_KEEP_F16,
     {PROP_DIM, VIT_DIM, ONE, ONE}},
    VEC("perceiver.input_proj.0.0.bias", PROP_DIM),
    NORM("perceiver.input_proj.0.1", PROP_DIM),
    SAME(DDETR "level_embed", GM_KEEP_F32, LEVELS, PROP_DIM),
    EACH_LINEAR(ENC_LAYERS, ENC "self_attn.sampling_offsets", GM_KEEP_F32, ENC_OFFSETS,
                PROP_DIM),
    EACH_LINEAR(ENC_LAYERS, ENC "self_attn.attention_weights", GM_KEEP_F32, ENC_WEIGHTS,
                PROP_DIM),
    EACH_LINEAR(ENC_LAYERS, ENC "self_attn.value_proj", GM_KEEP_F16, PROP_DIM, PROP_DIM),
    EACH_LINEAR(ENC_LAYERS, ENC "self_attn.output_proj", GM_KEEP_F16, PROP_DIM, PROP_DIM),
    EACH_NORM(ENC_LAYERS, ENC "self_attn_layer_norm", PROP_DIM),
    EACH_LINEAR(ENC_LAYERS, ENC "fc1", GM_KEEP_F16, ENC_FFN, PROP_DIM),
    EACH_LINEAR(ENC_LAYERS, ENC "fc2", GM_KEEP_F16, PROP_DIM, ENC_FFN),
    EACH_NORM(ENC_LAYERS, ENC "final_layer_norm", PROP_DIM),
    LINEAR(DDETR "enc_output", GM_KEEP_F16, PROP_DIM, PROP_DIM),
    NORM(DDETR "enc_output_norm", PROP_DIM),
    LINEAR(DDETR "pos_trans", GM_KEEP_F32, TWO_PROP_DIM, TWO_PROP_DIM),
    NORM(DDETR "pos_trans_norm", TWO_PROP_DIM),
    SAME(DDETR "query_position_embeddings.weight", GM_KEEP_F32, QUERIES, PROP_DIM),
    EACH_LINEAR(DEC_LAYERS, DEC "self_attn.q_proj", GM_KEEP_F16, PROP_DIM, PROP_DIM),
    EACH_LINEAR(DEC_LAYERS, DEC "self_attn.k_proj", GM_KEEP_F16, PROP_DIM, PROP_DIM),
    EACH_LINEAR(DEC_LAYERS, DEC "self_attn.v_proj", GM_KEEP_F16, PROP_DIM, PROP_DIM),
    EACH_LINEAR(DEC_LAYERS, DEC "self_attn.out_proj", GM_KEEP_F16, PROP_DIM, PROP_DIM),
    EACH_NORM(DEC_LAYERS, DEC "self_attn_layer_norm", PROP_DIM),
    EACH_LINEAR(DEC_LAYERS, DEC "encoder_attn.sampling_offsets", GM_KEEP_F32, DEC_OFFSETS,
                PROP_DIM),
    EACH_LINEAR(DEC_LAYERS, DEC "encoder_attn.attention_weights", GM_KEEP_F32, DEC_WEIGHTS,
                PROP_DIM),
    EACH_LINEAR(DEC_LAYERS, DEC "encoder_attn.value_proj", GM_KEEP_F16, PROP_DIM, PROP_DIM),
    EACH_LINEAR(DEC_LAYERS, DEC "encoder_attn.output_proj", GM_KEEP_F16, PROP_DIM, PROP_DIM),
    EACH_NORM(DEC_LAYERS, DEC "encoder_attn_layer_norm", PROP_DIM),
    EACH_LINEAR(DEC_LAYERS, DEC "fc1", GM_KEEP_F16, DEC_FFN, PROP_DIM),
    EACH_LINEAR(DEC_LAYERS, DEC "fc2", GM_KEEP_F16, PROP_DIM, DEC_FFN),
    EACH_NORM(DEC_LAYERS, DEC "final_layer_norm", PROP_DIM),
    HEAD(0, "class_embed_enc.weight", ONE, PROP_DIM),
    HEAD(0, "class_embed_enc.bias", ONE),
    HEAD(DEC_LAYERS, "class_embed_coco.%.weight", ONE, PROP_DIM),
    HEAD(DEC_LAYERS, "class_embed_coco.%.bias", ONE),
    HEAD(DEC_LAYERS, "class_embed_sa1b.%.weight", ONE, PROP_DIM),
    HEAD(DEC_LAYERS, "class_embed_sa1b.%.bias", ONE),
    HEAD(BOX_HEADS, "bbox_embed.%.layers.0.weight", BOX1, PROP_DIM),
    HEAD(BOX_HEADS, "bbox_embed.%.layers.0.bias", BOX1),
    HEAD(BOX_HEADS, "bbox_embed.%.layers.1.weight", BOX2, BOX1),
    HEAD(BOX_HEADS, "bbox_embed.%.layers.1.bias", BOX2),
    HEAD(BOX_HEADS, "bbox_embed.%.layers.2.weight", FOUR, BOX2),
    HEAD(BOX_HEADS, "bbox_embed.%.layers.2.bias", FOUR),
    /* region encoder */
    {FUSE "input_conv.%.weight",
     NULL,
     NULL,
     THREE,
     GM_LAYOUT_ALL_BUT_2,
     GM_VISION,
     {REGION_DIM, REGION_IN, ONE, ONE}},
    {FUSE "input_conv.%.weight",
     NULL,
     FUSE "input_conv.%.coord",
     THREE,
     GM_LAYOUT_LAST_2,
     GM_KEEP_F32,
     {REGION_DIM, REGION_IN, ONE, ONE}},
    EACH(THREE, FUSE "input_conv.%.bias", GM_KEEP_F32, REGION_DIM),
    {FUSE "fuse_convs.%.conv.weight",
     NULL,
     NULL,
     FUSE_CONVS,
     GM_LAYOUT_TAPS,
     GM_VISION,
     {REGION_DIM, REGION_DIM, THREE, THREE}},
    EACH_NORM(FUSE_CONVS, FUSE "fuse_convs.%.gn", REGION_DIM),
    {ROI "pconvs.%.weight",
     NULL,
     NULL,
     THREE,
     GM_LAYOUT_TAPS,
     GM_VISION,
     {REGION_DIM, REGION_DIM, THREE, THREE}},
    EACH(THREE, ROI "pconvs.%.bias", GM_KEEP_F32, REGION_DIM),
    {ROI "flatten_linear.weight",
     NULL,
     NULL,
     0,
     GM_LAYOUT_BINS_FIRST,
     GM_VISION,
     {REGION_FLAT, REGION_BINS}},
    VEC(ROI "flatten_linear.bias", REGION_FLAT),
    LINEAR(ROI "pos_embedd.0", GM_KEEP_F32, REGION_POS, FOUR),
    NORM(ROI "pos_embedd.2", REGION_POS),
    LINEAR(ROI "pos_embedd.3", GM_KEEP_F32, REGION_FLAT, REGION_POS),
    NORM(ROI "pos_embedd.5", REGION_FLAT),
    LINEAR(ROI "updims", GM_VISION, LLM_DIM, REGION_FLAT),
    /* image tokens */
    LINEAR("img_txt_bridge.0", GM_VISION, LLM_DIM, FOUR_VIT_DIM),
    LINEAR("img_txt_bridge.2", GM_VISION, LLM_DIM, LLM_DIM),
    /* language model */
    SAME("llm.model.embed_tokens.weight", GM_LLM, BASE_VOCAB, LLM_DIM),
    SAME("new_input_embs.weight", GM_KEEP_F32, ADDED_VOCAB, LLM_DIM),
    EACH(LLM_LAYERS, LLM "input_layernorm.weight", GM_KEEP_F32, LLM_DIM),
    EACH(LLM_LAYERS, LLM "self_attn.q_proj.weight", GM_LLM, LLM_Q, LLM_DIM),
    EACH(LLM_LAYERS, LLM "self_attn.k_proj.weight", GM_LLM, LLM_KV, LLM_DIM),
    EACH(LLM_LAYERS, LLM "self_attn.v_proj.weight", GM_LLM_TOUCHY, LLM_KV, LLM_DIM),
    EACH(LLM_LAYERS, LLM "self_attn.o_proj.weight", GM_LLM, LLM_DIM, LLM_Q),
    EACH(LLM_LAYERS, LLM "post_attention_layernorm.weight", GM_KEEP_F32, LLM_DIM),
    EACH(LLM_LAYERS, LLM "mlp.gate_proj.weight", GM_LLM, LLM_FFN, LLM_DIM),
    EACH(LLM_LAYERS, LLM "mlp.up_proj.weight", GM_LLM, LLM_FFN, LLM_DIM),
    EACH(LLM_LAYERS, LLM "mlp.down_proj.weight", GM_LLM_TOUCHY, LLM_DIM, LLM_FFN),
    VEC("llm.model.norm.weight", LLM_DIM),
    SAME("llm.lm_head.weight", GM_LLM_OUTPUT, BASE_VOCAB, LLM_DIM),
    SAME("extra_lm_head.weight", GM_KEEP_F32, ADDED_VOCAB, LLM_DIM),
};

const size_t gm_groma_n_rules = sizeof gm_groma_rules / sizeof gm_groma_rules[0];

/* Where a dimension can be read off a shape. */
static const struct {
  gm_groma_dim dim;
  const char *tensor;
  uint32_t axis;
} shapes[] = {
    {LLM_DIM, "llm.model.embed_tokens.weight", 1},
    {BASE_VOCAB, "llm.model.embed_tokens.weight", 0},
    {LLM_FFN, "llm.model.layers.0.mlp.gate_proj.weight", 0},
    {LLM_Q, "llm.model.layers.0.self_attn.q_proj.weight", 0},
    {LLM_KV, "llm.model.layers.0.self_attn.k_proj.weight", 0},
    {ADDED_VOCAB, "new_input_embs.weight", 0},
    {VIT_DIM, "perceiver.vis_encoder.embeddings.cls_token", 2},
    {VIT_ROWS, "perceiver.vis_encoder.embeddings.position_embeddings", 1},
    {VIT_FFN, "perceiver.vis_encoder.encoder.layer.0.mlp.fc1.weight", 0},
    {PATCH, "perceiver.vis_encoder.embeddings.patch_embeddings.projection.weight", 2},
    {PROP_DIM, "perceiver.input_proj.0.0.weight", 0},
    {LEVELS, DDETR "level_embed", 0},
    {QUERIES, DDETR "query_position_embeddings.weight", 0},
    {ENC_FFN, DDETR "encoder.layers.0.fc1.weight", 0},
    {ENC_OFFSETS, DDETR "encoder.layers.0.self_attn.sampling_offsets.weight", 0},
    {ENC_WEIGHTS, DDETR "encoder.layers.0.self_attn.attention_weights.weight", 0},
    {DEC_FFN, DDETR "decoder.layers.0.fc1.weight", 0},
    {DEC_OFFSETS, DDETR "decoder.layers.0.encoder_attn.sampling_offsets.weight", 0},
    {DEC_WEIGHTS, DDETR "decoder.layers.0.encoder_attn.attention_weights.weight", 0},
    {REGION_DIM, FUSE "input_conv.0.weight", 0},
    {REGION_FLAT, ROI "flatten_linear.weight", 0},
    {REGION_BINS, ROI "flatten_linear.weight", 1},
    {REGION_POS, ROI "pos_embedd.0.weight", 0},
    {BOX1, DDETR "bbox_embed.0.layers.0.weight", 0},
    {BOX2, DDETR "bbox_embed.0.layers.1.weight", 0},
};

static const struct {
  gm_groma_dim dim;
  const char *first, *rest; /* the name of layer n is first n rest */
} layers[] = {
    {LLM_LAYERS, "llm.model.layers.", ".input_layernorm.weight"},
    {VIT_LAYERS, "perceiver.vis_encoder.encoder.layer.", ".norm1.weight"},
    {ENC_LAYERS, DDETR "encoder.layers.", ".fc1.weight"},
    {DEC_LAYERS, DDETR "decoder.layers.", ".fc1.weight"},
    {FUSE_CONVS, FUSE "fuse_convs.", ".conv.weight"},
};

static gm_status read_size(size_t *out, const gm_checkpoint *weights, const char *name,
                           uint32_t axis, gm_error *err) {
  size_t i = gm_checkpoint_find(weights, name);
  static const char head[] = DDETR;
  if (i == SIZE_MAX && strncmp(name, head, sizeof head - 1) == 0) { /* a box head */
    char other[160];
    snprintf(other, sizeof other, DDETR "decoder.%s", name + sizeof head - 1);
    i = gm_checkpoint_find(weights, other);
  }
  if (i == SIZE_MAX)
    return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s is missing; is the checkpoint complete?",
                   weights->path, name);
  const gm_checkpoint_tensor *t = &weights->tensors[i];
  if (axis >= t->n_dims || t->shape[axis] == 0)
    return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s: found %u dimensions, wanted at least %u",
                   weights->path, name, t->n_dims, axis + 1);
  *out = t->shape[axis];
  return GM_OK;
}

static size_t count_layers(const gm_checkpoint *weights, const char *first, const char *rest) {
  size_t n = 0;
  char name[160];
  do snprintf(name, sizeof name, "%s%zu%s", first, n, rest);
  while (gm_checkpoint_find(weights, name) != SIZE_MAX && ++n);
  return n;
}

gm_status gm_groma_read_dims(size_t dims[GM_GROMA_N_DIMS], const gm_checkpoint *weights,
                             gm_error *err) {
  memset(dims, 0, GM_GROMA_N_DIMS * sizeof *dims);
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
    GM_TRY(read_size(&dims[shapes[i].dim], weights, shapes[i].tensor, shapes[i].axis, err));
  for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
    dims[layers[i].dim] = count_layers(weights, layers[i].first, layers[i].rest);
  dims[ONE] = 1;
  dims[THREE] = 3;
  dims[FOUR] = 4;
  dims[FOUR_VIT_DIM] = 4 * dims[VIT_DIM]; /* sizes of existing tensors: far from wrapping */
  dims[BOX_HEADS] = dims[DEC_LAYERS] + 1;
  dims[TWO_PROP_DIM] = 2 * dims[PROP_DIM];
  dims[REGION_IN] = dims[VIT_DIM] + 2;
  return GM_OK;
}
