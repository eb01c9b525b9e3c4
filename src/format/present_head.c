/* present_head.c - see present_head.h. */
#include "present_head.h"

#include "head_numbers.h"
#include "sha256.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const gm_signal_names[GM_SIGNALS] = {
    [GM_SIGNAL_NAMED] = "named",     [GM_SIGNAL_BEST] = "best",
    [GM_SIGNAL_MARGIN] = "margin",   [GM_SIGNAL_ENTROPY] = "entropy",
    [GM_SIGNAL_REGIONS] = "regions", [GM_SIGNAL_OBJECT] = "object",
    [GM_SIGNAL_WORDS] = "words",     [GM_SIGNAL_COSINE] = "cosine",
    [GM_SIGNAL_LEAD] = "lead",
};

static const char *const unit_names[GM_PRESENT_MODES][2] = {{"one", "one_clip"},
                                                            {"all", "all_clip"}};

enum { VERSION = 1, KEY = 96 };
#define VERSION_KEY GM_PRESENT_KEYS "version"
#define CLIP_NAME_KEY GM_PRESENT_KEYS "clip.name"
#define CLIP_VOCABULARY_KEY GM_PRESENT_KEYS "clip.vocabulary_sha256"
#define CLIP_FEATURES_KEY GM_PRESENT_KEYS "clip.features"
#define CLIP_BACKGROUND_KEY GM_PRESENT_KEYS "clip.background"
#define WEIGHTS_KEY GM_PRESENT_KEYS "weights_sha256"

/* ---- computing ---- */

float gm_present_term_value(gm_present_term term, const float *signals) {
  return term.b == GM_SIGNALS ? signals[term.a] : signals[term.a] * signals[term.b];
}

float gm_present_logit(const gm_present_unit *unit, const float *signals) {
  float z = unit->bias;
  for (size_t i = 0; i < unit->n; i++) {
    float x = (gm_present_term_value(unit->terms[i], signals) - unit->mean[i]) * unit->scale[i];
    if (isnan(x)) return -HUGE_VALF;
    z += unit->weights[i] * fmaxf(-GM_PRESENT_MOST, fminf(x, GM_PRESENT_MOST));
  }
  return z;
}

float gm_present_probability(float logit) {
  return (float)(1 / (1 + exp(-(double)logit)));
}

float gm_present_logit_of(float probability) {
  const float least = 1e-6F;
  float p = fmaxf(least, fminf(probability, 1 - least));
  return logf(p / (1 - p));
}

float gm_present_score(const gm_present_unit *unit, float logit, float share) {
  if (isinf(logit) || isnan(share)) return 0;
  return gm_present_probability(unit->score[0] + unit->score[1] * logit +
                                unit->score[2] * gm_present_logit_of(share));
}

/* ---- reading ---- */

bool gm_present_head_in(const gm_model_file *file) {
  return gm_model_file_has_key(file, VERSION_KEY);
}

gm_status gm_present_weights(const gm_model_file *file, char out[65], gm_error *err) {
  const char *const *sums;
  size_t n;
  gm_sha256_state sha;
  out[0] = 0;
  if (!gm_model_file_has_key(file, GM_GGUF_SUMS_KEY)) return GM_OK;
  GM_TRY(gm_model_file_string_array(file, GM_GGUF_SUMS_KEY, &sums, &n, err));
  gm_sha256_begin(&sha);
  for (size_t i = 0; i < n; i++) gm_sha256_add_text(&sha, sums[i]);
  gm_sha256_end(&sha, out);
  return GM_OK;
}

void gm_present_head_free(gm_present_head *head) {
  if (!head) return;
  free(head->background);
  free(head);
}

static void name_key(char key[KEY], const char *unit, const char *name) {
  snprintf(key, KEY, GM_PRESENT_KEYS "%s.%s", unit, name);
}

/* out[n] = the key's numbers. */
static gm_status read_numbers(const gm_model_file *file, const char *unit, const char *name,
                              size_t n, float *out, gm_error *err) {
  char key[KEY];
  name_key(key, unit, name);
  return gm_head_numbers(file, key, n, out, err);
}

