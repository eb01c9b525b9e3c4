/* cache_entry.c - see cache_entry.h. */
#include "cache_entry.h"

#include "bytes.h"
#include "checked.h"
#include "sha256.h"
#include "sizes.h"
#include "sum64.h"

#include <assert.h>
#include <string.h>

enum {
  KIND_AT = 8,
  KIND_MAX = 8,
  SIZE_AT = 16,
  SUM_AT = 24,
  KEY_AT = 32,
  SUM = 8,
  MAX_PIECES = 64,
  LEAST_PIECE = 1 << 20
};

static const unsigned char magic[8] = "GMCACHE\1";

/* ---- the sum ---- */

/* A body in parts, and the sums of its pieces. */
typedef struct summing {
  const gm_cache_part *parts;
  size_t n_parts;
  size_t body, piece; /* bytes of the body, and of a piece */
  unsigned char sums[MAX_PIECES * SUM];
} summing;

static void sum_piece(void *arg, size_t piece, size_t worker) {
  summing *s = arg;
  size_t from = piece * s->piece, end = gm_min_size(from + s->piece, s->body), part_at = 0;
  gm_sum64_state sum = gm_sum64_begin();
  (void)worker;
  for (size_t i = 0; i < s->n_parts && part_at < end; part_at += s->parts[i++].size) {
    size_t part_end = part_at + s->parts[i].size;
    size_t first = gm_max_size(from, part_at), last = gm_min_size(end, part_end);
    if (first < last)
      gm_sum64_add(&sum, (const unsigned char *)s->parts[i].at + (first - part_at),
                   last - first);
  }
  gm_put_le(s->sums + piece * SUM, gm_sum64_end(&sum), SUM);
}

static uint64_t sum_parts(const gm_cache_part *parts, size_t n, size_t body, gm_pool *pool,
                          const gm_cache_pause *pause) {
  summing s = {.parts = parts, .n_parts = n, .body = body};
  s.piece = gm_max_size(LEAST_PIECE, gm_ceil_div(gm_ceil_div(body, MAX_PIECES), 64) * 64);
  size_t pieces = gm_ceil_div(body, s.piece);
  assert(pieces <= MAX_PIECES);
  if (!pause) gm_pool_run(pool, sum_piece, &s, pieces);
  for (size_t i = 0; pause && i < pieces; i++) {
    sum_piece(&s, i, 0);
    pause->call(pause->user);
  }
  return gm_sum64(s.sums, pieces * SUM);
}

/* ---- the head ---- */

/* Everything before the body. False if key is not a valid key. */
static bool make_head(unsigned char head[GM_CACHE_BODY_MAX], const gm_cache_kind *kind,
                      const char *key, size_t body, uint64_t sum) {
  assert(strlen(kind->name) <= KIND_MAX);
  assert(kind->body_at >= GM_CACHE_HEAD && kind->body_at <= GM_CACHE_BODY_MAX);
  assert(kind->body_at % 64 == 0);
  memset(head, 0, kind->body_at);
  memcpy(head, magic, sizeof magic);
  memcpy(head + KIND_AT, kind->name, strlen(kind->name));
  gm_put_le(head + SIZE_AT, body, 8);
  gm_put_le(head + SUM_AT, sum, SUM);
  return gm_sha256_bytes(key, head + KEY_AT);
}

static bool is_size(size_t size, const gm_cache_kind *kind, size_t body) {
  return size >= kind->body_at && size - kind->body_at == body;
}

/* sum: computed from the body that follows this head. */
static const char *head_fault(const unsigned char *bytes, const gm_cache_kind *kind,
                              const char *key, size_t body, uint64_t sum) {
  unsigned char head[GM_CACHE_BODY_MAX];
  if (!make_head(head, kind, key, body, sum) || memcmp(bytes, head, SUM_AT) != 0 ||
      memcmp(bytes + KEY_AT, head + KEY_AT, kind->body_at - KEY_AT) != 0)
    return GM_REFUSED_HEAD;
  return memcmp(bytes + SUM_AT, head + SUM_AT, SUM) != 0 ? GM_REFUSED_SUM : NULL;
}

