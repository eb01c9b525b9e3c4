/* kv_rows.h - rows of keys and values in the types of a cache. Static. */
#ifndef GM_KV_ROWS_H
#define GM_KV_ROWS_H

#include "kernels.h"

#include <string.h>

static inline const void *gm_kv_at(gm_type type, const void *base, size_t elements) {
  return (const unsigned char *)base + gm_type_row_bytes(type, elements);
}

/* out[n, d] = n rows of d elements, ld elements apart. */
static inline void gm_kv_widen(const gm_row_kernels *k, float *out, gm_type type,
                               const void *rows, size_t ld, size_t n, size_t d) {
  for (size_t j = 0; j < n; j++, out += d) {
    const void *in = gm_kv_at(type, rows, j * ld);
    if (type == GM_TYPE_F16)
      k->widen_f16(out, in, d);
    else if (type == GM_TYPE_Q8_0)
      k->widen_q8_0(out, in, d);
    else
      memcpy(out, in, d * sizeof *out);
  }
}

#endif
