/* tune_model.c - see tune_model.h. */
#include "tune_model.h"

#include <math.h>
#include <string.h>

/* Elements of a part up to which it learns as a whole, or has pairs in all its matrices. */
enum { SMALL_PART = 8 << 20, SMALL_BRIDGE = 1 << 20, SMALL_VISION = 64 << 20 };

enum { MAX_RULES = 24 };

/* Peak rates. Pairs begin at nothing, so they may move faster than whole tensors. */
#define RATE_PAIR 2e-3
#define RATE_VECTOR 5e-4
#define RATE_WHOLE 2e-4
#define RATE_HEAD 2e-3
#define RATE_SHARE 0.01 /* of a matrix's own size, at most */

gm_status gm_tune_parts_read(gm_tune_parts *out, const char *text, gm_error *err) {
  static const char *const names[] = {"boxes", "regions", "words"};
  bool *const wanted[] = {&out->boxes, &out->regions, &out->words};
  *out = (gm_tune_parts){0};
  if (!text) *out = (gm_tune_parts){true, true, true};
  while (text) {
    size_t length = strcspn(text, ","), i = 0;
    while (i < 3 && (strlen(names[i]) != length || strncmp(names[i], text, length) != 0)) i++;
    if (i == 3)
      return gm_fail(
          err, GM_ERR_ARGUMENT,
          "parts: found '%.*s', wanted boxes, regions and words, separated by commas",
          (int)(length < 40 ? length : 40), text);
    *wanted[i] = true;
    text = text[length] ? text + length + 1 : NULL;
  }
  return GM_OK;
}

/* ---- what learns ---- */

typedef struct rule_list {
  gm_learn_rule all[MAX_RULES];
  size_t n, rank;
} rule_list;

static void add(rule_list *list, const char *part, const char *name, gm_learn how) {
  list->all[list->n++] =
      (gm_learn_rule){{.part = part, .name = name}, how, list->rank, (float)list->rank};
}

static size_t elements_below(const gm_model_file *file, const char *const *prefixes, size_t n) {
  size_t sum = 0;
  for (size_t i = 0; i < gm_model_file_n_tensors(file); i++) {
    const char *name;
    const gm_tensor *t = gm_model_file_tensor_at(file, i, &name);
    for (size_t k = 0; k < n; k++)
      if (strncmp(name, prefixes[k], strlen(prefixes[k])) == 0)
        sum += gm_tensor_rows(t) * gm_tensor_cols(t);
  }
  return sum;
}
#define BELOW(file, ...)                                                                       \
  elements_below(file, (const char *const[]){__VA_ARGS__},                                     \
                 sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void choose(rule_list *list, const gm_model_file *file, gm_tune_parts parts,
                   bool vision) {
  if (parts.boxes) {
    if (BELOW(file, "perceiver.input_proj.", "perceiver.ddetr_transformer.") <= SMALL_PART) {
      add(list, "proposer", NULL, GM_LEARN_WHOLE);
    } else {
      add(list, "proposer", "*.decoder.*", GM_LEARN_WHOLE);
      add(list, "proposer", "*_embed*", GM_LEARN_WHOLE);
      add(list, "proposer", "*enc_output*", GM_LEARN_WHOLE);
    }
  }
  if (parts.regions) {
    bool small = BELOW(file, "img_txt_bridge.") <= SMALL_BRIDGE;
    add(list, "regions", "*.bias", GM_LEARN_WHOLE);
    add(list, "regions", "*.gn.weight", GM_LEARN_WHOLE);
    add(list, "regions", "*.input_conv.*", GM_LEARN_WHOLE);
    add(list, "regions", "*.updims.weight", GM_LEARN_WHOLE);
    add(list, "bridge", small ? NULL : "*.bias", GM_LEARN_WHOLE);
  }
  if (vision) {
    add(list, "vision", "*.layer.*", GM_LEARN_WHOLE);
    add(list, "vision", "*.layer.*", GM_LEARN_LORA); /* matrices; vectors stay as above */
  }
  if (parts.words) {
    add(list, "words", "*norm.weight", GM_LEARN_WHOLE);
    add(list, "words", NULL, GM_LEARN_LORA);
  }
}

/* A matrix of small numbers, whose inputs are large, is not to be overrun. */
static double rate_of_matrix(const gm_param *p) {
  double sum = 0;
  for (size_t i = 0; i < p->n; i++) sum += (double)p->value[i] * (double)p->value[i];
  return fmin(RATE_WHOLE, RATE_SHARE * sqrt(sum / (double)p->n));
}

static void set_rates(gm_params *params) {
  for (size_t i = 0; i < params->n; i++) {
    gm_param *p = &params->all[i];
    bool vector = gm_tensor_rows(&p->base) == 1;
    p->lr = p->how == GM_LEARN_LORA ? RATE_PAIR : vector ? RATE_VECTOR : rate_of_matrix(p);
  }
}

/* ---- the structs ---- */

static gm_status add_head(gm_tune_model *m, size_t n_classes, gm_error *err) {
  if (!m->parts.regions || n_classes < 2) return GM_OK;
  GM_TRY(gm_class_head_add(&m->classes, m->params, "classes", n_classes, m->groma->llama->dim,
                           err));
  gm_params_set_lr(m->params, &(gm_tensor_choice){.part = "heads"}, RATE_HEAD);
  return GM_OK;
}

static gm_status load(gm_tune_model *m, size_t rank, size_t n_classes, uint64_t seed,
                      gm_error *err) {
  rule_list rules = {.rank = rank};
  m->large = BELOW(m->file, "perceiver.vis_encoder.") > SMALL_VISION;
  m->vision_learns = m->parts.regions && !m->large;
  choose(&rules, m->file, m->parts, m->vision_learns);
  GM_TRY(gm_params_create(&m->params, m->file, rules.all, rules.n, true, seed, err));
  set_rates(m->params);
  const gm_model_file *view = m->params->view;
  GM_TRY(gm_groma_load(&m->groma, view, &(gm_groma_cache){0}, err));
  const gm_groma_hparams *h = &m->groma->hparams;
  GM_TRY(gm_dinov2_load(&m->vision, view, h, err));
  GM_TRY(gm_proposer_learner_load(&m->proposer, view, h, m->vision.shape.dim, err));
  return add_head(m, n_classes, err);
}

gm_status gm_tune_model_load(gm_tune_model *out, const gm_model_file *file, gm_tune_parts parts,
                             size_t rank, size_t n_classes, uint64_t seed, gm_error *err) {
  *out = (gm_tune_model){.file = file, .parts = parts};
  return load(out, rank, n_classes, seed, err);
}

void gm_tune_model_free(gm_tune_model *model) {
  gm_class_head_free(&model->classes);
  gm_proposer_learner_free(&model->proposer);
  gm_dinov2_free(&model->vision);
  gm_groma_free(model->groma);
  gm_params_free(model->params);
}

gm_seen_kind gm_tune_model_sees(const gm_tune_model *model) {
  const gm_tune_parts parts = model->parts;
  if (model->vision_learns) return GM_SEEN_NOTHING;
  if (!parts.regions && !parts.words) return GM_SEEN_FEATURES;
  return parts.regions || parts.boxes ? GM_SEEN_STATES : GM_SEEN_VECTORS;
}

gm_status gm_tune_model_refresh(gm_tune_model *model, gm_error *err) {
  GM_TRY(gm_proposer_encoder_refresh(&model->proposer.encoder, err));
  return gm_dinov2_refresh(&model->vision, err);
}
