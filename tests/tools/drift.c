/* drift.c - how far a model's values differ from another's, stage by stage:
 *
 *   drift [-n TOKENS] REFERENCE OTHER... -- PICTURE...      one line of JSON for each OTHER
 *   drift round FILE.gguf@TYPE:PATTERN,... OUT.gguf         writes a rounded model, see below
 *
 * Models are what gm_model_open takes; an OTHER may also be FILE.gguf@TYPE:PATTERN,PATTERN...:
 * the f32 file, with the tensors whose upstream names match a pattern rounded to TYPE and back,
 * in memory. So one group of weights can be judged while the others stay exact. A rounded
 * weight is multiplied in f32; the block types' products also round the activations, which only
 * a real file shows. MODEL@cache:K,V is a model whose language model keeps keys and values in
 * those types; MODEL@fast is opened as with --fast. One model is open at a time.
 *
 * Figures of a stage: "max" the largest difference over the stage's largest magnitude, "rms"
 * the root of the summed squared differences over that of the values (logits: "rms" is over the
 * largest logit too). Each model computes a stage from its own values of the stages before.
 * Regions are matched best overlap first; vectors and logits are those of the reference's
 * regions, the logits at every position of the reference's greedy caption, which is forced on
 * both models. */
#include "scene_support.h"

#include "dinov2.h"
#include "pixels.h"
#include "sampler.h"
#include "tensor_names.h"

#include <fnmatch.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MATCH 0.5 /* two regions with this IoU count as the same */

/* The values of one picture under one model. */
typedef struct record {
  double width, height;
  float *hidden; /* the last hidden state */
  size_t n_hidden;
  float *tokens;
  size_t n_tokens;
  gm_region_list list; /* the regions chosen; their vectors do not outlive the picture */
  float *vectors;      /* of the reference's regions */
  size_t n_vectors;
  int32_t *said; /* greedy caption with its own regions */
  size_t n_said;
  float *logits; /* [n_steps, vocab] at the reference's caption */
  size_t n_steps, vocab;
} record;

static void record_free(record *r) {
  free(r->hidden);
  free(r->tokens);
  gm_region_list_free(&r->list);
  free(r->vectors);
  free(r->said);
  free(r->logits);
  *r = (record){0};
}

static float *copied(const float *values, size_t n) {
  float *copy = malloc(n * sizeof *copy);
  assert_non_null(copy);
  memcpy(copy, values, n * sizeof *copy);
  return copy;
}

/* ---- models */

/* One row of n floats through the type's blocks; the last block is filled up with zeros. */
static void round_row(float *row, size_t n, const gm_type_traits *traits) {
  size_t padded = (n + traits->block - 1) / traits->block * traits->block;
  float *room = calloc(padded, sizeof *room);
  void *blocks = calloc(padded / traits->block, traits->block_bytes);
  assert_true(room && blocks);
  memcpy(room, row, n * sizeof *row);
  traits->from_float(blocks, room, padded);
  traits->to_float(room, blocks, padded);
  memcpy(row, room, n * sizeof *row);
  free(blocks);
  free(room);
}

static bool matches(const char *name, const char *patterns) {
  char list[1024];
  assert_true(strlen(patterns) < sizeof list);
  strcpy(list, patterns);
  char *rest = list, *pattern;
  while ((pattern = strsep(&rest, ",")))
    if (fnmatch(pattern, name, 0) == 0) return true;
  return false;
}

/* Rounds the tensors of an f32 file whose bytes are ours. Returns the number of weights. */
static size_t round_tensors(const gm_model_file *file, gm_type type, const char *patterns) {
  size_t weights = 0;
  for (size_t i = 0; i < gm_model_file_n_tensors(file); i++) {
    const char *name;
    char upstream[256];
    const gm_tensor *t = gm_model_file_tensor_at(file, i, &name);
    gm_tensor_upstream_name(name, upstream, sizeof upstream);
    if (!matches(upstream, patterns)) continue;
    assert_int_equal(t->type, GM_TYPE_F32);
    size_t rows = gm_tensor_rows(t), cols = gm_tensor_cols(t);
    float *values = (float *)(uintptr_t)t->data;
    for (size_t r = 0; r < rows; r++)
      round_row(values + r * cols, cols, gm_type_traits_of(type));
    weights += rows * cols;
  }
  return weights;
}

