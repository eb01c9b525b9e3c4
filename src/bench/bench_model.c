/* bench_model.c - gm_bench_model: every stage of a Groma model timed by itself.
 *
 * Operations are those of the straightforward algorithm (docs/MODEL.md), so that doing less
 * arithmetic shows as a higher share. A stage's limit is the arithmetic for its weights' type.
 * Decoding reads each weight once per token, so its limit is memory. */
#include "bench_stages.h"
#include "dinov2.h"
#include "rng.h"

#include <stdio.h>

#include <stdlib.h>
#include <string.h>

static const char *const stage_names[] = {"vision",  "proposer", "maps",
                                          "regions", "prefill",  "decode"};
enum { N_STAGES = sizeof stage_names / sizeof stage_names[0] };

/* ---- work ---- */

/* The dimensions of the model that the counts need, from its tensors. */
typedef struct dims {
  double C, L, n, T; /* vision: width, layers, grid, tokens */
  double R, fuse;    /* region encoder: channels, steps */
  const gm_tensor *vision, *proposer, *region;
} dims;

static gm_status read_dims(const gm_model *model, dims *d, gm_error *err) {
  const gm_groma_hparams *h = &model->groma->hparams;
  GM_TRY(gm_model_file_want(model->base.file,
                            "perceiver.vis_encoder.encoder.layer.0.mlp.fc1.weight", 2,
                            (size_t[]){0, 0}, &d->vision, err));
  GM_TRY(gm_model_file_want(model->base.file,
                            "perceiver.ddetr_transformer.encoder.layers.0.fc1.weight", 2,
                            (size_t[]){0, 0}, &d->proposer, err));
  GM_TRY(gm_model_file_want(model->base.file, "region_encoder.roi_align.pconvs.0.weight", 4,
                            (size_t[]){0, 0, 0, 0}, &d->region, err));
  d->C = (double)d->vision->shape[1];
  d->L = h->vision_layers;
  d->n = (double)(h->image_size / h->patch_size);
  d->T = 1 + d->n * d->n;
  d->R = (double)d->region->shape[3];
  double all, bytes;
  gm_bench_weights(model->base.file, "region_encoder.mlvl_fuse.fuse_convs.", &all, &bytes);
  d->fuse = (double)(long)(all / (9 * d->R * d->R)); /* the norms are far smaller */
  return GM_OK;
}

/* ---- stages ---- */

static gm_status run_vision(gm_compute *c, void *user) {
  gm_bench_chain *b = user;
  return gm_vision_encode(c, b->groma->vision, b->features, b->pixels);
}

static gm_status run_proposer(gm_compute *c, void *user) {
  gm_bench_chain *b = user;
  return gm_vision_propose(c, b->groma->vision, b->features);
}

static gm_status run_maps(gm_compute *c, void *user) {
  gm_bench_chain *b = user;
  return gm_vision_fuse(c, b->groma->vision, b->features);
}

static gm_status run_regions(gm_compute *c, void *user) {
  gm_bench_chain *b = user;
  return gm_vision_region_vectors(c, b->groma->vision, b->features, b->boxes, b->regions,
                                  b->vectors);
}

static gm_status clear_cache(gm_compute *c, void *user) {
  (void)c;
  gm_kv_truncate(&((gm_bench_chain *)user)->seq, 0);
  return GM_OK;
}

static gm_status run_prefill(gm_compute *c, void *user) {
  gm_bench_chain *b = user;
  gm_llama_run run = {&b->seq, b->rows, b->prompt, b->logits, NULL};
  return gm_llama_forward(b->groma->llama, c, &run, 1, NULL, NULL);
}

static gm_status cut_cache(gm_compute *c, void *user) {
  (void)c;
  gm_bench_chain *b = user;
  gm_kv_truncate(&b->seq, b->prompt);
  return GM_OK;
}

static gm_status run_decode(gm_compute *c, void *user) {
  gm_bench_chain *b = user;
  for (size_t i = 0; i < b->tokens; i++) {
    GM_TRY(gm_poll(c));
    gm_llama_run run = {&b->seq, b->rows + i, 1, b->logits, NULL};
    GM_TRY(gm_llama_step(b->groma->llama, c, &run, 1));
  }
  return GM_OK;
}

static bool wants(const gm_bench_chain *b, const char *stage) {
  return gm_bench_wants(b->stages, stage);
}

