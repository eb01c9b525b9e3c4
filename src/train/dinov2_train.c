/* dinov2_train.c - see dinov2_train.h. */
#include "dinov2_train.h"

#include <assert.h>
#include <string.h>

static bool embedding_learns(const gm_training *t, const gm_dinov2 *w) {
  return gm_learns(t, w->patch.data) || gm_learns(t, w->patch_b) ||
         gm_learns(t, w->positions.data) || gm_learns(t, w->class_token.data);
}

static size_t lowest_block(const gm_training *t, const gm_dinov2 *w) {
  size_t i = 0;
  while (i < w->layers && !gm_vit_block_learns(t, &w->blocks[i])) i++;
  return i;
}

/* x[b, 1+n*n, C]; the patches stay in the arena. */
static gm_status embed(const gm_training *t, const gm_dinov2 *w, const float *pixels, size_t b,
                       float *x, float *patches) {
  size_t C = w->shape.dim, cells = w->grid * w->grid, columns = gm_tensor_cols(&w->patch);
  size_t picture = 3 * w->image_size * w->image_size;
  gm_compute *c = t->c;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  float *embedded = gm_scratch_f32(c, b * cells * C, "patch embeddings");
  if (!embedded) return GM_ERR_MEMORY;
  for (size_t i = 0; i < b; i++)
    gm_patches(c, patches + i * cells * columns, pixels + i * picture, w->image_size,
               w->patch_size);
  gm_status status =
      gm_linear_train(t, &w->patch, w->patch_b, patches, columns, b * cells, embedded, C);
  for (size_t i = 0; status == GM_OK && i < b; i++) {
    float *rows = x + i * (1 + cells) * C;
    memcpy(rows, w->position, C * sizeof *rows);
    gm_add(c, rows + C, embedded + i * cells * C, w->position + C, cells * C);
  }
  gm_arena_restore(&c->arena, mark);
  return status;
}

static gm_status forward(const gm_training *t, const gm_dinov2 *w, size_t b, float *x,
                         float *const *keep, gm_dinov2_kept *kept) {
  size_t tokens = 1 + w->grid * w->grid, n = b * tokens * w->shape.dim;
  if (keep[0]) memcpy(keep[0], x, n * sizeof *x);
  for (size_t i = 0; i < w->layers; i++) {
    GM_TRY(gm_poll(t->c));
    if (i >= kept->first) {
      GM_TRY(gm_vit_block_train(t, &w->blocks[i], &w->shape, x, b, tokens, &kept->blocks[i]));
    } else {
      gm_arena_mark mark = gm_arena_save(&t->c->arena);
      gm_vit_kept dropped;
      gm_status status =
          gm_vit_block_train(t, &w->blocks[i], &w->shape, x, b, tokens, &dropped);
      gm_arena_restore(&t->c->arena, mark);
      GM_TRY(status);
    }
    if (keep[i + 1]) memcpy(keep[i + 1], x, n * sizeof *x);
  }
  return GM_OK;
}

gm_status gm_dinov2_train(const gm_training *t, const gm_dinov2 *w, const float *pixels,
                          size_t b, float *const *keep, gm_dinov2_kept *kept) {
  size_t cells = w->grid * w->grid, n = b * (1 + cells) * w->shape.dim;
  bool embedding = embedding_learns(t, w);
  *kept = (gm_dinov2_kept){.first = embedding ? 0 : lowest_block(t, w)};
  kept->blocks = gm_scratch(t->c, w->layers * sizeof *kept->blocks, "vision layers");
  float *x = gm_scratch_f32(t->c, n, "vision encoder states");
  float *patches = gm_scratch_f32(t->c, b * cells * gm_tensor_cols(&w->patch), "patches");
  if (!kept->blocks || !x || !patches) return GM_ERR_MEMORY;
  if (embedding) kept->patches = patches;
  GM_TRY(embed(t, w, pixels, b, x, patches));
  return forward(t, w, b, x, keep, kept);
}

/* d[b, 1+n*n, C] by the embeddings. */
static gm_status embedding_back(const gm_training *t, const gm_dinov2 *w, size_t b,
                                const float *d, const float *patches) {
  size_t C = w->shape.dim, cells = w->grid * w->grid, tokens = 1 + cells;
  if (gm_tensor_rows(&w->positions) == tokens) {
    float *positions = gm_gradient(t, w->positions.data);
    float *class_token = gm_gradient(t, w->class_token.data);
    for (size_t i = 0; i < b; i++) {
      const float *rows = d + i * tokens * C;
      for (size_t k = 0; positions && k < tokens * C; k++) positions[k] += rows[k];
      for (size_t k = 0; class_token && k < C; k++) class_token[k] += rows[k];
    }
  }
  float *rows = gm_scratch_f32(t->c, b * cells * C, "gradient of the patches");
  if (!rows) return GM_ERR_MEMORY;
  for (size_t i = 0; i < b; i++)
    memcpy(rows + i * cells * C, d + (i * tokens + 1) * C, cells * C * sizeof *rows);
  size_t columns = gm_tensor_cols(&w->patch);
  return gm_linear_back(t, &w->patch, w->patch_b, patches, columns, rows, C, b * cells, NULL, 0,
                        false);
}

static gm_status backward(const gm_training *t, const gm_dinov2 *w, size_t b,
                          const float *const *d_states, const gm_dinov2_kept *kept) {
  size_t n = b * (1 + w->grid * w->grid) * w->shape.dim;
  float *d = gm_scratch_f32(t->c, n, "gradient of the vision encoder");
  if (!d) return GM_ERR_MEMORY;
  memset(d, 0, n * sizeof *d);
  for (size_t i = w->layers; i > kept->first; i--) {
    if (d_states[i]) gm_add(t->c, d, d, d_states[i], n);
    GM_TRY(gm_poll(t->c));
    GM_TRY(gm_vit_block_back(t, &w->blocks[i - 1], &w->shape, d, b, 1 + w->grid * w->grid,
                             &kept->blocks[i - 1]));
  }
  if (!kept->patches) return GM_OK;
  assert(kept->first == 0);
  if (d_states[0]) gm_add(t->c, d, d, d_states[0], n);
  return embedding_back(t, w, b, d, kept->patches);
}

gm_status gm_dinov2_back(const gm_training *t, const gm_dinov2 *w, size_t b,
                         const float *const *d_states, const gm_dinov2_kept *kept) {
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = backward(t, w, b, d_states, kept);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}
