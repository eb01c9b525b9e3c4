/* text_input.h - text from outside is cleaned here: byte order marks, line ends, encodings, and
 * the Unicode forms of names. */
#ifndef GM_TEXT_INPUT_H
#define GM_TEXT_INPUT_H

#include "status.h"

/* Whether bytes are UTF-8 without a zero byte; *skip is the length of the byte order mark at
 * their start (0 or 3). An error is of `status` and says where: "NAME: line N: found ...,
 * wanted UTF-8". */
gm_status gm_text_check(const void *bytes, size_t size, const char *name, gm_status status,
                        size_t *skip, gm_error *err);

/* As gm_text_check, then in place: byte order marks at the start of the text and of its lines
 * are removed, CR LF and CR become LF. text has room for *length + 1 bytes and gets a NUL. */
gm_status gm_text_clean(char *text, size_t *length, const char *name, gm_status status,
                        gm_error *err);

/* The name in NFC; free() it. NULL if memory is short or name is not UTF-8. */
char *gm_name_nfc(const char *name);

#endif
