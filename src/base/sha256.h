/* sha256.h - SHA-256 (FIPS 180-4), for the sums of models, tensors and pictures. */
#ifndef GM_SHA256_H
#define GM_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gm_sha256_state {
  uint32_t state[8];
  uint64_t length;   /* bytes so far */
  uint8_t block[64]; /* the last length % 64 of them */
} gm_sha256_state;

void gm_sha256_begin(gm_sha256_state *sha);
void gm_sha256_add(gm_sha256_state *sha, const void *bytes, size_t n);
/* The text with its NUL, so that texts one after another cannot be cut in another way; the
 * number in 8 bytes, lowest first. For keys of what depends on them. */
void gm_sha256_add_text(gm_sha256_state *sha, const char *text);
void gm_sha256_add_number(gm_sha256_state *sha, uint64_t number);
/* Writes lower-case hex and a NUL. The state must be started anew afterwards. */
void gm_sha256_end(gm_sha256_state *sha, char hex[65]);
/* The digest's own bytes; false where hex is not 64 such digits. */
bool gm_sha256_bytes(const char *hex, unsigned char out[32]);

#endif
