/* api_sha256.c - gm_sha256: content keys for callers. */
#include "gromatic.h"
#include "sha256.h"

void gm_sha256(const void *bytes, size_t size, char out[65]) {
  gm_sha256_state sha;
  gm_sha256_begin(&sha);
  gm_sha256_add(&sha, bytes, size);
  gm_sha256_end(&sha, out);
}
