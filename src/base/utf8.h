/* utf8.h - Unicode text byte by byte: reading and writing UTF-8, white space.
 *
 * Valid means the Unicode Standard's table 3-7: no surrogates, no overlong forms, nothing above
 * U+10FFFF. A byte that is not part of a valid sequence counts as one U+FFFD, as in
 * SentencePiece. */
#ifndef GM_UTF8_H
#define GM_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* U+FFFD, the replacement character, in UTF-8. */
#define GM_UTF8_REPLACEMENT "\xEF\xBF\xBD"
enum { GM_REPLACEMENT = 0xFFFD };

/* Length (1..4) of the valid character at the start of bytes[0..n), n >= 1, and its code point
 * in *code; 0 and GM_REPLACEMENT if there is none. */
size_t gm_utf8_read(const char *bytes, size_t n, uint32_t *code);

/* True if bytes[0..n), 0 < n < 4, is the beginning of a valid character that needs more bytes.
 */
bool gm_utf8_is_incomplete(const char *bytes, size_t n);

/* Writes a code point (no surrogate, at most U+10FFFF); returns 1..4. */
size_t gm_utf8_write(char out[4], uint32_t code);

/* True for characters that can control a terminal or hide what a text says: C0, DEL, C1, line
 * and paragraph separators, directional embeddings, overrides and isolates, invisible marks. */
bool gm_is_control(uint32_t code);

/* White space by Python's str.isspace and str.strip: the characters with the property
 * White_Space, and U+001C..U+001F. */
bool gm_is_space(uint32_t code);

/* Shortens the range [begin, end) of valid UTF-8 by the white space at its start (trim_left) or
 * end (trim_right). */
void gm_trim_left(const char *text, size_t *begin, size_t end);
void gm_trim_right(const char *text, size_t begin, size_t *end);

#endif
