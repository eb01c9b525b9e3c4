/* initialise.c - see initialise.h. */
#include "initialise.h"

#include "groma_hparams.h"
#include "rng.h"
#include "synthetic.h"
#include "trained_model.h"

#include <assert.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846
#define SMALL 0.02     /* std of a transformer's weights */
#define HEAD_SCALE 1.5 /* of index tokens in the head, beside the embeddings */

/* ---- draws ---- */

static gm_rng rng_of(uint64_t seed, const char *a, const char *b) {
  gm_rng rng = {seed ^ gm_mix64(gm_fnv1a(a, strlen(a)) + 31 * gm_fnv1a(b, strlen(b)))};
  return rng;
}

static void fill_uniform(float *out, size_t n, double bound, gm_rng *rng) {
  for (size_t i = 0; i < n; i++) out[i] = (float)((2 * gm_rng_unit(rng) - 1) * bound);
}

static double normal(gm_rng *rng) {
  double radius = sqrt(-2 * log(1 - gm_rng_unit(rng)));
  return radius * cos(2 * PI * gm_rng_unit(rng));
}

static void fill_normal(float *out, size_t n, double std, gm_rng *rng) {
  for (size_t i = 0; i < n; i++) out[i] = (float)(std * normal(rng));
}

static void fill(float *out, size_t n, float value) {
  for (size_t i = 0; i < n; i++) out[i] = value;
}

/* ---- the table ---- */

typedef enum start {
  ZERO,
  ONE,
  XAVIER,       /* uniform, sqrt(6 / (inputs + outputs)) */
  FAN_IN,       /* uniform, 1 / sqrt(inputs) */
  NORMAL,       /* of the row's std */
  NORMAL_ADDED, /* the same over sqrt(2 layers) */
  FUSE,         /* normal, sqrt(2 / (9 outputs)) */
  PRIOR,        /* -log 99: a first score of 0.01 */
  OFFSETS,      /* the points of deformable attention go out in all directions */
  MEAN_WORD
} start;

/* The first row that fits decides. */
static const struct row {
  const char *part, *name;
  start start;
  double std;
} table[] = {
    {"proposer", "*norm.weight", ONE, 0},
    {"proposer", "*norm.bias", ZERO, 0},
    {"proposer", "perceiver.input_proj.0.0.weight", XAVIER, 0},
    {"proposer", "perceiver.input_proj.0.1.weight", ONE, 0},
    {"proposer", "perceiver.input_proj.*.bias", ZERO, 0},
    {"proposer", "*.attention_weights.*", ZERO, 0},
    {"proposer", "*.sampling_offsets.weight", ZERO, 0},
    {"proposer", "*.sampling_offsets.bias", OFFSETS, 0},
    {"proposer", "*.level_embed", NORMAL, 1},
    {"proposer", "*.query_position_embeddings.weight", XAVIER, 0},
    {"proposer", "*.enc_output.weight", XAVIER, 0},
    {"proposer", "*.enc_output.bias", FAN_IN, 0},
    {"proposer", "*.pos_trans.weight", XAVIER, 0},
    {"proposer", "*.pos_trans.bias", FAN_IN, 0},
    {"proposer", "*.class_embed_*.weight", FAN_IN, 0},
    {"proposer", "*.class_embed_*.bias", PRIOR, 0},
    {"proposer", "*.bbox_embed.*.layers.2.*", ZERO, 0},
    {"proposer", "*.bbox_embed.*", FAN_IN, 0},
    {"proposer", "*.bias", ZERO, 0},
    {"proposer", "*.weight", XAVIER, 0},
    {"bridge", "*", FAN_IN, 0},
    {"regions", "*.gn.weight", ONE, 0},
    {"regions", "*.gn.bias", ZERO, 0},
    {"regions", "*.pos_embedd.[25].weight", ONE, 0},
    {"regions", "*.pos_embedd.[25].bias", ZERO, 0},
    {"regions", "*.fuse_convs.*.conv.weight", FUSE, 0},
    {"regions", "*.pconvs.*.weight", NORMAL, 0.01},
    {"regions", "*.pconvs.*.bias", ZERO, 0},
    {"regions", "*", FAN_IN, 0},
    {"embeddings", "new_input_embs.weight", MEAN_WORD, 0},
    {"embeddings", "*", FAN_IN, 0},
    /* transformers */
    {NULL, "*norm*.weight", ONE, 0},
    {NULL, "*.ln_*.weight", ONE, 0},
    {NULL, "ln_final.weight", ONE, 0},
    {NULL, "*.lambda1", ONE, 0},
    {NULL, "*bias", ZERO, 0},
    {NULL, "*.attention.output.dense.weight", NORMAL_ADDED, SMALL},
    {NULL, "*.out_proj.weight", NORMAL_ADDED, SMALL},
    {NULL, "*.o_proj.weight", NORMAL_ADDED, SMALL},
    {NULL, "*.fc2.weight", NORMAL_ADDED, SMALL},
    {NULL, "*.c_proj.weight", NORMAL_ADDED, SMALL},
    {NULL, "*.down_proj.weight", NORMAL_ADDED, SMALL},
    {NULL, "*", NORMAL, SMALL},
};

