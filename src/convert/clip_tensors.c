/* clip_tensors.c - see clip_tensors.h. Names as in the checkpoints; layouts and types are
 * explained in docs/FORMAT.md. */
#include "clip_tensors.h"

#include <stdio.h>
#include <string.h>

#define RULE(name, count, layout, precision, ...)                                              \
  {                                                                                            \
    name, NULL, NULL, count, layout, precision, {                                              \
      __VA_ARGS__                                                                              \
    }                                                                                          \
  }
#define ONE_F32(name, ...) RULE(name, 0, GM_LAYOUT_SAME, GM_KEEP_F32, __VA_ARGS__)
#define NORM(name, size) ONE_F32(name ".weight", size), ONE_F32(name ".bias", size)
#define EACH_F32(count, name, size) RULE(name, count, GM_LAYOUT_SAME, GM_KEEP_F32, size)
#define EACH_NORM(count, name, size)                                                           \
  EACH_F32(count, name ".weight", size), EACH_F32(count, name ".bias", size)
#define EACH_LINEAR(count, name, out, in)                                                      \
  RULE(name ".weight", count, GM_LAYOUT_SAME, GM_VISION, out, in),                             \
      EACH_F32(count, name ".bias", out)

#define FUSED_BLOCK(prefix, layers, dim, qkv, ffn)                                             \
  EACH_NORM(layers, prefix "ln_1", dim),                                                       \
      RULE(prefix "attn.in_proj_weight", layers, GM_LAYOUT_SAME, GM_VISION, qkv, dim),         \
      EACH_F32(layers, prefix "attn.in_proj_bias", qkv),                                       \
      EACH_LINEAR(layers, prefix "attn.out_proj", dim, dim),                                   \
      EACH_NORM(layers, prefix "ln_2", dim), EACH_LINEAR(layers, prefix "mlp.c_fc", ffn, dim), \
      EACH_LINEAR(layers, prefix "mlp.c_proj", dim, ffn)

#define SEPARATE_BLOCK(prefix, layers, dim, ffn)                                               \
  EACH_NORM(layers, prefix "layer_norm1", dim),                                                \
      EACH_LINEAR(layers, prefix "self_attn.q_proj", dim, dim),                                \
      EACH_LINEAR(layers, prefix "self_attn.k_proj", dim, dim),                                \
      EACH_LINEAR(layers, prefix "self_attn.v_proj", dim, dim),                                \
      EACH_LINEAR(layers, prefix "self_attn.out_proj", dim, dim),                              \
      EACH_NORM(layers, prefix "layer_norm2", dim),                                            \
      EACH_LINEAR(layers, prefix "mlp.fc1", ffn, dim),                                         \
      EACH_LINEAR(layers, prefix "mlp.fc2", dim, ffn)

const gm_tensor_rule gm_clip_rules[] = {
    /* OpenAI, open_clip */
    RULE("visual.conv1.weight", 0, GM_LAYOUT_MATRIX, GM_VISION, V_DIM, CLIP_THREE, CLIP_PATCH,
         CLIP_PATCH),
    ONE_F32("visual.class_embedding", V_DIM),
    ONE_F32("visual.positional_embedding", V_ROWS, V_DIM),
    NORM("visual.ln_pre", V_DIM),
    FUSED_BLOCK("visual.transformer.resblocks.%.", V_LAYERS, V_DIM, V_QKV, V_FFN),
    NORM("visual.ln_post", V_DIM),
    RULE("visual.proj", 0, GM_LAYOUT_TRANSPOSED, GM_KEEP_F32, V_DIM, CLIP_FEATURES),
    RULE("token_embedding.weight", 0, GM_LAYOUT_SAME, GM_VISION, T_VOCAB, T_DIM),
    ONE_F32("positional_embedding", T_ROWS, T_DIM),
    FUSED_BLOCK("transformer.resblocks.%.", T_LAYERS, T_DIM, T_QKV, T_FFN),
    NORM("ln_final", T_DIM),
    RULE("text_projection", 0, GM_LAYOUT_TRANSPOSED, GM_KEEP_F32, T_DIM, CLIP_FEATURES),
    /* Hugging Face */
    RULE("vision_model.embeddings.patch_embedding.weight", 0, GM_LAYOUT_MATRIX, GM_VISION,
         V_DIM, CLIP_THREE, CLIP_PATCH, CLIP_PATCH),
    ONE_F32("vision_model.embeddings.class_embedding", V_DIM),
    ONE_F32("vision_model.embeddings.position_embedding.weight", V_ROWS, V_DIM),
    NORM("vision_model.pre_layrnorm", V_DIM),
    SEPARATE_BLOCK("vision_model.encoder.layers.%.", V_LAYERS, V_DIM, V_FFN),
    NORM("vision_model.post_layernorm", V_DIM),
    ONE_F32("visual_projection.weight", CLIP_FEATURES, V_DIM),
    RULE("text_model.embeddings.token_embedding.weight", 0, GM_LAYOUT_SAME, GM_VISION, T_VOCAB,
         T_DIM),
    ONE_F32("text_model.embeddings.position_embedding.weight", T_ROWS, T_DIM),
    SEPARATE_BLOCK("text_model.encoder.layers.%.", T_LAYERS, T_DIM, T_FFN),
    NORM("text_model.final_layer_norm", T_DIM),
    ONE_F32("text_projection.weight", CLIP_FEATURES, T_DIM),
};

