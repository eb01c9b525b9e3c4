/* kv_rows.h - rows of keys and values in the types of a cache, and where they lie. Static. */
#ifndef GM_KV_ROWS_H
#define GM_KV_ROWS_H

#include "ops.h"

#include <assert.h>

static inline const void *gm_kv_at(gm_type type, const void *base, size_t elements) {
  return (const unsigned char *)base + gm_type_row_bytes(type, elements);
}

/* out[n, d] = n rows of d elements, ld elements apart. */
static inline void gm_kv_widen(const gm_row_kernels *k, float *out, gm_type type,
                               const void *rows, size_t ld, size_t n, size_t d) {
  assert(type == GM_TYPE_F32 || type == GM_TYPE_F16 || type == GM_TYPE_Q8_0);
  assert(type != GM_TYPE_Q8_0 || (ld % 32 == 0 && d % 32 == 0));
  for (size_t j = 0; j < n; j++, out += d) {
    const void *in = gm_kv_at(type, rows, j * ld);
    k->kv[type].widen(out, in, d);
  }
}

static inline size_t gm_kv_keys_in(const gm_kv_span *spans, size_t n_spans) {
  size_t n = 0;
  for (size_t i = 0; i < n_spans; i++) n += spans[i].n;
  return n;
}

/* Whose keys are meant: those of a call's spans, and after them of a part's (NULL: no part), in
 * one batch entry and kv head. */
typedef struct gm_kv_place {
  const gm_attention_args *a;
  const gm_attention_part *part;
  size_t entry, kv_head;
} gm_kv_place;

/* Neighbouring keys and values of one span, `row` elements apart. */
typedef struct gm_kv_stretch {
  const void *k, *v;
  size_t row, n;
} gm_kv_stretch;

/* From `position` in the whole sequence on, at most `most` keys: as many as one span has. */
static inline gm_kv_stretch gm_kv_stretch_at(const gm_kv_place *at, size_t position,
                                             size_t most) {
  const gm_attention_args *a = at->a;
  const gm_kv_span *span = a->spans, *last = a->spans + a->n_spans;
  for (bool own = false;; span++) {
    if (span == last && !own) {
      own = true;
      assert(at->part);
      span = at->part->spans;
    }
    if (position < span->n) break;
    position -= span->n;
  }
  size_t first = (at->entry * span->n + position) * span->row + at->kv_head * span->head;
  size_t left = span->n - position;
  return (gm_kv_stretch){gm_kv_at(a->k_type, span->k, first),
                         gm_kv_at(a->v_type, span->v, first), span->row,
                         left < most ? left : most};
}

#endif
