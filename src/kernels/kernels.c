/* kernels.c - which instruction sets this processor has, and the table for each. The tables are
 * filled once, at the first call, and never change afterwards. */
#include "cpu_tiles.h"
#include "kernels_levels.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

typedef void (*use_fn)(gm_kernels *k);

enum { MOST_SETS = 6 }; /* in a table */

/* One table: the instruction sets that it is made of, lowest first, and the value of
 * GROMATIC_CPU that allows this table and none above it. */
typedef struct level {
  const char *cap, *name, *features;
  use_fn use[MOST_SETS];
  bool tiles; /* it needs the level below, and tiles, for which the system must be asked */
} level;

#if defined(__x86_64__)
static const level levels[] = {
    {.cap = "ref", .name = "ref", .features = "", .use = {gm_kernels_use_ref}},
    {.cap = "avx2",
     .name = "avx2",
     .features = "",
     .use = {gm_kernels_use_ref, gm_kernels_use_avx2}},
    {.cap = "avxvnni",
     .name = "avx2",
     .features = "avxvnni",
     .use = {gm_kernels_use_ref, gm_kernels_use_avx2, gm_kernels_use_avxvnni}},
    {.cap = "avx512f",
     .name = "avx512",
     .features = "",
     .use = {gm_kernels_use_ref, gm_kernels_use_avx2, gm_kernels_use_avx512}},
    {.cap = "avx512vnni",
     .name = "avx512",
     .features = "vnni",
     .use = {gm_kernels_use_ref, gm_kernels_use_avx2, gm_kernels_use_avx512,
             gm_kernels_use_avx512vnni}},
    {.cap = "avx512",
     .name = "avx512",
     .features = "vnni+bf16",
     .use = {gm_kernels_use_ref, gm_kernels_use_avx2, gm_kernels_use_avx512,
             gm_kernels_use_avx512vnni, gm_kernels_use_avx512bf16}},
    {.cap = "amx",
     .name = "avx512",
     .features = "vnni+bf16+amx",
     .use = {gm_kernels_use_ref, gm_kernels_use_avx2, gm_kernels_use_avx512,
             gm_kernels_use_avx512vnni, gm_kernels_use_avx512bf16, gm_kernels_use_amx},
     .tiles = true},
};

static bool has_bits(unsigned value, unsigned bits) {
  return (value & bits) == bits;
}

/* Bit i is set if levels[i] can run here: the processor has the instructions and the operating
 * system saves their registers. Without the level that has tiles. */
static unsigned levels_here(void) {
  unsigned a, b, c, d, b7 = 0, c7 = 0, a71 = 0, max7 = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !has_bits(c, bit_OSXSAVE | bit_AVX)) return 1;
  unsigned xcr0, xcr0_high;
  __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(xcr0_high) : "c"(0));
  unsigned c1 = c;
  if (__get_cpuid_count(7, 0, &max7, &b7, &c7, &d) && max7 >= 1)
    (void)__get_cpuid_count(7, 1, &a71, &b, &c, &d);

  unsigned found = 1;
  bool avx2 = has_bits(xcr0, 0x6) && has_bits(c1, bit_FMA | bit_F16C | bit_POPCNT) &&
              has_bits(b7, bit_AVX2 | bit_BMI | bit_BMI2);
  bool avx512 =
      avx2 && has_bits(xcr0, 0xE6) &&
      has_bits(b7, bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ | bit_AVX512CD);
  if (avx2) found |= 1u << 1;
  if (avx2 && has_bits(a71, 1u << 4)) found |= 1u << 2;
  if (avx512) found |= 1u << 3;
  bool vnni = avx512 && has_bits(c7, bit_AVX512VNNI | bit_AVX512VBMI);
  if (vnni) found |= 1u << 4;
  if (vnni && has_bits(a71, 1u << 5)) found |= 1u << 5;
  return found;
}

