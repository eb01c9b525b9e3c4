/* initialise.h - the first values of weights that are trained from nothing, by the names of
 * their tensors. Values depend on the seed and the tensor's name alone; the heads of the
 * proposer's layers start as equal copies. */
#ifndef GM_INITIALISE_H
#define GM_INITIALISE_H

#include "groma_sizes.h"
#include "params.h"

/* convert.h. */
typedef struct gm_source_file gm_source_file;

/* Gives the tensors that fit and learn as a whole their first values:
 *
 *   the proposer, the bridge, the region encoder   as the reference starts them
 *   new_input_embs   every row the mean of the rows of embed_tokens (so call this after the
 *                    words have theirs)
 *   extra_lm_head    uniform in +-1/sqrt(columns)
 *   vision encoder, language model, CLIP   norms 1 and 0, LayerScale 1, other vectors 0, the
 * rest normal: std 0.02, and 0.02 / sqrt(2 layers) for what is added to a residual stream
 * (ours: the reference starts from checkpoints)
 *
 * Low-rank pairs and added tensors stay as they are. Errors: GM_ERR_MODEL (a tensor that has no
 * rule), GM_ERR_MEMORY. */
gm_status gm_initialise(gm_params *params, const gm_tensor_choice *which, uint64_t seed,
                        gm_error *err);

/* What a small model needs besides, since equal index tokens would stay equal for long: adds a
 * random vector (normal, std 0.02) to each of the n rows of new_input_embs from `first` on, and
 * sets those rows of extra_lm_head to 1.5 times that vector. Rows of tensors that do not learn
 * stay. first: gm_prompt.region_0 less the base vocabulary. */
void gm_initialise_index_tokens(gm_params *params, size_t first, size_t n, uint64_t seed);
/* Root of the mean square of a tensor's values; 0 if it does not learn as a whole. Region
 * vectors that are much larger than words drown them: scale updims by the quotient. */
double gm_param_rms(const gm_params *params, const char *name);
void gm_params_multiply(gm_params *params, const gm_tensor_choice *which, float factor);

/* A new Groma model of these sizes, in memory, f32, with the first values above. files:
 * config.json, tokenizer.model and added_tokens.json, as upstream has them; the sizes must be
 * those of these files. Errors: GM_ERR_MODEL (sizes that do not fit each other or the files),
 * GM_ERR_MEMORY. */
gm_status gm_fresh_groma(gm_model_file **out, const char *name,
                         const size_t dims[GM_GROMA_N_DIMS], const gm_source_file *files,
                         size_t n_files, uint64_t seed, gm_pool *pool, gm_error *err);

#endif
