/* tile_model.h - AMX's tile instructions in plain C, under the names of their intrinsics: for
 * kernels that are compiled with `-include tile_model.h` instead of -mamx-tile, so that they
 * run where the processor has no tiles.
 *
 * Each thread has its own tiles. What the processor would refuse is a fault: a configuration
 * that palette 1 does not have (8 tiles of up to 16 rows of 64 bytes, all reserved bytes zero),
 * a tile that is not configured, factors whose shapes do not fit. Faults of the model's own,
 * since no kernel of ours does it on purpose: rows that overlap (a stride that is smaller than
 * a row), and a first row other than 0. A fault ends the program as SIGILL would, unless the
 * test catches it. */
#ifndef GM_TILE_MODEL_H
#define GM_TILE_MODEL_H

#include <immintrin.h>
#include <stdbool.h>

/* From now on the calling thread's faults are kept; an instruction at fault does nothing. */
void gm_tile_model_catch(void);
/* What was wrong first since the last call, NULL: nothing. */
const char *gm_tile_model_fault(void);
/* Threads whose tiles are configured now, and configurations loaded since the start. */
unsigned gm_tile_model_in_use(void);
unsigned long gm_tile_model_loads(void);

/* gm_cpu_tiles of cpu_tiles.h, replaced: what it says, and how often it was asked. */
void gm_tile_model_refuse(void);
unsigned gm_tile_model_asked(void);

void gm_tile_model_loadconfig(const void *config);
void gm_tile_model_storeconfig(void *config);
void gm_tile_model_release(void);
void gm_tile_model_zero(int tile);
void gm_tile_model_load(int tile, const void *base, long stride);
void gm_tile_model_store(int tile, void *base, long stride);
/* sums += a . b: four bytes of k side by side, in 32 bits that wrap. */
void gm_tile_model_bytes(int sums, int a, int b, bool a_signed, bool b_signed);
/* sums += a . b: pairs of bf16 side by side, in f32. */
void gm_tile_model_bf16(int sums, int a, int b);

#undef _tile_loadconfig
#undef _tile_storeconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stream_loadd
#undef _tile_stored
#undef _tile_dpbssd
#undef _tile_dpbsud
#undef _tile_dpbusd
#undef _tile_dpbuud
#undef _tile_dpbf16ps
#define _tile_loadconfig(config) gm_tile_model_loadconfig(config)
#define _tile_storeconfig(config) gm_tile_model_storeconfig(config)
#define _tile_release() gm_tile_model_release()
#define _tile_zero(tile) gm_tile_model_zero(tile)
#define _tile_loadd(tile, base, stride) gm_tile_model_load(tile, base, (long)(stride))
#define _tile_stream_loadd(tile, base, stride) gm_tile_model_load(tile, base, (long)(stride))
#define _tile_stored(tile, base, stride) gm_tile_model_store(tile, base, (long)(stride))
#define _tile_dpbssd(sums, a, b) gm_tile_model_bytes(sums, a, b, true, true)
#define _tile_dpbsud(sums, a, b) gm_tile_model_bytes(sums, a, b, true, false)
#define _tile_dpbusd(sums, a, b) gm_tile_model_bytes(sums, a, b, false, true)
#define _tile_dpbuud(sums, a, b) gm_tile_model_bytes(sums, a, b, false, false)
#define _tile_dpbf16ps(sums, a, b) gm_tile_model_bf16(sums, a, b)

#endif
