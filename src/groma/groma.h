/* groma.h - a whole Groma model: the stages of src/groma over one model file.
 *
 *   pipeline.h  what is called, in order: read pipeline.c first
 *   vision.h    pixels -> features: image tokens, proposals, maps, region vectors
 *   encoding.h  one image as the language model sees it: its regions, and the prompt's prefix
 *   prompt.h    question and boxes -> rows
 *   talk.h      questions about an image and their answers, one sequence each
 *   llama.h     rows -> logits, with a cache     sampler.h  logits -> token
 *
 * Immutable after load, so that threads may share it; each call brings its gm_compute. */
#ifndef GM_GROMA_H
#define GM_GROMA_H

#include "llama.h"
#include "prompt.h"
#include "vision.h"

typedef struct gm_groma {
  gm_groma_hparams hparams;
  gm_vision *vision;
  gm_llama *llama;
  gm_llama_tokenizer *tokenizer;
  gm_prompt *prompt;
  gm_kv_shape kv_shape;
  size_t context;     /* positions that a talk may fill */
  size_t max_regions; /* region tokens that the vocabulary has */
} gm_groma;

typedef struct gm_groma_cache {
  size_t context; /* 0: what the model was made for, which is also the most */
  /* "f32", "f16" or "q8_0"; NULL: f32 where the language model's weights are f32, else f16, but
   * where fast q8_0 if heads allow it. */
  const char *k_type, *v_type;
  bool fast;
} gm_groma_cache;

/* Checks every key and tensor against the architecture before anything is computed. Errors:
 * GM_ERR_MODEL, GM_ERR_ARGUMENT (cache), GM_ERR_MEMORY. The file must outlive it. */
gm_status gm_groma_load(gm_groma **out, const gm_model_file *file, const gm_groma_cache *cache,
                        gm_error *err);
void gm_groma_free(gm_groma *groma);

#endif
