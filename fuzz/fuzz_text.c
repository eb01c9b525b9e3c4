/* fuzz_text.c - text from outside, cleaned and shown on a terminal: cleaned text stays as it is
 * when cleaned again, and no control characters are written. */
#include "support.h"

#include "terminal_text.h"

#include <stdlib.h>
#include <string.h>

/* kept: line ends and tabs are allowed. */
static void require_clean(const char *text, size_t n, bool kept) {
  for (size_t i = 0; i < n;) {
    uint32_t code;
    bool safe;
    i += gm_text_next(text + i, n - i, &code, &safe);
    if (!safe && !(kept && (code == '\n' || code == '\t' || code == '\r'))) abort();
  }
}

static void show(const char *text, size_t n, bool name) {
  char *shown = NULL;
  size_t size;
  FILE *out = open_memstream(&shown, &size);
  if (!out) return;
  if (name)
    cli_put_name(out, text);
  else
    cli_put_text(out, text, n);
  if (fclose(out) == 0) require_clean(shown, size, !name);
  free(shown);
  if (cli_text_width(text) > 2 * n) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  char *text = malloc(size + 1);
  size_t length = size, again;
  if (!text) return 0;
  memcpy(text, bytes, size);
  text[size] = 0;
  show(text, size, false);
  show(text, size, true);
  if (gm_text_import(text, &length, "fuzz", NULL) == GM_OK) {
    again = length;
    if (strlen(text) != length || memchr(text, '\r', length)) abort();
    if (gm_text_import(text, &again, "fuzz", NULL) != GM_OK || again != length) abort();
    if (gm_name_compare(text, text) != 0) abort();
    show(text, length, true);
  }
  free(text);
  return 0;
}
