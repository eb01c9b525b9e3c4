/* vision_support.c - see vision_support.h. */
#include "vision_support.h"

#include "dinov2.h"
#include "ops_support.h"
#include "pixels.h"
#include "proposer_decoder.h"
#include "proposer_encoder.h"
#include "region_encoder.h"
#include "vision.h"
#include "visual_tokens.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The project's parity rule: relative to the stage's largest magnitude. */
#define PARITY 1e-3

const vision_slices vision_slices_small = {16, 8, 4, 1, 1, 8, 1};
const vision_slices vision_slices_synthetic = {64, 64, 8, 4, 16, 8, 8};

/* path: at least sizeof "/tmp/gromatic-test-XXXXXX" bytes. */
static void convert(const char *directory, const char *type, char path[32]) {
  snprintf(path, 32, "/tmp/gromatic-test-XXXXXX");
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  gm_error err;
  gm_convert_params params = {.struct_size = sizeof params, .type = type};
  assert_ok(gm_convert(directory, path, &params, NULL, &err), &err);
}

unsigned char *converted_bytes(const char *directory, const char *type, size_t *size) {
  char path[32];
  convert(directory, type, path);
  void *bytes = test_read_file(path, size);
  unlink(path);
  unsigned char *aligned = aligned_alloc(64, (*size + 63) / 64 * 64);
  assert_non_null(aligned);
  memcpy(aligned, bytes, *size);
  free(bytes);
  return aligned;
}

gm_model_file *converted_model(const char *directory, const char *type) {
  char path[32];
  convert(directory, type, path);
  gm_error err;
  gm_model_file *file = NULL;
  assert_ok(gm_model_file_open(&file, path, true, false, &err), &err);
  unlink(path);
  return file;
}

/* ---- comparing */

/* Rows 0, row_step, ... and in each the columns 0, column_step, ... of ours[rows, columns]. */
static float *slice(const float *ours, size_t rows, size_t columns, size_t row_step,
                    size_t column_step, size_t *n) {
  float *out = zeros(rows * columns);
  *n = 0;
  for (size_t r = 0; r < rows; r += row_step)
    for (size_t k = 0; k < columns; k += column_step) out[(*n)++] = ours[r * columns + k];
  return out;
}

static void compare_values(golden *g, const char *name, const float *ours, size_t n) {
  golden_array want = golden_get(g, name);
  const float *w = want.data;
  assert_int_equal(want.n, n);
  double error = 0, largest = 0;
  for (size_t i = 0; i < n; i++) {
    error = fmax(error, fabs((double)ours[i] - (double)w[i]));
    largest = fmax(largest, fabs((double)w[i]));
  }
  print_message("  %-20s %.2e of %.4g\n", name, error / largest, largest);
  assert_close(ours, w, n, PARITY, name);
}

static void compare(golden *g, const char *name, const float *ours, size_t rows, size_t columns,
                    size_t row_step, size_t column_step) {
  size_t n;
  float *kept = slice(ours, rows, columns, row_step, column_step, &n);
  compare_values(g, name, kept, n);
  free(kept);
}

/* ours[side, side, R] against golden[R, y, x]. */
static void compare_map(golden *g, const char *name, const float *ours, size_t side, size_t R,
                        const vision_slices *s) {
  float *kept = zeros(side * side * R);
  size_t n = 0;
  for (size_t ch = 0; ch < R; ch += s->map_channels)
    for (size_t y = 0; y < side; y += s->map_side)
      for (size_t x = 0; x < side; x += s->map_side) kept[n++] = ours[(y * side + x) * R + ch];
  compare_values(g, name, kept, n);
  free(kept);
}

/* ---- stages */

typedef struct vision_run {
  gm_compute *c;
  const gm_model_file *file;
  gm_groma_hparams hparams;
  golden *g;
  json_t *meta;
  const vision_slices *slices;
  gm_error err;
  size_t n, C; /* grid, width of the vision encoder */
  float **states;
  float *pixels;
  gm_rel_box *candidates; /* proposals, then referred boxes */
  float *scores;
  size_t n_candidates;
} vision_run;

static void make_pixels(vision_run *run, const char *pictures) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", pictures,
           json_string_value(json_object_get(run->meta, "image")));
  size_t S = run->hparams.image_size;
  gm_image *image;
  assert_ok(gm_image_open(&image, test_data(path), NULL, &run->err), &run->err);
  run->pixels = zeros(3 * S * S);
  assert_ok(gm_pixels_squash(run->pixels, image, S, &run->hparams.pixel_norm, run->c->pool,
                             &run->err),
            &run->err);
  gm_image_free(image);
  float *kept = zeros(3 * S * S);
  size_t n = 0;
  for (size_t row = 0; row < 3 * S; row++)
    for (size_t x = 0; row % S % 16 == 0 && x < S; x += 16)
      kept[n++] = run->pixels[row * S + x];
  compare_values(run->g, "pixel_values", kept, n);
  free(kept);
}

