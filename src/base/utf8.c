/* utf8.c - see utf8.h. */
#include "utf8.h"

#include <assert.h>

/* From the first byte: the length of the sequence (0: not a first byte) and the range of the
 * second byte that excludes overlong forms, surrogates and code points above U+10FFFF. */
static size_t lead(unsigned char byte, unsigned char *low, unsigned char *high) {
  *low = 0x80;
  *high = 0xBF;
  if (byte < 0x80) return 1;
  if (byte < 0xC2) return 0;
  if (byte < 0xE0) return 2;
  if (byte < 0xF0) {
    if (byte == 0xE0) *low = 0xA0;
    if (byte == 0xED) *high = 0x9F;
    return 3;
  }
  if (byte == 0xF0) *low = 0x90;
  if (byte == 0xF4) *high = 0x8F;
  return byte <= 0xF4 ? 4 : 0;
}

/* How many bytes of bytes[0..n) belong to the well-formed start of a sequence, and the
 * sequence's length. */
static size_t well_formed(const unsigned char *bytes, size_t n, size_t *length) {
  unsigned char low, high;
  *length = lead(bytes[0], &low, &high);
  if (*length == 0) return 0;
  size_t good = 1;
  while (good < *length && good < n && bytes[good] >= low && bytes[good] <= high) {
    good++;
    low = 0x80;
    high = 0xBF;
  }
  return good;
}

size_t gm_utf8_read(const char *bytes, size_t n, uint32_t *code) {
  const unsigned char *b = (const unsigned char *)bytes;
  size_t length;
  *code = GM_REPLACEMENT;
  if (n == 0 || well_formed(b, n, &length) != length || length == 0) return 0;
  uint32_t value = length == 1 ? b[0] : b[0] & (0x7Fu >> length);
  for (size_t i = 1; i < length; i++) value = value << 6 | (b[i] & 0x3F);
  *code = value;
  return length;
}

bool gm_utf8_is_incomplete(const char *bytes, size_t n) {
  size_t length;
  assert(n > 0);
  size_t good = well_formed((const unsigned char *)bytes, n, &length);
  return good == n && n < length;
}

size_t gm_utf8_write(char out[4], uint32_t code) {
  assert(code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF));
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = length - 1; i > 0; i--) {
    out[i] = (char)(0x80 | (code & 0x3F));
    code >>= 6;
  }
  out[0] = (char)((0xF00u >> length) | code);
  return length;
}

bool gm_is_control(uint32_t code) {
  if (code < 0xA0) return code < 0x20 || code >= 0x7F;
  return (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x206F) ||
         code == 0xFEFF || (code >= 0xFFF9 && code <= 0xFFFB);
}

bool gm_is_space(uint32_t code) {
  if (code < 0x80) return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20);
  return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
         code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

void gm_trim_left(const char *text, size_t *begin, size_t end) {
  while (*begin < end) {
    uint32_t code;
    size_t length = gm_utf8_read(text + *begin, end - *begin, &code);
    if (length == 0 || !gm_is_space(code)) return;
    *begin += length;
  }
}

void gm_trim_right(const char *text, size_t begin, size_t *end) {
  while (*end > begin) {
    size_t at = *end - 1;
    while (at > begin && *end - at < 4 && ((unsigned char)text[at] & 0xC0) == 0x80) at--;
    uint32_t code;
    if (gm_utf8_read(text + at, *end - at, &code) != *end - at || !gm_is_space(code)) return;
    *end = at;
  }
}