static const struct row *row_for(const gm_param *p) {
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
    const struct row *row = &table[i];
    if (row->part && strcmp(row->part, p->part) != 0) continue;
    if (fnmatch(row->name, p->name, 0) == 0) return row;
  }
  return NULL;
}

/* ---- sizes ---- */

/* The inputs of an output's sum, of the weight itself or, for a bias, of the weight beside it;
 * and the outputs. */
static gm_status fans(const gm_params *params, const gm_param *p, double *inputs,
                      double *outputs, gm_error *err) {
  char name[GM_MAX_RULE_NAME + sizeof "weight"];
  size_t length = strlen(p->name);
  const gm_tensor *weight = &p->base;
  assert(length <= GM_MAX_RULE_NAME);
  memcpy(name, p->name, length + 1);
  if (length > 5 && strcmp(name + length - 5, ".bias") == 0) {
    memcpy(name + length - 4, "weight", 7);
    weight = gm_model_file_tensor(params->file, name);
  }
  if (!weight || weight->n_dims < 2)
    return gm_fail(err, GM_ERR_MODEL, "%s: tensor %s has no matrix that tells its first values",
                   gm_model_file_name(params->file), p->name);
  size_t taps = weight->n_dims == 4 ? weight->shape[0] * weight->shape[1] : 1;
  *inputs = (double)(gm_tensor_cols(weight) * taps);
  *outputs = (double)(gm_tensor_rows(weight)); /* of a convolution: of all its taps */
  /* The input convolution is stored as two: the channels, and two coordinates. */
  if (strstr(name, ".input_conv.")) {
    size_t n = strlen(name);
    if (n > 6 && strcmp(name + n - 6, ".coord") == 0) memcpy(name + n - 5, "weight", 7);
    weight = gm_model_file_tensor(params->file, name);
    if (weight) *inputs = (double)(gm_tensor_cols(weight) + 2);
  }
  return GM_OK;
}

/* Layers of the group that the tensor is of. */
static double layers_of(const gm_params *params, const gm_param *p) {
  char name[GM_MAX_RULE_NAME + 1];
  size_t n = 0;
  do gm_rule_name(name, p->rule->prefix, p->rule->name, n);
  while (gm_model_file_tensor(params->file, name) && ++n < GM_GGUF_MAX_TENSORS);
  return (double)n;
}

/* ---- single rules ---- */

/* Head h points at the angle 2 pi h / heads; point p is p + 1 cells out. */
static gm_status fill_offsets(const gm_params *params, gm_param *p, gm_error *err) {
  gm_groma_hparams h;
  GM_TRY(gm_groma_hparams_read(&h, params->file, err));
  bool encoder = strstr(p->name, ".encoder.layers.") != NULL;
  size_t heads = encoder ? h.encoder_heads : h.decoder_heads, levels = h.feature_levels;
  size_t points = p->n / (heads * levels * 2);
  if (points * heads * levels * 2 != p->n)
    return gm_fail(err, GM_ERR_MODEL, "%s: %s has %zu values for %zu heads",
                   gm_model_file_name(params->file), p->name, p->n, heads);
  float *at = p->value;
  for (size_t head = 0; head < heads; head++) {
    double angle = 2 * PI * (double)head / (double)heads, x = cos(angle), y = sin(angle);
    double largest = fmax(fabs(x), fabs(y));
    for (size_t level = 0; level < levels; level++)
      for (size_t point = 0; point < points; point++) {
        *at++ = (float)((double)(point + 1) * x / largest);
        *at++ = (float)((double)(point + 1) * y / largest);
      }
  }
  return GM_OK;
}

/* Every row: the mean of all words. */
static gm_status fill_mean_word(const gm_params *params, gm_param *p, gm_error *err) {
  const gm_tensor *words = gm_model_file_tensor(params->view, "llm.model.embed_tokens.weight");
  size_t dim = gm_tensor_cols(&p->base);
  if (!words || gm_tensor_cols(words) != dim)
    return gm_fail(err, GM_ERR_MODEL, "%s: found no word embeddings of width %zu",
                   gm_model_file_name(params->file), dim);
  double *sum = calloc(dim, sizeof *sum);
  float *row = malloc(dim * sizeof *row);
  if (!sum || !row) {
    free(sum);
    free(row);
    return gm_fail_memory(err, p->name, dim * sizeof *sum);
  }
  size_t n = gm_tensor_rows(words);
  const unsigned char *from = words->data;
  for (size_t i = 0; i < n; i++, from += words->row_bytes) {
    gm_type_traits_of(words->type)->to_float(row, from, dim);
    for (size_t k = 0; k < dim; k++) sum[k] += (double)row[k];
  }
  for (size_t i = 0; i < p->n; i++) p->value[i] = (float)(sum[i % dim] / (double)n);
  free(sum);
  free(row);
  return GM_OK;
}