/* The signal of that name[0, n); GM_SIGNALS: there is none. */
static gm_signal signal_named(const char *name, size_t n, bool clip) {
  size_t s = 0, known = clip ? GM_SIGNALS : GM_CLIP_SIGNALS;
  while (s < known &&
         (strlen(gm_signal_names[s]) != n || memcmp(name, gm_signal_names[s], n) != 0))
    s++;
  return s < known ? (gm_signal)s : GM_SIGNALS;
}

/* "cosine", or "words*cosine". False: it is not known. */
static bool read_term(const char *name, bool clip, gm_present_term *out) {
  const char *times = strchr(name, '*');
  out->a = signal_named(name, times ? (size_t)(times - name) : strlen(name), clip);
  out->b = times ? signal_named(times + 1, strlen(times + 1), clip) : GM_SIGNALS;
  return out->a != GM_SIGNALS && (!times || out->b != GM_SIGNALS);
}

static gm_status read_terms(const gm_model_file *file, const char *key, bool clip,
                            gm_present_unit *unit, gm_error *err) {
  const char *const *names;
  size_t n;
  GM_TRY(gm_model_file_string_array(file, key, &names, &n, err));
  if (n == 0 || n > GM_PRESENT_TERMS)
    return gm_fail(err, GM_ERR_MODEL, "%s: key %s: found %zu signals, wanted 1 to %d",
                   gm_model_file_name(file), key, n, GM_PRESENT_TERMS);
  for (size_t i = 0; i < n; i++)
    if (!read_term(names[i], clip, &unit->terms[i]))
      return gm_fail(err, GM_ERR_MODEL,
                     "%s: key %s: found the signal \"%.40s\", which is not known here; fit the "
                     "head again (gromatic calibrate)",
                     gm_model_file_name(file), key, names[i]);
  unit->n = n;
  return GM_OK;
}

static gm_status read_unit(const gm_model_file *file, const char *name, bool clip,
                           gm_present_unit *unit, gm_error *err) {
  char key[KEY];
  name_key(key, name, "signals");
  if (!gm_model_file_has_key(file, key)) return GM_OK;
  GM_TRY(read_terms(file, key, clip, unit, err));
  GM_TRY(read_numbers(file, name, "mean", unit->n, unit->mean, err));
  GM_TRY(read_numbers(file, name, "scale", unit->n, unit->scale, err));
  GM_TRY(read_numbers(file, name, "weights", unit->n, unit->weights, err));
  GM_TRY(read_numbers(file, name, "bias", 1, &unit->bias, err));
  GM_TRY(read_numbers(file, name, "score", 3, unit->score, err));
  if (unit->score[2] >= 0) return GM_OK;
  name_key(key, name, "score");
  return gm_fail(err, GM_ERR_MODEL,
                 "%s: key %s: found the slope %g of a region's share, wanted 0 or more",
                 gm_model_file_name(file), key, (double)unit->score[2]);
}

static gm_status read_background(const gm_model_file *file, gm_present_head *head,
                                 gm_error *err) {
  const float *values;
  size_t n;
  GM_TRY(gm_model_file_f32_array(file, CLIP_BACKGROUND_KEY, &values, &n, err));
  if (n == 0 || n % head->features != 0 || n / head->features > GM_PRESENT_MAX_WORDS)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: key %s: found %zu numbers, wanted the features, %zu each, of 1 to %d "
                   "words",
                   gm_model_file_name(file), CLIP_BACKGROUND_KEY, n, head->features,
                   GM_PRESENT_MAX_WORDS);
  GM_TRY(gm_head_numbers_check(file, CLIP_BACKGROUND_KEY, values, n, err));
  head->background = malloc(n * sizeof *values);
  if (!head->background) return gm_fail_memory(err, "the head", n * sizeof *values);
  memcpy(head->background, values, n * sizeof *values);
  head->n_words = n / head->features;
  return GM_OK;
}

static gm_status read_clip(const gm_model_file *file, gm_present_head *head, gm_error *err) {
  uint32_t features;
  GM_TRY(gm_head_text(file, CLIP_NAME_KEY, head->clip_name, sizeof head->clip_name, err));
  GM_TRY(gm_head_text(file, CLIP_VOCABULARY_KEY, head->clip_vocabulary,
                      sizeof head->clip_vocabulary, err));
  GM_TRY(
      gm_model_file_u32(file, CLIP_FEATURES_KEY, 1, GM_PRESENT_MAX_FEATURES, &features, err));
  head->features = features;
  return read_background(file, head, err);
}

