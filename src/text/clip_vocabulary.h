/* clip_vocabulary.h - the files of CLIP's tokenizer -> tokens and merges.
 *
 * OpenAI's bpe_simple_vocab_16e6.txt.gz holds merges only; its vocabulary follows from them:
 * the 256 symbols of bytes in the order of GPT-2's map, the same with </w>, the results of the
 * merges, <|startoftext|>, <|endoftext|>. Hugging Face's layout has vocab.json and merges.txt.
 * The bytes are not trusted: sizes are capped, every line and number is checked. */
#ifndef GM_CLIP_VOCABULARY_H
#define GM_CLIP_VOCABULARY_H

#include "status.h"

enum {
  GM_CLIP_MAX_TOKENS = 1 << 20,
  GM_CLIP_MAX_MERGES = 1 << 20,
  GM_CLIP_MAX_FILE = 32 << 20, /* bytes of a file, unpacked */
  GM_CLIP_SYMBOL_BYTES = 5     /* room for any character and NUL */
};

/* Arrays in the form that a model file has too. Those of a model file are borrowed; those made
 * here are owned. */
typedef struct gm_clip_vocabulary {
  size_t n;                  /* tokens */
  const char *const *tokens; /* [n]; of equal ones the last is used */
  size_t n_merges;
  const char *const *merges; /* [n_merges] "left right", lowest rank first */
  int32_t start_id, end_id, pad_id;
  char *token_text, *merge_text; /* what the strings point into, if owned; else NULL */
} gm_clip_vocabulary;

/* From OpenAI's file, still packed. pad_id is 0. Errors: GM_ERR_MODEL, GM_ERR_MEMORY. */
gm_status gm_clip_vocabulary_from_merges_gz(gm_clip_vocabulary *out, const void *bytes,
                                            size_t size, gm_error *err);
/* From vocab.json and merges.txt. pad_token as the checkpoint names it; NULL:
 * "<|endoftext|>". */
gm_status gm_clip_vocabulary_from_files(gm_clip_vocabulary *out, const char *vocab_json,
                                        size_t vocab_size, const char *merges_txt,
                                        size_t merges_size, const char *pad_token,
                                        gm_error *err);
/* Frees what the two above allocated. */
void gm_clip_vocabulary_free(gm_clip_vocabulary *vocabulary);

/* GPT-2's printable character for a byte, as NUL-terminated UTF-8 (one or two bytes). */
void gm_clip_byte_symbol(char out[GM_CLIP_SYMBOL_BYTES], unsigned char byte);

#endif
