/* clip_tokenizer_file.h - the tokenizer in a CLIP model file. */
#ifndef GM_CLIP_TOKENIZER_FILE_H
#define GM_CLIP_TOKENIZER_FILE_H

#include "clip_tokenizer.h"
#include "model_file.h"

/* From the keys tokenizer.ggml.{tokens,merges,bos_token_id,eos_token_id,padding_token_id}; n is
 * the number of tokens in the model's embedding. Errors: GM_ERR_MODEL, GM_ERR_MEMORY. */
gm_status gm_clip_tokenizer_from_file(gm_clip_tokenizer **out, const gm_model_file *file,
                                      size_t n, gm_error *err);

#endif
