/* text_buffer.h - growing arrays of bytes (text) and of token ids. Zero-initialised they are
 * empty; the owner frees them. Every allocation is checked. */
#ifndef GM_TEXT_BUFFER_H
#define GM_TEXT_BUFFER_H

#include "status.h"

typedef struct gm_text {
  char *bytes; /* NUL-terminated once anything was appended; NULL before */
  size_t length, capacity;
} gm_text;

typedef struct gm_ids {
  int32_t *ids;
  size_t n, capacity;
} gm_ids;

/* Append; on GM_ERR_MEMORY the buffer is unchanged. length may be 0. */
gm_status gm_text_append(gm_text *text, const void *bytes, size_t length, gm_error *err);
gm_status gm_text_append_string(gm_text *text, const char *string, gm_error *err);
/* Each byte that is not part of a valid UTF-8 character is appended as U+FFFD. */
gm_status gm_text_append_valid(gm_text *text, const char *bytes, size_t n, gm_error *err);
void gm_text_free(gm_text *text);

gm_status gm_ids_append(gm_ids *ids, int32_t id, gm_error *err);
void gm_ids_free(gm_ids *ids);

#endif
