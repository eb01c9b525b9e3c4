/* clip_train.c - see clip_train.h. */
#include "clip_train.h"

#include "alignment.h"

#include <math.h>
#include <string.h>

/* ---- from states to unit features, and back */

static gm_status head_train(const gm_training *t, const float *rows, size_t n, size_t C,
                            const float *ln_w, const float *ln_b, float eps,
                            const gm_tensor *projection, float *features,
                            gm_clip_head_kept *kept) {
  size_t D = projection->shape[0];
  *kept = (gm_clip_head_kept){.rows = gm_scratch_f32(t->c, n * C, "rows of the head"),
                              .stats = gm_scratch_f32(t->c, 2 * n, "norm"),
                              .normed = gm_scratch_f32(t->c, n * C, "rows of the head"),
                              .projected = gm_scratch_f32(t->c, n * D, "features"),
                              .length = gm_scratch_f32(t->c, n, "lengths of features")};
  if (!kept->rows || !kept->stats || !kept->normed || !kept->projected || !kept->length)
    return GM_ERR_MEMORY;
  memcpy(kept->rows, rows, n * C * sizeof *rows);
  gm_layer_norm_train(t, kept->normed, kept->rows, kept->stats, n, C, ln_w, ln_b, eps);
  GM_TRY(gm_linear_train(t, projection, NULL, kept->normed, C, n, kept->projected, D));
  for (size_t i = 0; i < n; i++) {
    const float *v = kept->projected + i * D;
    double sum = 0;
    for (size_t k = 0; k < D; k++) sum += (double)v[k] * v[k];
    kept->length[i] = (float)sqrt(sum);
    float factor = sum > 0 ? 1.0f / kept->length[i] : 0.0f;
    for (size_t k = 0; k < D; k++) features[i * D + k] = v[k] * factor;
  }
  return GM_OK;
}

/* d_rows[n, C] from d[n, D], which is overwritten. u = v / |v|: dv = (d - u <u, d>) / |v|. */
static gm_status head_back(const gm_training *t, const float *features, float *d, size_t n,
                           size_t C, const float *ln_w, const float *ln_b,
                           const gm_tensor *projection, float *d_rows,
                           const gm_clip_head_kept *kept) {
  size_t D = projection->shape[0];
  for (size_t i = 0; i < n; i++) {
    const float *u = features + i * D;
    float *row = d + i * D;
    double along = 0;
    for (size_t k = 0; k < D; k++) along += (double)u[k] * row[k];
    float factor = kept->length[i] > 0 ? 1.0f / kept->length[i] : 0.0f;
    for (size_t k = 0; k < D; k++) row[k] = (row[k] - u[k] * (float)along) * factor;
  }
  float *d_normed = gm_scratch_f32(t->c, n * C, "gradient of the head");
  if (!d_normed) return GM_ERR_MEMORY;
  GM_TRY(gm_linear_back(t, projection, NULL, kept->normed, C, d, D, n, d_normed, C, false));
  return gm_layer_norm_back(t, d_rows, false, kept->rows, kept->stats, d_normed, n, C, ln_w,
                            ln_b);
}

static gm_status blocks_train(const gm_training *t, const gm_vit_block *blocks, size_t layers,
                              const gm_vit_shape *shape, float *x, size_t n, size_t tokens,
                              gm_vit_kept **kept) {
  *kept = gm_scratch(t->c, layers * sizeof **kept, "layers");
  if (!*kept) return GM_ERR_MEMORY;
  for (size_t i = 0; i < layers; i++) {
    GM_TRY(gm_poll(t->c));
    GM_TRY(gm_vit_block_train(t, &blocks[i], shape, x, n, tokens, *kept + i));
  }
  return GM_OK;
}

static gm_status blocks_back(const gm_training *t, const gm_vit_block *blocks, size_t layers,
                             const gm_vit_shape *shape, float *d, size_t n, size_t tokens,
                             const gm_vit_kept *kept) {
  for (size_t i = layers; i-- > 0;) {
    GM_TRY(gm_poll(t->c));
    GM_TRY(gm_vit_block_back(t, &blocks[i], shape, d, n, tokens, &kept[i]));
  }
  return GM_OK;
}

/* ---- pictures */

