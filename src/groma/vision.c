/* vision.c - see vision.h. */
#include "vision.h"

#include "dinov2.h"
#include "panel_file.h"
#include "proposer_decoder.h"
#include "proposer_encoder.h"
#include "region_encoder.h"
#include "visual_tokens.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { PROPOSAL_STATES = 4 }; /* the proposer sees the mean of so many last hidden states */

/* The encoder's tensors, whose panels are worth keeping: always multiplied by many rows. */
static const char encoder_prefix[] = "perceiver.vis_encoder.";

struct gm_vision {
  const gm_model_file *file;
  gm_panel_file *panels; /* NULL: none are kept */
  gm_groma_hparams hparams;
  gm_dinov2 encoder;
  gm_visual_tokens visual_tokens;
  gm_proposer_encoder proposer_encoder;
  gm_proposer_decoder proposer_decoder;
  gm_region_encoder region_encoder;
};

struct gm_features {
  size_t n_states; /* L + 1 */
  float **states;  /* [n_states][1+n*n, C]: those that a stage reads, else NULL */
  float *tokens;   /* [T, D] */
  size_t n_proposals;
  gm_rel_box *proposals; /* [n_proposals] */
  float *scores;
  const float *maps[GM_REGION_LEVELS]; /* fused: [4n, 4n, R], [2n, 2n, R], [n, n, R] */
  float *own_maps;                     /* their memory: allocated, */
  gm_mapping maps_file;                /* or mapped */
};

/* ---- model */

static gm_status load_stages(gm_vision *v, const gm_model_file *file, gm_error *err) {
  const gm_groma_hparams *h = &v->hparams;
  GM_TRY(gm_dinov2_load(&v->encoder, file, h, err));
  size_t C = v->encoder.shape.dim;
  GM_TRY(gm_visual_tokens_load(&v->visual_tokens, file, v->encoder.grid, C, err));
  GM_TRY(gm_proposer_encoder_load(&v->proposer_encoder, file, h, C, err));
  GM_TRY(gm_proposer_decoder_load(&v->proposer_decoder, file, h, v->proposer_encoder.dim, err));
  GM_TRY(gm_region_encoder_load(&v->region_encoder, file, h, C, err));
  if (v->region_encoder.dim != v->visual_tokens.dim)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: region vectors are %zu wide (region_encoder.roi_align.updims.weight), "
                   "image tokens %zu (img_txt_bridge.2.weight); wanted the same",
                   gm_model_file_name(file), v->region_encoder.dim, v->visual_tokens.dim);
  return GM_OK;
}

gm_status gm_vision_load(gm_vision **out, const gm_model_file *file,
                         const gm_groma_hparams *hparams, gm_error *err) {
  gm_vision *v = calloc(1, sizeof *v);
  if (!v) return gm_fail_memory(err, "vision stages", sizeof *v);
  v->file = file;
  v->hparams = *hparams;
  gm_status status = load_stages(v, file, err);
  if (status != GM_OK) {
    gm_vision_free(v);
    return status;
  }
  *out = v;
  return GM_OK;
}

void gm_vision_free(gm_vision *vision) {
  if (!vision) return;
  gm_panel_file_free(vision->panels);
  gm_dinov2_free(&vision->encoder);
  gm_proposer_encoder_free(&vision->proposer_encoder);
  gm_proposer_decoder_free(&vision->proposer_decoder);
  gm_region_encoder_free(&vision->region_encoder);
  free(vision);
}

gm_status gm_vision_refresh(gm_vision *vision, gm_error *err) {
  assert(!vision->panels);
  GM_TRY(gm_dinov2_refresh(&vision->encoder, err));
  return gm_proposer_encoder_refresh(&vision->proposer_encoder, err);
}

gm_status gm_vision_keep_panels(gm_vision *vision, const gm_kernels *kernels, gm_cache_dir *dir,
                                gm_error *err) {
  assert(!vision->panels);
  return gm_panel_file_create(&vision->panels, vision->file, encoder_prefix, kernels, dir, err);
}

