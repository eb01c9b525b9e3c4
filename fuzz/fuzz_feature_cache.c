/* fuzz_feature_cache.c - an entry of the cache: two bytes give the wanted rows and columns, the
 * rest is the entry. It is read as it is, and again with a correct head, so that the later
 * checks are reached too. */
#include "support.h"

#include "bytes.h"
#include "feature_cache.h"
#include "sum64.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 64 };

static void make_right(uint8_t *entry, size_t size) {
  uint8_t sum[8];
  size_t body = size - HEAD;
  memset(entry, 0, HEAD); /* the key of 64 zeros */
  memcpy(entry, "GMCACHE\1features", 16);
  gm_put_le(entry + 16, body, 8);
  gm_put_le(sum, gm_sum64(entry + HEAD, body), 8);
  gm_put_le(entry + 24, gm_sum64(sum, body ? 8 : 0), 8);
}

static void check(const uint8_t *entry, size_t size, size_t rows, size_t columns) {
  static const char key[] = "0000000000000000000000000000000000000000000000000000000000000000";
  float values[16 * 16];
  if (gm_feature_cache_read(entry, size, key, rows, columns, values)) return;
  fuzz_check(size == HEAD + rows * columns * sizeof *values);
  for (size_t i = 0; i < rows * columns; i++)
    fuzz_check(isfinite(values[i]) && fabsf(values[i]) < 1.01f);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 2) return 0;
  size_t rows = bytes[0] % 17, columns = bytes[1] % 17, n = size - 2;
  check(bytes + 2, n, rows, columns);
  if (n < HEAD) return 0;
  uint8_t *copy = malloc(n);
  fuzz_check(copy != NULL);
  memcpy(copy, bytes + 2, n);
  make_right(copy, n);
  check(copy, n, rows, columns);
  free(copy);
  return 0;
}
