/* terminal_text.c - see terminal_text.h.
 *
 * A terminal shows what a reader takes for one character (a grapheme cluster, UAX #29) in one
 * or two columns: the columns of its code points, but two for a picture that is composed of
 * several or that has a variation selector. */
#include "terminal_text.h"

#include "gromatic.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ---- clean text ---- */

/* kept: control characters that stay. */
static void put_clean(FILE *out, const char *text, size_t length, const char *kept) {
  for (size_t i = 0, n; i < length; i += n) {
    uint32_t code;
    bool safe;
    n = gm_text_next(text + i, length - i, &code, &safe);
    bool line_end = code == '\r' && i + 1 < length && text[i + 1] == '\n' && strchr(kept, '\n');
    if (safe || line_end || (code && code < 0x80 && strchr(kept, (int)code)))
      fwrite(text + i, 1, n, out);
    else
      fputc('?', out);
  }
}

void cli_put_text(FILE *out, const char *text, size_t length) {
  put_clean(out, text, length, "\n\t");
}

void cli_put_name(FILE *out, const char *name) {
  put_clean(out, name, strlen(name), "");
}

void cli_print(FILE *out, const char *format, ...) {
  char *text = NULL;
  va_list args;
  va_start(args, format);
  int n = vasprintf(&text, format, args);
  va_end(args);
  if (n < 0) return;
  cli_put_text(out, text, (size_t)n);
  free(text);
}

bool cli_put_json(FILE *out, const char *json) {
  size_t length = strlen(json);
  for (size_t i = 0, n; i < length; i += n) {
    uint32_t code;
    bool safe;
    n = gm_text_next(json + i, length - i, &code, &safe);
    if (safe || code == '\n')
      fwrite(json + i, 1, n, out);
    else
      fprintf(out, "\\u%04x", code);
  }
  return fputc('\n', out) != EOF && !ferror(out);
}

/* ---- columns ---- */

enum { VARIATION_PICTURE = 0xFE0F, JOINER = 0x200D };

/* Hangul's vowels and final consonants take no columns of their own. */
static size_t columns_of(uint32_t code) {
  if ((code >= 0x1160 && code <= 0x11FF) || (code >= 0xD7B0 && code <= 0xD7FF)) return 0;
  return (size_t)utf8proc_charwidth((utf8proc_int32_t)code);
}

/* Whether code, after another code point of its cluster, makes it a picture of two columns: a
 * variation selector, a skin colour, a flag's second letter, or a joiner after a picture. */
static bool makes_picture(uint32_t code, uint32_t before) {
  const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)before);
  return code == VARIATION_PICTURE || (code >= 0x1F3FB && code <= 0x1F3FF) ||
         (code >= 0x1F1E6 && code <= 0x1F1FF) ||
         (code == JOINER && p->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC);
}

size_t cli_text_width(const char *text) {
  size_t length = strlen(text), width = 0, cluster = 0;
  utf8proc_int32_t state = 0;
  uint32_t before = 0;
  bool picture = false;
  for (size_t i = 0, n; i < length; i += n) {
    uint32_t code;
    bool safe;
    n = gm_text_next(text + i, length - i, &code, &safe);
    if (!safe) code = '?';
    if (i > 0 && utf8proc_grapheme_break_stateful((utf8proc_int32_t)before,
                                                  (utf8proc_int32_t)code, &state)) {
      width += picture ? 2 : cluster;
      cluster = 0;
      picture = false;
    } else if (i > 0) {
      picture = picture || makes_picture(code, before);
    }
    cluster += columns_of(code);
    before = code;
  }
  return width + (picture ? 2 : cluster);
}

void cli_put_column(FILE *out, const char *text, size_t width) {
  size_t shown = cli_text_width(text);
  cli_put_name(out, text);
  for (; shown < width; shown++) fputc(' ', out);
}