static void check_encoder(vision_run *run) {
  gm_dinov2 w;
  assert_ok(gm_dinov2_load(&w, run->file, &run->hparams, &run->err), &run->err);
  size_t C = run->C = w.shape.dim, n = run->n = w.grid, L = w.layers, rows = 1 + n * n;
  run->states = calloc(L + 1, sizeof *run->states);
  assert_non_null(run->states);
  for (size_t i = 0; i <= L; i++) run->states[i] = zeros(rows * C);
  assert_ok(gm_dinov2_forward(run->c, &w, run->pixels, run->states), &run->err);
  compare(run->g, "vit_embed", run->states[0], rows, C, run->slices->tokens, 1);
  for (size_t k = 4; k >= 1; k--) {
    char name[32];
    snprintf(name, sizeof name, "vit_hidden_minus%zu", k);
    compare(run->g, name, run->states[L + 1 - k], rows, C, run->slices->tokens, 1);
  }
  gm_dinov2_free(&w);
}

static void check_tokens(vision_run *run) {
  gm_visual_tokens w;
  assert_ok(gm_visual_tokens_load(&w, run->file, run->n, run->C, &run->err), &run->err);
  size_t T = run->n * run->n / 4;
  float *tokens = zeros(T * w.dim);
  assert_ok(
      gm_visual_tokens_forward(run->c, &w, run->states[run->hparams.vision_output], tokens),
      &run->err);
  compare(run->g, "image_tokens", tokens, T, w.dim, run->slices->image_rows,
          run->slices->image_columns);
  free(tokens);
}

/* memory[n*n, d]; free() it. */
static float *check_proposer_encoder(vision_run *run, size_t *d) {
  gm_proposer_encoder w;
  assert_ok(gm_proposer_encoder_load(&w, run->file, &run->hparams, run->C, &run->err),
            &run->err);
  size_t cells = run->n * run->n, C = run->C, L = run->hparams.vision_layers;
  float *mean = zeros(cells * C), *memory = zeros(cells * w.dim);
  for (size_t i = 0; i < cells * C; i++) {
    float sum = 0;
    for (size_t k = L - 3; k <= L; k++) sum += run->states[k][C + i];
    mean[i] = sum / 4;
  }
  assert_ok(gm_proposer_encoder_input(run->c, &w, mean, memory), &run->err);
  compare(run->g, "ddetr_src", memory, cells, w.dim, run->slices->tokens, 1);
  assert_ok(gm_proposer_encoder_forward(run->c, &w, memory), &run->err);
  compare(run->g, "ddetr_encoder", memory, cells, w.dim, run->slices->tokens, 1);
  *d = w.dim;
  gm_proposer_encoder_free(&w);
  free(mean);
  return memory;
}

static void check_proposer(vision_run *run) {
  size_t d, q = run->hparams.proposals;
  float *memory = check_proposer_encoder(run, &d);
  gm_proposer_decoder w;
  assert_ok(gm_proposer_decoder_load(&w, run->file, &run->hparams, d, &run->err), &run->err);
  float *reference = zeros(4 * q), *states = zeros(q * d), *coco = zeros(q), *sa1b = zeros(q);
  gm_proposer_result result = {(gm_rel_box *)reference, states, coco, sa1b, run->candidates};
  assert_ok(gm_proposer_decoder_forward(run->c, &w, memory, &result), &run->err);
  compare(run->g, "ddetr_reference", reference, q, 4, 1, 1);
  compare(run->g, "ddetr_decoder", states, q, d, run->slices->states, 1);
  compare(run->g, "logits_coco", coco, q, 1, 1, 1);
  compare(run->g, "logits_sa1b", sa1b, q, 1, 1, 1);
  compare(run->g, "pred_boxes", (float *)run->candidates, q, 4, 1, 1);
  for (size_t i = 0; i < q; i++) run->scores[i] = gm_region_score(coco[i], sa1b[i]);
  compare(run->g, "score", run->scores, q, 1, 1, 1);
  gm_proposer_decoder_free(&w);
  free(memory);
  free(reference);
  free(states);
  free(coco);
  free(sa1b);
}

/* The index of the reference's candidate that became its k-th region, whose box is an exact
 * copy. */
