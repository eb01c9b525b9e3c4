/* groma_dims.c - see groma_dims.h. */
#include "groma_dims.h"

#include "read_dims.h"

#include <string.h>

#define DDETR "perceiver.ddetr_transformer."
#define FUSE "region_encoder.mlvl_fuse."
#define ROI "region_encoder.roi_align."

static const gm_dim_row rows[] = {
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
    {LLM_LAYERS, "llm.model.layers.0.input_layernorm.weight", GM_DIM_LAYERS},
    {VIT_LAYERS, "perceiver.vis_encoder.encoder.layer.0.norm1.weight", GM_DIM_LAYERS},
    {ENC_LAYERS, DDETR "encoder.layers.0.fc1.weight", GM_DIM_LAYERS},
    {DEC_LAYERS, DDETR "decoder.layers.0.fc1.weight", GM_DIM_LAYERS},
    {FUSE_CONVS, FUSE "fuse_convs.0.conv.weight", GM_DIM_LAYERS},
};

gm_status gm_groma_read_dims(size_t dims[GM_GROMA_N_DIMS], const gm_checkpoint *weights,
                             gm_error *err) {
  gm_tensor_rules rules;
  gm_groma_tensor_rules(&rules, NULL);
  memset(dims, 0, GM_GROMA_N_DIMS * sizeof *dims);
  return gm_read_dims(dims, weights, &rules, rows, sizeof rows / sizeof rows[0], err);
}