gm_status gm_clip_vision_train(const gm_training *t, const gm_clip_vision *w,
                               const float *pixels, size_t n, float *features,
                               gm_clip_vision_kept *kept) {
  size_t C = w->shape.dim, tokens = w->tokens, cells = tokens - 1;
  size_t columns = gm_tensor_cols(&w->patch), picture = 3 * w->image_size * w->image_size;
  gm_compute *c = t->c;
  *kept =
      (gm_clip_vision_kept){.patches = gm_scratch_f32(c, n * cells * columns, "patches"),
                            .embedded = gm_scratch_f32(c, n * tokens * C, "patch embeddings"),
                            .stats = gm_scratch_f32(c, 2 * n * tokens, "norm")};
  float *x = gm_scratch_f32(c, n * tokens * C, "image tower states");
  float *rows = gm_scratch_f32(c, n * C, "class tokens");
  if (!kept->patches || !kept->embedded || !kept->stats || !x || !rows) return GM_ERR_MEMORY;
  for (size_t i = 0; i < n; i++)
    gm_patches(c, kept->patches + i * cells * columns, pixels + i * picture, w->image_size,
               w->patch_size);
  /* x is scratch for the products until it holds the states. */
  GM_TRY(gm_linear_train(t, &w->patch, NULL, kept->patches, columns, n * cells, x, C));
  for (size_t i = 0; i < n; i++) {
    float *row = kept->embedded + i * tokens * C;
    memcpy(row, w->position, C * sizeof *row);
    gm_add(c, row + C, x + i * cells * C, w->position + C, cells * C);
  }
  gm_layer_norm_train(t, x, kept->embedded, kept->stats, n * tokens, C, w->ln_pre_w,
                      w->ln_pre_b, w->shape.eps);
  GM_TRY(blocks_train(t, w->blocks, w->layers, &w->shape, x, n, tokens, &kept->blocks));
  for (size_t i = 0; i < n; i++) memcpy(rows + i * C, x + i * tokens * C, C * sizeof *rows);
  return head_train(t, rows, n, C, w->ln_post_w, w->ln_post_b, w->shape.eps, &w->projection,
                    features, &kept->head);
}

static gm_status vision_back(const gm_training *t, const gm_clip_vision *w, size_t n,
                             const float *features, float *d, const gm_clip_vision_kept *kept) {
  size_t C = w->shape.dim, tokens = w->tokens, cells = tokens - 1;
  gm_compute *c = t->c;
  float *dx = gm_scratch_f32(c, n * tokens * C, "gradient of the image tower");
  float *d_embedded = gm_scratch_f32(c, n * tokens * C, "gradient of the embeddings");
  float *rows = gm_scratch_f32(c, n * cells * C, "gradient of rows");
  if (!dx || !d_embedded || !rows) return GM_ERR_MEMORY;
  GM_TRY(head_back(t, features, d, n, C, w->ln_post_w, w->ln_post_b, &w->projection, rows,
                   &kept->head));
  memset(dx, 0, n * tokens * C * sizeof *dx);
  for (size_t i = 0; i < n; i++) memcpy(dx + i * tokens * C, rows + i * C, C * sizeof *dx);
  GM_TRY(blocks_back(t, w->blocks, w->layers, &w->shape, dx, n, tokens, kept->blocks));
  GM_TRY(gm_layer_norm_back(t, d_embedded, false, kept->embedded, kept->stats, dx, n * tokens,
                            C, w->ln_pre_w, w->ln_pre_b));
  float *positions = gm_gradient(t, w->positions.data);
  float *class_token = gm_gradient(t, w->class_token.data);
  for (size_t i = 0; i < n; i++) {
    const float *row = d_embedded + i * tokens * C;
    for (size_t k = 0; positions && k < tokens * C; k++) positions[k] += row[k];
    for (size_t k = 0; class_token && k < C; k++) class_token[k] += row[k];
    memcpy(rows + i * cells * C, row + C, cells * C * sizeof *rows);
  }
  size_t columns = gm_tensor_cols(&w->patch);
  return gm_linear_back(t, &w->patch, NULL, kept->patches, columns, rows, C, n * cells, NULL, 0,
                        false);
}

gm_status gm_clip_vision_back(const gm_training *t, const gm_clip_vision *w, size_t n,
                              const float *features, float *d,
                              const gm_clip_vision_kept *kept) {
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = vision_back(t, w, n, features, d, kept);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}

/* ---- texts */

gm_status gm_clip_text_train(const gm_training *t, const gm_clip_text *w, const int32_t *ids,
                             const size_t *ends, size_t n, float *features,
                             gm_clip_text_kept *kept) {
  size_t C = w->shape.dim, tokens = 0;
  for (size_t i = 0; i < n; i++)
    if (ends[i] >= tokens) tokens = ends[i] + 1;
  *kept = (gm_clip_text_kept){.tokens = tokens};
  float *x = gm_scratch_f32(t->c, n * tokens * C, "text tower states");
  float *rows = gm_scratch_f32(t->c, n * C, "end-of-text rows");
  if (!x || !rows) return GM_ERR_MEMORY;
  for (size_t i = 0; i < n; i++) {
    gm_get_rows(x + i * tokens * C, C, &w->embedding, ids + i * w->context, tokens);
    gm_add(t->c, x + i * tokens * C, x + i * tokens * C, w->position, tokens * C);
  }
  GM_TRY(blocks_train(t, w->blocks, w->layers, &w->shape, x, n, tokens, &kept->blocks));
  for (size_t i = 0; i < n; i++)
    memcpy(rows + i * C, x + (i * tokens + ends[i]) * C, C * sizeof *rows);
  return head_train(t, rows, n, C, w->ln_final_w, w->ln_final_b, w->shape.eps, &w->projection,
                    features, &kept->head);
}

