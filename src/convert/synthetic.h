/* synthetic.h - models of Groma's and CLIP's true shapes whose weights are computed, not
 * stored, for tests and timing without the released files.
 *
 * A value is a function of the tensor's upstream name and the flat index in upstream's layout:
 *   h = FNV-1a 64 of the name;  z = mix(h xor (i * 0x9E3779B97F4A7C15))  (rng.h)
 *   r = float(z >> 40) * 2^-23 - 1;  value = base + scale * r
 * with base and scale by rules on the name. docs/FORMAT.md has the table. */
#ifndef GM_SYNTHETIC_H
#define GM_SYNTHETIC_H

#include "checkpoint.h"
#include "convert.h"
#include "groma_sizes.h"
#include "model_file.h"
#include "threads.h"

/* The prefix of a synthetic model's name. */
#define GM_SYNTHETIC "synthetic:"

/* "groma-7b" or, with N instead of 32 language layers, "groma-7b-Nl"; "clip-vit-b-32" or
 * "clip-vit-l-14"; followed by nothing (f32), ":TYPE", or ":TYPE:fast": with ":fast", blocks of
 * quantised types get random levels of the right spread instead of quantised values: for timing
 * only. Built in memory, on pool's threads (may be NULL). Errors: GM_ERR_ARGUMENT (unknown name
 * or type), GM_ERR_MEMORY. */
gm_status gm_synthetic_model(gm_model_file **out, const char *spec, gm_pool *pool,
                             gm_error *err);

/* A Groma model of any sizes, f32, in memory. files: its config.json, tokenizer.model and
 * added_tokens.json as upstream has them. Errors: GM_ERR_MODEL (the files do not fit the
 * sizes), GM_ERR_MEMORY. */
gm_status gm_synthetic_groma(gm_model_file **out, const char *name,
                             const size_t dims[GM_GROMA_N_DIMS], const gm_source_file *files,
                             size_t n_files, gm_pool *pool, gm_error *err);

/* The weights of one of these names as a checkpoint. */
gm_status gm_synthetic_open(gm_checkpoint **out, const char *name, gm_error *err);

/* base and scale of a tensor, and r, as above. */
void gm_synthetic_rule(const char *name, const size_t *shape, uint32_t n_dims, float *base,
                       float *scale);
float gm_synthetic_unit(uint64_t name_hash, uint64_t index);

#endif
