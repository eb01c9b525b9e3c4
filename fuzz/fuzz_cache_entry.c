/* fuzz_cache_entry.c - an entry of the cache: two bytes give the length of the wanted body, one
 * says which byte is changed later, the rest is the entry. It is read as it is, then with a
 * correct head, which must be accepted, then with one byte changed, which must be refused. */
#include "support.h"

#include "bytes.h"
#include "cache_entry.h"
#include "sum64.h"

#include <stdlib.h>
#include <string.h>

enum { BODY_AT = 128 };

static const char key[] = "00000000000000000000000000000000000000000000000000000000000000ff";
static const gm_cache_kind kind = {.name = "fuzz", .body_at = BODY_AT};

/* For bodies of one piece, at most 1 MiB. */
static void make_right(uint8_t *entry, size_t body) {
  uint8_t sum[8];
  memset(entry, 0, BODY_AT);
  memcpy(entry, "GMCACHE\1fuzz", 12);
  gm_put_le(entry + 16, body, 8);
  gm_put_le(sum, gm_sum64(entry + BODY_AT, body), 8);
  gm_put_le(entry + 24, gm_sum64(sum, body ? 8 : 0), 8);
  entry[63] = 0xff;
}

static const char *fault(const uint8_t *entry, size_t size, size_t body) {
  return gm_cache_entry_fault(entry, size, &kind, key, body, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 3 || size > 1 << 20) return 0;
  size_t wanted = gm_le16(bytes), n = size - 3;
  if (!fault(bytes + 3, n, wanted)) fuzz_check(n == BODY_AT + wanted);
  fuzz_check(fault(bytes + 3, n, SIZE_MAX) != NULL);
  if (n < BODY_AT) return 0;
  uint8_t *copy = malloc(n);
  fuzz_check(copy != NULL);
  memcpy(copy, bytes + 3, n);
  make_right(copy, n - BODY_AT);
  fuzz_check(!fault(copy, n, n - BODY_AT));
  copy[(bytes[2] + 256 * wanted) % n] ^= (uint8_t)(1 + bytes[0] % 255);
  fuzz_check(fault(copy, n, n - BODY_AT) != NULL);
  free(copy);
  return 0;
}