/* Bit i is set if levels[i] is slower here than the one below. Intel's vdpbf16ps has a quarter
 * of the rate of fp32 multiply-adds, half of their operations (docs/SPEED.md, Emerald Rapids);
 * AMD's is twice as fast as they are. */
static unsigned levels_slow_here(void) {
  unsigned a, b = 0, c = 0, d = 0;
  bool intel = __get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx &&
               c == signature_INTEL_ecx && d == signature_INTEL_edx;
  return intel ? 1u << 5 : 0;
}
#elif defined(__aarch64__)
static const level levels[] = {
    {.cap = "ref", .name = "ref", .features = "", .use = {gm_kernels_use_ref}},
    {.cap = "neon-base",
     .name = "neon",
     .features = "",
     .use = {gm_kernels_use_ref, gm_kernels_use_neon}},
    {.cap = "neon-dotprod",
     .name = "neon",
     .features = "dotprod",
     .use = {gm_kernels_use_ref, gm_kernels_use_neon, gm_kernels_use_dotprod}},
    {.cap = "neon",
     .name = "neon",
     .features = "dotprod+i8mm",
     .use = {gm_kernels_use_ref, gm_kernels_use_neon, gm_kernels_use_dotprod,
             gm_kernels_use_i8mm}},
};

static unsigned levels_here(void) {
  enum { ASIMDDP = 1 << 20, I8MM = 1 << 13 }; /* of HWCAP and HWCAP2 */
  bool dotprod = (getauxval(AT_HWCAP) & ASIMDDP) != 0;
  bool i8mm = dotprod && (getauxval(AT_HWCAP2) & I8MM) != 0;
  return 3u | (dotprod ? 4u : 0u) | (i8mm ? 8u : 0u);
}

static unsigned levels_slow_here(void) {
  return 0;
}
#else
static const level levels[] = {
    {.cap = "ref", .name = "ref", .features = "", .use = {gm_kernels_use_ref}}};

static unsigned levels_here(void) {
  return 1;
}

static unsigned levels_slow_here(void) {
  return 0;
}
#endif

enum { LEVELS = sizeof levels / sizeof levels[0] };

static struct {
  pthread_once_t once;
  unsigned here;
  gm_tiles tiles; /* NONE too where GROMATIC_CPU forbids them */
  size_t best;
  gm_kernels tables[LEVELS], fast;
  char fast_features[32];
  char unknown_cap[41]; /* GROMATIC_CPU, cut short, if it is none of caps; else "" */
} state = {.once = PTHREAD_ONCE_INIT};

/* The values of GROMATIC_CPU on any processor. */
static const char *const caps[] = {"ref",    "avx2", "avxvnni",   "avx512f",      "avx512vnni",
                                   "avx512", "amx",  "neon-base", "neon-dotprod", "neon"};
enum { CAPS = sizeof caps / sizeof caps[0] };

/* Index of the highest level that GROMATIC_CPU allows. */
static size_t capped_level(void) {
  const char *cap = getenv("GROMATIC_CPU");
  if (!cap || !*cap) return LEVELS - 1;
  for (size_t i = 0; i < LEVELS; i++)
    if (strcmp(cap, levels[i].cap) == 0) return i;
  if (strcmp(cap, "amx") == 0) return LEVELS - 1; /* the best there is, where it is none */
  for (size_t i = 0; i < CAPS; i++)
    if (strcmp(cap, caps[i]) == 0) return 0;
  (void)snprintf(state.unknown_cap, sizeof state.unknown_cap, "%s", cap);
  return LEVELS - 1;
}

/* An instruction set may write single functions over those below it, but none of a type that
 * has no row there. For an assert, which is compiled out of release builds. */