size_t gm_vision_n_tokens(const gm_vision *vision) {
  return vision->encoder.grid * vision->encoder.grid / 4;
}

size_t gm_vision_dim(const gm_vision *vision) {
  return vision->visual_tokens.dim;
}

const gm_visual_tokens *gm_vision_bridge(const gm_vision *vision) {
  return &vision->visual_tokens;
}

const gm_region_encoder *gm_vision_regions(const gm_vision *vision) {
  return &vision->region_encoder;
}

/* ---- features */

static bool allocate(gm_features *features, const gm_vision *v) {
  size_t state = (1 + v->encoder.grid * v->encoder.grid) * v->encoder.shape.dim;
  features->n_states = v->encoder.layers + 1;
  features->states = calloc(features->n_states, sizeof *features->states);
  if (!features->states) return false;
  for (size_t i = 0; i < features->n_states; i++) {
    bool wanted = i == v->hparams.vision_output || i + PROPOSAL_STATES >= features->n_states;
    if (!wanted) continue;
    features->states[i] = malloc(state * sizeof(float));
    if (!features->states[i]) return false;
  }
  features->tokens = malloc(gm_vision_n_tokens(v) * gm_vision_dim(v) * sizeof(float));
  features->n_proposals = v->hparams.proposals;
  features->proposals = malloc(features->n_proposals * sizeof *features->proposals);
  features->scores = malloc(features->n_proposals * sizeof *features->scores);
  return features->tokens && features->proposals && features->scores;
}

gm_status gm_features_create(gm_features **out, const gm_vision *vision, gm_error *err) {
  gm_features *features = calloc(1, sizeof *features);
  if (!features || !allocate(features, vision)) {
    gm_features_free(features);
    return gm_fail(err, GM_ERR_MEMORY, "not enough memory for the states of a picture");
  }
  *out = features;
  return GM_OK;
}

static void drop_maps(gm_features *features) {
  free(features->own_maps);
  features->own_maps = NULL;
  if (features->maps_file.data) gm_unmap(&features->maps_file);
}

void gm_features_free(gm_features *features) {
  if (!features) return;
  if (features->states)
    for (size_t i = 0; i < features->n_states; i++) free(features->states[i]);
  free(features->states);
  free(features->tokens);
  free(features->proposals);
  free(features->scores);
  drop_maps(features);
  free(features);
}

const float *gm_features_tokens(const gm_features *features) {
  return features->tokens;
}

const gm_rel_box *gm_features_proposals(const gm_features *features, const float **scores,
                                        size_t *n) {
  if (scores) *scores = features->scores;
  if (n) *n = features->n_proposals;
  return features->proposals;
}

const float *gm_features_patches(const gm_vision *v, const gm_features *features,
                                 size_t *patches, size_t *width) {
  *patches = v->encoder.grid * v->encoder.grid;
  *width = v->encoder.shape.dim;
  return features->states[features->n_states - GM_REGION_LEVELS] + *width;
}

void gm_features_states(const gm_vision *v, const gm_features *features, const float **output,
                        const float *states[GM_REGION_LEVELS]) {
  *output = features->states[v->hparams.vision_output];
  for (size_t k = 0; k < GM_REGION_LEVELS; k++)
    states[k] = features->states[features->n_states - GM_REGION_LEVELS + k];
}

