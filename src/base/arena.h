/* arena.h - scratch memory of a computation: a stack of chunks. Chunks are allocated on first
 * use and kept, so a second pass of the same shape allocates nothing.
 *
 * Not thread-safe: one arena belongs to one gm_compute. Blocks are 64-byte aligned and not
 * cleared. */
#ifndef GM_ARENA_H
#define GM_ARENA_H

#include <stddef.h>

typedef struct gm_arena_chunk {
  struct gm_arena_chunk *next;
  size_t capacity, used;
  unsigned char *bytes;
} gm_arena_chunk;

typedef struct gm_arena {
  gm_arena_chunk *first, *current;
  size_t peak; /* largest number of bytes in use at once, for reports */
} gm_arena;

typedef struct gm_arena_mark {
  gm_arena_chunk *chunk;
  size_t used;
} gm_arena_mark;

/* Returns `bytes` 64-byte-aligned bytes that live until the arena goes back to an earlier mark,
 * or NULL if memory is short. bytes may be 0. */
void *gm_arena_alloc(gm_arena *arena, size_t bytes);

gm_arena_mark gm_arena_save(const gm_arena *arena);
void gm_arena_restore(gm_arena *arena, gm_arena_mark mark);

/* Frees the chunks above the current position. */
void gm_arena_trim(gm_arena *arena);
void gm_arena_free(gm_arena *arena);

#endif
