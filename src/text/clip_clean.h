/* clip_clean.h - the text that CLIP sees: HTML references resolved, one kind of quotes, single
 * spaces, lower case.
 *
 * As upstream's cleaning (OpenAI CLIP, simple_tokenizer.py), but with only the two of ftfy's
 * repairs that need no guessing:
 *   1. bytes that are not valid UTF-8 -> U+FFFD
 *   2. html.unescape, twice (all references of HTML5, as Python's)
 *   3. NFC, by utf8proc
 *   4. U+02BC, U+2018..U+201B -> ', U+201C..U+201F -> "
 *   5. runs of white space (\s of the regex module) -> one space; none at either end
 *   6. lower case as Python's str.lower: U+0130 becomes two characters, and a capital sigma the
 *      final one where Unicode's condition Final_Sigma holds */
#ifndef GM_CLIP_CLEAN_H
#define GM_CLIP_CLEAN_H

#include "text_buffer.h"

/* Sorting combining marks takes quadratic time, so texts are limited. A description has about a
 * hundred bytes. */
enum { GM_CLIP_MAX_TEXT = 64 << 10 };

/* Appends the cleaned form of text[0..length) to out. Errors: GM_ERR_ARGUMENT (longer than
 * GM_CLIP_MAX_TEXT), GM_ERR_MEMORY. */
gm_status gm_clip_clean(gm_text *out, const char *text, size_t length, gm_error *err);

#endif