static gm_status read_head(const gm_model_file *file, gm_present_head *head, gm_error *err) {
  uint32_t version;
  GM_TRY(gm_model_file_u32(file, VERSION_KEY, VERSION, VERSION, &version, err));
  bool clip = false;
  for (size_t mode = 0; mode < GM_PRESENT_MODES; mode++)
    for (size_t with = 0; with < 2; with++) {
      gm_present_unit *unit = &head->units[mode][with];
      GM_TRY(read_unit(file, unit_names[mode][with], with == 1, unit, err));
      clip |= with == 1 && unit->n > 0;
    }
  if (head->units[GM_PRESENT_ONE][0].n == 0 && head->units[GM_PRESENT_ONE][1].n == 0)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: found a head without %sone and %sone_clip, wanted one",
                   gm_model_file_name(file), GM_PRESENT_KEYS, GM_PRESENT_KEYS);
  if (gm_model_file_has_key(file, WEIGHTS_KEY))
    GM_TRY(gm_head_text(file, WEIGHTS_KEY, head->weights, sizeof head->weights, err));
  return clip ? read_clip(file, head, err) : GM_OK;
}

gm_status gm_present_head_read(gm_present_head **out, const gm_model_file *file,
                               gm_error *err) {
  *out = NULL;
  if (!gm_present_head_in(file)) return GM_OK;
  gm_present_head *head = calloc(1, sizeof *head);
  if (!head) return gm_fail_memory(err, "the head", sizeof *head);
  gm_status status = read_head(file, head, err);
  if (status == GM_OK)
    *out = head;
  else
    gm_present_head_free(head);
  return status;
}

/* ---- writing ---- */

static void put_numbers(gm_gguf_writer *writer, const char *unit, const char *name,
                        const float *values, size_t n) {
  char key[KEY];
  name_key(key, unit, name);
  gm_gguf_put_f32_array(writer, key, values, n);
}

static void put_unit(gm_gguf_writer *writer, const char *name, const gm_present_unit *unit) {
  char key[KEY], terms[GM_PRESENT_TERMS][2 * 16];
  const char *names[GM_PRESENT_TERMS];
  if (unit->n == 0) return;
  for (size_t i = 0; i < unit->n; i++) {
    gm_present_term t = unit->terms[i];
    snprintf(terms[i], sizeof terms[i], "%s%s%s", gm_signal_names[t.a],
             t.b == GM_SIGNALS ? "" : "*", t.b == GM_SIGNALS ? "" : gm_signal_names[t.b]);
    names[i] = terms[i];
  }
  name_key(key, name, "signals");
  gm_gguf_put_string_array(writer, key, names, unit->n);
  put_numbers(writer, name, "mean", unit->mean, unit->n);
  put_numbers(writer, name, "scale", unit->scale, unit->n);
  put_numbers(writer, name, "weights", unit->weights, unit->n);
  put_numbers(writer, name, "bias", &unit->bias, 1);
  put_numbers(writer, name, "score", unit->score, 3);
}

void gm_present_head_put(gm_gguf_writer *writer, const gm_present_head *head) {
  gm_gguf_put_u32(writer, VERSION_KEY, VERSION);
  for (size_t mode = 0; mode < GM_PRESENT_MODES; mode++)
    for (size_t with = 0; with < 2; with++)
      put_unit(writer, unit_names[mode][with], &head->units[mode][with]);
  if (head->weights[0]) gm_gguf_put_string(writer, WEIGHTS_KEY, head->weights);
  if (!head->clip_name[0]) return;
  gm_gguf_put_string(writer, CLIP_NAME_KEY, head->clip_name);
  gm_gguf_put_string(writer, CLIP_VOCABULARY_KEY, head->clip_vocabulary);
  gm_gguf_put_u32(writer, CLIP_FEATURES_KEY, (uint32_t)head->features);
  gm_gguf_put_f32_array(writer, CLIP_BACKGROUND_KEY, head->background,
                        head->n_words * head->features);
}
