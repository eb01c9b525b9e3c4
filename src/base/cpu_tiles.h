/* cpu_tiles.h - whether this process may use AMX's tiles. */
#ifndef GM_CPU_TILES_H
#define GM_CPU_TILES_H

typedef enum gm_tiles {
  GM_TILES_NONE,    /* the processor has none, for bytes and for bf16 */
  GM_TILES_REFUSED, /* it has, but the operating system does not let this process use them */
  GM_TILES_READY
} gm_tiles;

/* Asks the operating system for permission, for all threads of the process and those it forks.
 * From then on signal frames have 8 KB more. Linux refuses where a thread has a signal stack
 * too small for that, and later refuses such stacks; so ask before making one. Thread-safe. */
gm_tiles gm_cpu_tiles(void);

#endif
