/* sentencepiece_model.h - tokenizer.model: bytes of a SentencePiece model -> vocabulary.
 *
 * The file is one protobuf message; fields by number, from SentencePiece's published
 * sentencepiece_model.proto:
 *   ModelProto      1 pieces (repeated)  2 trainer_spec  3 normalizer_spec
 *   SentencePiece   1 piece  2 score  3 type
 *   TrainerSpec     3 model_type  35 byte_fallback  40 unk_id  41 bos_id  42 eos_id  43 pad_id
 *   NormalizerSpec  1 name  2 precompiled_charsmap  3 add_dummy_prefix
 *                   4 remove_extra_whitespaces  5 escape_whitespaces
 * Other fields are skipped. The bytes are not trusted: every length is checked against the
 * message around it, and counts and sizes are capped. */
#ifndef GM_SENTENCEPIECE_MODEL_H
#define GM_SENTENCEPIECE_MODEL_H

#include "status.h"

/* Kinds of vocabulary entries: SentencePiece's numbers, which are also GGUF's
 * (tokenizer.ggml.token_type). */
typedef enum gm_token_type {
  GM_TOKEN_NORMAL = 1,
  GM_TOKEN_UNKNOWN = 2,
  GM_TOKEN_CONTROL = 3,      /* <s>, </s>: never written in text */
  GM_TOKEN_USER_DEFINED = 4, /* added tokens */
  GM_TOKEN_UNUSED = 5,
  GM_TOKEN_BYTE = 6 /* <0x00> .. <0xFF> */
} gm_token_type;

typedef enum gm_sentencepiece_kind {
  GM_SENTENCEPIECE_UNIGRAM = 1,
  GM_SENTENCEPIECE_BPE = 2,
  GM_SENTENCEPIECE_WORD = 3,
  GM_SENTENCEPIECE_CHAR = 4
} gm_sentencepiece_kind;

enum {
  GM_SENTENCEPIECE_MAX_FILE = 64 << 20, /* bytes of a file */
  GM_SENTENCEPIECE_MAX_PIECES = 1 << 20,
  GM_SENTENCEPIECE_MAX_PIECE = 4096 /* bytes of a piece */
};

typedef struct gm_sentencepiece_model {
  size_t n;                               /* pieces, 1 .. GM_SENTENCEPIECE_MAX_PIECES */
  const char *const *pieces;              /* [n] NUL-terminated, not empty, no NUL inside */
  const float *scores;                    /* [n] finite */
  const int32_t *types;                   /* [n] gm_token_type */
  int32_t unk_id, bos_id, eos_id, pad_id; /* below n; -1: none */
  gm_sentencepiece_kind kind;
  bool byte_fallback;
  bool has_charsmap; /* the normalizer has rules (nmt_nfkc, ...); false: identity */
  bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
  char *text; /* what the pieces point into */
} gm_sentencepiece_model;

/* Reads the bytes of a tokenizer.model; they are not needed afterwards. Errors: GM_ERR_MODEL,
 * GM_ERR_MEMORY; *out is then empty. */
gm_status gm_sentencepiece_parse(gm_sentencepiece_model *out, const void *bytes, size_t size,
                                 gm_error *err);
/* Frees what parse allocated and empties *model. */
void gm_sentencepiece_free(gm_sentencepiece_model *model);

#endif
