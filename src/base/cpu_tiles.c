/* cpu_tiles.c - see cpu_tiles.h. */
#include "cpu_tiles.h"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of cpuid leaf 7 and of XCR0; older headers do not name them. */
enum {
  TILE_BF16 = 1 << 22,
  TILES = 1 << 24,
  TILE_INT8 = 1 << 25,
  TILE_STATE = 3 << 17 /* the system saves configuration and data */
};
/* Of arch_prctl. */
enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };

static bool processor_has_tiles(void) {
  enum { ALL = TILE_BF16 | TILES | TILE_INT8 };
  unsigned a, b, c, d, xcr0, high;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return false;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & ALL) != ALL) return false;
  __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
  return (xcr0 & TILE_STATE) == TILE_STATE;
}

gm_tiles gm_cpu_tiles(void) {
  if (!processor_has_tiles()) return GM_TILES_NONE;
  long refused = syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA);
  return refused ? GM_TILES_REFUSED : GM_TILES_READY;
}
#else
gm_tiles gm_cpu_tiles(void) {
  return GM_TILES_NONE;
}
#endif
