/* clip_dims.c - see clip_dims.h. */
#include "clip_dims.h"

#include "read_dims.h"

#include <string.h>

bool gm_clip_is_checkpoint(const gm_checkpoint *weights, bool *fused) {
  *fused = gm_checkpoint_find(weights, "visual.conv1.weight") != SIZE_MAX &&
           gm_checkpoint_find(weights, "text_projection") != SIZE_MAX;
  return *fused ||
         (gm_checkpoint_find(weights, "visual_projection.weight") != SIZE_MAX &&
          gm_checkpoint_find(weights, "text_model.final_layer_norm.weight") != SIZE_MAX);
}

static const gm_dim_row fused_rows[] = {
    {CLIP_PATCH, "visual.conv1.weight", 2},
    {V_DIM, "visual.conv1.weight", 0},
    {V_ROWS, "visual.positional_embedding", 0},
    {V_FFN, "visual.transformer.resblocks.0.mlp.c_fc.weight", 0},
    {CLIP_FEATURES, "visual.proj", 1},
    {T_VOCAB, "token_embedding.weight", 0},
    {T_DIM, "token_embedding.weight", 1},
    {T_ROWS, "positional_embedding", 0},
    {T_FFN, "transformer.resblocks.0.mlp.c_fc.weight", 0},
    {V_LAYERS, "visual.transformer.resblocks.0.ln_1.weight", GM_DIM_LAYERS},
    {T_LAYERS, "transformer.resblocks.0.ln_1.weight", GM_DIM_LAYERS},
};

static const gm_dim_row separate_rows[] = {
    {CLIP_PATCH, "vision_model.embeddings.patch_embedding.weight", 2},
    {V_DIM, "vision_model.embeddings.patch_embedding.weight", 0},
    {V_ROWS, "vision_model.embeddings.position_embedding.weight", 0},
    {V_FFN, "vision_model.encoder.layers.0.mlp.fc1.weight", 0},
    {CLIP_FEATURES, "visual_projection.weight", 0},
    {T_VOCAB, "text_model.embeddings.token_embedding.weight", 0},
    {T_DIM, "text_model.embeddings.token_embedding.weight", 1},
    {T_ROWS, "text_model.embeddings.position_embedding.weight", 0},
    {T_FFN, "text_model.encoder.layers.0.mlp.fc1.weight", 0},
    {V_LAYERS, "vision_model.encoder.layers.0.layer_norm1.weight", GM_DIM_LAYERS},
    {T_LAYERS, "text_model.encoder.layers.0.layer_norm1.weight", GM_DIM_LAYERS},
};

enum { N_ROWS = sizeof fused_rows / sizeof fused_rows[0] };
_Static_assert(sizeof fused_rows == sizeof separate_rows, "both families tell the same sizes");

gm_status gm_clip_read_dims(size_t dims[GM_CLIP_N_DIMS], const gm_checkpoint *weights,
                            bool fused, gm_error *err) {
  gm_tensor_rules rules = {.n = 0};
  gm_clip_tensor_rules(&rules, NULL, fused);
  memset(dims, 0, GM_CLIP_N_DIMS * sizeof *dims);
  return gm_read_dims(dims, weights, &rules, fused ? fused_rows : separate_rows, N_ROWS, err);
}