/* FILE.gguf@TYPE:PATTERNS -> the rounded model over bytes that are to be freed after it. */
static gm_model_file *rounded_file(const char *spec, void **bytes, size_t *size,
                                   size_t *weights) {
  gm_error err;
  gm_model_file *file;
  gm_type type;
  char path[1024], type_name[16];
  const char *at = strchr(spec, '@'), *patterns = at ? strchr(at, ':') : NULL;
  assert_true(patterns && (size_t)(at - spec) < sizeof path && patterns - at <= 16);
  snprintf(path, sizeof path, "%.*s", (int)(at - spec), spec);
  snprintf(type_name, sizeof type_name, "%.*s", (int)(patterns - at - 1), at + 1);
  assert_true(gm_type_from_name(type_name, &type));
  void *read = test_read_file(path, size);
  *bytes = aligned_alloc(64, (*size + 63) / 64 * 64);
  assert_non_null(*bytes);
  memcpy(*bytes, read, *size);
  free(read);
  assert_ok(gm_model_file_from_memory(&file, *bytes, *size, path, &err), &err);
  *weights = round_tensors(file, type, patterns + 1);
  return file;
}

static void write_rounded(const char *spec, const char *path) {
  void *bytes;
  size_t size, weights;
  gm_model_file_close(rounded_file(spec, &bytes, &size, &weights));
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(bytes, 1, size, out), size);
  assert_int_equal(fclose(out), 0);
  free(bytes);
  printf("%zu\n", weights);
}

typedef struct opened {
  gm_model *model;
  void *bytes; /* of a rounded file */
  size_t rounded;
} opened;

static void open_model(opened *o, const char *spec) {
  gm_error err;
  *o = (opened){0};
  char path[1024];
  snprintf(path, sizeof path, "%s", spec);
  path[strcspn(path, "@")] = 0;
  gm_model_params params = gm_model_params_default();
  const char *cache = strstr(spec, "@cache:");
  char types[2][8] = {""};
  if (cache) {
    assert_int_equal(sscanf(cache, "@cache:%7[^,],%7s", types[0], types[1]), 2);
    params.cache_type_k = types[0];
    params.cache_type_v = types[1];
  }
  params.fast = strstr(spec, "@fast") != NULL;
  assert_ok(gm_model_open(&o->model, path, &params, &err), &err);
  if (cache || params.fast || !strchr(spec, '@')) return;
  size_t size;
  gm_groma_free(o->model->groma);
  gm_model_file_close(o->model->base.file);
  o->model->groma = NULL;
  o->model->base.file = rounded_file(spec, &o->bytes, &size, &o->rounded);
  assert_ok(gm_groma_load(&o->model->groma, o->model->base.file, &(gm_groma_cache){0}, &err),
            &err);
}

static void close_model(opened *o) {
  gm_model_free(o->model);
  free(o->bytes);
}

/* ---- one picture */

/* The talk's tokens, and the logits on the way. */
typedef struct saying {
  const int32_t *forced; /* NULL: greedy */
  size_t n_forced, most;
  int32_t eos;
  size_t vocab;
  record *out;
} saying;

static gm_status say_next(void *user, size_t i, const float *logits, int32_t *id, bool *more,
                          gm_error *err) {
  (void)err;
  (void)i;
  saying *s = user;
  record *r = s->out;
  if (s->forced) {
    memcpy(r->logits + r->n_steps * s->vocab, logits, s->vocab * sizeof *logits);
    *id = s->forced[r->n_steps++];
    *more = r->n_steps < s->n_forced;
    return GM_OK;
  }
  *id = (int32_t)gm_argmax(logits, s->vocab);
  r->said[r->n_said++] = *id;
  *more = *id != s->eos && r->n_said < s->most;
  return GM_OK;
}

static void caption(gm_compute *c, gm_encoding *encoding, saying *s) {
  gm_talk talk, *talks[1] = {&talk};
  gm_question question = {0};
  bool full;
  static const char text[] = "[grounding]Give me a concise description of the image.";
  assert_ok(gm_question_verbatim(&question, encoding->groma->prompt, text, 0, c->err), c->err);
  assert_ok(gm_talk_begin(&talk, encoding, NULL, 0, NULL, c->err), c->err);
  assert_ok(gm_pipeline_prepare(c, talks, 1), c->err);
  assert_ok(gm_talk_ask(&talk, &question, NULL, c->err), c->err);
  assert_ok(run_talks(c, talks, 1, say_next, s, &full), c->err);
  assert_false(full);
  gm_talk_free(&talk);
  gm_question_free(&question);
}

