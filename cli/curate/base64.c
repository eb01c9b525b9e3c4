/* base64.c - see base64.h. */
#include "base64.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

char *base64_uri(const char *prefix, const void *bytes, size_t size) {
  static const char letters[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const uint8_t *in = bytes;
  size_t n = strlen(prefix);
  char *out = size < SIZE_MAX / 2 ? malloc(n + 4 * (size / 3 + 1) + 1) : NULL;
  if (!out) return NULL;
  memcpy(out, prefix, n);
  for (size_t i = 0; i < size; i += 3) {
    size_t have = size - i < 3 ? size - i : 3;
    uint32_t three = (uint32_t)in[i] << 16;
    if (have > 1) three |= (uint32_t)in[i + 1] << 8;
    if (have > 2) three |= in[i + 2];
    for (size_t k = 0; k < 4; k++)
      out[n++] = k <= have ? letters[three >> (18 - 6 * k) & 63] : '=';
  }
  out[n] = 0;
  return out;
}