/* ---- all of it ---- */

static gm_status initialise(gm_params *params, gm_param *p, uint64_t seed, gm_error *err) {
  const struct row *row = row_for(p);
  /* The prefix has no layer number, so that layers' heads become copies. */
  bool copies = strstr(p->name, ".class_embed_") || strstr(p->name, ".bbox_embed.");
  gm_rng rng =
      copies ? rng_of(seed, p->rule->prefix, p->rule->name) : rng_of(seed, p->name, "");
  double inputs = 1, outputs = 1, std = row->std;
  if (row->start == XAVIER || row->start == FAN_IN || row->start == FUSE)
    GM_TRY(fans(params, p, &inputs, &outputs, err));
  switch (row->start) {
  case ZERO:
    fill(p->value, p->n, 0);
    break;
  case ONE:
    fill(p->value, p->n, 1);
    break;
  case PRIOR:
    fill(p->value, p->n, (float)-log(99));
    break;
  case XAVIER:
    fill_uniform(p->value, p->n, sqrt(6 / (inputs + outputs)), &rng);
    break;
  case FAN_IN:
    fill_uniform(p->value, p->n, 1 / sqrt(inputs), &rng);
    break;
  case FUSE:
    fill_normal(p->value, p->n, sqrt(2 / outputs), &rng);
    break;
  case NORMAL_ADDED:
    std /= sqrt(2 * layers_of(params, p));
    fill_normal(p->value, p->n, std, &rng);
    break;
  case NORMAL:
    fill_normal(p->value, p->n, std, &rng);
    break;
  case OFFSETS:
    return fill_offsets(params, p, err);
  case MEAN_WORD:
    return fill_mean_word(params, p, err);
  }
  return GM_OK;
}

gm_status gm_initialise(gm_params *params, const gm_tensor_choice *which, uint64_t seed,
                        gm_error *err) {
  for (size_t i = 0; i < params->n; i++) {
    gm_param *p = &params->all[i];
    if (p->how == GM_LEARN_WHOLE && p->rule && gm_param_fits(p, which))
      GM_TRY(initialise(params, p, seed, err));
  }
  return GM_OK;
}

void gm_initialise_index_tokens(gm_params *params, size_t first, size_t n, uint64_t seed) {
  gm_rng rng = rng_of(seed, "index tokens", "");
  gm_param *embeddings = gm_params_find(params, "new_input_embs.weight");
  gm_param *head = gm_params_find(params, "extra_lm_head.weight");
  const gm_param *either = embeddings ? embeddings : head;
  if (!either) return;
  size_t dim = gm_tensor_cols(&either->base);
  assert((first + n) * dim <= either->n);
  for (size_t i = first * dim; i < (first + n) * dim; i++) {
    double x = SMALL * normal(&rng);
    if (embeddings) embeddings->value[i] += (float)x;
    if (head) head->value[i] = (float)(HEAD_SCALE * x);
  }
}

double gm_param_rms(const gm_params *params, const char *name) {
  const gm_param *p = gm_params_find(params, name);
  double sum = 0;
  if (!p || p->how != GM_LEARN_WHOLE || p->n == 0) return 0;
  for (size_t i = 0; i < p->n; i++) sum += (double)p->value[i] * (double)p->value[i];
  return sqrt(sum / (double)p->n);
}

void gm_params_multiply(gm_params *params, const gm_tensor_choice *which, float factor) {
  for (size_t i = 0; i < params->n; i++) {
    gm_param *p = &params->all[i];
    if (!gm_param_fits(p, which)) continue;
    for (size_t k = 0; k < p->n; k++) p->value[k] *= factor;
  }
}

gm_status gm_fresh_groma(gm_model_file **out, const char *name,
                         const size_t dims[GM_GROMA_N_DIMS], const gm_source_file *files,
                         size_t n_files, uint64_t seed, gm_pool *pool, gm_error *err) {
  *out = NULL;
  static const gm_learn_rule whole = {.how = GM_LEARN_WHOLE};
  static const gm_tensor_choice words = {.part = "words"}, all = {.part = NULL};
  const gm_trained_options options = {.type = GM_TYPE_COUNT, .pool = pool};
  gm_model_file *shapes;
  gm_params *params = NULL;
  GM_TRY(gm_synthetic_groma(&shapes, name, dims, files, n_files, pool, err));
  gm_status status = gm_params_create(&params, shapes, &whole, 1, false, seed, err);
  if (status == GM_OK) status = gm_initialise(params, &words, seed, err);
  if (status == GM_OK) status = gm_initialise(params, &all, seed, err);
  if (status == GM_OK) status = gm_trained_model(out, params, &options, err);
  gm_params_free(params);
  gm_model_file_close(shapes);
  return status;
}
