/* proposer_heads.c - see proposer_heads.h. Boxes are computed in f64 from the heads' outputs.
 */
#include "proposer_heads.h"

#include "proposals.h"

#include <math.h>
#include <string.h>

/* ---- a box head */

gm_status gm_box_head_train(const gm_training *t, const gm_box_head *w, const float *x,
                            size_t rows, size_t d, gm_box_head_kept *kept) {
  size_t A = w->width1, B = w->width2;
  kept->first = gm_scratch_f32(t->c, rows * A, "box head");
  kept->second = gm_scratch_f32(t->c, rows * B, "box head");
  kept->offset = gm_scratch_f32(t->c, rows * 4, "box offsets");
  if (!kept->first || !kept->second || !kept->offset) return GM_ERR_MEMORY;
  GM_TRY(gm_linear_train(t, &w->fc1, w->fc1_b, x, d, rows, kept->first, A));
  gm_act_train(t, GM_ACT_RELU, kept->first, kept->first, rows * A);
  GM_TRY(gm_linear_train(t, &w->fc2, w->fc2_b, kept->first, A, rows, kept->second, B));
  gm_act_train(t, GM_ACT_RELU, kept->second, kept->second, rows * B);
  return gm_linear_train(t, &w->fc3, w->fc3_b, kept->second, B, rows, kept->offset, 4);
}

static gm_status box_head_back(const gm_training *t, const gm_box_head *w, const float *x,
                               size_t rows, size_t d, const gm_box_head_kept *kept,
                               const float *d_offset, float *dx) {
  size_t A = w->width1, B = w->width2;
  float *d_first = gm_scratch_f32(t->c, rows * A, "box head's gradient");
  float *d_second = gm_scratch_f32(t->c, rows * B, "box head's gradient");
  if (!d_first || !d_second) return GM_ERR_MEMORY;
  GM_TRY(gm_linear_back(t, &w->fc3, w->fc3_b, kept->second, B, d_offset, 4, rows, d_second, B,
                        false));
  gm_act_back(t, GM_ACT_RELU, d_second, kept->second, d_second, rows * B);
  GM_TRY(gm_linear_back(t, &w->fc2, w->fc2_b, kept->first, A, d_second, B, rows, d_first, A,
                        false));
  gm_act_back(t, GM_ACT_RELU, d_first, kept->first, d_first, rows * A);
  return gm_linear_back(t, &w->fc1, w->fc1_b, x, d, d_first, A, rows, dx, d, true);
}

gm_status gm_box_head_back(const gm_training *t, const gm_box_head *w, const float *x,
                           size_t rows, size_t d, const gm_box_head_kept *kept,
                           const float *d_offset, float *dx) {
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = box_head_back(t, w, x, rows, d, kept, d_offset, dx);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}

/* ---- boxes and their slopes */

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

/* gm_inverse_sigmoid; *slope is its derivative, without the sides of the ratio that are held.
 */
static double inverse_sigmoid(double p, double *slope) {
  const double eps = 1e-5;
  double q = 1 - p;
  *slope = (p >= eps ? 1 / p : 0) + (q >= eps ? 1 / q : 0);
  return log(fmax(p, eps) / fmax(q, eps));
}

/* The four coordinates as an array, as they lie in gm_box64 and gm_rel_box. */
static double *numbers(gm_box64 *boxes) {
  return &boxes->cx;
}
static const float *coordinates(const gm_rel_box *boxes) {
  return &boxes->cx;
}

/* ---- first stage */

static gm_status alloc_first_stage(const gm_training *t, size_t cells, size_t d,
                                   gm_first_stage_kept *kept) {
  kept->masked = gm_scratch_f32(t->c, cells * d, "masked memory");
  kept->projected = gm_scratch_f32(t->c, cells * d, "first-stage queries");
  kept->stats = gm_scratch_f32(t->c, cells * 2, "norm statistics");
  kept->query = gm_scratch_f32(t->c, cells * d, "first-stage queries");
  kept->logits = gm_scratch_f32(t->c, cells, "first-stage scores");
  kept->d_logits = gm_scratch_f32(t->c, cells, "gradient of scores");
  kept->d_offset = gm_scratch_f32(t->c, cells * 4, "gradient of box offsets");
  return kept->masked && kept->projected && kept->stats && kept->query && kept->logits &&
                 kept->d_logits && kept->d_offset
             ? GM_OK
             : GM_ERR_MEMORY;
}

/* Rows of invalid proposals become 0. */
static void mask_invalid(float *rows, size_t cells, size_t grid, size_t d) {
  for (size_t i = 0; i < cells; i++) {
    float logits[4];
    if (!gm_proposal_logits(logits, i, grid)) memset(rows + i * d, 0, d * sizeof *rows);
  }
}