/* A norm is two rules; a fused block 12, a separate one 16. */
enum { FUSED_RULES = 3 + 2 + 12 + 2 + 1 + 2 + 12 + 2 + 1 };

const size_t gm_clip_n_rules = sizeof gm_clip_rules / sizeof gm_clip_rules[0];
const size_t gm_clip_n_fused = FUSED_RULES;

bool gm_clip_is_checkpoint(const gm_checkpoint *weights, bool *fused) {
  *fused = gm_checkpoint_find(weights, "visual.conv1.weight") != SIZE_MAX &&
           gm_checkpoint_find(weights, "text_projection") != SIZE_MAX;
  return *fused ||
         (gm_checkpoint_find(weights, "visual_projection.weight") != SIZE_MAX &&
          gm_checkpoint_find(weights, "text_model.final_layer_norm.weight") != SIZE_MAX);
}

/* ---- dimensions */

/* Where a dimension can be read off a shape, in the two families. */
static const struct {
  gm_clip_dim dim;
  const char *fused;
  uint32_t fused_axis;
  const char *separate;
  uint32_t separate_axis;
} shapes[] = {
    {CLIP_PATCH, "visual.conv1.weight", 2, "vision_model.embeddings.patch_embedding.weight", 2},
    {V_DIM, "visual.conv1.weight", 0, "vision_model.embeddings.patch_embedding.weight", 0},
    {V_ROWS, "visual.positional_embedding", 0,
     "vision_model.embeddings.position_embedding.weight", 0},
    {V_FFN, "visual.transformer.resblocks.0.mlp.c_fc.weight", 0,
     "vision_model.encoder.layers.0.mlp.fc1.weight", 0},
    {CLIP_FEATURES, "visual.proj", 1, "visual_projection.weight", 0},
    {T_VOCAB, "token_embedding.weight", 0, "text_model.embeddings.token_embedding.weight", 0},
    {T_DIM, "token_embedding.weight", 1, "text_model.embeddings.token_embedding.weight", 1},
    {T_ROWS, "positional_embedding", 0, "text_model.embeddings.position_embedding.weight", 0},
    {T_FFN, "transformer.resblocks.0.mlp.c_fc.weight", 0,
     "text_model.encoder.layers.0.mlp.fc1.weight", 0},
};

static const struct {
  gm_clip_dim dim;
  const char *fused, *separate; /* the name of a tensor of each layer */
} layers[] = {
    {V_LAYERS, "visual.transformer.resblocks.%.ln_1.weight",
     "vision_model.encoder.layers.%.layer_norm1.weight"},
    {T_LAYERS, "transformer.resblocks.%.ln_1.weight",
     "text_model.encoder.layers.%.layer_norm1.weight"},
};

static gm_status read_size(size_t *out, const gm_checkpoint *weights, const char *name,
                           uint32_t axis, gm_error *err) {
  size_t i = gm_checkpoint_find(weights, name);
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

static size_t count_layers(const gm_checkpoint *weights, const char *pattern) {
  size_t n = 0;
  char name[GM_MAX_TENSOR_NAME + 1];
  do gm_rule_name(name, pattern, n);
  while (gm_checkpoint_find(weights, name) != SIZE_MAX && ++n);
  return n;
}

gm_status gm_clip_read_dims(size_t dims[GM_CLIP_N_DIMS], const gm_checkpoint *weights,
                            bool fused, gm_error *err) {
  memset(dims, 0, GM_CLIP_N_DIMS * sizeof *dims);
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
    GM_TRY(read_size(&dims[shapes[i].dim], weights,
                     fused ? shapes[i].fused : shapes[i].separate,
                     fused ? shapes[i].fused_axis : shapes[i].separate_axis, err));
  for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++)
    dims[layers[i].dim] = count_layers(weights, fused ? layers[i].fused : layers[i].separate);
  dims[CLIP_THREE] = 3;
  dims[V_QKV] = 3 * dims[V_DIM]; /* sizes of existing tensors: far from wrapping */
  dims[T_QKV] = 3 * dims[T_DIM];
  return GM_OK;
}
