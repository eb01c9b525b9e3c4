/* pipeline.c - see pipeline.h. From top to bottom the way of an image through Groma, one call a
 * stage. Results that are kept between runs are found in place of a stage or kept after it.
 *
 *   S side of the image   n side of the grid of patches   C width of the encoder
 *   T image tokens        q proposals                     r regions of a list
 *   D width, vocab tokens of the language model */
#include "pipeline.h"

#include "pixels.h"
#include "region_vectors.h"

#include <assert.h>

/* image, RGB of any size -> pixels [3, S, S]
 *  -> hidden states [1 + n*n, C], image tokens [T, D]
 *  -> proposals: boxes [q, 4], scores [q]
 *  -> regions [r], the base list */
static gm_status see(gm_compute *c, gm_encoding *e, const gm_image *image) {
  const gm_groma_hparams *h = &e->groma->hparams;
  const gm_vision *vision = e->groma->vision;
  gm_watch_begin(e->watch, "image");
  GM_TRY(gm_poll(c));
  float *pixels = gm_scratch_f32(c, 3 * h->image_size * h->image_size, "the pixels");
  if (!pixels) return GM_ERR_MEMORY;
  GM_TRY(gm_pixels_squash(pixels, image, h->image_size, &h->pixel_norm, c->pool, c->err));
  if (!gm_encoding_find_features(e, pixels)) {
    gm_watch_begin(e->watch, "vision");
    GM_TRY(gm_vision_encode(c, vision, e->features, pixels));
    if (e->proposes) {
      gm_watch_begin(e->watch, "proposer");
      GM_TRY(gm_vision_propose(c, vision, e->features));
    }
    gm_encoding_keep_features(e, c);
  }
  return gm_encoding_choose(e, c->err);
}

/* the last hidden states -> fused maps [4n, 4n, R], [2n, 2n, R], [n, n, R], once an image
 *  -> region vectors [m, D] of the m boxes that have none */
static gm_status compute_vectors(gm_compute *c, gm_encoding *e, const gm_vector_work *w) {
  const gm_vision *vision = e->groma->vision;
  gm_watch_begin(e->watch, "regions");
  if (!gm_encoding_find_maps(e, c)) {
    GM_TRY(gm_vision_fuse(c, vision, e->features));
    gm_encoding_keep_maps(e, c);
  }
  return gm_vision_region_vectors(c, vision, e->features, w->boxes, w->n, w->vectors);
}

static gm_status fill_lists(gm_compute *c, gm_encoding *e, gm_region_list *const *lists,
                            size_t n) {
  gm_vector_work w;
  gm_status status = gm_vectors_begin(&w, c, e, lists, n);
  if (status == GM_OK && w.n > 0) status = compute_vectors(c, e, &w);
  return gm_vectors_end(&w, c, e, status);
}

/* text, image tokens [T, D], region tokens and vectors [r, D], text -> rows of the prompt
 *  -> the prefix: their keys and values, which all questions share */
static gm_status compute_prefix(gm_compute *c, gm_encoding *e, bool whole) {
  gm_prefix_work w;
  gm_status status = gm_prefix_begin(&w, c, e, whole);
  if (status == GM_OK && w.run.n > 0)
    status = gm_llama_forward(e->groma->llama, c, &w.run, 1, gm_watch_progress, e->watch);
  return gm_prefix_end(&w, c, e, status);
}

static gm_status prepare(gm_compute *c, gm_encoding *e, gm_talk *const *talks, size_t n) {
  gm_region_list **lists = gm_scratch(c, n * sizeof *lists, "the lists of regions");
  if (!lists) return GM_ERR_MEMORY;
  gm_prefix_part part = gm_talks_missing_prefix(talks, n);
  for (size_t i = 0; i < n; i++) lists[i] = &talks[i]->list;
  GM_TRY(fill_lists(c, e, lists, n));
  if (part == GM_PREFIX_WHOLE) GM_TRY(fill_lists(c, e, (gm_region_list *[]){&e->base}, 1));
  if (part != GM_PREFIX_NONE) GM_TRY(compute_prefix(c, e, part == GM_PREFIX_WHOLE));
  for (size_t i = 0; i < n; i++) GM_TRY(gm_talk_take_prefix(talks[i], c));
  return GM_OK;
}

/* rows of a list of its own and of the question, after the prefix -> logits [n, vocab] */
gm_status gm_pipeline_read(gm_compute *c, gm_talk *const *talks, size_t n, float *logits,
                           void (*progress)(void *user, double done), void *user) {
  gm_talk_pass p;
  assert(!gm_talk_steps(talks[0]));
  gm_status status = gm_talk_pass_begin(&p, c, talks, n, logits);
  if (status == GM_OK) status = gm_talk_pass_share(&p);
  if (status == GM_OK)
    status = gm_llama_forward(p.llama, c, p.tree.runs, p.tree.n, progress, user);
  if (status == GM_OK) status = gm_talk_pass_keep_lists(&p);
  gm_talk_pass_end(&p);
  return status;
}

/* the row of the last token, after all others -> logits [n, vocab] */
gm_status gm_pipeline_step(gm_compute *c, gm_talk *const *talks, size_t n, float *logits) {
  gm_talk_pass p;
  assert(gm_talk_steps(talks[0]));
  gm_status status = gm_talk_pass_begin(&p, c, talks, n, logits);
  if (status == GM_OK) status = gm_llama_step(p.llama, c, p.runs, n);
  gm_talk_pass_end(&p);
  return status;
}

/* logits [vocab] -> a token, the row of the next step */
gm_status gm_pipeline_say(gm_talk *talk, gm_next_fn next, void *user, size_t i,
                          const float *logits, bool *more, gm_error *err) {
  int32_t id = -1;
  *more = false;
  GM_TRY(next(user, i, logits, &id, more, err)); /* gm_sample, or a choice of regions */
  return id >= 0 ? gm_talk_say(talk, id, err) : GM_OK;
}

/* ---- scratch is given back ---- */

gm_status gm_pipeline_see(gm_compute *c, gm_encoding *encoding, const gm_image *image) {
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = see(c, encoding, image);
  gm_arena_restore(&c->arena, mark);
  return status;
}

gm_status gm_pipeline_prepare(gm_compute *c, gm_talk *const *talks, size_t n) {
  gm_encoding *encoding = talks[0]->encoding;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  assert(!encoding->preparing);
  encoding->preparing = true;
  gm_status status = prepare(c, encoding, talks, n);
  encoding->preparing = false;
  gm_arena_restore(&c->arena, mark);
  return status;
}
