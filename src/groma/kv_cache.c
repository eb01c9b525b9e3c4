/* kv_cache.c - see kv_cache.h. Layout of a block: [layer][keys, values][kv head][capacity]
 * [head_dim], so that the keys one head scans are consecutive. */
#include "kv_cache.h"

#include "checked.h"
#include "pages.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 128, ALIGN = GM_PAGES_ALIGN };

struct gm_kv_block {
  atomic_size_t references; /* a conversation may be freed while others compute */
  size_t capacity;
  unsigned char *bytes;
  gm_mapping file; /* that the bytes lie in, only to be read; all zero: they are our own */
};

/* Bytes of the keys or of the values of one layer; the next begin where floats may. */
static size_t plane_bytes(const gm_kv_shape *shape, gm_type type, size_t capacity) {
  size_t bytes = shape->kv_heads * capacity * gm_type_row_bytes(type, shape->head_dim);
  return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t layer_bytes(const gm_kv_shape *shape, size_t capacity) {
  return plane_bytes(shape, shape->k_type, capacity) +
         plane_bytes(shape, shape->v_type, capacity);
}

/* Keys and values of a layer in a block. */
typedef struct planes {
  unsigned char *k, *v;
} planes;

static planes planes_of(const gm_kv_shape *shape, const gm_kv_block *block, size_t layer) {
  assert(layer < shape->layers);
  unsigned char *k = block->bytes + layer * layer_bytes(shape, block->capacity);
  return (planes){k, k + plane_bytes(shape, shape->k_type, block->capacity)};
}

size_t gm_kv_bytes(const gm_kv_shape *shape, size_t n) {
  /* Rounded up to ALIGN even for one position, this bounds what n of them take. */
  size_t most, per_position = layer_bytes(shape, 1) * shape->layers;
  return gm_mul_size(per_position, n, &most) ? layer_bytes(shape, n) * shape->layers : 0;
}

static gm_kv_block *new_block(const gm_kv_shape *shape, size_t capacity, size_t *bytes) {
  *bytes = gm_kv_bytes(shape, capacity);
  if (*bytes == 0) {
    *bytes = SIZE_MAX;
    return NULL;
  }
  gm_kv_block *block = malloc(sizeof *block);
  if (!block) return NULL;
  *block =
      (gm_kv_block){.references = 1, .capacity = capacity, .bytes = gm_pages_alloc(*bytes)};
  if (!block->bytes) {
    free(block);
    return NULL;
  }
  /* What rounding leaves between planes is nobody's, but may go to a file with them. */
  for (size_t layer = 0; layer < shape->layers; layer++) {
    planes at = planes_of(shape, block, layer);
    memset(at.v - ALIGN, 0, ALIGN);
    memset(at.v + plane_bytes(shape, shape->v_type, capacity) - ALIGN, 0, ALIGN);
  }
  return block;
}

static void release(gm_kv_block *block) {
  assert(block->references > 0);
  if (atomic_fetch_sub_explicit(&block->references, 1, memory_order_acq_rel) > 1) return;
  if (block->file.data)
    gm_unmap(&block->file);
  else
    free(block->bytes);
  free(block);
}

size_t gm_kv_memory(const gm_kv_seq *seq) {
  size_t bytes = 0;
  for (size_t i = 0; i < seq->n_parts; i++)
    bytes += gm_kv_bytes(&seq->shape, seq->parts[i].block->capacity);
  return bytes;
}

size_t gm_kv_own_memory(const gm_kv_seq *seq) {
  size_t bytes = 0;
  for (size_t i = 0; i < seq->n_parts; i++)
    if (atomic_load(&seq->parts[i].block->references) == 1)
      bytes += gm_kv_bytes(&seq->shape, seq->parts[i].block->capacity);
  return bytes;
}

static size_t room_in(const gm_kv_part *part) {
  assert(part->n <= part->block->capacity);
  bool closed = atomic_load(&part->block->references) > 1 || part->block->file.data;
  return closed ? 0 : part->block->capacity - part->n;
}

static gm_status grow_parts(gm_kv_seq *seq, size_t n_parts, gm_error *err) {
  if (n_parts <= seq->max_parts) return GM_OK;
  size_t max_parts = n_parts + 8;
  gm_kv_part *parts = realloc(seq->parts, max_parts * sizeof *parts);
  if (!parts) return gm_fail_memory(err, "the cache", max_parts * sizeof *parts);
  seq->parts = parts;
  seq->max_parts = max_parts;
  return GM_OK;
}

gm_status gm_kv_fork(gm_kv_seq *out, gm_kv_seq *parent, gm_error *err) {
  *out = (gm_kv_seq){.shape = parent->shape};
  GM_TRY(grow_parts(out, parent->n_parts, err));
  for (size_t i = 0; i < parent->n_parts; i++) {
    if (parent->parts[i].n == 0) continue; /* a reserved piece */
    atomic_fetch_add_explicit(&parent->parts[i].block->references, 1, memory_order_relaxed);
    out->parts[out->n_parts++] = parent->parts[i];
  }
  out->n = parent->n;
  return GM_OK;
}

static gm_status add_block(gm_kv_seq *seq, size_t capacity, gm_error *err) {
  size_t bytes;
  GM_TRY(grow_parts(seq, seq->n_parts + 1, err));
  gm_kv_block *block = new_block(&seq->shape, capacity, &bytes);
  if (!block) return gm_fail_memory(err, "the language model's cache", bytes);
  seq->parts[seq->n_parts++] = (gm_kv_part){block, 0};
  return GM_OK;
}

size_t gm_kv_growth(const gm_kv_seq *seq, size_t n) {
  size_t room = seq->n_parts > 0 ? room_in(&seq->parts[seq->n_parts - 1]) : 0;
  size_t least = seq->least ? seq->least : BLOCK;
  if (n <= room) return 0;
  return gm_kv_bytes(&seq->shape, n - room < least ? least : n - room);
}

gm_status gm_kv_extend(gm_kv_seq *seq, size_t n, gm_error *err) {
  size_t parts = seq->n_parts, room = parts > 0 ? room_in(&seq->parts[parts - 1]) : 0;
  size_t here = n < room ? n : room, rest = n - here;
  size_t least = seq->least ? seq->least : BLOCK;
  if (rest > 0) {
    GM_TRY(add_block(seq, rest < least ? least : rest, err));
    seq->parts[parts].n = rest;
  }
  if (here > 0) seq->parts[parts - 1].n += here;
  seq->n += n;
  return GM_OK;
}

gm_status gm_kv_reserve_piece(gm_kv_seq *seq, size_t n, gm_error *err) {
  gm_kv_truncate(seq, seq->n); /* a piece reserved before */
  return add_block(seq, n, err);
}

static void store(const gm_kv_shape *shape, const gm_row_kernels *kernels, gm_type type,
                  unsigned char *plane, size_t capacity, size_t position, const float *row) {
  size_t d = shape->head_dim, bytes = gm_type_row_bytes(type, d);
  for (size_t h = 0; h < shape->kv_heads; h++, row += d) {
    assert(position < capacity);
    void *to = plane + (h * capacity + position) * bytes;
    kernels->kv[type].narrow(to, row, d);
  }
}

void gm_kv_write(gm_kv_seq *seq, const gm_row_kernels *kernels, size_t layer, size_t first,
                 const float *k, const float *v, size_t t) {
  assert(first + t <= seq->n);
  const gm_kv_shape *shape = &seq->shape;
  size_t row = shape->kv_heads * shape->head_dim, at = 0; /* at: of the part's first position */
  for (size_t i = 0; i < seq->n_parts && at < first + t; at += seq->parts[i++].n) {
    const gm_kv_part *part = &seq->parts[i];
    size_t capacity = part->block->capacity;
    planes to = planes_of(shape, part->block, layer);
    for (size_t j = first > at ? first - at : 0; j < part->n && at + j < first + t; j++) {
      store(shape, kernels, shape->k_type, to.k, capacity, j, k + (at + j - first) * row);
      store(shape, kernels, shape->v_type, to.v, capacity, j, v + (at + j - first) * row);
    }
  }
}

/* Positions first .. first + n - 1 of a block. */
static gm_kv_span span_of(const gm_kv_shape *shape, const gm_kv_block *block, size_t layer,
                          size_t first, size_t n) {
  planes at = planes_of(shape, block, layer);
  assert(n > 0 && first + n <= block->capacity);
  return (gm_kv_span){
      .k = at.k + first * gm_type_row_bytes(shape->k_type, shape->head_dim),
      .v = at.v + first * gm_type_row_bytes(shape->v_type, shape->head_dim),
      .n = n,
      .row = shape->head_dim,
      .head = block->capacity * shape->head_dim,
  };
}

size_t gm_kv_spans(const gm_kv_seq *seq, size_t layer, size_t first, size_t end,
                   gm_kv_span *spans) {
  size_t n_spans = 0, at = 0; /* at: of the part's first position */
  for (size_t i = 0; i < seq->n_parts && at < end; i++) {
    const gm_kv_part *part = &seq->parts[i];
    size_t n = part->n < end - at ? part->n : end - at;
    size_t skip = first <= at ? 0 : first - at < n ? first - at : n;
    if (skip < n) spans[n_spans++] = span_of(&seq->shape, part->block, layer, skip, n - skip);
    at += n;
  }
  assert(at >= end);
  return n_spans;
}

size_t gm_kv_common(const gm_kv_seq *a, const gm_kv_seq *b) {
  size_t n = 0;
  for (size_t i = 0; i < a->n_parts && i < b->n_parts; i++) {
    const gm_kv_part *x = &a->parts[i], *y = &b->parts[i];
    if (x->block != y->block) break;
    n += x->n < y->n ? x->n : y->n;
    if (x->n != y->n) break;
  }
  return n;
}

void gm_kv_truncate(gm_kv_seq *seq, size_t n) {
  assert(n <= seq->n);
  size_t surplus = seq->n - n;
  while (seq->n_parts > 0) {
    gm_kv_part *last = &seq->parts[seq->n_parts - 1];
    if (last->n > surplus) {
      last->n -= surplus;
      break;
    }
    surplus -= last->n;
    release(last->block);
    seq->n_parts--;
  }
  assert(seq->n_parts > 0 || surplus == 0); /* the parts add up to the sequence */
  seq->n = n;
}

const void *gm_kv_piece(const gm_kv_seq *seq, size_t first, size_t n) {
  for (size_t i = 0, at = 0; i < seq->n_parts && at <= first; at += seq->parts[i++].n) {
    const gm_kv_part *part = &seq->parts[i];
    if (at == first && part->n == n && part->block->capacity == n) return part->block->bytes;
  }
  return NULL;
}

gm_status gm_kv_adopt(gm_kv_seq *seq, gm_mapping *file, size_t offset, size_t n,
                      gm_error *err) {
  assert(n > 0 && file->size - offset == gm_kv_bytes(&seq->shape, n));
  gm_kv_block *block = malloc(sizeof *block);
  gm_status status = block ? grow_parts(seq, seq->n_parts + 1, err)
                           : gm_fail_memory(err, "the language model's cache", sizeof *block);
  if (status != GM_OK) {
    free(block);
    gm_unmap(file);
    return status;
  }
  unsigned char *bytes = (unsigned char *)(uintptr_t)(file->data + offset);
  assert((uintptr_t)bytes % ALIGN == 0);
  *block = (gm_kv_block){1, n, bytes, *file};
  *file = (gm_mapping){0};
  gm_kv_truncate(seq, seq->n); /* a piece reserved before */
  seq->parts[seq->n_parts++] = (gm_kv_part){block, n};
  seq->n += n;
  return GM_OK;
}

void gm_kv_clear(gm_kv_seq *seq) {
  for (size_t i = 0; i < seq->n_parts; i++) release(seq->parts[i].block);
  free(seq->parts);
  *seq = (gm_kv_seq){.shape = seq->shape};
}
