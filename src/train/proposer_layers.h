/* proposer_layers.h - the proposer's layers with their backward passes: residual branches, each
 * y = norm(x + dropout(branch(x))), for one picture.
 *
 * X_train allocates what its backward needs from the compute's arena and lists it in *kept;
 * its inputs must live as long. X_back takes dy and gives dx (not the same array). Gradients of
 * weights are added. All return GM_ERR_MEMORY or GM_ERR_CANCELLED. */
#ifndef GM_PROPOSER_LAYERS_H
#define GM_PROPOSER_LAYERS_H

#include "ops_bwd.h"
#include "proposer_decoder.h"
#include "proposer_encoder.h"

/* Places of gm_dropout that a layer has at most. */
enum { GM_PROPOSER_PLACES = 4 };

/* What deformable attention of a layer looks at. */
typedef struct gm_deform_view {
  const float *position;          /* [rows, d], added to the queries */
  const float *map;               /* [grid * grid, d] */
  const gm_reference *references; /* [rows] */
  size_t rows, grid;
} gm_deform_view;

typedef struct gm_branch_kept {
  const float *x;
  float *sum, *stats; /* the norm's input, [rows, d] and [rows, 2] */
} gm_branch_kept;

typedef struct gm_deform_kept {
  gm_branch_kept branch;
  float *query, *value, *offset, *score, *sampled;
} gm_deform_kept;

typedef struct gm_self_kept {
  gm_branch_kept branch;
  float *query, *qkv, *lse, *mixed;
} gm_self_kept;

typedef struct gm_ffn_kept {
  gm_branch_kept branch;
  float *hidden;
} gm_ffn_kept;

typedef struct gm_encoder_layer_kept {
  gm_deform_kept attention;
  gm_ffn_kept ffn;
} gm_encoder_layer_kept;

typedef struct gm_decoder_layer_kept {
  gm_self_kept self;
  gm_deform_kept cross;
  gm_ffn_kept ffn;
} gm_decoder_layer_kept;

/* x[rows, d] -> y[rows, d]. The map is x itself (view->map is x). place: of its dropout. */
gm_status gm_encoder_layer_train(const gm_training *t, const gm_proposer_encoder_layer *w,
                                 const gm_deform_view *view, const float *x, uint64_t place,
                                 float *y, gm_encoder_layer_kept *kept);
/* d_position[rows, d] += ... */
gm_status gm_encoder_layer_back(const gm_training *t, const gm_proposer_encoder_layer *w,
                                const gm_deform_view *view, const gm_encoder_layer_kept *kept,
                                uint64_t place, const float *dy, float *dx, float *d_position);

/* The map is the memory. heads: of the self-attention. */
gm_status gm_decoder_layer_train(const gm_training *t, const gm_proposer_decoder_layer *w,
                                 size_t heads, const gm_deform_view *view, const float *x,
                                 uint64_t place, float *y, gm_decoder_layer_kept *kept);
/* d_position[rows, d] += ..., d_map[grid * grid, d] += ... */
gm_status gm_decoder_layer_back(const gm_training *t, const gm_proposer_decoder_layer *w,
                                size_t heads, const gm_deform_view *view,
                                const gm_decoder_layer_kept *kept, uint64_t place,
                                const float *dy, float *dx, float *d_position, float *d_map);

#endif
