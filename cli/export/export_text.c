/* export_text.c - numbers and XML in exports, and which files may be replaced. */
#include "export_formats.h"

#include "file_names.h"
#include "terminal.h"

#include <string.h>

static bool begins_with(const char *bytes, size_t n, const char *head) {
  return head && n >= strlen(head) && memcmp(bytes, head, strlen(head)) == 0;
}

bool export_is_earlier(const char *path, const char *const heads[2]) {
  char bytes[64];
  FILE *file = fopen(path, "re");
  if (!file) return true; /* whether it can be made is found out then */
  size_t n = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  return n == 0 || begins_with(bytes, n, heads[0]) || begins_with(bytes, n, heads[1]);
}

bool export_may_replace(const char *path, const char *kind, const char *const heads[2]) {
  if (cli_is_picture_name(path))
    cli_error("%s: found a picture's name, wanted one for %s; --draw makes pictures", path,
              kind);
  else if (export_is_earlier(path, heads))
    return true;
  else
    cli_error(
        "%s: this file is no earlier result (%s) and would be lost; give another name, or "
        "remove it first",
        path, kind);
  return false;
}

void export_number(FILE *out, double v, int decimals) {
  char text[64];
  int n = snprintf(text, sizeof text, "%.*f", decimals, v);
  if (n < 0 || (size_t)n >= sizeof text) return;
  if (strchr(text, '.')) {
    while (text[n - 1] == '0') text[--n] = 0;
    if (text[n - 1] == '.') text[--n] = 0;
  }
  fputs(strcmp(text, "-0") == 0 ? "0" : text, out);
}

void export_xml(FILE *out, const char *text) {
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '&')
      fputs("&amp;", out);
    else if (c == '<')
      fputs("&lt;", out);
    else if (c == '>')
      fputs("&gt;", out);
    else if (c == '"')
      fputs("&quot;", out);
    else if (c == '\r' || c == '\n' || c == '\t')
      fprintf(out, "&#%d;", c); /* an attribute would lose them otherwise */
    else if (c < ' ')
      fputc('?', out);
    else if (strncmp(text, "\xEF\xBF\xBE", 3) == 0 || strncmp(text, "\xEF\xBF\xBF", 3) == 0)
      fputc('?', out), text += 2;
    else
      fputc(c, out);
  }
}
