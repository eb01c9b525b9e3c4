/* clip_tensors.c - see clip_tensors.h. */
#include "clip_tensors.h"

#include "clip_text.h"
#include "clip_vision.h"

void gm_clip_tensor_rules(gm_tensor_rules *rules, const size_t *dims, bool fused) {
  static const size_t unknown[GM_CLIP_N_DIMS];
  if (!dims) dims = unknown;
  gm_clip_vision_rules(rules, dims, fused);
  gm_clip_text_rules(rules, dims, fused);
}