size_t gm_features_arrays(const gm_vision *v, gm_features *features, bool proposed,
                          gm_features_array out[GM_FEATURES_ARRAYS]) {
  size_t cells = v->encoder.grid * v->encoder.grid, n = 0;
  size_t state = (1 + cells) * v->encoder.shape.dim * sizeof(float);
  size_t tokens = gm_vision_n_tokens(v) * gm_vision_dim(v) * sizeof(float);
  out[n++] = (gm_features_array){features->tokens, tokens};
  for (size_t k = GM_REGION_LEVELS; k > 0; k--)
    out[n++] = (gm_features_array){features->states[features->n_states - k], state};
  if (!proposed) return n;
  out[n++] = (gm_features_array){features->proposals,
                                 features->n_proposals * sizeof *features->proposals};
  out[n++] =
      (gm_features_array){features->scores, features->n_proposals * sizeof *features->scores};
  assert(n <= GM_FEATURES_ARRAYS);
  return n;
}

/* ---- stages */

gm_status gm_vision_encode(gm_compute *c, const gm_vision *vision, gm_features *features,
                           const float *pixels) {
  assert(!c->panels);
  c->panels = gm_panel_file_panels(vision->panels, c->pool);
  gm_status status = gm_dinov2_forward(c, &vision->encoder, pixels, features->states);
  c->panels = NULL;
  GM_TRY(status);
  GM_TRY(gm_poll(c));
  GM_TRY(gm_visual_tokens_forward(c, &vision->visual_tokens,
                                  features->states[vision->hparams.vision_output],
                                  features->tokens));
  gm_panel_file_release(vision->panels);
  gm_model_file_release(vision->file, encoder_prefix);
  gm_model_file_release(vision->file, "img_txt_bridge.");
  return GM_OK;
}

typedef struct mean_job {
  float *out;
  const float *const *states;
  size_t row; /* elements of a task */
} mean_job;

/* A row of cells. */
static void mean_task(void *arg, size_t task, size_t worker) {
  (void)worker;
  const mean_job *job = arg;
  for (size_t i = task * job->row; i < (task + 1) * job->row; i++) {
    float sum = 0;
    for (size_t k = 0; k < PROPOSAL_STATES; k++) sum += job->states[k][i];
    job->out[i] = sum / PROPOSAL_STATES;
  }
}

void gm_vision_mean_state(gm_compute *c, const gm_vision *v, const gm_features *features,
                          float *out) {
  size_t C = v->encoder.shape.dim, n = v->encoder.grid;
  const float *states[PROPOSAL_STATES];
  for (size_t k = 0; k < PROPOSAL_STATES; k++) {
    const float *state = features->states[features->n_states - PROPOSAL_STATES + k];
    assert(state); /* allocate keeps those */
    states[k] = state + C;
  }
  mean_job job = {out, states, n * C};
  gm_pool_run(c->pool, mean_task, &job, n);
}

gm_status gm_features_check(const gm_features *features, gm_error *err) {
  for (size_t i = 0; i < features->n_proposals; i++) {
    gm_rel_box b = features->proposals[i];
    if (!isfinite(b.cx + b.cy + b.w + b.h + features->scores[i]))
      return gm_fail(err, GM_ERR_MODEL,
                     "region proposal %zu is not a number: the model's weights are damaged; "
                     "convert the model again",
                     i);
  }
  return GM_OK;
}

static gm_status propose(gm_compute *c, const gm_vision *v, gm_features *features) {
  size_t cells = v->encoder.grid * v->encoder.grid, d = v->proposer_encoder.dim;
  size_t q = features->n_proposals;
  assert(q == v->proposer_decoder.n_queries && q <= cells);
  float *mean = gm_scratch_f32(c, cells * v->encoder.shape.dim, "mean hidden state");
  float *memory = gm_scratch_f32(c, cells * d, "proposer memory");
  gm_proposer_result result = {.reference =
                                   gm_scratch(c, q * sizeof(gm_rel_box), "reference boxes"),
                               .states = gm_scratch_f32(c, q * d, "proposal states"),
                               .coco = gm_scratch_f32(c, q, "proposal logits"),
                               .sa1b = gm_scratch_f32(c, q, "proposal logits"),
                               .boxes = features->proposals};
  if (!mean || !memory || !result.reference || !result.states || !result.coco || !result.sa1b)
    return GM_ERR_MEMORY;

  gm_vision_mean_state(c, v, features, mean);
  GM_TRY(gm_proposer_encoder_input(c, &v->proposer_encoder, mean, memory));
  GM_TRY(gm_proposer_encoder_forward(c, &v->proposer_encoder, memory));
  GM_TRY(gm_proposer_decoder_forward(c, &v->proposer_decoder, memory, &result));
  for (size_t i = 0; i < q; i++)
    features->scores[i] = gm_region_score(result.coco[i], result.sa1b[i]);
  return gm_features_check(features, c->err);
}