/* Replaces the picture's chosen regions by these. */
static void take_regions(gm_encoding *encoding, const gm_region_list *list) {
  encoding->base.n = list->n;
  for (size_t i = 0; i < list->n; i++)
    encoding->base.regions[i] =
        (gm_listed_region){list->regions[i].box, list->regions[i].score, 0};
  gm_kv_clear(&encoding->prefix);
}

static void keep_hidden(gm_compute *c, const gm_model *model, const float *pixels, record *r) {
  gm_dinov2 w;
  assert_ok(gm_dinov2_load(&w, model->base.file, &model->groma->hparams, c->err), c->err);
  float **keep = calloc(w.layers + 1, sizeof *keep);
  r->n_hidden = (1 + w.grid * w.grid) * w.shape.dim;
  r->hidden = calloc(r->n_hidden, sizeof *r->hidden);
  assert_true(keep && r->hidden);
  keep[w.layers] = r->hidden;
  assert_ok(gm_dinov2_forward(c, &w, pixels, keep), c->err);
  free(keep);
  gm_dinov2_free(&w);
}

/* `reference` NULL: makes the reference's own record. */
static void keep_answers(gm_compute *c, gm_encoding *encoding, const record *reference,
                         size_t most, record *r) {
  const gm_groma *groma = encoding->groma;
  r->vocab = groma->llama->vocab;
  r->said = calloc(most, sizeof *r->said);
  assert_non_null(r->said);
  saying greedy = {.most = most, .eos = groma->prompt->eos, .vocab = r->vocab, .out = r};
  caption(c, encoding, &greedy);

  const record *ref = reference ? reference : r;
  take_regions(encoding, &ref->list);
  r->logits = calloc(ref->n_said * r->vocab, sizeof *r->logits);
  assert_non_null(r->logits);
  saying forced = {ref->said, ref->n_said, most, 0, r->vocab, r};
  caption(c, encoding, &forced);
  size_t dim = groma->llama->dim;
  r->n_vectors = ref->list.n * dim;
  r->vectors = calloc(r->n_vectors, sizeof *r->vectors);
  assert_non_null(r->vectors);
  for (size_t i = 0; i < ref->list.n; i++)
    memcpy(r->vectors + i * dim, encoding->base.regions[i].vector, dim * sizeof *r->vectors);
}

static void keep_picture(gm_model *model, const char *path, const record *reference,
                         size_t most, record *r) {
  gm_error err;
  gm_image *image;
  const gm_groma *groma = model->groma;
  size_t size = groma->hparams.image_size;
  assert_ok(gm_image_open(&image, path, NULL, &err), &err);
  *r = (record){.width = gm_image_width(image), .height = gm_image_height(image)};
  gm_compute *c = test_enter(model, NULL, &err);
  float *pixels = calloc(3 * size * size, sizeof *pixels);
  assert_non_null(pixels);
  assert_ok(gm_pixels_squash(pixels, image, size, &groma->hparams.pixel_norm, c->pool, &err),
            &err);
  keep_hidden(c, model, pixels, r);

  gm_watch watch = {0};
  gm_encoding *encoding;
  gm_encoding_settings settings = {.rule = {groma->hparams.score_threshold,
                                            groma->hparams.nms_threshold, groma->max_regions}};
  if (groma->hparams.max_regions < settings.rule.max_regions)
    settings.rule.max_regions = groma->hparams.max_regions;
  assert_ok(gm_encoding_create(&encoding, groma, &settings, &watch, &err), &err);
  assert_ok(gm_pipeline_see(c, encoding, image), &err);
  gm_image_free(image);
  r->n_tokens = gm_vision_n_tokens(groma->vision) * groma->llama->dim;
  r->tokens = copied(gm_features_tokens(encoding->features), r->n_tokens);
  r->list.n = encoding->base.n;
  r->list.regions = calloc(r->list.n, sizeof *r->list.regions);
  assert_non_null(r->list.regions);
  memcpy(r->list.regions, encoding->base.regions, r->list.n * sizeof *r->list.regions);
  keep_answers(c, encoding, reference, most, r);
  gm_encoding_free(encoding);
  free(pixels);
  test_leave();
}