static inline __attribute__((unused)) bool has_whole_kv_rows(const gm_row_kernels *rows) {
  for (size_t type = 0; type < GM_TYPE_COUNT; type++) {
    const gm_kv_kernels *kv = &rows->kv[type];
    bool any = kv->widen || kv->narrow || kv->dots || kv->mix;
    if (any && !(kv->widen && kv->narrow && kv->dots && kv->mix)) return false;
  }
  return true;
}

/* Adds the level with tiles to those that are here, if the system grants them. Nothing is asked
 * for where they are not wanted: with them, each signal needs a larger stack. */
static void ask_for_tiles(size_t cap) {
  for (size_t i = 1; i <= cap; i++) {
    if (!levels[i].tiles || !(state.here >> (i - 1) & 1)) continue;
    state.tiles = gm_cpu_tiles();
    if (state.tiles == GM_TILES_READY) state.here |= 1u << i;
  }
}

static void fill_tables(void) {
  state.here = levels_here();
  assert(state.here & 1); /* plain C runs everywhere */
  size_t cap = capped_level();
  ask_for_tiles(cap);
  for (size_t i = 0; i < LEVELS; i++) {
    if (!(state.here >> i & 1)) continue;
    gm_kernels *table = &state.tables[i];
    table->name = levels[i].name;
    table->features = levels[i].features;
    for (size_t j = 0; j < MOST_SETS && levels[i].use[j]; j++) levels[i].use[j](table);
    assert(has_whole_kv_rows(&table->rows));
    bool passed_over = i != cap && levels_slow_here() >> i & 1;
    if (i <= cap && !passed_over) state.best = i;
  }
  const gm_kernels *best = &state.tables[state.best];
  assert(best->matmul[GM_TYPE_F32] && best->rounded[GM_TYPE_F32] && best->epilogue);
  state.fast = *best;
  if (!best->rounds[GM_TYPE_F16]) return;
  state.fast.rounds[GM_TYPE_F32] = true;
  (void)snprintf(state.fast_features, sizeof state.fast_features, "%s%sfast", best->features,
                 *best->features ? "+" : "");
  state.fast.features = state.fast_features;
}

const gm_kernels *gm_kernels_best(void) {
  (void)pthread_once(&state.once, fill_tables);
  return &state.tables[state.best];
}

const gm_kernels *gm_kernels_fast(void) {
  (void)pthread_once(&state.once, fill_tables);
  return &state.fast;
}

bool gm_is_kv_type(gm_type type) {
  assert(type < GM_TYPE_COUNT);
  return gm_kernels_best()->rows.kv[type].dots != NULL; /* the same in every table */
}

bool gm_kv_fits(gm_type type, size_t d) {
  return gm_is_kv_type(type) && d % gm_type_traits_of(type)->block == 0;
}

gm_status gm_kernels_check(gm_error *err) {
  (void)pthread_once(&state.once, fill_tables);
  if (!state.unknown_cap[0]) return GM_OK;
  char names[128] = "";
  for (size_t i = 0, used = 0; i < CAPS && used < sizeof names; i++) {
    const char *between = i == 0 ? "" : i + 1 < CAPS ? ", " : " or ";
    used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", between, caps[i]);
  }
  return gm_fail(err, GM_ERR_ARGUMENT, "the environment's GROMATIC_CPU: found '%s', wanted %s",
                 state.unknown_cap, names);
}

bool gm_kernels_tiles_refused(void) {
  (void)pthread_once(&state.once, fill_tables);
  return state.tiles == GM_TILES_REFUSED;
}

const gm_kernels *gm_kernels_at(size_t i) {
  (void)pthread_once(&state.once, fill_tables);
  for (size_t j = 0; j < LEVELS; j++)
    if ((state.here >> j & 1) && i-- == 0) return &state.tables[j];
  return NULL;
}

const char *gm_kernels_missing(size_t i) {
  (void)pthread_once(&state.once, fill_tables);
  for (size_t j = 0; j < LEVELS; j++)
    if (!(state.here >> j & 1) && i-- == 0) return levels[j].cap;
  return NULL;
}
