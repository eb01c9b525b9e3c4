/* text_read.h - a whole text file in memory. */
#ifndef GM_TEXT_READ_H
#define GM_TEXT_READ_H

#include "status.h"

/* The file as clean UTF-8 (text_input.h) with a NUL after it; free() it. At most 8 GiB. Errors:
 * GM_ERR_FILE_NOT_FOUND, GM_ERR_IO, GM_ERR_MEMORY, GM_ERR_ARGUMENT (not UTF-8, or too large).
 */
gm_status gm_text_read(char **out, const char *path, gm_error *err);

#endif