/* ---- comparing */

typedef struct spread {
  double difference, largest, squares, reference_squares;
  size_t n;
} spread;

static void spread_add(spread *s, const float *a, const float *reference, size_t n) {
  for (size_t i = 0; i < n; i++) {
    double d = (double)a[i] - (double)reference[i], r = (double)reference[i];
    if (fabs(d) > s->difference) s->difference = fabs(d);
    if (fabs(r) > s->largest) s->largest = fabs(r);
    s->squares += d * d;
    s->reference_squares += r * r;
  }
  s->n += n;
}

static json_t *spread_json(const spread *s, bool over_largest) {
  double rms = over_largest ? sqrt(s->squares / (double)s->n) / s->largest
                            : sqrt(s->squares / s->reference_squares);
  return json_pack("{s:f, s:f}", "max", s->difference / s->largest, "rms", rms);
}

/* Over all pictures. */
typedef struct drift {
  spread hidden, tokens, vectors, logits, first;
  size_t n_regions, n_others, n_kept, n_steps, n_same_next, n_same_captions;
  double shift, worst_shift, iou, worst_iou, score, worst_score, kl, worst_kl;
} drift;

/* The larger distance between corresponding corners of two boxes, in pixels. */
static double shift_of(gm_rel_box a, gm_rel_box b, const record *r) {
  gm_corners p = gm_rel_box_corners(a), q = gm_rel_box_corners(b);
  double x1 = (double)(p.x1 - q.x1) * r->width, y1 = (double)(p.y1 - q.y1) * r->height;
  double x2 = (double)(p.x2 - q.x2) * r->width, y2 = (double)(p.y2 - q.y2) * r->height;
  return fmax(hypot(x1, y1), hypot(x2, y2));
}

static void add_match(drift *d, const record *r, const gm_listed_region *a,
                      const gm_listed_region *reference, double iou) {
  double shift = shift_of(a->box, reference->box, r);
  double score = fabs((double)(a->score - reference->score));
  d->n_kept++;
  d->shift += shift;
  d->worst_shift = fmax(d->worst_shift, shift);
  d->iou += iou;
  d->worst_iou = fmin(d->worst_iou, iou);
  d->score += score;
  d->worst_score = fmax(d->worst_score, score);
}

/* Pairs of the largest overlap first, each region once. */
static void match_regions(drift *d, const record *r, const record *reference) {
  bool used[1024] = {false}, matched[1024] = {false};
  assert_true(r->list.n <= 1024 && reference->list.n <= 1024);
  d->n_regions += reference->list.n;
  d->n_others += r->list.n;
  for (;;) {
    size_t best_a = 0, best_b = 0;
    double best = MATCH;
    for (size_t b = 0; b < reference->list.n; b++)
      for (size_t a = 0; !matched[b] && a < r->list.n; a++) {
        double iou =
            (double)gm_region_iou(r->list.regions[a].box, reference->list.regions[b].box);
        if (used[a] || !(iou > best)) continue;
        best = iou;
        best_a = a;
        best_b = b;
      }
    if (!(best > MATCH)) return;
    used[best_a] = matched[best_b] = true;
    add_match(d, r, &r->list.regions[best_a], &reference->list.regions[best_b], best);
  }
}

/* Sum over ids of p log(p / q), p = softmax(reference). */
static double divergence(const float *logits, const float *reference, size_t n) {
  double top_p = -INFINITY, top_q = -INFINITY, sum_p = 0, sum_q = 0, kl = 0;
  for (size_t i = 0; i < n; i++) {
    /* not fmax, which gcc 12 for ARM fails to vectorise */
    if ((double)reference[i] > top_p) top_p = (double)reference[i];
    if ((double)logits[i] > top_q) top_q = (double)logits[i];
  }
  for (size_t i = 0; i < n; i++) {
    sum_p += exp((double)reference[i] - top_p);
    sum_q += exp((double)logits[i] - top_q);
  }
  for (size_t i = 0; i < n; i++) {
    double log_p = (double)reference[i] - top_p - log(sum_p);
    kl += exp(log_p) * (log_p - ((double)logits[i] - top_q - log(sum_q)));
  }
  return kl;
}