gm_status gm_vision_propose(gm_compute *c, const gm_vision *vision, gm_features *features) {
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = propose(c, vision, features);
  gm_arena_restore(&c->arena, mark);
  gm_model_file_release(vision->file, "perceiver.");
  return status;
}

/* ---- fused maps: one piece of memory, level after level */

static size_t level_floats(const gm_vision *v, size_t level) {
  size_t side = gm_region_level_side(&v->region_encoder, level);
  return side * side * v->region_encoder.channels;
}

size_t gm_vision_maps_bytes(const gm_vision *v) {
  size_t floats = 0;
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) floats += level_floats(v, k);
  return floats * sizeof(float);
}

static void place_maps(const gm_vision *v, gm_features *features, const float *at) {
  for (size_t k = 0; k < GM_REGION_LEVELS; at += level_floats(v, k++)) features->maps[k] = at;
}

gm_status gm_vision_fuse(gm_compute *c, const gm_vision *vision, gm_features *features) {
  const float *states[GM_REGION_LEVELS];
  float *maps[GM_REGION_LEVELS];
  size_t bytes = gm_vision_maps_bytes(vision);
  drop_maps(features);
  float *at = features->own_maps = malloc(bytes);
  if (!at) return gm_fail_memory(c->err, "the maps of a picture", bytes);
  place_maps(vision, features, at);
  for (size_t k = 0; k < GM_REGION_LEVELS; at += level_floats(vision, k++)) {
    states[k] = features->states[features->n_states - GM_REGION_LEVELS + k];
    maps[k] = at;
  }
  return gm_region_encoder_fuse(c, &vision->region_encoder, states, maps);
}

size_t gm_features_bytes(const gm_vision *vision, const gm_features *features) {
  size_t state = (1 + vision->encoder.grid * vision->encoder.grid) * vision->encoder.shape.dim;
  size_t bytes = gm_vision_n_tokens(vision) * gm_vision_dim(vision) * sizeof(float);
  for (size_t i = 0; i < features->n_states; i++)
    if (features->states[i]) bytes += state * sizeof(float);
  bytes += features->n_proposals * (sizeof *features->proposals + sizeof *features->scores);
  return bytes +
         (features->own_maps || features->maps_file.data ? gm_vision_maps_bytes(vision) : 0);
}

const void *gm_features_maps(const gm_features *features) {
  return features->maps[0];
}

void gm_features_adopt_maps(const gm_vision *vision, gm_features *features, gm_mapping *file,
                            size_t offset) {
  assert(file->size - offset == gm_vision_maps_bytes(vision));
  assert((uintptr_t)(file->data + offset) % 64 == 0);
  drop_maps(features);
  features->maps_file = *file;
  *file = (gm_mapping){0};
  place_maps(vision, features,
             (const float *)(const void *)(features->maps_file.data + offset));
}

gm_status gm_vision_region_vectors(gm_compute *c, const gm_vision *vision,
                                   const gm_features *features, const gm_rel_box *boxes,
                                   size_t n, float *out) {
  assert(features->maps[0]); /* fused before */
  gm_status status =
      gm_region_encoder_forward(c, &vision->region_encoder, features->maps, boxes, n, out);
  gm_model_file_release(vision->file, "region_encoder.");
  return status;
}
