/* llama.h - token and vector rows -> next-token logits: the LLaMA language model with Groma's
 * added tokens and a cache that sequences share.
 *
 * row (token id or vector) -> x [dim]
 *   L x { x += o(attention(rope(q(norm x)), rope(k(norm x)), v(norm x)))
 *         x += down(silu(gate(norm x)) * up(norm x)) }
 *   -> norm -> logits [vocab] = (head, extra_head) x
 * RMSNorm, rotary positions in Hugging Face's half-split layout, grouped key-value heads
 * (kv_heads may be smaller than heads). Ids from base_vocab on are added tokens: their rows are
 * in new_embed, their logits come from extra_head. Touvron et al. 2023; names of tensors as in
 * Groma's checkpoints. */
#ifndef GM_LLAMA_H
#define GM_LLAMA_H

#include "compute.h"
#include "groma_hparams.h"
#include "kv_cache.h"
#include "weight_loader.h"

#define GM_LLAMA_LAYERS "llm.model.layers.%."

/* One layer, below GM_LLAMA_LAYERS; q_dim is heads * head_dim. */
#define GM_LLAMA_LAYER(VEC, MAT)                                                               \
  VEC(attention_norm, "input_layernorm.weight", dim)                                           \
  MAT(q, "self_attn.q_proj.weight", GM_LLM, q_dim, dim)                                        \
  MAT(k, "self_attn.k_proj.weight", GM_LLM, kv_dim, dim)                                       \
  MAT(v, "self_attn.v_proj.weight", GM_LLM_TOUCHY, kv_dim, dim)                                \
  MAT(o, "self_attn.o_proj.weight", GM_LLM, dim, q_dim)                                        \
  VEC(ffn_norm, "post_attention_layernorm.weight", dim)                                        \
  MAT(gate, "mlp.gate_proj.weight", GM_LLM, ffn, dim)                                          \
  MAT(up, "mlp.up_proj.weight", GM_LLM, ffn, dim)                                              \
  MAT(down, "mlp.down_proj.weight", GM_LLM_TOUCHY, dim, ffn)

/* Before and after the layers; base and added tokens. */
#define GM_LLAMA_INPUT(VEC, MAT)                                                               \
  MAT(embed, "llm.model.embed_tokens.weight", GM_LLM, base, dim)                               \
  MAT(new_embed, "new_input_embs.weight", GM_KEEP_F32, added, dim)
#define GM_LLAMA_OUTPUT(VEC, MAT)                                                              \
  VEC(norm, "llm.model.norm.weight", dim)                                                      \
  MAT(head, "llm.lm_head.weight", GM_LLM_OUTPUT, base, dim)                                    \
  MAT(extra_head, "extra_lm_head.weight", GM_KEEP_F32, added, dim)

typedef struct gm_llama_layer {
  GM_LLAMA_LAYER(GM_VEC_MEMBER, GM_MAT_MEMBER)
} gm_llama_layer;

/* Immutable after load; the tensors are the model file's. */
typedef struct gm_llama {
  size_t n_layers, dim, ffn, heads, kv_heads, head_dim, kv_dim;
  size_t base_vocab, vocab; /* vocab counts the added tokens too */
  size_t context;           /* positions it was made for */
  float eps, theta;
  GM_LLAMA_INPUT(GM_VEC_MEMBER, GM_MAT_MEMBER)
  GM_LLAMA_OUTPUT(GM_VEC_MEMBER, GM_MAT_MEMBER)
  gm_llama_layer *layers;
} gm_llama;

/* Adds the stage's tensors; dims of groma_sizes.h. */
void gm_llama_rules(gm_tensor_rules *rules, const size_t *dims);

/* Reads and checks every key and tensor of the language model. GM_ERR_MODEL says which is
 * missing or has another shape. The file must outlive it. */
gm_status gm_llama_load(gm_llama **out, const gm_model_file *file,
                        const gm_groma_hparams *hparams, gm_error *err);
void gm_llama_free(gm_llama *llama);

/* One input position: a vector [dim] where `vector` is not NULL, else a token id. */
typedef struct gm_llama_row {
  const float *vector;
  int32_t id;
} gm_llama_row;

/* Rows that go on from a sequence, or from the end of another run. */
typedef struct gm_llama_run {
  gm_kv_seq *seq; /* grows by n, and by the rows of `after`; each run has its own */
  const gm_llama_row *rows;
  size_t n;      /* at least 1 */
  float *logits; /* [vocab], of the last row; NULL: not wanted */
  /* A run earlier in the same call, whose rows come before these and are computed once for all
   * that come after it: both sequences are forks of each other before the call. NULL: none. */
  const struct gm_llama_run *after;
} gm_llama_run;

/* Rows that are worked on together; more go in batches. */
enum { GM_LLAMA_ROWS = 768 };

/* Reads the rows of several sequences at once: each weight is read once for all of them. Their
 * lengths may differ. A sequence's keys, values and logits are bit-identical to those that it
 * has alone, whatever the other runs are, however its rows are cut into calls and wherever its
 * cache's blocks begin. progress (may be NULL) is told the share done, 0..1. On failure
 * (GM_ERR_MEMORY, GM_ERR_CANCELLED) every sequence is as it was before. */
gm_status gm_llama_forward(const gm_llama *llama, gm_compute *c, const gm_llama_run *runs,
                           size_t n_runs, void (*progress)(void *user, double done),
                           void *progress_user);

/* The same for sequences that go on by one row each, after no other run: a step of decoding.
 * Memory is read once for all of them: weights, and keys that they share. A row that is read by
 * gm_llama_forward has other last bits, so how a row goes must be decided by what it is, not by
 * how many there are. */
gm_status gm_llama_step(const gm_llama *llama, gm_compute *c, const gm_llama_run *runs,
                        size_t n_runs);

#endif
