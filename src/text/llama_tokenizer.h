/* llama_tokenizer.h - text <-> token ids, like LLaMA's tokenizer in Hugging Face's slow form
 * (LlamaTokenizer, legacy=True) with added tokens.
 *
 * Encoding. Text between added or special tokens is a piece of its own: white space beside an
 * added token (not beside <s>, </s>, <unk>) is removed; an empty piece gives no ids; any other
 * gets a space in front (SentencePiece's dummy prefix); spaces become U+2581; then BPE. A
 * character without a piece becomes its UTF-8 bytes (<0xE6>, ...), or <unk> if the vocabulary
 * has no byte pieces. A byte that is not valid UTF-8 is read as U+FFFD. Only text that is
 * marked for parsing can yield added or special tokens. In all other text, "<r99>" and "</s>"
 * are ordinary characters.
 *
 * Decoding. Ids are split at added tokens and the parts joined with one space. In a part, one
 * space stands before the text in front of each special token that is not the part's first id
 * and does not follow a special token (upstream's order: " No.</s>"); a part that begins with a
 * lone space token loses one more space than its dummy prefix. Each byte that is not part of a
 * valid character becomes U+FFFD. So does NUL, since text is a C string.
 *
 * A tokenizer is immutable and may be shared between threads. */
#ifndef GM_LLAMA_TOKENIZER_H
#define GM_LLAMA_TOKENIZER_H

#include "sentencepiece_model.h"
#include "text_buffer.h"

enum { GM_LLAMA_MAX_TOKENS = 1 << 20 };

/* What a tokenizer is made of. USER_DEFINED pieces are the added tokens. */
typedef struct gm_llama_vocabulary {
  size_t n;                       /* 1 .. GM_LLAMA_MAX_TOKENS */
  const char *const *pieces;      /* [n]; of equal ones the first is used; empty: never used */
  const float *scores;            /* [n], finite */
  const int32_t *types;           /* [n] gm_token_type */
  int32_t bos_id, eos_id, unk_id; /* -1: none */
} gm_llama_vocabulary;

typedef struct gm_llama_tokenizer gm_llama_tokenizer;

/* The vocabulary of a tokenizer.model with added tokens appended, in the order of their ids.
 * Refuses (GM_ERR_MODEL) models that are not BPE, or that normalise text. The strings are
 * borrowed from model and added; gm_llama_vocabulary_free frees the arrays. */
gm_status gm_llama_vocabulary_join(gm_llama_vocabulary *out,
                                   const gm_sentencepiece_model *model,
                                   const char *const *added, size_t n_added, gm_error *err);
void gm_llama_vocabulary_free(gm_llama_vocabulary *vocabulary);

/* Checks the vocabulary and indexes it; its arrays and strings must outlive the tokenizer.
 * Errors: GM_ERR_MODEL, GM_ERR_MEMORY. */
gm_status gm_llama_tokenizer_create(gm_llama_tokenizer **out,
                                    const gm_llama_vocabulary *vocabulary, gm_error *err);
void gm_llama_tokenizer_free(gm_llama_tokenizer *tokenizer);

const gm_llama_vocabulary *gm_llama_tokenizer_vocabulary(const gm_llama_tokenizer *tokenizer);
/* The id of an added or special token by its text ("<roi>", "</s>"), or -1. */
int32_t gm_llama_token_id(const gm_llama_tokenizer *tokenizer, const char *token);
/* Both are false for an id out of range. */
bool gm_llama_token_is_added(const gm_llama_tokenizer *tokenizer, int32_t id);
bool gm_llama_token_is_special(const gm_llama_tokenizer *tokenizer,
                               int32_t id); /* bos eos unk */

/* A piece of the text to be encoded; all parts together are one text. */
typedef struct gm_llama_part {
  const char *text;
  size_t length;
  bool parse; /* added and special tokens in it (longest first) become their ids */
} gm_llama_part;

enum { GM_LLAMA_MAX_TEXT = 16 << 20 }; /* bytes of all parts together */

/* Appends the ids of the parts to *ids; without <s> in front. The caller checks, in the ids,
 * which tokens parsed text holds: they cannot come from elsewhere. Errors: GM_ERR_ARGUMENT
 * (text too long), GM_ERR_MEMORY; *ids may then have grown. */
gm_status gm_llama_encode_parts(const gm_llama_tokenizer *tokenizer, const gm_llama_part *parts,
                                size_t n_parts, gm_ids *ids, gm_error *err);
/* One part. */
gm_status gm_llama_encode(const gm_llama_tokenizer *tokenizer, const char *text, size_t length,
                          bool parse, gm_ids *ids, gm_error *err);

/* Appends the text of all ids. GM_ERR_ARGUMENT for an id out of range. */
gm_status gm_llama_decode(const gm_llama_tokenizer *tokenizer, const int32_t *ids, size_t n,
                          gm_text *out, gm_error *err);

/* Decoding id by id. Zero-initialised at the start. */
typedef struct gm_llama_stream {
  bool began;            /* this part has begun: its dummy prefix is removed */
  unsigned n_held;       /* bytes of an unfinished character */
  unsigned char held[4]; /* [n_held] */
} gm_llama_stream;

/* Appends the text that id completes: whole characters. An added or special token appends
 * nothing of its own (the caller decides what it means) and starts a new part. */
gm_status gm_llama_stream_push(const gm_llama_tokenizer *tokenizer, gm_llama_stream *stream,
                               int32_t id, gm_text *out, gm_error *err);
/* Ends the stream: each byte of an unfinished character becomes U+FFFD. */
gm_status gm_llama_stream_finish(gm_llama_stream *stream, gm_text *out, gm_error *err);

#endif
