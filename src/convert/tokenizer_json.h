/* tokenizer_json.h - tokenizer.json of Hugging Face's tokenizers, the only vocabulary file that
 * transformers 5 writes, and the lists of added tokens in the files beside it. */
#ifndef GM_TOKENIZER_JSON_H
#define GM_TOKENIZER_JSON_H

#include "clip_vocabulary.h"
#include "config_check.h"
#include "sentencepiece_model.h"

#define GM_TOKENIZER_JSON "tokenizer.json"
#define GM_TOKENIZER_CONFIG "tokenizer_config.json"
#define GM_SPECIAL_TOKENS "special_tokens_map.json"
#define GM_ADDED_TOKENS "added_tokens.json"

/* The tables of tokenizer.json, for both kinds of vocabulary. */
enum { GM_CLIP_TOKENIZER_ROWS = 4, GM_LLAMA_TOKENIZER_ROWS = 3 };
extern const gm_config_rows gm_clip_tokenizer_rows[GM_CLIP_TOKENIZER_ROWS];
extern const gm_config_rows gm_llama_tokenizer_rows[GM_LLAMA_TOKENIZER_ROWS];

/* The vocabulary of a root that has been checked against gm_clip_tokenizer_rows. */
gm_status gm_clip_vocabulary_from_json(gm_clip_vocabulary *out, const json_t *root,
                                       const char *pad_token, gm_error *err);

/* The first n ids of a root that has been checked against gm_llama_tokenizer_rows, as a
 * SentencePiece model: merges become scores. The pieces are borrowed from root; free with
 * gm_sentencepiece_free. GM_ERR_MODEL if no scores give the same merges. */
gm_status gm_llama_pieces_from_json(gm_sentencepiece_model *out, const json_t *root, size_t n,
                                    gm_error *err);
/* {"token": id} of the root's added tokens; json_decref it. */
gm_status gm_added_tokens_from_json(json_t **out, const json_t *root, gm_error *err);
/* The same of tokenizer_config.json's "added_tokens_decoder". */
gm_status gm_added_tokens_from_decoder(json_t **out, const json_t *root, gm_error *err);

/* The id of a token, or -1. */
typedef int64_t gm_token_lookup(const void *vocabulary, const char *token);
/* Every token that a list in the files beside the vocabulary names must be in the vocabulary,
 * with the list's id if it has one. */
gm_status gm_check_listed_tokens(const gm_configs *configs, gm_token_lookup *lookup,
                                 const void *vocabulary, gm_error *err);

#endif
