/* tune_see.c - the first half of a step: pictures -> hidden states -> proposals, and where only
 * words learn the vectors too. What frozen parts compute is taken from what was kept of a
 * picture, or kept. */
#include "tune_pass.h"

#include <string.h>

enum { PROPOSAL_STATES = GM_TUNE_PROPOSAL_STATES };

float *gm_tune_zeros(gm_compute *c, size_t n, const char *what) {
  float *x = gm_scratch_f32(c, n, what);
  if (x) memset(x, 0, n * sizeof *x);
  return x;
}

/* ---- hidden states ---- */

static size_t state_size(const gm_tune_pass *s) {
  return (1 + s->cells) * s->C;
}

static bool is_used(const gm_tune_pass *s, size_t state) {
  return state == s->m->groma->hparams.vision_output || state + PROPOSAL_STATES >= s->n_states;
}

static gm_status allocate(gm_tune_pass *s) {
  gm_compute *c = s->t->c;
  if (s->states) return GM_OK;
  s->states = gm_scratch(c, s->n_states * sizeof *s->states, "hidden states");
  s->d_states = gm_scratch(c, s->n_states * sizeof *s->d_states, "their gradients");
  s->sees = gm_scratch(c, s->n * sizeof *s->sees, "the pictures");
  s->features = gm_scratch_f32(c, s->n * s->cells * s->C, "mean hidden states");
  if (!s->states || !s->d_states || !s->sees || !s->features) return GM_ERR_MEMORY;
  memset(s->sees, 0, s->n * sizeof *s->sees);
  for (size_t i = 0; i < s->n_states; i++) {
    s->states[i] = s->d_states[i] = NULL;
    if (!is_used(s, i)) continue;
    s->states[i] = gm_scratch_f32(c, s->n * state_size(s), "hidden states");
    if (!s->states[i]) return GM_ERR_MEMORY;
    if (!s->m->vision_learns || !s->batch->back) continue;
    s->d_states[i] = gm_tune_zeros(c, s->n * state_size(s), "their gradients");
    if (!s->d_states[i]) return GM_ERR_MEMORY;
  }
  return GM_OK;
}

static void mean_states(gm_tune_pass *s, size_t p) {
  size_t size = s->cells * s->C;
  float *to = s->features + p * size;
  for (size_t k = 0; k < PROPOSAL_STATES; k++) {
    const float *from = gm_tune_state(s, s->states, s->n_states - 1 - k, p) + s->C;
    for (size_t i = 0; i < size; i++) to[i] = (k ? to[i] : 0) + from[i] / PROPOSAL_STATES;
  }
  s->sees[p] = true;
}

/* One picture through the frozen encoder. */
static gm_status see_one(gm_tune_pass *s, size_t p) {
  gm_compute *c = s->t->c;
  size_t side = s->m->groma->hparams.image_size;
  GM_TRY(allocate(s));
  if (s->sees[p]) return GM_OK;
  GM_TRY(s->batch->read(s->batch->user, p));
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_training t = *s->t; /* what has no backward pass keeps nothing */
  gm_dinov2_kept kept;
  float **states = gm_scratch(c, s->n_states * sizeof *states, "hidden states");
  if (!states) return GM_ERR_MEMORY;
  t.recompute = true;
  for (size_t i = 0; i < s->n_states; i++) states[i] = gm_tune_state(s, s->states, i, p);
  gm_status status = gm_dinov2_train(&t, &s->m->vision, s->batch->pixels + p * 3 * side * side,
                                     1, states, &kept);
  gm_arena_restore(&c->arena, mark);
  if (status == GM_OK) mean_states(s, p);
  return status;
}

static gm_status keep(gm_tune_pass *s, gm_tune_seen *seen, size_t n) {
  seen->values = gm_tune_seen_alloc(seen, n * sizeof *seen->values);
  if (seen->values) return GM_OK;
  return gm_fail_memory(s->t->c->err, "what is kept of a picture", n * sizeof *seen->values);
}

static gm_status see_features(gm_tune_pass *s, size_t p, gm_tune_seen *seen) {
  size_t size = s->cells * s->C;
  GM_TRY(allocate(s));
  float *here = s->features + p * size;
  if (!seen->values) {
    GM_TRY(see_one(s, p));
    GM_TRY(keep(s, seen, size));
    memcpy(seen->values, here, size * sizeof *here);
  }
  memcpy(here, seen->values, size * sizeof *here);
  return GM_OK;
}

