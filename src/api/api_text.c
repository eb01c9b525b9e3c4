/* api_text.c - text that comes from outside, for programs: see gromatic.h. */
#include "text_input.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

gm_status gm_text_import(char *text, size_t *length, const char *name, gm_error *err) {
  return gm_text_clean(text, length, name ? name : "the text", GM_ERR_ARGUMENT, err);
}

size_t gm_text_next(const char *text, size_t n, uint32_t *code, bool *safe) {
  size_t length = gm_utf8_read(text, n, code);
  *safe = length > 0 && !gm_is_control(*code);
  return length > 0 ? length : 1;
}

static bool is_ascii(const char *text) {
  while (*text && (unsigned char)*text < 0x80) text++;
  return *text == 0;
}

int gm_name_compare(const char *a, const char *b) {
  if (is_ascii(a) && is_ascii(b)) return strcmp(a, b);
  char *x = gm_name_nfc(a), *y = gm_name_nfc(b);
  int order = strcmp(x ? x : a, y ? y : b);
  free(x);
  free(y);
  return order;
}
