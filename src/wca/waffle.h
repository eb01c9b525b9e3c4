/* waffle.h - Waffle's random words (arXiv 2306.07282): pairs of words from a list, and strings
 * of random characters as long as words. The same ones serve every class. */
#ifndef GM_WAFFLE_H
#define GM_WAFFLE_H

#include "text_buffer.h"

enum { GM_WAFFLE_PAIRS = 15, GM_WAFFLE_STRINGS = 15 };

/* Appends GM_WAFFLE_PAIRS + GM_WAFFLE_STRINGS phrases to *out, each with its NUL. words: one
 * word per line; NULL: a built-in list. The draws depend only on the seed. Errors:
 * GM_ERR_ARGUMENT (fewer than two words), GM_ERR_MEMORY. */
gm_status gm_waffle_phrases(gm_text *out, const char *words, uint64_t seed, gm_error *err);

#endif
