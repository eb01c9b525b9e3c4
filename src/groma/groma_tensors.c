/* groma_tensors.c - see groma_tensors.h. mask_token and vis_encoder.layernorm take no part in
 * inference and have no rule. */
#include "groma_tensors.h"

#include "dinov2.h"
#include "llama.h"
#include "proposer_decoder.h"
#include "proposer_encoder.h"
#include "region_encoder.h"
#include "visual_tokens.h"

void gm_groma_tensor_rules(gm_tensor_rules *rules, const size_t *dims) {
  static const size_t unknown[GM_GROMA_N_DIMS];
  if (!dims) dims = unknown;
  rules->n = 0;
  gm_dinov2_rules(rules, dims);
  gm_proposer_encoder_rules(rules, dims);
  gm_proposer_decoder_rules(rules, dims);
  gm_region_encoder_rules(rules, dims);
  gm_visual_tokens_rules(rules, dims);
  gm_llama_rules(rules, dims);
}