/* The losses of all proposals, and their boxes. */
static gm_status judge_proposals(const gm_training *t, const gm_proposer_decoder *w,
                                 const gm_detect_goal *goal, gm_box64 *boxes,
                                 gm_detect_loss *loss, gm_first_stage_kept *kept) {
  size_t cells = w->grid * w->grid;
  gm_box64 *d_boxes = gm_scratch(t->c, cells * sizeof *d_boxes, "gradient of boxes");
  if (!d_boxes) return GM_ERR_MEMORY;
  for (size_t i = 0; i < cells; i++) {
    float logits[4];
    gm_proposal_logits(logits, i, w->grid);
    for (size_t k = 0; k < 4; k++)
      numbers(boxes + i)[k] = sigmoid((double)kept->box.offset[4 * i + k] + (double)logits[k]);
  }
  GM_TRY(gm_detect_add(kept->logits, boxes, cells, goal->boxes, goal->n, goal->count,
                       goal->scale, loss, kept->d_logits, d_boxes, t->c->err));
  for (size_t i = 0; i < 4 * cells; i++) {
    double p = numbers(boxes)[i];
    kept->d_offset[i] = (float)(numbers(d_boxes)[i] * p * (1 - p));
  }
  return GM_OK;
}

/* The best cells' boxes. */
static gm_status choose(const gm_training *t, const gm_proposer_decoder *w,
                        const gm_box64 *boxes, const float *logits, gm_rel_box *reference) {
  size_t cells = w->grid * w->grid;
  uint32_t *best = gm_scratch(t->c, w->n_queries * sizeof *best, "best cells");
  gm_scored_cell *order = gm_scratch(t->c, cells * sizeof *order, "first-stage order");
  if (!best || !order) return GM_ERR_MEMORY;
  gm_best_cells(logits, cells, order, w->n_queries, best);
  for (size_t k = 0; k < w->n_queries; k++) {
    const gm_box64 *box = &boxes[best[k]];
    reference[k] = (gm_rel_box){(float)box->cx, (float)box->cy, (float)box->w, (float)box->h};
  }
  return GM_OK;
}

gm_status gm_first_stage_train(const gm_training *t, const gm_proposer_decoder *w,
                               const float *memory, const gm_detect_goal *goal,
                               gm_rel_box *reference, gm_detect_loss *loss,
                               gm_first_stage_kept *kept) {
  size_t cells = w->grid * w->grid, d = w->dim;
  GM_TRY(alloc_first_stage(t, cells, d, kept));
  memcpy(kept->masked, memory, cells * d * sizeof *memory);
  mask_invalid(kept->masked, cells, w->grid, d);
  GM_TRY(
      gm_linear_train(t, &w->memory, w->memory_b, kept->masked, d, cells, kept->projected, d));
  gm_layer_norm_train(t, kept->query, kept->projected, kept->stats, cells, d, w->memory_norm_w,
                      w->memory_norm_b, GM_PROPOSER_EPS);
  GM_TRY(gm_linear_train(t, &w->score.weight, w->score.bias, kept->query, d, cells,
                         kept->logits, 1));
  GM_TRY(gm_box_head_train(t, &w->box_heads[w->n_layers], kept->query, cells, d, &kept->box));

  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_box64 *boxes = gm_scratch(t->c, cells * sizeof *boxes, "proposals");
  gm_status status = boxes ? GM_OK : GM_ERR_MEMORY;
  if (status == GM_OK) status = judge_proposals(t, w, goal, boxes, loss, kept);
  if (status == GM_OK) status = choose(t, w, boxes, kept->logits, reference);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}

static gm_status first_stage_back(const gm_training *t, const gm_proposer_decoder *w,
                                  const gm_first_stage_kept *kept, float *d_memory) {
  size_t cells = w->grid * w->grid, d = w->dim;
  float *d_query = gm_scratch_f32(t->c, cells * d, "first stage's gradient");
  float *d_projected = gm_scratch_f32(t->c, cells * d, "first stage's gradient");
  if (!d_query || !d_projected) return GM_ERR_MEMORY;
  GM_TRY(gm_linear_back(t, &w->score.weight, w->score.bias, kept->query, d, kept->d_logits, 1,
                        cells, d_query, d, false));
  GM_TRY(gm_box_head_back(t, &w->box_heads[w->n_layers], kept->query, cells, d, &kept->box,
                          kept->d_offset, d_query));
  GM_TRY(gm_layer_norm_back(t, d_projected, false, kept->projected, kept->stats, d_query, cells,
                            d, w->memory_norm_w, w->memory_norm_b));
  float *d_masked = d_query; /* which is not needed any more */
  GM_TRY(gm_linear_back(t, &w->memory, w->memory_b, kept->masked, d, d_projected, d, cells,
                        d_masked, d, false));
  mask_invalid(d_masked, cells, w->grid, d);
  gm_add(t->c, d_memory, d_memory, d_masked, cells * d);
  return GM_OK;
}

gm_status gm_first_stage_back(const gm_training *t, const gm_proposer_decoder *w,
                              const gm_first_stage_kept *kept, float *d_memory) {
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = first_stage_back(t, w, kept, d_memory);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}

/* ---- heads of the decoder's layers */