static size_t reference_choice(const vision_run *run, const float *region) {
  const float *boxes = golden_get(run->g, "pred_boxes").data;
  size_t q = run->hparams.proposals;
  for (size_t i = 0; i < run->n_candidates; i++) {
    const float *candidate = i < q ? boxes + 4 * i : (const float *)&run->candidates[i];
    if (memcmp(candidate, region, 4 * sizeof *region) == 0) return i;
  }
  fail_msg("the golden region is none of the golden candidates");
  return 0;
}

static void check_choice(vision_run *run) {
  gm_region_rule rule = {run->hparams.score_threshold, run->hparams.nms_threshold,
                         run->hparams.max_regions};
  json_t *threshold = json_object_get(run->meta, "box_score_thres");
  if (threshold) rule.score_threshold = (float)json_number_value(threshold);
  uint32_t *chosen = calloc(run->n_candidates, sizeof *chosen);
  assert_non_null(chosen);
  size_t n = gm_regions_choose(run->candidates, run->scores, run->n_candidates, &rule, chosen);
  golden_array want = golden_get(run->g, "regions_cxcywh");
  assert_int_equal(n, want.shape[0]);
  for (size_t k = 0; k < n; k++)
    assert_int_equal(chosen[k], reference_choice(run, (const float *)want.data + 4 * k));
  print_message("  %-20s %zu of %zu candidates, equal\n", "regions", n, run->n_candidates);
  free(chosen);
}

static void check_regions(vision_run *run) {
  gm_region_encoder w;
  assert_ok(gm_region_encoder_load(&w, run->file, &run->hparams, run->C, &run->err), &run->err);
  size_t L = run->hparams.vision_layers;
  const float *states[GM_REGION_LEVELS];
  float *maps[GM_REGION_LEVELS];
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) {
    size_t side = gm_region_level_side(&w, k);
    states[k] = run->states[L + 1 - GM_REGION_LEVELS + k];
    maps[k] = zeros(side * side * w.channels);
  }
  assert_ok(gm_region_encoder_fuse(run->c, &w, states, maps), &run->err);
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) {
    char name[32];
    snprintf(name, sizeof name, "fused_level%zu", k);
    compare_map(run->g, name, maps[k], gm_region_level_side(&w, k), w.channels, run->slices);
  }
  golden_array boxes = golden_get(run->g, "regions_cxcywh");
  float *features = zeros(boxes.shape[0] * w.dim);
  assert_ok(gm_region_encoder_forward(run->c, &w, (const float *const *)maps, boxes.data,
                                      boxes.shape[0], features),
            &run->err);
  compare(run->g, "region_features", features, boxes.shape[0], w.dim, 1, run->slices->features);
  free(features);
  for (size_t k = 0; k < GM_REGION_LEVELS; k++) free(maps[k]);
  gm_region_encoder_free(&w);
}

static void open_run(vision_run *run, const char *name) {
  char path[256];
  snprintf(path, sizeof path, "golden/%s.safetensors", name);
  run->g = golden_open(path);
  snprintf(path, sizeof path, "golden/%s.json", name);
  run->meta = json_load_file(test_data(path), 0, NULL);
  assert_non_null(run->meta);
  run->c = compute_open(0, NULL);
  run->c->err = &run->err;
  assert_ok(gm_groma_hparams_read(&run->hparams, run->file, &run->err), &run->err);

  json_t *referred = json_object_get(run->meta, "refer_cxcywh");
  size_t q = run->hparams.proposals, n = json_array_size(referred);
  run->n_candidates = q + n;
  run->candidates = calloc(q + n, sizeof *run->candidates);
  run->scores = zeros(q + n);
  assert_non_null(run->candidates);
  const float *boxes = n ? golden_get(run->g, "refer_cxcywh").data : NULL;
  for (size_t i = 0; i < n; i++) {
    memcpy(&run->candidates[q + i], boxes + 4 * i, sizeof *run->candidates);
    run->scores[q + i] = 1;
  }
}

size_t check_vision_golden(const gm_model_file *file, const char *name, const char *pictures,
                           const vision_slices *slices) {
  vision_run run = {.file = file, .slices = slices};
  print_message("%s: error relative to the stage's largest magnitude\n", name);
  open_run(&run, name);
  make_pixels(&run, pictures);
  check_encoder(&run);
  check_tokens(&run);
  check_proposer(&run);
  check_choice(&run);
  check_regions(&run);

  for (size_t i = 0; i <= run.hparams.vision_layers; i++) free(run.states[i]);
  free(run.states);
  free(run.pixels);
  free(run.candidates);
  free(run.scores);
  json_decref(run.meta);
  golden_close(run.g);
  size_t scratch = run.c->arena.peak;
  compute_close(run.c);
  return scratch;
}
