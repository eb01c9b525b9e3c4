/* sum64.h - a checksum of bytes at the speed of memory, which detects damage. It does not
 * detect forgery; sha256.h does. */
#ifndef GM_SUM64_H
#define GM_SUM64_H

#include <stddef.h>
#include <stdint.h>

typedef struct gm_sum64_state {
  uint64_t lanes[4];
  uint64_t length;        /* bytes so far */
  unsigned char rest[32]; /* the last length % 32 of them */
} gm_sum64_state;

gm_sum64_state gm_sum64_begin(void);
/* The sum does not depend on how the bytes are split between calls. */
void gm_sum64_add(gm_sum64_state *sum, const void *bytes, size_t n);
uint64_t gm_sum64_end(gm_sum64_state *sum);

/* Of bytes in one piece. */
uint64_t gm_sum64(const void *bytes, size_t n);

#endif
