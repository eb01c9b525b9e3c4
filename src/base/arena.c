/* arena.c - see arena.h. */
#include "arena.h"

#include "checked.h"
#include "pages.h"

#include <assert.h>
#include <stdlib.h>

enum { ALIGN = GM_PAGES_ALIGN, MIN_CHUNK = 1 << 20 };

static gm_arena_chunk *new_chunk(size_t bytes) {
  gm_arena_chunk *chunk = malloc(sizeof *chunk);
  if (!chunk) return NULL;
  size_t capacity = bytes < MIN_CHUNK ? MIN_CHUNK : bytes;
  assert(capacity % ALIGN == 0);
  chunk->bytes = gm_pages_alloc(capacity);
  if (!chunk->bytes) {
    free(chunk);
    return NULL;
  }
  chunk->next = NULL;
  chunk->capacity = capacity;
  chunk->used = 0;
  return chunk;
}

static size_t bytes_in_use(const gm_arena *arena) {
  size_t total = 0;
  for (const gm_arena_chunk *c = arena->first; c; c = c->next) {
    total += c->used;
    if (c == arena->current) break;
  }
  return total;
}

void *gm_arena_alloc(gm_arena *arena, size_t bytes) {
  size_t size;
  if (!gm_align_size(bytes ? bytes : 1, ALIGN, &size)) return NULL;
  gm_arena_chunk *chunk = arena->current;
  assert(!chunk || chunk->used <= chunk->capacity);
  if (!chunk || chunk->capacity - chunk->used < size) {
    /* The chunks above are empty: drop those too small for this block, keep the first that
     * fits. */
    gm_arena_chunk **link = chunk ? &chunk->next : &arena->first;
    while (*link && (*link)->capacity < size) {
      gm_arena_chunk *small = *link;
      *link = small->next;
      free(small->bytes);
      free(small);
    }
    if (!*link) {
      *link = new_chunk(size);
      if (!*link) return NULL;
    }
    chunk = *link;
    chunk->used = 0;
    arena->current = chunk;
  }
  assert(chunk->used % ALIGN == 0 && size <= chunk->capacity - chunk->used);
  void *block = chunk->bytes + chunk->used;
  chunk->used += size;
  size_t in_use = bytes_in_use(arena);
  if (in_use > arena->peak) arena->peak = in_use;
  return block;
}

gm_arena_mark gm_arena_save(const gm_arena *arena) {
  gm_arena_mark mark = {arena->current, arena->current ? arena->current->used : 0};
  return mark;
}

void gm_arena_restore(gm_arena *arena, gm_arena_mark mark) {
  assert(!mark.chunk || mark.used <= mark.chunk->used); /* marks are a stack */
  arena->current = mark.chunk;
  if (mark.chunk) mark.chunk->used = mark.used;
}

void gm_arena_trim(gm_arena *arena) {
  gm_arena_chunk **link = arena->current ? &arena->current->next : &arena->first;
  while (*link) {
    gm_arena_chunk *chunk = *link;
    *link = chunk->next;
    free(chunk->bytes);
    free(chunk);
  }
}

void gm_arena_free(gm_arena *arena) {
  arena->current = NULL;
  gm_arena_trim(arena);
}
