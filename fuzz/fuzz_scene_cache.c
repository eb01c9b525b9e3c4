/* fuzz_scene_cache.c - an entry of the cache of scenes: two bytes say how long a body is
 * wanted, one which byte of it is changed later, the rest is the entry. It is read as it is;
 * then with its head made right, when it must be taken, and with one byte of its body changed,
 * when it must not. */
#include "support.h"

#include "scene_cache.h"
#include "sum64.h"

#include <stdlib.h>
#include <string.h>

static const char key[] = "00000000000000000000000000000000000000000000000000000000000000ff";

static void put_u64(uint8_t *at, uint64_t value) {
  for (int i = 0; i < 8; i++) at[i] = (uint8_t)(value >> 8 * i);
}

static void make_right(uint8_t *entry, size_t body) {
  memset(entry, 0, GM_SCENE_HEAD);
  memcpy(entry, "GMSCENE\1", 8);
  put_u64(entry + 8, body);
  entry[47] = 0xff;
  put_u64(entry + 48, gm_sum64(entry + GM_SCENE_HEAD, body));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 3) return 0;
  size_t wanted = (size_t)bytes[0] | (size_t)bytes[1] << 8, n = size - 3;
  if (!gm_scene_fault(bytes + 3, n, key, wanted)) fuzz_check(n == GM_SCENE_HEAD + wanted);
  fuzz_check(gm_scene_fault(bytes + 3, n, key, SIZE_MAX) != NULL);
  if (n <= GM_SCENE_HEAD) return 0;
  uint8_t *copy = malloc(n);
  fuzz_check(copy != NULL);
  memcpy(copy, bytes + 3, n);
  make_right(copy, n - GM_SCENE_HEAD);
  fuzz_check(!gm_scene_fault(copy, n, key, n - GM_SCENE_HEAD));
  copy[GM_SCENE_HEAD + bytes[2] % (n - GM_SCENE_HEAD)] ^= (uint8_t)(1 + bytes[0] % 255);
  fuzz_check(gm_scene_fault(copy, n, key, n - GM_SCENE_HEAD) != NULL);
  free(copy);
  return 0;
}
