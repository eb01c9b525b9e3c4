/* llama_tokenizer_file.h - the tokenizer in a model file. */
#ifndef GM_LLAMA_TOKENIZER_FILE_H
#define GM_LLAMA_TOKENIZER_FILE_H

#include "llama_tokenizer.h"
#include "model_file.h"

/* From the keys tokenizer.ggml.{tokens,scores,token_type,bos_token_id,eos_token_id,
 * unknown_token_id}; an id whose key is absent is -1. The file must outlive the tokenizer. */
gm_status gm_llama_tokenizer_from_file(gm_llama_tokenizer **out, const gm_model_file *file,
                                       gm_error *err);

#endif