static gm_status text_back(const gm_training *t, const gm_clip_text *w, const int32_t *ids,
                           const size_t *ends, size_t n, const float *features, float *d,
                           const gm_clip_text_kept *kept) {
  size_t C = w->shape.dim, tokens = kept->tokens;
  float *dx = gm_scratch_f32(t->c, n * tokens * C, "gradient of the text tower");
  float *rows = gm_scratch_f32(t->c, n * C, "gradient of rows");
  if (!dx || !rows) return GM_ERR_MEMORY;
  GM_TRY(head_back(t, features, d, n, C, w->ln_final_w, w->ln_final_b, &w->projection, rows,
                   &kept->head));
  memset(dx, 0, n * tokens * C * sizeof *dx);
  for (size_t i = 0; i < n; i++)
    memcpy(dx + (i * tokens + ends[i]) * C, rows + i * C, C * sizeof *dx);
  GM_TRY(blocks_back(t, w->blocks, w->layers, &w->shape, dx, n, tokens, kept->blocks));
  float *positions = gm_gradient(t, w->positions.data);
  for (size_t i = 0; i < n; i++) {
    const float *row = dx + i * tokens * C;
    for (size_t k = 0; positions && k < tokens * C; k++) positions[k] += row[k];
    gm_get_rows_back(t, &w->embedding, ids + i * w->context, tokens, row, C);
  }
  return GM_OK;
}

gm_status gm_clip_text_back(const gm_training *t, const gm_clip_text *w, const int32_t *ids,
                            const size_t *ends, size_t n, const float *features, float *d,
                            const gm_clip_text_kept *kept) {
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  gm_status status = text_back(t, w, ids, ends, n, features, d, kept);
  gm_arena_restore(&t->c->arena, mark);
  return status;
}

/* ---- loss */

/* Adds the cross-entropy of row i of logits (their stride along the row is `step`) to *loss and
 * its gradient to g: softmax - the share of each right column. */
static void add_cross_entropy(const float *logits, size_t step, const int32_t *labels, size_t i,
                              size_t n, double weight, double *loss, float *g) {
  double most = -INFINITY, sum = 0;
  size_t right = 0;
  /* No fmax: gcc 12 for ARM fails inside its vectoriser on a loop of it. */
  for (size_t j = 0; j < n; j++)
    if (logits[j * step] > most) most = logits[j * step];
  for (size_t j = 0; j < n; j++) {
    sum += exp(logits[j * step] - most);
    right += labels[j] == labels[i];
  }
  for (size_t j = 0; j < n; j++) {
    double log_p = logits[j * step] - most - log(sum);
    double share = labels[j] == labels[i] ? 1.0 / (double)right : 0.0;
    *loss -= weight * share * log_p;
    g[j * step] += (float)(weight * (exp(log_p) - share));
  }
}

gm_status gm_contrastive_loss(const gm_training *t, const float *images, const float *texts,
                              const int32_t *labels, size_t n, size_t d, float scale,
                              double *loss, float *d_images, float *d_texts, float *d_scale) {
  gm_arena_mark mark = gm_arena_save(&t->c->arena);
  float *cosines = gm_scratch_f32(t->c, n * n, "cosines");
  float *logits = gm_scratch_f32(t->c, n * n, "logits");
  float *g = gm_scratch_f32(t->c, n * n, "gradient of the logits");
  if (!cosines || !logits || !g) {
    gm_arena_restore(&t->c->arena, mark);
    return GM_ERR_MEMORY;
  }
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) {
      cosines[i * n + j] = gm_dot(images + i * d, texts + j * d, d);
      logits[i * n + j] = scale * cosines[i * n + j];
    }
  memset(g, 0, n * n * sizeof *g);
  *loss = 0;
  for (size_t i = 0; i < n; i++) {
    add_cross_entropy(logits + i * n, 1, labels, i, n, 0.5 / (double)n, loss, g + i * n);
    add_cross_entropy(logits + i, n, labels, i, n, 0.5 / (double)n, loss, g + i);
  }
  double by_scale = 0;
  memset(d_images, 0, n * d * sizeof *d_images);
  memset(d_texts, 0, n * d * sizeof *d_texts);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) {
      float v = g[i * n + j];
      by_scale += (double)v * cosines[i * n + j];
      for (size_t k = 0; k < d; k++) {
        d_images[i * d + k] += scale * v * texts[j * d + k];
        d_texts[j * d + k] += scale * v * images[i * d + k];
      }
    }
  if (d_scale) *d_scale = (float)by_scale;
  gm_arena_restore(&t->c->arena, mark);
  return GM_OK;
}