static gm_status see_states(gm_tune_pass *s, size_t p, gm_tune_seen *seen) {
  size_t size = state_size(s), used = 0;
  GM_TRY(allocate(s));
  for (size_t i = 0; i < s->n_states; i++) used += is_used(s, i);
  bool new = !seen->values;
  if (new) {
    GM_TRY(see_one(s, p));
    GM_TRY(keep(s, seen, used * size));
  }
  float *kept = seen->values;
  for (size_t i = 0; i < s->n_states; i++) {
    float *here = gm_tune_state(s, s->states, i, p);
    if (!here) continue;
    memcpy(new ? kept : here, new ? here : kept, size * sizeof *here);
    kept += size;
  }
  if (!new) mean_states(s, p);
  return GM_OK;
}

gm_status gm_tune_see(gm_tune_pass *s) {
  gm_seen_kind kind = gm_tune_model_sees(s->m);
  for (size_t p = 0; kind != GM_SEEN_NOTHING && p < s->n; p++)
    GM_TRY(kind == GM_SEEN_FEATURES ? see_features(s, p, s->batch->seen[p])
                                    : see_states(s, p, s->batch->seen[p]));
  if (kind != GM_SEEN_NOTHING) return GM_OK;
  GM_TRY(allocate(s));
  GM_TRY(gm_dinov2_train(s->t, &s->m->vision, s->batch->pixels, s->n, s->states, &s->vision));
  for (size_t p = 0; p < s->n; p++) mean_states(s, p);
  return GM_OK;
}

/* ---- proposals ---- */

static gm_status propose_one(gm_tune_pass *s, size_t p, gm_rel_box *boxes, float *scores) {
  gm_compute *c = s->t->c;
  const gm_proposer_learner *w = &s->m->proposer;
  size_t q = w->decoder.n_queries, d = w->encoder.dim;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  float *memory = gm_scratch_f32(c, s->cells * d, "proposer memory");
  const gm_proposer_result result = {
      .reference = gm_scratch(c, q * sizeof(gm_rel_box), "reference boxes"),
      .states = gm_scratch_f32(c, q * d, "proposal states"),
      .coco = gm_scratch_f32(c, q, "proposal logits"),
      .sa1b = gm_scratch_f32(c, q, "proposal logits"),
      .boxes = boxes};
  gm_status status = GM_ERR_MEMORY;
  if (memory && result.reference && result.states && result.coco && result.sa1b)
    status =
        gm_proposer_encoder_input(c, &w->encoder, s->features + p * s->cells * s->C, memory);
  if (status == GM_OK) status = gm_proposer_encoder_forward(c, &w->encoder, memory);
  if (status == GM_OK) status = gm_proposer_decoder_forward(c, &w->decoder, memory, &result);
  for (size_t i = 0; status == GM_OK && i < q; i++)
    scores[i] = gm_region_score(result.coco[i], result.sa1b[i]);
  gm_arena_restore(&c->arena, mark);
  return status;
}

static gm_status allocate_proposals(gm_tune_pass *s) {
  s->proposals = gm_scratch(s->t->c, s->n * sizeof *s->proposals, "proposals");
  return s->proposals ? GM_OK : GM_ERR_MEMORY;
}

gm_status gm_tune_propose(gm_tune_pass *s) {
  size_t q = s->m->proposer.decoder.n_queries;
  GM_TRY(allocate_proposals(s));
  for (size_t p = 0; p < s->n; p++) {
    gm_rel_box *boxes = gm_scratch(s->t->c, q * sizeof *boxes, "proposals");
    float *scores = gm_scratch_f32(s->t->c, q, "scores");
    if (!boxes || !scores) return GM_ERR_MEMORY;
    GM_TRY(propose_one(s, p, boxes, scores));
    s->proposals[p] = (gm_proposals){boxes, scores, q};
  }
  return GM_OK;
}

/* ---- where only words learn ---- */

static gm_status keep_proposals(gm_tune_pass *s, size_t p, gm_tune_seen *seen) {
  size_t q = s->m->proposer.decoder.n_queries;
  GM_TRY(see_one(s, p));
  seen->proposals = gm_tune_seen_alloc(seen, q * sizeof *seen->proposals);
  seen->scores = gm_tune_seen_alloc(seen, q * sizeof *seen->scores);
  if (!seen->proposals || !seen->scores)
    return gm_fail_memory(s->t->c->err, "proposals", q * sizeof *seen->proposals);
  GM_TRY(propose_one(s, p, seen->proposals, seen->scores));
  seen->n_proposals = q;
  return GM_OK;
}

gm_status gm_tune_see_proposals(gm_tune_pass *s) {
  GM_TRY(allocate_proposals(s));
  for (size_t p = 0; p < s->n; p++) {
    gm_tune_seen *seen = s->batch->seen[p];
    if (!seen->n_proposals) GM_TRY(keep_proposals(s, p, seen));
    s->proposals[p] = (gm_proposals){seen->proposals, seen->scores, seen->n_proposals};
  }
  return GM_OK;
}

