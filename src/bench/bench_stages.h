/* bench_stages.h - the stages of a Groma model on one picture, for timing each by itself: what
 * bench_model.c and bench_image.c share. */
#ifndef GM_BENCH_STAGES_H
#define GM_BENCH_STAGES_H

#include "bench.h"
#include "handles.h"

/* Zero-initialised, except for the members below "given". */
typedef struct gm_bench_chain {
  gm_features *features;
  float *pixels;  /* [3, S, S] */
  float *vectors; /* [regions, D] */
  float *logits;  /* [vocab] */
  gm_rel_box *boxes;
  gm_llama_row *rows;
  gm_kv_seq seq;
  /* given */
  const gm_groma *groma;
  size_t regions, prompt, tokens;
  gm_bench_results *results;
  const char *stages; /* those to time; NULL: all */
  uint32_t repeat;
} gm_bench_chain;

/* Allocates the memory and makes a picture of noise, boxes of all sizes and arbitrary tokens:
 * times do not depend on their values. Errors: GM_ERR_MEMORY; end it in any case. */
gm_status gm_bench_chain_begin(gm_bench_chain *b, gm_error *err);
void gm_bench_chain_end(gm_bench_chain *b);

/* Between gm_model_enter and gm_engine_leave: vision, proposer, maps, regions; then prefill and
 * decode. */
gm_status gm_bench_vision(gm_bench_chain *b, gm_compute *c, const gm_model *model);
gm_status gm_bench_language(gm_bench_chain *b, gm_compute *c, const gm_model *model);

#endif