/* Times the stage. If only its results are needed by a timed stage, runs it once, untimed. */
static gm_status time_stage(gm_bench_chain *b, gm_compute *c, const gm_bench_job *job,
                            bool needed) {
  if (wants(b, job->stage)) return gm_bench_run(b->results, c, job, b->repeat);
  if (!needed) return GM_OK;
  if (job->setup) GM_TRY(job->setup(c, b));
  return job->run(c, b);
}

/* Elements of the proposer's tensors below `prefix`; their bytes are added to *bytes. */
static double proposer_weights(const gm_model_file *file, const char *prefix, double *bytes) {
  char whole[64];
  double elements, read;
  snprintf(whole, sizeof whole, "perceiver.%s", prefix);
  gm_bench_weights(file, whole, &elements, &read);
  *bytes += read;
  return elements;
}

/* Cells go through the input, the encoder, the first stage's scores and each decoder layer's
 * values; queries through the rest, with three of the box heads. */
static double proposer_operations(const gm_model_file *file, const gm_groma_hparams *h,
                                  double d, double cells, double *bytes) {
  double q = h->proposals, L = h->decoder_layers, values = L * d * d;
  *bytes = 0;
  double of_cells = proposer_weights(file, "input_proj.", bytes) +
                    proposer_weights(file, "ddetr_transformer.encoder.", bytes) +
                    proposer_weights(file, "ddetr_transformer.enc_output.", bytes) + values;
  double of_queries =
      proposer_weights(file, "ddetr_transformer.decoder.", bytes) - values +
      proposer_weights(file, "ddetr_transformer.pos_trans.", bytes) +
      proposer_weights(file, "ddetr_transformer.bbox_embed.", bytes) * 3 / (L + 1);
  return 2 * of_cells * cells + 2 * of_queries * q + 4 * q * q * d * L;
}

gm_status gm_bench_vision(gm_bench_chain *b, gm_compute *c, const gm_model *model) {
  dims d;
  double elements, bytes;
  GM_TRY(read_dims(model, &d, c->err));
  gm_bench_weights(model->base.file, "perceiver.vis_encoder.", &elements, &bytes);
  gm_bench_job job = {
      .stage = "vision", .limit = gm_bench_limit_of(c->kernels, d.vision->type), .user = b};
  snprintf(job.shape, sizeof job.shape, "%.0f layers, %.0f tokens x %.0f", d.L, d.T, d.C);
  job.operations = 2 * elements * d.T + 4 * d.T * d.T * d.C * d.L;
  job.bytes = bytes;
  job.run = run_vision;
  bool maps_needed = wants(b, "regions");
  GM_TRY(time_stage(b, c, &job, maps_needed || wants(b, "proposer") || wants(b, "maps")));

  job.stage = "proposer";
  job.limit = gm_bench_limit_of(c->kernels, d.proposer->type);
  snprintf(job.shape, sizeof job.shape, "%u queries", b->groma->hparams.proposals);
  job.operations = proposer_operations(model->base.file, &b->groma->hparams,
                                       (double)d.proposer->shape[1], d.T - 1, &job.bytes);
  job.run = run_proposer;
  GM_TRY(time_stage(b, c, &job, false));

  double cells = 21 * d.n * d.n, conv = 2 * 9 * d.R * d.R;
  job.stage = "maps";
  job.limit = gm_bench_rounded_limit(c->kernels, d.region->type);
  snprintf(job.shape, sizeof job.shape, "%.0f steps, 3 maps up to %.0f squared x %.0f", d.fuse,
           4 * d.n, d.R);
  job.operations = d.fuse * conv * cells + 2 * d.C * d.R * cells;
  gm_bench_weights(model->base.file, "region_encoder.mlvl_fuse.", &elements, &job.bytes);
  job.run = run_maps;
  GM_TRY(time_stage(b, c, &job, maps_needed));

  double flatten, unused;
  gm_bench_weights(model->base.file, "region_encoder.roi_align.flatten_linear.weight", &flatten,
                   &unused);
  job.stage = "regions";
  snprintf(job.shape, sizeof job.shape, "%zu regions, 14 x 14 x %.0f", b->regions, d.R);
  job.operations = (double)b->regions * (3 * conv * 196 + 2 * flatten);
  gm_bench_weights(model->base.file, "region_encoder.roi_align.", &elements, &job.bytes);
  job.run = run_regions;
  return time_stage(b, c, &job, false);
}

