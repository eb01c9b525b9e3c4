/* caption_tokens.h - captions cut into words as coco-caption's tokenizer does (Stanford's PTB
 * tokenizer of CoreNLP 3.4.1, in lower case, without punctuation), by rules of our own. */
#ifndef CLI_CAPTION_TOKENS_H
#define CLI_CAPTION_TOKENS_H

#include "name_table.h"
#include "text_buffer.h"

/* Appends the caption's words to out, as numbers in the table. The text is UTF-8.
 * GM_ERR_MEMORY. */
gm_status caption_tokens(gm_ids *out, gm_name_table *words, const char *text, gm_error *err);

/* The caption in a model's answer, in place: without line breaks, tags, superfluous white space
 * and quotes at its ends. */
void caption_clean(char *text);

#endif
