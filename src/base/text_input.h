/* text_input.h - text that comes from outside, cleaned at one place: marks, line ends,
 * encodings, and the forms in which Unicode writes one name. */
#ifndef GM_TEXT_INPUT_H
#define GM_TEXT_INPUT_H

#include "status.h"

/* Whether bytes are UTF-8 without a zero byte; *skip is the length of the byte order mark at
 * their start (0 or 3). An error of `status` says where: "NAME: line N: found ..., wanted
 * UTF-8". */
gm_status gm_text_check(const void *bytes, size_t size, const char *name, gm_status status,
                        size_t *skip, gm_error *err);

/* As gm_text_check, then in place: marks at the start of the text and of its lines are taken
 * out, CR LF and CR become LF. text has room for *length + 1 bytes and gets a NUL. */
gm_status gm_text_clean(char *text, size_t *length, const char *name, gm_status status,
                        gm_error *err);

/* The name in NFC; free() it. NULL if memory is short or it is not UTF-8. */
char *gm_name_nfc(const char *name);

#endif
