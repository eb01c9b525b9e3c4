/* text_input.c - see text_input.h. */
#include "text_input.h"

#include "utf8.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define MARK "\xEF\xBB\xBF" /* U+FEFF in UTF-8 */
enum { MARK_BYTES = 3 };

/* ---- what was found instead ---- */

static bool begins(const unsigned char *bytes, size_t size, const char *with, size_t n) {
  return size >= n && memcmp(bytes, with, n) == 0;
}

/* The encoding that a byte order mark names; NULL if there is none. */
static const char *marked_encoding(const unsigned char *b, size_t size) {
  if (begins(b, size, "\xFF\xFE\0\0", 4) || begins(b, size, "\0\0\xFE\xFF", 4)) return "UTF-32";
  if (begins(b, size, "\xFF\xFE", 2) || begins(b, size, "\xFE\xFF", 2)) return "UTF-16";
  return NULL;
}

/* Latin letters in UTF-16 and UTF-32 have zero bytes beside them: after them in little endian,
 * before them in big endian. */
static const char *unmarked_encoding(const unsigned char *b, size_t size) {
  if (size < 4) return NULL;
  if (b[0] && !b[1] && !b[2] && !b[3]) return "UTF-32LE";
  if (!b[0] && !b[1] && !b[2] && b[3]) return "UTF-32BE";
  if (b[0] && !b[1] && b[2] && !b[3]) return "UTF-16LE";
  if (!b[0] && b[1] && !b[2] && b[3]) return "UTF-16BE";
  return NULL;
}

static size_t line_of(const unsigned char *bytes, size_t at) {
  size_t line = 1;
  for (size_t i = 0; i < at; i++)
    line += bytes[i] == '\n' || (bytes[i] == '\r' && bytes[i + 1] != '\n');
  return line;
}

/* ---- checking ---- */

/* How many bytes come before the first that is zero or invalid UTF-8. */
static size_t good_bytes(const unsigned char *bytes, size_t size) {
  const uint64_t high = 0x8080808080808080u, ones = 0x0101010101010101u;
  size_t i = 0;
  while (i < size) {
    uint64_t eight;
    if (size - i >= sizeof eight) {
      memcpy(&eight, bytes + i, sizeof eight);
      if (((eight | (eight - ones)) & high) == 0) { /* ASCII without a zero byte */
        i += sizeof eight;
        continue;
      }
    }
    uint32_t code;
    size_t length = gm_utf8_read((const char *)bytes + i, size - i, &code);
    if (length == 0 || code == 0) break;
    i += length;
  }
  return i;
}

gm_status gm_text_check(const void *bytes, size_t size, const char *name, gm_status status,
                        size_t *skip, gm_error *err) {
  const unsigned char *b = bytes;
  const char *other = marked_encoding(b, size);
  *skip = begins(b, size, MARK, MARK_BYTES) ? MARK_BYTES : 0;
  if (other)
    return gm_fail(err, status,
                   "%s: line 1: found %s (a byte order mark), wanted UTF-8; convert it with "
                   "iconv -f %s -t UTF-8",
                   name, other, other);
  size_t good = good_bytes(b, size);
  if (good == size) return GM_OK;
  size_t line = line_of(b, good);
  other = b[good] ? NULL : unmarked_encoding(b, size);
  if (other)
    return gm_fail(err, status,
                   "%s: line %zu: found zero bytes as in %s, wanted UTF-8; convert it with "
                   "iconv -f %s -t UTF-8",
                   name, line, other, other);
  if (b[good] == 0)
    return gm_fail(err, status, "%s: line %zu: found a zero byte, wanted UTF-8 text", name,
                   line);
  return gm_fail(err, status,
                 "%s: line %zu: found the byte 0x%02X, which is not UTF-8; if the text is "
                 "Latin-1, convert it with iconv -f WINDOWS-1252 -t UTF-8",
                 name, line, b[good]);
}

gm_status gm_text_clean(char *text, size_t *length, const char *name, gm_status status,
                        gm_error *err) {
  size_t n = *length, skip, to = 0;
  text[n] = 0;
  GM_TRY(gm_text_check(text, n, name, status, &skip, err));
  if (!skip && !memchr(text, '\r', n) && !strstr(text, "\n" MARK)) return GM_OK;
  bool start = true;
  for (size_t i = 0; i < n; i++) {
    if (start && strncmp(text + i, MARK, MARK_BYTES) == 0) {
      i += MARK_BYTES - 1;
      continue;
    }
    bool both = text[i] == '\r' && text[i + 1] == '\n';
    if (!both) text[to++] = text[i] == '\r' ? '\n' : text[i];
    start = text[i] == '\n' || text[i] == '\r';
  }
  text[to] = 0;
  *length = to;
  return GM_OK;
}

/* ---- names ---- */

char *gm_name_nfc(const char *name) {
  return (char *)utf8proc_NFC((const utf8proc_uint8_t *)name);
}
