/* params.c - see params.h. */
#include "params.h"

#include "checked.h"
#include "convert.h"
#include "rng.h"
#include "sizes.h"

#include <assert.h>
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 15, ALIGN = 64, BUFFERS = 5 };

/* ---- parts ---- */

static const char *part_of(const gm_tensor_rule *rule, const char *name) {
  if (strcmp(rule->part, "llm") != 0) return rule->part;
  bool added =
      strcmp(name, "new_input_embs.weight") == 0 || strcmp(name, "extra_lm_head.weight") == 0;
  return added ? "embeddings" : "words";
}

static bool fits(const gm_tensor_choice *which, const char *part, const char *name,
                 const gm_tensor_rule *rule, size_t layer) {
  if (which->part && strcmp(which->part, part) != 0) return false;
  if (which->name && fnmatch(which->name, name, 0) != 0) return false;
  if (!which->end_layer) return true;
  return rule && strchr(rule->prefix, '%') && layer >= which->first_layer &&
         layer < which->end_layer;
}

bool gm_param_fits(const gm_param *param, const gm_tensor_choice *which) {
  return fits(which, param->part, param->name, param->rule, param->layer);
}

/* ---- memory ---- */

static void free_param(gm_param *param) {
  free(param->name);
  free(param->value);
}

/* Zeros for param->n elements. */
static gm_status allocate(gm_param *param, const char *name, bool average, gm_error *err) {
  size_t stride, bytes;
  unsigned buffers = average ? BUFFERS : BUFFERS - 1;
  if (!gm_mul_size(param->n, sizeof(float), &stride) ||
      !gm_align_size(stride, ALIGN, &stride) || !gm_mul_size(stride, buffers, &bytes))
    return gm_fail_memory(err, name, SIZE_MAX);
  unsigned char *block = aligned_alloc(ALIGN, bytes);
  param->name = strdup(name);
  param->value = (float *)(void *)block;
  if (!block || !param->name) return gm_fail_memory(err, name, bytes);
  memset(block, 0, bytes);
  float **at[BUFFERS] = {&param->value, &param->gradient, &param->moment1, &param->moment2,
                         &param->average};
  for (unsigned i = 0; i < buffers; i++) *at[i] = (float *)(void *)(block + i * stride);
  return GM_OK;
}

static gm_learned learned_of(gm_param *p) {
  if (p->how == GM_LEARN_WHOLE)
    return (gm_learned){p->value, p->n * sizeof(float), p->gradient, false, NULL};
  return (gm_learned){p->base.data, gm_tensor_rows(&p->base) * p->base.row_bytes, NULL, false,
                      &p->lora};
}

/* Makes the lists of learned tensors and of pieces. */
static gm_status link_all(gm_params *params, gm_error *err) {
  size_t n_pieces = 0;
  for (size_t i = 0; i < params->n; i++) n_pieces += gm_ceil_div(params->all[i].n, PIECE);
  gm_learned *learned = calloc(params->n + 1, sizeof *learned);
  gm_param_piece *pieces = calloc(n_pieces + 1, sizeof *pieces);
  if (!learned || !pieces) {
    free(learned);
    free(pieces);
    return gm_fail_memory(err, "the list of weights", (n_pieces + 1) * sizeof *pieces);
  }
  free(params->learned.all);
  free(params->pieces);
  params->learned = (gm_learned_set){learned, params->n};
  params->pieces = pieces;
  params->n_pieces = n_pieces;
  for (size_t i = 0; i < params->n; i++) {
    gm_param *p = &params->all[i];
    learned[i] = learned_of(p);
    for (size_t at = 0; at < p->n; at += PIECE)
      *pieces++ = (gm_param_piece){i, at, gm_min_size(PIECE, p->n - at)};
  }
  gm_learned_set_sort(&params->learned);
  for (size_t i = 0; i < params->n; i++) {
    gm_param *p = &params->all[i];
    p->learned =
        gm_learned_find(&params->learned, p->how == GM_LEARN_WHOLE ? p->value : p->base.data);
    assert(p->learned);
  }
  return GM_OK;
}

/* ---- making ---- */

typedef struct making {
  gm_params *params;
  const gm_learn_rule *rules;
  size_t n_rules;
  bool *used; /* [n_rules]: fits a tensor */
  uint64_t seed;
  gm_error *err;
} making;

static bool has_pair(const gm_learn_rule *rule, const gm_tensor_rule *of,
                     const gm_tensor *tensor) {
  return strchr(of->prefix, '%') && tensor->n_dims == 2 && tensor->shape[0] > rule->rank &&
         tensor->shape[1] > rule->rank;
}

