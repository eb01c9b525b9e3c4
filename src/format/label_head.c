/* label_head.c - see label_head.h. */
#include "label_head.h"

#include "head_numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const gm_label_signal_names[GM_LABEL_SIGNALS] = {
    [GM_LABEL_BEST] = "best",         [GM_LABEL_CLASSES] = "classes",
    [GM_LABEL_CHANCE] = "chance",     [GM_LABEL_MARGIN] = "margin",
    [GM_LABEL_LEAD] = "lead",         [GM_LABEL_WHOLE] = "whole",
    [GM_LABEL_LEAST] = "least",       [GM_LABEL_AGREE] = "agree",
    [GM_LABEL_STEADY] = "steady",     [GM_LABEL_AREA] = "area",
    [GM_LABEL_COLOURS] = "colours",   [GM_LABEL_STEPS] = "steps",
    [GM_LABEL_CONTRAST] = "contrast", [GM_LABEL_RIM] = "rim",
    [GM_LABEL_OBJECT] = "object",     [GM_LABEL_OVERLAP] = "overlap",
    [GM_LABEL_INSIDE] = "inside",     [GM_LABEL_AROUND] = "around",
};

static const char *const unit_names[2] = {"names", "regions"};
static const size_t unit_signals[2] = {GM_LABEL_PLACES, GM_LABEL_SIGNALS};

enum { VERSION = 1, KEY = 96 };
#define VERSION_KEY GM_LABEL_KEYS "version"
#define METHOD_KEY GM_LABEL_KEYS "method"
#define WEIGHTS_KEY GM_LABEL_KEYS "weights_sha256"

/* ---- computing ---- */

float gm_label_present(const gm_label_unit *unit, const float *signals) {
  double z = (double)unit->bias;
  for (size_t i = 0; i < unit->n; i++) {
    float x = (signals[i] - unit->mean[i]) * unit->scale[i];
    if (isnan(x)) return 0; /* damaged weights */
    z += (double)(unit->weights[i] * fmaxf(-GM_LABEL_MOST, fminf(x, GM_LABEL_MOST)));
  }
  return (float)(1 / (1 + exp(-z)));
}

/* ---- reading ---- */

void gm_label_head_free(gm_label_head *head) {
  free(head);
}

static void name_key(char key[KEY], const char *unit, const char *name) {
  snprintf(key, KEY, GM_LABEL_KEYS "%s.%s", unit, name);
}

static gm_status read_array(const gm_model_file *file, const char *unit, const char *name,
                            size_t n, float *out, gm_error *err) {
  char key[KEY];
  name_key(key, unit, name);
  return gm_head_numbers(file, key, n, out, err);
}

static gm_status check_signals(const gm_model_file *file, const char *key, size_t n,
                               gm_error *err) {
  const char *const *names;
  size_t found;
  GM_TRY(gm_model_file_string_array(file, key, &names, &found, err));
  for (size_t i = 0; i < n || i < found; i++)
    if (i >= n || i >= found || strcmp(names[i], gm_label_signal_names[i]) != 0)
      return gm_fail(err, GM_ERR_MODEL,
                     "%s: key %s: found \"%.40s\" as signal %zu of %zu, wanted \"%s\"; fit the "
                     "head again (gromatic calibrate label)",
                     gm_model_file_name(file), key, i < found ? names[i] : "", i + 1, n,
                     i < n ? gm_label_signal_names[i] : "");
  return GM_OK;
}

static gm_status read_unit(const gm_model_file *file, size_t which, gm_label_unit *unit,
                           gm_error *err) {
  char key[KEY];
  const char *name = unit_names[which];
  size_t n = unit_signals[which];
  name_key(key, name, "signals");
  if (!gm_model_file_has_key(file, key)) return GM_OK;
  GM_TRY(check_signals(file, key, n, err));
  GM_TRY(read_array(file, name, "mean", n, unit->mean, err));
  GM_TRY(read_array(file, name, "scale", n, unit->scale, err));
  GM_TRY(read_array(file, name, "weights", n, unit->weights, err));
  GM_TRY(read_array(file, name, "bias", 1, &unit->bias, err));
  GM_TRY(read_array(file, name, "limit", 1, &unit->limit, err));
  unit->n = n;
  if (unit->limit >= 0 && unit->limit <= 1) return GM_OK;
  name_key(key, name, "limit");
  return gm_fail(err, GM_ERR_MODEL, "%s: key %s: found %g, wanted 0 to 1",
                 gm_model_file_name(file), key, (double)unit->limit);
}

static gm_status read_head(const gm_model_file *file, gm_label_head *head, gm_error *err) {
  uint32_t version;
  GM_TRY(gm_model_file_u32(file, VERSION_KEY, VERSION, VERSION, &version, err));
  GM_TRY(gm_head_text(file, METHOD_KEY, head->method, sizeof head->method, err));
  for (size_t i = 0; i < 2; i++) GM_TRY(read_unit(file, i, &head->units[i], err));
  if (head->units[0].n == 0 && head->units[1].n == 0)
    return gm_fail(err, GM_ERR_MODEL,
                   "%s: found a head without %snames and %sregions, wanted one",
                   gm_model_file_name(file), GM_LABEL_KEYS, GM_LABEL_KEYS);
  if (!gm_model_file_has_key(file, WEIGHTS_KEY)) return GM_OK;
  return gm_head_text(file, WEIGHTS_KEY, head->weights, sizeof head->weights, err);
}

gm_status gm_label_head_read(gm_label_head **out, const gm_model_file *file, gm_error *err) {
  *out = NULL;
  if (!gm_model_file_has_key(file, VERSION_KEY)) return GM_OK;
  gm_label_head *head = calloc(1, sizeof *head);
  if (!head) return gm_fail_memory(err, "the head", sizeof *head);
  gm_status status = read_head(file, head, err);
  if (status == GM_OK)
    *out = head;
  else
    gm_label_head_free(head);
  return status;
}

/* ---- writing ---- */

static void put_array(gm_gguf_writer *writer, const char *unit, const char *name,
                      const float *values, size_t n) {
  char key[KEY];
  name_key(key, unit, name);
  gm_gguf_put_f32_array(writer, key, values, n);
}

void gm_label_head_put(gm_gguf_writer *writer, const gm_label_head *head) {
  char key[KEY];
  gm_gguf_put_u32(writer, VERSION_KEY, VERSION);
  gm_gguf_put_string(writer, METHOD_KEY, head->method);
  for (size_t i = 0; i < 2; i++) {
    const gm_label_unit *unit = &head->units[i];
    if (unit->n == 0) continue;
    name_key(key, unit_names[i], "signals");
    gm_gguf_put_string_array(writer, key, gm_label_signal_names, unit->n);
    put_array(writer, unit_names[i], "mean", unit->mean, unit->n);
    put_array(writer, unit_names[i], "scale", unit->scale, unit->n);
    put_array(writer, unit_names[i], "weights", unit->weights, unit->n);
    put_array(writer, unit_names[i], "bias", &unit->bias, 1);
    put_array(writer, unit_names[i], "limit", &unit->limit, 1);
  }
  if (head->weights[0]) gm_gguf_put_string(writer, WEIGHTS_KEY, head->weights);
}
