/* bridge_train.c - see bridge_train.h. */
#include "bridge_train.h"

static size_t tokens_of(const gm_visual_tokens *w) {
  return w->grid * w->grid / 4;
}

/* [n * T, 4C]: cheap, so both passes make it. */
static float *join(const gm_training *t, const gm_visual_tokens *w, const float *const *hidden,
                   size_t n) {
  size_t floats = tokens_of(w) * 4 * w->width;
  float *joined = gm_scratch_f32(t->c, n * floats, "joined patches");
  for (size_t i = 0; joined && i < n; i++)
    gm_visual_tokens_join(w, hidden[i], joined + i * floats);
  return joined;
}

static gm_status forward(const gm_training *t, const gm_visual_tokens *w,
                         const float *const *hidden, size_t n, float *first, float *out) {
  size_t D = w->dim, rows = n * tokens_of(w), k = 4 * w->width;
  float *joined = join(t, w, hidden, n);
  float *active = gm_scratch_f32(t->c, rows * D, "image token layer");
  if (!joined || !active) return GM_ERR_MEMORY;
  GM_TRY(gm_linear_train(t, &w->fc1, w->fc1_b, joined, k, rows, first, D));
  gm_act_train(t, GM_ACT_GELU, active, first, rows * D);
  return gm_linear_train(t, &w->fc2, w->fc2_b, active, D, rows, out, D);
}

gm_status gm_visual_tokens_train(const gm_training *t, const gm_visual_tokens *w,
                                 const float *const *hidden, size_t n, float *out,
                                 gm_bridge_kept *kept) {
  float *first = gm_scratch_f32(t->c, n * tokens_of(w) * w->dim, "image tokens' first layer");
  if (!first) return GM_ERR_MEMORY;
  kept->hidden = first;
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = forward(t, w, hidden, n, first, out);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}

static void add_joined(const gm_visual_tokens *w, const float *d_joined, float *const *d_hidden,
                       size_t n) {
  size_t side = w->grid, C = w->width;
  for (size_t i = 0; i < n * side * side; i++, d_joined += C) {
    size_t patch = i % (side * side);
    float *to =
        d_hidden[i / (side * side)] + gm_visual_tokens_row(side, patch / 4, patch % 4) * C;
    for (size_t k = 0; k < C; k++) to[k] += d_joined[k];
  }
}

static gm_status backward(const gm_training *t, const gm_visual_tokens *w,
                          const float *const *hidden, size_t n, const gm_bridge_kept *kept,
                          const float *d_out, float *const *d_hidden) {
  size_t D = w->dim, rows = n * tokens_of(w), k = 4 * w->width;
  float *joined = join(t, w, hidden, n);
  float *active = gm_scratch_f32(t->c, rows * D, "image token layer");
  float *d_first = gm_scratch_f32(t->c, rows * D, "gradient of the image token layer");
  float *d_joined = d_hidden ? gm_scratch_f32(t->c, rows * k, "gradient of patches") : NULL;
  if (!joined || !active || !d_first || (d_hidden && !d_joined)) return GM_ERR_MEMORY;
  gm_act_train(t, GM_ACT_GELU, active, kept->hidden, rows * D);
  GM_TRY(gm_linear_back(t, &w->fc2, w->fc2_b, active, D, d_out, D, rows, d_first, D, false));
  gm_act_back(t, GM_ACT_GELU, d_first, kept->hidden, d_first, rows * D);
  GM_TRY(gm_linear_back(t, &w->fc1, w->fc1_b, joined, k, d_first, D, rows, d_joined, k, false));
  if (d_hidden) add_joined(w, d_joined, d_hidden, n);
  return GM_OK;
}

gm_status gm_visual_tokens_back(const gm_training *t, const gm_visual_tokens *w,
                                const float *const *hidden, size_t n,
                                const gm_bridge_kept *kept, const float *d_out,
                                float *const *d_hidden) {
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = backward(t, w, hidden, n, kept, d_out, d_hidden);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}