/* The rule that decides; NULL: the tensor is frozen. */
static const gm_learn_rule *rule_for(making *m, const gm_tensor_rule *of, size_t layer,
                                     const char *name, const gm_tensor *tensor) {
  const gm_learn_rule *found = NULL;
  for (size_t i = 0; i < m->n_rules; i++) {
    const gm_learn_rule *rule = &m->rules[i];
    if (!fits(&rule->which, part_of(of, name), name, of, layer)) continue;
    m->used[i] = true;
    if (rule->how == GM_LEARN_LORA && !has_pair(rule, of, tensor)) continue;
    found = rule;
  }
  return found && found->how != GM_FROZEN ? found : NULL;
}

static gm_status begin_whole(gm_param *p, gm_model_file *view, gm_error *err) {
  const gm_type_traits *traits = gm_type_traits_of(p->base.type);
  size_t columns = gm_tensor_cols(&p->base);
  const unsigned char *from = p->base.data;
  for (size_t r = 0; r < gm_tensor_rows(&p->base); r++, from += p->base.row_bytes)
    traits->to_float(p->value + r * columns, from, columns);
  gm_tensor master = p->base;
  master.type = GM_TYPE_F32;
  master.row_bytes = columns * sizeof(float);
  master.data = p->value;
  return gm_model_file_replace(view, p->name, &master, err);
}

static void begin_pair(gm_param *p, const gm_learn_rule *rule, uint64_t seed) {
  size_t n = p->base.shape[0], k = p->base.shape[1], rank = rule->rank;
  gm_rng rng = {seed ^ gm_fnv1a(p->name, strlen(p->name))};
  double bound = 1 / sqrt((double)k);
  for (size_t i = 0; i < rank * k; i++)
    p->value[i] = (float)((2 * gm_rng_unit(&rng) - 1) * bound);
  p->lora = (gm_lora){.rank = rank,
                      .scale = rule->alpha / (float)rank,
                      .a = p->value,
                      .b = p->value + rank * k,
                      .gradient_a = p->gradient,
                      .gradient_b = p->gradient + rank * k};
  assert(p->n == rank * (k + n));
  (void)n;
}

static gm_status visit(void *user, const gm_tensor_rule *of, size_t layer, const char *name,
                       const gm_tensor *tensor) {
  making *m = user;
  gm_params *params = m->params;
  const gm_learn_rule *rule = rule_for(m, of, layer, name, tensor);
  if (!rule) return GM_OK;
  gm_param *p = &params->all[params->n++];
  *p = (gm_param){
      .part = part_of(of, name), .rule = of, .layer = layer, .base = *tensor, .how = rule->how};
  p->n = rule->how == GM_LEARN_WHOLE ? gm_tensor_rows(tensor) * gm_tensor_cols(tensor)
                                     : rule->rank * (tensor->shape[0] + tensor->shape[1]);
  GM_TRY(allocate(p, name, params->with_average, m->err));
  if (rule->how == GM_LEARN_WHOLE) return begin_whole(p, params->view, m->err);
  begin_pair(p, rule, m->seed);
  return GM_OK;
}

static gm_status check_rules(const making *m) {
  for (size_t i = 0; i < m->n_rules; i++) {
    const gm_learn_rule *rule = &m->rules[i];
    const char *part = rule->which.part, *name = rule->which.name;
    if (rule->how == GM_LEARN_LORA && (rule->rank == 0 || !(rule->alpha > 0)))
      return gm_fail(m->err, GM_ERR_ARGUMENT,
                     "found rank %zu and alpha %g, wanted both above 0", rule->rank,
                     (double)rule->alpha);
    if (m->used[i]) continue;
    return gm_fail(m->err, GM_ERR_ARGUMENT,
                   "%s: no tensor has part %.40s, name %.80s and the layers asked for; parts "
                   "are vision, proposer, bridge, regions, embeddings and words, of a CLIP "
                   "vision and text",
                   gm_model_file_name(m->params->file), part ? part : "any",
                   name ? name : "any");
  }
  return GM_OK;
}

static gm_status make(making *m) {
  gm_params *params = m->params;
  const char *kind;
  GM_TRY(gm_model_file_string(params->file, "general.architecture", &kind, m->err));
  const gm_architecture *architecture = gm_architecture_named(kind);
  if (!architecture)
    return gm_fail(m->err, GM_ERR_MODEL,
                   "%s: found a model of kind %.40s, wanted groma or clip",
                   gm_model_file_name(params->file), kind);
  params->all =
      calloc(gm_model_file_n_tensors(params->file) + GM_MAX_ADDED, sizeof *params->all);
  params->rules = calloc(1, sizeof *params->rules);
  m->used = calloc(m->n_rules + 1, sizeof *m->used);
  if (!params->all || !params->rules || !m->used)
    return gm_fail_memory(m->err, "the list of weights", sizeof *params->rules);
  architecture->rules(params->rules);
  GM_TRY(gm_model_file_view(&params->view, params->file, m->err));
  GM_TRY(gm_rules_visit(params->rules, params->file, visit, m));
  GM_TRY(check_rules(m));
  return link_all(params, m->err);
}

