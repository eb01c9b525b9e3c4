/* proposer_decoder.h - memory [n*n, d] -> boxes and two objectness logits of q proposals.
 *
 * Two-stage: every cell of the memory is scored, the best q become reference boxes. Then L
 * layers of self-attention, deformable cross-attention into the memory and feed-forward, all
 * with the same reference boxes (unlike Hugging Face's box refinement), and heads on the last
 * two layers' states. */
#ifndef GM_PROPOSER_DECODER_H
#define GM_PROPOSER_DECODER_H

#include "deform_attention.h"
#include "groma_hparams.h"
#include "proposer_encoder.h"
#include "proposer_ffn.h"
#include "regions.h"

/* A box head: Linear ReLU Linear ReLU Linear. Sizes d, A, B. */
#define GM_BOX_HEAD_WEIGHTS(VEC, MAT)                                                          \
  MAT(fc1, "layers.0.weight", GM_KEEP_F32, A, d)                                               \
  VEC(fc1_b, "layers.0.bias", A)                                                               \
  MAT(fc2, "layers.1.weight", GM_KEEP_F32, B, A)                                               \
  VEC(fc2_b, "layers.1.bias", B)                                                               \
  MAT(fc3, "layers.2.weight", GM_KEEP_F32, 4, B)                                               \
  VEC(fc3_b, "layers.2.bias", 4)

typedef struct gm_box_head {
  size_t width1, width2; /* A, B */
  GM_BOX_HEAD_WEIGHTS(GM_VEC_MEMBER, GM_MAT_MEMBER)
} gm_box_head;

/* An objectness head: a Linear to one logit. Size d. */
#define GM_OBJECTNESS_WEIGHTS(VEC, MAT)                                                        \
  MAT(weight, "weight", GM_KEEP_F32, 1, d)                                                     \
  VEC(bias, "bias", 1)

typedef struct gm_objectness_head {
  GM_OBJECTNESS_WEIGHTS(GM_VEC_MEMBER, GM_MAT_MEMBER)
} gm_objectness_head;

/* Every layer has heads of both kinds of training data; below GM_DDETR. */
#define GM_PROPOSER_COCO "class_embed_coco.%."
#define GM_PROPOSER_SA1B "class_embed_sa1b.%."

gm_status gm_objectness_load(gm_objectness_head *w, const gm_model_file *file,
                             const char *prefix, size_t layer, size_t d, gm_error *err);

/* One layer's self-attention, and the norm after its cross-attention; size d. */
#define GM_PROPOSER_SELF_ATTENTION(VEC, MAT)                                                   \
  MAT(q, "self_attn.q_proj.weight", GM_KEEP_F16, d, d)                                         \
  VEC(q_b, "self_attn.q_proj.bias", d)                                                         \
  MAT(k, "self_attn.k_proj.weight", GM_KEEP_F16, d, d)                                         \
  VEC(k_b, "self_attn.k_proj.bias", d)                                                         \
  MAT(v, "self_attn.v_proj.weight", GM_KEEP_F16, d, d)                                         \
  VEC(v_b, "self_attn.v_proj.bias", d)                                                         \
  MAT(out, "self_attn.out_proj.weight", GM_KEEP_F16, d, d)                                     \
  VEC(out_b, "self_attn.out_proj.bias", d)                                                     \
  VEC(self_norm_w, "self_attn_layer_norm.weight", d)                                           \
  VEC(self_norm_b, "self_attn_layer_norm.bias", d)
#define GM_PROPOSER_CROSS_NORM(VEC, MAT)                                                       \
  VEC(cross_norm_w, "encoder_attn_layer_norm.weight", d)                                       \
  VEC(cross_norm_b, "encoder_attn_layer_norm.bias", d)

typedef struct gm_proposer_decoder_layer {
  GM_PROPOSER_SELF_ATTENTION(GM_VEC_MEMBER, GM_MAT_MEMBER)
  gm_deform_attention cross;
  GM_PROPOSER_CROSS_NORM(GM_VEC_MEMBER, GM_MAT_MEMBER)
  gm_proposer_ffn ffn;
} gm_proposer_decoder_layer;

/* Sizes d and q. */
#define GM_PROPOSER_DECODER_WEIGHTS(VEC, MAT)                                                  \
  MAT(memory, "enc_output.weight", GM_KEEP_F16, d, d)                                          \
  VEC(memory_b, "enc_output.bias", d)                                                          \
  VEC(memory_norm_w, "enc_output_norm.weight", d)                                              \
  VEC(memory_norm_b, "enc_output_norm.bias", d)                                                \
  MAT(position, "pos_trans.weight", GM_KEEP_F32, 2 * d, 2 * d)                                 \
  VEC(position_b, "pos_trans.bias", 2 * d)                                                     \
  VEC(position_norm_w, "pos_trans_norm.weight", 2 * d)                                         \
  VEC(position_norm_b, "pos_trans_norm.bias", 2 * d)                                           \
  MAT(content, "query_position_embeddings.weight", GM_KEEP_F32, q, d)

typedef struct gm_proposer_decoder {
  size_t grid, dim, heads, n_queries, n_layers; /* n, d, heads, q, L */
  GM_PROPOSER_DECODER_WEIGHTS(GM_VEC_MEMBER, GM_MAT_MEMBER)
  gm_objectness_head score;          /* of the proposals */
  gm_objectness_head coco, sa1b;     /* of layer L - 1: those of other layers are not used */
  gm_proposer_decoder_layer *layers; /* [L], owned */
  gm_box_head *box_heads;            /* [L + 1], owned; entry L serves the proposals */
} gm_proposer_decoder;

/* Adds the stage's tensors; dims of groma_sizes.h. */
void gm_proposer_decoder_rules(gm_tensor_rules *rules, const size_t *dims);

/* On failure gm_proposer_decoder_free is still to be called. */
gm_status gm_proposer_decoder_load(gm_proposer_decoder *w, const gm_model_file *file,
                                   const gm_groma_hparams *hparams, size_t d, gm_error *err);
void gm_proposer_decoder_free(gm_proposer_decoder *w);

/* Where the results go; all given by the caller. */
typedef struct gm_proposer_result {
  gm_rel_box *reference; /* [q] of the first stage, falling score */
  float *states;         /* [q, d] output of the last layer */
  float *coco, *sa1b;    /* [q] logits */
  gm_rel_box *boxes;     /* [q] */
} gm_proposer_result;

/* Polls between layers. */
gm_status gm_proposer_decoder_forward(gm_compute *c, const gm_proposer_decoder *w,
                                      const float *memory, const gm_proposer_result *result);

#endif