static gm_status keep_image(gm_tune_pass *s, size_t p, gm_tune_seen *seen) {
  const gm_training t = {.c = s->t->c, .learned = s->t->learned, .bf16 = s->t->bf16};
  gm_bridge_kept kept;
  GM_TRY(see_one(s, p));
  GM_TRY(keep(s, seen, s->tokens * s->D));
  const float *output = gm_tune_state(s, s->states, s->m->groma->hparams.vision_output, p);
  return gm_visual_tokens_train(&t, gm_vision_bridge(s->m->groma->vision), &output, 1,
                                seen->values, &kept);
}

/* Those of n boxes that are not there yet. */
static gm_status keep_regions(gm_tune_pass *s, size_t p, gm_tune_seen *seen,
                              const gm_rel_box *boxes, size_t n) {
  gm_compute *c = s->t->c;
  gm_rel_box *missing = gm_scratch(c, (n + 1) * sizeof *missing, "regions");
  size_t m = 0;
  if (!missing) return GM_ERR_MEMORY;
  for (size_t i = 0; i < n; i++) {
    if (gm_tune_seen_find(seen, boxes[i]) < seen->n) continue;
    size_t at = 0;
    while (at < m && !gm_rel_box_same(missing[at], boxes[i])) at++;
    if (at == m) missing[m++] = boxes[i];
  }
  if (m == 0) return GM_OK;
  GM_TRY(see_one(s, p));
  GM_TRY(gm_tune_seen_grow(seen, m, s->D, c->err));
  gm_region_picture picture = {.boxes = missing, .r = m};
  for (size_t k = 0; k < GM_REGION_LEVELS; k++)
    picture.states[k] = gm_tune_state(s, s->states, s->n_states - GM_REGION_LEVELS + k, p);
  gm_training t = *s->t;
  gm_region_kept *kept;
  t.recompute = true;
  GM_TRY(gm_region_encoder_train(&t, gm_vision_regions(s->m->groma->vision), &picture, 1,
                                 seen->vectors + seen->n * s->D, &kept));
  memcpy(seen->boxes + seen->n, missing, m * sizeof *missing);
  seen->n += m;
  return GM_OK;
}

/* When a picture is seen first: the regions that its later lessons will want, too. */
static gm_status keep_likely(gm_tune_pass *s, size_t p, gm_tune_seen *seen) {
  const gm_look *look = &s->batch->looks[p];
  size_t n = seen->n_proposals;
  uint32_t *chosen = gm_scratch(s->t->c, n * sizeof *chosen, "regions");
  gm_rel_box *boxes = gm_scratch(s->t->c, (n + look->n) * sizeof *boxes, "regions");
  if (!chosen || !boxes) return GM_ERR_MEMORY;
  n = gm_regions_choose(seen->proposals, seen->scores, n, &s->rule->sequence.regions, chosen);
  for (size_t i = 0; i < n; i++) boxes[i] = seen->proposals[chosen[i]];
  memcpy(boxes + n, look->boxes, look->n * sizeof *boxes);
  return keep_regions(s, p, seen, boxes, n + look->n);
}

static gm_status see_vectors_of(gm_tune_pass *s, size_t p) {
  gm_tune_seen *seen = s->batch->seen[p];
  if (!seen->values) {
    if (s->batch->back) GM_TRY(keep_likely(s, p, seen));
    GM_TRY(keep_image(s, p, seen));
  }
  return keep_regions(s, p, seen, s->pictures[p].boxes, s->pictures[p].r);
}

gm_status gm_tune_see_vectors(gm_tune_pass *s) {
  for (size_t p = 0; p < s->n; p++) GM_TRY(see_vectors_of(s, p));
  s->vectors =
      gm_scratch_f32(s->t->c, (s->n_image + s->n_regions) * s->D, "vectors of pictures");
  if (!s->vectors) return GM_ERR_MEMORY;
  float *to = s->vectors + s->n_image * s->D;
  for (size_t p = 0; p < s->n; p++) {
    const gm_tune_seen *seen = s->batch->seen[p];
    memcpy(s->vectors + p * s->tokens * s->D, seen->values,
           s->tokens * s->D * sizeof *seen->values);
    for (size_t i = 0; i < s->pictures[p].r; i++, to += s->D)
      memcpy(to, seen->vectors + gm_tune_seen_find(seen, s->pictures[p].boxes[i]) * s->D,
             s->D * sizeof *to);
  }
  return GM_OK;
}