/* ---- reading ---- */

static const char *fault_of(const void *bytes, size_t size, const gm_cache_kind *kind,
                            const char *key, size_t body, gm_pool *pool,
                            const gm_cache_pause *pause) {
  if (!is_size(size, kind, body)) return GM_REFUSED_SIZE;
  const unsigned char *at = (const unsigned char *)bytes + kind->body_at;
  const gm_cache_part whole = {(void *)(uintptr_t)at, body};
  return head_fault(bytes, kind, key, body, sum_parts(&whole, 1, body, pool, pause));
}

const char *gm_cache_entry_fault(const void *bytes, size_t size, const gm_cache_kind *kind,
                                 const char *key, size_t body, gm_pool *pool) {
  return fault_of(bytes, size, kind, key, body, pool, NULL);
}

/* False on overflow: no such entry exists. */
static bool add_sizes(const gm_cache_part *parts, size_t n, size_t *body) {
  assert(n <= GM_CACHE_MAX_PARTS);
  *body = 0;
  for (size_t i = 0; i < n; i++)
    if (!gm_add_size(*body, parts[i].size, body)) return false;
  return true;
}

const char *gm_cache_entry_read(const void *bytes, size_t size, const gm_cache_kind *kind,
                                const char *key, const gm_cache_part *parts, size_t n) {
  size_t body;
  if (!add_sizes(parts, n, &body) || !is_size(size, kind, body)) return GM_REFUSED_SIZE;
  const unsigned char *at = (const unsigned char *)bytes + kind->body_at;
  for (size_t i = 0; i < n; at += parts[i++].size)
    if (parts[i].size) memcpy(parts[i].at, at, parts[i].size);
  return head_fault(bytes, kind, key, body, sum_parts(parts, n, body, NULL, NULL));
}

bool gm_cache_entry_accept(gm_cache_dir *dir, const gm_cache_kind *kind, const char *key,
                           const char *fault) {
  if (fault)
    gm_cache_dir_refuse(dir, key, kind->name, fault);
  else
    gm_cache_dir_used(dir, key, kind->name);
  return !fault;
}

bool gm_cache_entry_map(gm_cache_dir *dir, const gm_cache_kind *kind, const char *key,
                        size_t body, gm_pool *pool, const gm_cache_pause *pause,
                        gm_mapping *file) {
  if (!gm_cache_dir_map(dir, key, kind->name, file)) return false;
  const char *fault = fault_of(file->data, file->size, kind, key, body, pool, pause);
  if (gm_cache_entry_accept(dir, kind, key, fault)) return true;
  gm_unmap(file);
  return false;
}

bool gm_cache_entry_load(gm_cache_dir *dir, const gm_cache_kind *kind, const char *key,
                         const gm_cache_part *parts, size_t n) {
  gm_mapping file;
  if (!gm_cache_dir_map(dir, key, kind->name, &file)) return false;
  const char *fault = gm_cache_entry_read(file.data, file.size, kind, key, parts, n);
  gm_unmap(&file);
  return gm_cache_entry_accept(dir, kind, key, fault);
}

/* ---- writing ---- */

void gm_cache_entry_store(gm_cache_dir *dir, const gm_cache_kind *kind, const char *key,
                          const gm_cache_part *parts, size_t n, gm_pool *pool,
                          const gm_cache_pause *pause) {
  unsigned char head[GM_CACHE_BODY_MAX];
  gm_cache_piece pieces[1 + GM_CACHE_MAX_PARTS] = {{head, kind->body_at}};
  size_t body;
  if (!add_sizes(parts, n, &body) ||
      !make_head(head, kind, key, body, sum_parts(parts, n, body, pool, pause)))
    return;
  for (size_t i = 0; i < n; i++) pieces[1 + i] = (gm_cache_piece){parts[i].at, parts[i].size};
  gm_cache_dir_store(dir, key, kind->name, pieces, 1 + n, pause);
}
