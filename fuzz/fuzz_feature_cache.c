/* fuzz_feature_cache.c - an entry of the cache: two bytes say how many rows and columns are
 * wanted, the rest is the entry. It is read as it is, and once more with its key and sum made
 * right, so that what is checked behind them is reached too. */
#include "support.h"

#include "feature_cache.h"
#include "sha256.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 80 };

static void make_right(uint8_t *entry, size_t size) {
  char hex[65];
  memset(entry + 16, 0, 32); /* the key of 64 zeros */
  gm_sha256(entry + HEAD, size - HEAD, hex);
  for (size_t i = 0; i < 32; i++) {
    char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
    entry[48 + i] = (uint8_t)strtoul(digits, NULL, 16);
  }
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