gm_status gm_params_create(gm_params **out, const gm_model_file *file,
                           const gm_learn_rule *rules, size_t n_rules, bool average,
                           uint64_t seed, gm_error *err) {
  *out = NULL;
  gm_params *params = calloc(1, sizeof *params);
  if (!params) return gm_fail_memory(err, "the weights that learn", sizeof *params);
  params->file = file;
  params->with_average = average;
  making m = {.params = params, .rules = rules, .n_rules = n_rules, .seed = seed, .err = err};
  gm_status status = make(&m);
  free(m.used);
  if (status == GM_OK)
    *out = params;
  else
    gm_params_free(params);
  return status;
}

void gm_params_free(gm_params *params) {
  if (!params) return;
  gm_model_file_close(params->view);
  for (size_t i = 0; i < params->n; i++) free_param(&params->all[i]);
  free(params->all);
  free(params->rules);
  free(params->learned.all);
  free(params->pieces);
  free(params);
}

gm_status gm_params_add(gm_params *params, const char *name, const char *part, uint32_t n_dims,
                        const size_t *shape, const float *values, float **out, gm_error *err) {
  assert(n_dims >= 1 && n_dims <= GM_MAX_DIMS && !gm_params_find(params, name));
  assert(params->n < gm_model_file_n_tensors(params->file) + GM_MAX_ADDED);
  gm_param p = {.part = part, .how = GM_LEARN_WHOLE, .n = 1};
  p.base = (gm_tensor){.type = GM_TYPE_F32, .n_dims = n_dims, .shape = {1, 1, 1, 1}};
  for (uint32_t d = 0; d < n_dims; d++) {
    p.base.shape[d] = shape[d];
    if (!gm_mul_size(p.n, shape[d], &p.n)) return gm_fail_memory(err, name, SIZE_MAX);
  }
  p.base.row_bytes = shape[n_dims - 1] * sizeof(float);
  gm_status status = allocate(&p, name, params->with_average, err);
  if (status == GM_OK) {
    if (values) memcpy(p.value, values, p.n * sizeof *values);
    params->all[params->n++] = p;
    status = link_all(params, err);
    if (status != GM_OK) params->n--;
  }
  if (status != GM_OK)
    free_param(&p);
  else if (out)
    *out = p.value;
  return status;
}

gm_param *gm_params_find(const gm_params *params, const char *name) {
  for (size_t i = 0; i < params->n; i++)
    if (strcmp(params->all[i].name, name) == 0) return &params->all[i];
  return NULL;
}

/* ---- rates ---- */

void gm_params_set_lr(gm_params *params, const gm_tensor_choice *which, double lr) {
  for (size_t i = 0; i < params->n; i++)
    if (gm_param_fits(&params->all[i], which)) params->all[i].lr = lr;
}

void gm_params_scale_lr(gm_params *params, const gm_tensor_choice *which, double factor) {
  for (size_t i = 0; i < params->n; i++)
    if (gm_param_fits(&params->all[i], which)) params->all[i].lr *= factor;
}

void gm_params_set_decay(gm_params *params, const gm_tensor_choice *which, double decay) {
  for (size_t i = 0; i < params->n; i++)
    if (gm_param_fits(&params->all[i], which)) params->all[i].weight_decay = decay;
}

/* ---- over all weights ---- */

static void clear_piece(void *arg, size_t task, size_t worker) {
  const gm_params *params = arg;
  const gm_param_piece *piece = &params->pieces[task];
  const gm_param *p = &params->all[piece->param];
  (void)worker;
  if (p->learned->reached) memset(p->gradient + piece->begin, 0, piece->n * sizeof(float));
}

void gm_params_clear(gm_params *params, gm_pool *pool) {
  gm_pool_run(pool, clear_piece, params, params->n_pieces);
  for (size_t i = 0; i < params->n; i++) params->all[i].learned->reached = false;
}

static void swap_piece(void *arg, size_t task, size_t worker) {
  const gm_params *params = arg;
  const gm_param_piece *piece = &params->pieces[task];
  const gm_param *p = &params->all[piece->param];
  (void)worker;
  for (size_t i = piece->begin; i < piece->begin + piece->n; i++) {
    float value = p->value[i];
    p->value[i] = p->average[i];
    p->average[i] = value;
  }
}

void gm_params_swap_average(gm_params *params, gm_pool *pool) {
  if (!params->averaged) return;
  gm_pool_run(pool, swap_piece, params, params->n_pieces);
  params->swapped = !params->swapped;
}