/* Whether decoding a token reads the tensor. */
static bool is_decoded(const char *name) {
  static const char *const prefixes[] = {"llm.model.layers.", "llm.lm_head.", "extra_lm_head."};
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
    if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return true;
  return false;
}

/* The weights that one token reads, in *n pieces. NULL if memory is short. */
static gm_read_piece *decoded_weights(const gm_model_file *file, size_t *n) {
  gm_read_piece *pieces = NULL;
  for (int pass = 0; pass < 2; pass++) {
    size_t count = 0;
    for (size_t i = 0; i < gm_model_file_n_tensors(file); i++) {
      const char *name;
      const gm_tensor *t = gm_model_file_tensor_at(file, i, &name);
      if (!is_decoded(name)) continue;
      size_t bytes = gm_tensor_rows(t) * t->row_bytes;
      for (size_t at = 0; at < bytes; at += GM_READ_PIECE, count++)
        if (pieces)
          pieces[count] =
              (gm_read_piece){(const unsigned char *)t->data + at,
                              bytes - at < GM_READ_PIECE ? bytes - at : GM_READ_PIECE, 0};
    }
    *n = count;
    if (!pieces) pieces = malloc((count + 1) * sizeof *pieces);
    if (!pieces) break;
  }
  return pieces;
}

/* T positions, with the logits of one: in the last layer the others only write keys and values.
 * `elements`: of all layers' weights. */
static double prefill_operations(const gm_llama *llama, double elements, double T) {
  double L = (double)llama->n_layers, layer = elements / L;
  double keys = 2 * (double)(llama->dim * llama->kv_dim);
  double wide = (double)(llama->heads * llama->head_dim);
  return 2 * layer * (L - 1) * T + 2 * keys * T + 2 * (layer - keys) +
         (2 * T * T * (L - 1) + 4 * T) * wide;
}

gm_status gm_bench_language(gm_bench_chain *b, gm_compute *c, const gm_model *model) {
  const gm_llama *llama = b->groma->llama;
  double layers, layer_bytes, head, head_bytes, added, added_bytes;
  double T = (double)b->prompt;
  gm_bench_weights(model->base.file, "llm.model.layers.", &layers, &layer_bytes);
  gm_bench_weights(model->base.file, "llm.lm_head.", &head, &head_bytes);
  gm_bench_weights(model->base.file, "extra_lm_head.", &added, &added_bytes);
  gm_bench_job job = {.stage = "prefill",
                      .limit = gm_bench_limit_of(c->kernels, llama->layers[0].gate.type),
                      .operations = prefill_operations(llama, layers, T),
                      .bytes = layer_bytes,
                      .setup = clear_cache,
                      .run = run_prefill,
                      .user = b};
  snprintf(job.shape, sizeof job.shape, "%zu positions, %zu layers x %zu", b->prompt,
           llama->n_layers, llama->dim);
  GM_TRY(time_stage(b, c, &job, wants(b, "decode")));

  const gm_kv_shape *kv = &b->seq.shape;
  size_t row_bytes = gm_type_row_bytes(kv->k_type, llama->kv_dim) +
                     gm_type_row_bytes(kv->v_type, llama->kv_dim);
  double cache = (double)(row_bytes * llama->n_layers) * (T + (double)b->tokens / 2);
  job.stage = "decode";
  job.limit = "read";
  job.operations = (double)b->tokens * 2 * (layers + head + added);
  job.bytes = (double)b->tokens * (layer_bytes + head_bytes + added_bytes + cache);
  job.setup = cut_cache;
  job.run = run_decode;
  snprintf(job.shape, sizeof job.shape, "%zu tokens after %zu, %s and %s cache", b->tokens,
           b->prompt, gm_type_traits_of(kv->k_type)->name, gm_type_traits_of(kv->v_type)->name);
  job.pieces = decoded_weights(model->base.file, &job.n_pieces);
  if (!job.pieces) return gm_fail_memory(c->err, "the list of weights", sizeof *job.pieces);
  gm_status status = time_stage(b, c, &job, false);
  free(job.pieces);
  return status;
}

/* ---- the whole ---- */

