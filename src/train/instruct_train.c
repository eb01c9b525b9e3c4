/* instruct_train.c - see instruct_train.h. */
#include "instruct_train.h"

#include <assert.h>
#include <string.h>

/* ---- what learns ---- */

#define ANY_VEC(member, name, size) || gm_learns(t, w->member)
#define ANY_MAT(member, name, precision, rows, columns) || gm_learns(t, w->member.data)
#define ANY_TENSOR(member, name, from, precision, layout, ...) || gm_learns(t, w->member.data)

static bool bridge_learns(const gm_training *t, const gm_visual_tokens *w) {
  return false GM_VISUAL_TOKENS_WEIGHTS(ANY_VEC, ANY_MAT);
}

static bool input_learns(const gm_training *t, const gm_region_input *w) {
  return false GM_REGION_INPUT(ANY_VEC, ANY_MAT, ANY_TENSOR);
}

static bool fuse_learns(const gm_training *t, const gm_region_fuse *w) {
  return false GM_REGION_FUSE(ANY_VEC, ANY_MAT, ANY_TENSOR);
}

static bool conv_learns(const gm_training *t, const gm_region_conv *w) {
  return false GM_REGION_CONV(ANY_VEC, ANY_MAT, ANY_TENSOR);
}

static bool regions_learn(const gm_training *t, const gm_region_encoder *w) {
  bool learns = false GM_REGION_HEAD(ANY_VEC, ANY_MAT, ANY_TENSOR);
  for (size_t k = 0; k < GM_REGION_LEVELS; k++)
    learns = learns || input_learns(t, &w->input[k]) || conv_learns(t, &w->roi[k]);
  for (size_t i = 0; i < w->n_fuse; i++) learns = learns || fuse_learns(t, &w->fuse[i]);
  return learns;
}

/* ---- forward ---- */

static gm_status allocate(gm_instruct_pass *p) {
  gm_compute *c = p->t->c;
  const size_t D = p->groma->llama->dim;
  p->n_image = p->n * gm_vision_n_tokens(p->groma->vision);
  for (size_t i = 0; i < p->n; i++) p->n_regions += p->items[i].sequence->n_regions;
  p->outputs = gm_scratch(c, p->n * sizeof *p->outputs, "the pictures");
  p->pictures = gm_scratch(c, p->n * sizeof *p->pictures, "the pictures");
  p->lengths = gm_scratch(c, p->n * sizeof *p->lengths, "the sequences");
  p->vectors = gm_scratch_f32(c, (p->n_image + p->n_regions) * D, "image tokens and regions");
  if (!p->outputs || !p->pictures || !p->lengths || !p->vectors) return GM_ERR_MEMORY;
  if (!p->bridge_learns && !p->regions_learn) return GM_OK;
  p->d_vectors = gm_scratch_f32(c, (p->n_image + p->n_regions) * D, "their gradients");
  if (!p->d_vectors) return GM_ERR_MEMORY;
  memset(p->d_vectors, 0, (p->n_image + p->n_regions) * D * sizeof *p->d_vectors);
  return GM_OK;
}

/* What is frozen keeps nothing. */
static gm_training keeping(const gm_training *t, bool learns) {
  gm_training out = *t;
  if (!learns) out.recompute = true;
  return out;
}

static gm_status make_vectors(gm_instruct_pass *p) {
  const gm_vision *vision = p->groma->vision;
  const gm_training bridge = keeping(p->t, p->bridge_learns),
                    regions = keeping(p->t, p->regions_learn);
  for (size_t i = 0; i < p->n; i++) {
    const gm_instruct_item *item = &p->items[i];
    p->outputs[i] = item->output;
    p->pictures[i] =
        (gm_region_picture){.boxes = item->sequence->regions, .r = item->sequence->n_regions};
    memcpy(p->pictures[i].states, item->states, sizeof item->states);
  }
  GM_TRY(gm_visual_tokens_train(&bridge, gm_vision_bridge(vision), p->outputs, p->n, p->vectors,
                                &p->bridge_kept));
  return gm_region_encoder_train(&regions, gm_vision_regions(vision), p->pictures, p->n,
                                 p->vectors + p->n_image * p->groma->llama->dim,
                                 &p->regions_kept);
}

static gm_status make_rows(gm_instruct_pass *p) {
  const size_t T = gm_vision_n_tokens(p->groma->vision);
  for (size_t i = 0, image = 0, region = p->n_image; i < p->n; i++) {
    const gm_sequence *s = p->items[i].sequence;
    const size_t before = p->rows.n;
    GM_TRY(gm_sequence_rows(s, p->groma->prompt, T, image, region, &p->rows, &p->targets,
                            p->t->c->err));
    p->lengths[i] = p->rows.n - before;
    image += T;
    region += s->n_regions;
  }
  p->batch = (gm_llama_batch){.lengths = p->lengths,
                              .n_sequences = p->n,
                              .n_rows = p->rows.n,
                              .rows = p->rows.ids,
                              .vectors = p->vectors,
                              .targets = p->targets.ids,
                              .d_vectors = p->d_vectors};
  return GM_OK;
}

gm_status gm_instruct_forward(gm_instruct_pass *pass, const gm_training *t,
                              const gm_groma *groma, const gm_instruct_item *items, size_t n,
                              double *loss) {
  assert(n > 0);
  *pass = (gm_instruct_pass){.t = t, .groma = groma, .items = items, .n = n};
  pass->bridge_learns = bridge_learns(t, gm_vision_bridge(groma->vision));
  pass->regions_learn = regions_learn(t, gm_vision_regions(groma->vision));
  GM_TRY(allocate(pass));
  GM_TRY(make_vectors(pass));
  GM_TRY(make_rows(pass));
  GM_TRY(gm_llama_train_forward(&pass->words, t, groma->llama, &pass->batch));
  return gm_llama_train_loss(&pass->words, loss);
}

/* ---- backward ---- */

gm_status gm_instruct_back(gm_instruct_pass *p, const gm_state_gradient *extra,
                           size_t n_extra) {
  const gm_vision *vision = p->groma->vision;
  GM_TRY(gm_llama_train_back(&p->words, extra, n_extra));
  if (p->bridge_learns)
    GM_TRY(gm_visual_tokens_back(p->t, gm_vision_bridge(vision), p->outputs, p->n,
                                 &p->bridge_kept, p->d_vectors, NULL));
  if (!p->regions_learn) return GM_OK;
  return gm_region_encoder_back(p->t, gm_vision_regions(vision), p->pictures, p->n,
                                p->regions_kept,
                                p->d_vectors + p->n_image * p->groma->llama->dim);
}

void gm_instruct_end(gm_instruct_pass *pass) {
  gm_ids_free(&pass->rows);
  gm_ids_free(&pass->targets);
}

gm_status gm_instruct_step(const gm_training *t, const gm_groma *groma,
                           const gm_instruct_item *items, size_t n, double *loss) {
  gm_instruct_pass pass;
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = gm_instruct_forward(&pass, t, groma, items, n, loss);
  if (status == GM_OK) status = gm_instruct_back(&pass, NULL, 0);
  gm_instruct_end(&pass);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}