static void add_picture(drift *d, const record *r, const record *reference) {
  spread_add(&d->hidden, r->hidden, reference->hidden, r->n_hidden);
  spread_add(&d->tokens, r->tokens, reference->tokens, r->n_tokens);
  spread_add(&d->vectors, r->vectors, reference->vectors, r->n_vectors);
  spread_add(&d->logits, r->logits, reference->logits, r->n_steps * r->vocab);
  spread_add(&d->first, r->logits, reference->logits, r->vocab);
  match_regions(d, r, reference);
  for (size_t i = 0; i < r->n_steps; i++) {
    const float *a = r->logits + i * r->vocab, *b = reference->logits + i * r->vocab;
    double kl = divergence(a, b, r->vocab);
    d->kl += kl;
    d->worst_kl = fmax(d->worst_kl, kl);
    d->n_same_next += gm_argmax(a, r->vocab) == gm_argmax(b, r->vocab);
  }
  d->n_steps += r->n_steps;
  d->n_same_captions += r->n_said == reference->n_said &&
                        memcmp(r->said, reference->said, r->n_said * sizeof *r->said) == 0;
}

static void print_drift(const drift *d, const char *spec, size_t rounded, size_t n_pictures) {
  double kept = (double)(d->n_kept ? d->n_kept : 1), steps = (double)d->n_steps;
  json_t *line = json_pack(
      "{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "model", spec, "rounded", (json_int_t)rounded,
      "pictures", (json_int_t)n_pictures, "hidden", spread_json(&d->hidden, false), "tokens",
      spread_json(&d->tokens, false), "vectors", spread_json(&d->vectors, false), "logits",
      spread_json(&d->logits, true), "first", spread_json(&d->first, true));
  json_t *regions = json_pack(
      "{s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "reference", (json_int_t)d->n_regions,
      "found", (json_int_t)d->n_others, "kept", (json_int_t)d->n_kept, "shift", d->shift / kept,
      "worst_shift", d->worst_shift, "iou", d->iou / kept, "worst_iou", d->worst_iou, "score",
      d->score / kept, "worst_score", d->worst_score);
  json_t *answers = json_pack("{s:I, s:f, s:f, s:f, s:I}", "steps", (json_int_t)d->n_steps,
                              "kl", d->kl / steps, "worst_kl", d->worst_kl, "same_next",
                              (double)d->n_same_next / steps, "same_captions",
                              (json_int_t)d->n_same_captions);
  assert_true(line && regions && answers);
  json_object_set_new(line, "regions", regions);
  json_object_set_new(line, "answers", answers);
  char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(8));
  assert_non_null(text);
  puts(text);
  fflush(stdout);
  free(text);
  json_decref(line);
}

static void compare(const char *spec, char **pictures, size_t n, const record *references,
                    size_t most) {
  opened o;
  drift d = {.worst_iou = 1};
  open_model(&o, spec);
  for (size_t i = 0; i < n; i++) {
    record r;
    keep_picture(o.model, pictures[i], &references[i], most, &r);
    add_picture(&d, &r, &references[i]);
    record_free(&r);
  }
  print_drift(&d, spec, o.rounded, n);
  close_model(&o);
}

int main(int argc, char **argv) {
  size_t most = 60;
  int at = 1, end;
  if (argc == 4 && strcmp(argv[1], "round") == 0) {
    write_rounded(argv[2], argv[3]);
    return 0;
  }
  if (argc > 2 && strcmp(argv[1], "-n") == 0) {
    most = (size_t)atoi(argv[2]);
    at = 3;
  }
  for (end = at; end < argc && strcmp(argv[end], "--") != 0;) end++;
  if (end - at < 2 || argc - end < 2 || most == 0) return 2;
  char **pictures = argv + end + 1;
  size_t n = (size_t)(argc - end - 1);
  record *references = calloc(n, sizeof *references);
  assert_non_null(references);
  opened o;
  open_model(&o, argv[at]);
  for (size_t i = 0; i < n; i++) keep_picture(o.model, pictures[i], NULL, most, &references[i]);
  close_model(&o);
  for (int k = at + 1; k < end; k++) compare(argv[k], pictures, n, references, most);
  for (size_t i = 0; i < n; i++) record_free(&references[i]);
  free(references);
  return 0;
}