gm_status gm_bench_chain_begin(gm_bench_chain *b, gm_error *err) {
  const gm_groma *groma = b->groma;
  size_t pixels = 3 * (size_t)groma->hparams.image_size * groma->hparams.image_size;
  size_t dim = gm_vision_dim(groma->vision);
  size_t most = b->prompt > b->tokens ? b->prompt : b->tokens;
  GM_TRY(gm_features_create(&b->features, groma->vision, err));
  b->pixels = malloc(pixels * sizeof *b->pixels);
  b->vectors = malloc(b->regions * dim * sizeof *b->vectors);
  b->boxes = malloc(b->regions * sizeof *b->boxes);
  b->logits = malloc(groma->llama->vocab * sizeof *b->logits);
  b->rows = calloc(most, sizeof *b->rows);
  if (!b->pixels || !b->vectors || !b->boxes || !b->logits || !b->rows)
    return gm_fail_memory(err, "the benchmark", pixels * sizeof *b->pixels);
  gm_rng rng = {1};
  for (size_t i = 0; i < pixels; i++) b->pixels[i] = (float)(4 * gm_rng_unit(&rng) - 2);
  for (size_t i = 0; i < b->regions; i++) {
    float w = (float)(0.05 + 0.6 * gm_rng_unit(&rng)),
          h = (float)(0.05 + 0.6 * gm_rng_unit(&rng));
    b->boxes[i] = (gm_rel_box){w / 2 + (1 - w) * (float)gm_rng_unit(&rng),
                               h / 2 + (1 - h) * (float)gm_rng_unit(&rng), w, h};
  }
  for (size_t i = 0; i < most; i++)
    b->rows[i].id = (int32_t)(gm_rng_u64(&rng) % groma->llama->base_vocab);
  b->seq.shape = groma->kv_shape;
  return GM_OK;
}

void gm_bench_chain_end(gm_bench_chain *b) {
  gm_features_free(b->features);
  gm_kv_clear(&b->seq);
  free(b->pixels);
  free(b->vectors);
  free(b->boxes);
  free(b->logits);
  free(b->rows);
}

static gm_status run_all(gm_bench_chain *b, gm_model *model, const gm_callbacks *callbacks,
                         gm_error *err) {
  gm_entry entry;
  GM_TRY(gm_model_enter(model, &entry, callbacks, err));
  gm_compute *c = entry.c;
  gm_arena_mark mark = gm_arena_save(&c->arena);
  gm_status status = gm_bench_chain_begin(b, err);
  if (status == GM_OK) status = gm_bench_results_create(&b->results, c);
  if (status == GM_OK) status = gm_bench_vision(b, c, model);
  if (status == GM_OK) status = gm_bench_language(b, c, model);
  gm_arena_restore(&c->arena, mark);
  gm_bench_chain_end(b);
  return gm_engine_leave(&entry, status);
}

gm_status gm_bench_model(gm_bench_report **out, const char *path, const gm_bench_params *params,
                         const gm_callbacks *callbacks, gm_error *err) {
  *out = NULL;
  gm_bench_params p;
  gm_callbacks calls;
  GM_TRY(gm_bench_read_params(&p, params, &calls, callbacks, err));
  gm_model_params model_params = gm_model_params_default();
  model_params.threads = p.threads;
  model_params.cache_type_k = p.cache_type_k;
  model_params.cache_type_v = p.cache_type_v;
  model_params.fast = p.fast;
  model_params.adapters = p.adapters;
  model_params.n_adapters = p.n_adapters;
  GM_TRY(gm_bench_check_stages(p.stages, stage_names, N_STAGES, err));
  gm_model *model;
  GM_TRY(gm_model_open(&model, path, &model_params, err));
  gm_bench_chain b = {.groma = model->groma,
                      .regions = p.count ? p.count : model->groma->max_regions,
                      .stages = p.stages,
                      .prompt = p.prompt ? p.prompt : 512,
                      .tokens = p.tokens ? p.tokens : 16,
                      .repeat = p.repeat};
  gm_status status;
  if (b.regions > model->groma->max_regions)
    status = gm_fail(err, GM_ERR_ARGUMENT, "found %zu regions, wanted at most the model's %zu",
                     b.regions, (size_t)model->groma->max_regions);
  else if (b.repeat > 1000 || b.prompt + b.tokens > model->groma->context)
    status = gm_fail(err, GM_ERR_ARGUMENT,
                     "found %u runs of %zu + %zu positions, wanted at most 1000 runs and the "
                     "model's context of %zu",
                     b.repeat, b.prompt, b.tokens, model->groma->context);
  else
    status = run_all(&b, model, &calls, err);
  gm_model_free(model);
  return gm_bench_finish(b.results, status, out);
}
