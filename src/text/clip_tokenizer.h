/* clip_tokenizer.h - text -> token ids of CLIP: cleaned text (clip_clean.h), split into words,
 * each word's bytes merged pair by pair.
 *
 * Words, left to right, first match: 's 't 're 've 'm 'll 'd; letters; one number character;
 * anything else but spaces. The last symbol of a word ends with </w>. A user's text is never
 * parsed for special tokens: "<|endoftext|>" is read as ordinary text.
 *
 * A tokenizer is immutable and may be shared between threads. */
#ifndef GM_CLIP_TOKENIZER_H
#define GM_CLIP_TOKENIZER_H

#include "clip_clean.h"
#include "clip_vocabulary.h"

typedef struct gm_clip_tokenizer gm_clip_tokenizer;

/* Checks the vocabulary (every byte has its two symbols, every merge its three tokens) and
 * indexes it; it is not needed afterwards. Errors: GM_ERR_MODEL, GM_ERR_MEMORY. */
gm_status gm_clip_tokenizer_create(gm_clip_tokenizer **out,
                                   const gm_clip_vocabulary *vocabulary, gm_error *err);
void gm_clip_tokenizer_free(gm_clip_tokenizer *tokenizer);

/* How text is read. OpenAI's own tokenizer reads <|startoftext|> and <|endoftext|> in a text as
 * the tokens; GM_CLIP_AS_UPSTREAM does the same, for comparison. */
typedef enum gm_clip_parsing { GM_CLIP_PLAIN, GM_CLIP_AS_UPSTREAM } gm_clip_parsing;

/* Appends the ids of the text's words to *ids, without start and end. Errors: GM_ERR_ARGUMENT
 * (longer than GM_CLIP_MAX_TEXT), GM_ERR_MEMORY; *ids may then have grown. */
gm_status gm_clip_encode(const gm_clip_tokenizer *tokenizer, const char *text, size_t length,
                         gm_clip_parsing parsing, gm_ids *ids, gm_error *err);

/* The text tower's input: ids[context] = start + ids + end, padded; if too long, ids are cut
 * and the end is kept. context >= 2. *n_used (may be NULL): the number of ids that are not
 * padding. */
gm_status gm_clip_encode_context(const gm_clip_tokenizer *tokenizer, const char *text,
                                 size_t length, gm_clip_parsing parsing, int32_t *ids,
                                 size_t context, size_t *n_used, gm_error *err);

#endif