/* A box's coordinate: sigmoid(own + base), where base is the reference's logit, or that of the
 * layer before's box, sigmoid(earlier + reference's logit). Slopes by own and earlier. */
typedef struct refined {
  double value, by_own, by_earlier;
} refined;

static refined refine(double own, const float *earlier, float reference) {
  double slope, base = inverse_sigmoid((double)reference, &slope), by_earlier = 0;
  if (earlier) {
    double p = sigmoid((double)*earlier + base);
    base = inverse_sigmoid(p, &slope);
    by_earlier = slope * p * (1 - p);
  }
  double p = sigmoid(own + base);
  return (refined){p, p * (1 - p), p * (1 - p) * by_earlier};
}

static gm_status run_heads(const gm_training *t, const gm_proposer_decoder *w,
                           const gm_objectness_head *head, size_t layer, const float *states,
                           gm_layer_heads_kept *kept) {
  size_t q = w->n_queries, d = w->dim;
  kept->logits = gm_scratch_f32(t->c, q, "logits");
  kept->d_logits = gm_scratch_f32(t->c, q, "gradient of logits");
  kept->boxes = gm_scratch(t->c, q * sizeof *kept->boxes, "boxes");
  kept->d_offset = gm_scratch(t->c, q * 4 * sizeof *kept->d_offset, "gradient of offsets");
  if (!kept->logits || !kept->d_logits || !kept->boxes || !kept->d_offset) return GM_ERR_MEMORY;
  for (size_t i = 0; i < 4 * q; i++) kept->d_offset[i] = 0;
  GM_TRY(gm_linear_train(t, &head->weight, head->bias, states, d, q, kept->logits, 1));
  return gm_box_head_train(t, &w->box_heads[layer], states, q, d, &kept->box);
}

/* before: the heads of the layer before; NULL for the first. */
static gm_status judge_layer(const gm_training *t, size_t q, const gm_rel_box *reference,
                             const gm_detect_goal *goal, gm_detect_loss *loss,
                             gm_layer_heads_kept *kept, gm_layer_heads_kept *before) {
  const float *own = kept->box.offset, *earlier = before ? before->box.offset : NULL;
  const float *from = coordinates(reference);
  gm_box64 *d_boxes = gm_scratch(t->c, q * sizeof *d_boxes, "gradient of boxes");
  if (!d_boxes) return GM_ERR_MEMORY;
  for (size_t i = 0; i < 4 * q; i++)
    numbers(kept->boxes)[i] =
        refine((double)own[i], earlier ? earlier + i : NULL, from[i]).value;
  GM_TRY(gm_detect_add(kept->logits, kept->boxes, q, goal->boxes, goal->n, goal->count,
                       goal->scale, loss, kept->d_logits, d_boxes, t->c->err));
  for (size_t i = 0; i < 4 * q; i++) {
    refined at = refine((double)own[i], earlier ? earlier + i : NULL, from[i]);
    kept->d_offset[i] += numbers(d_boxes)[i] * at.by_own;
    if (before) before->d_offset[i] += numbers(d_boxes)[i] * at.by_earlier;
  }
  return GM_OK;
}

gm_status gm_layer_heads_train(const gm_training *t, const gm_proposer_decoder *w,
                               const gm_objectness_head *classes, float *const *states,
                               const gm_rel_box *reference, const gm_detect_goal *goal,
                               gm_detect_loss *losses, gm_layer_heads_kept *kept) {
  for (size_t l = 0; l < w->n_layers; l++) {
    GM_TRY(run_heads(t, w, &classes[l], l, states[l], &kept[l]));
    gm_arena_mark mark = gm_arena_save(&t->c->arena);
    gm_status status = judge_layer(t, w->n_queries, reference, goal, &losses[l], &kept[l],
                                   l ? &kept[l - 1] : NULL);
    gm_arena_restore(&t->c->arena, mark);
    GM_TRY(status);
  }
  return GM_OK;
}

static gm_status layer_heads_back(const gm_training *t, const gm_proposer_decoder *w,
                                  const gm_objectness_head *classes, size_t layer,
                                  const float *states, const gm_layer_heads_kept *kept,
                                  float *d_states) {
  size_t q = w->n_queries, d = w->dim;
  float *d_offset = gm_scratch_f32(t->c, q * 4, "gradient of offsets");
  if (!d_offset) return GM_ERR_MEMORY;
  for (size_t i = 0; i < 4 * q; i++) d_offset[i] = (float)kept->d_offset[i];
  GM_TRY(gm_linear_back(t, &classes[layer].weight, classes[layer].bias, states, d,
                        kept->d_logits, 1, q, d_states, d, true));
  return gm_box_head_back(t, &w->box_heads[layer], states, q, d, &kept->box, d_offset,
                          d_states);
}

gm_status gm_layer_heads_back(const gm_training *t, const gm_proposer_decoder *w,
                              const gm_objectness_head *classes, size_t layer,
                              const float *states, const gm_layer_heads_kept *kept,
                              float *d_states) {
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = layer_heads_back(t, w, classes, layer, states, kept, d_states);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}
