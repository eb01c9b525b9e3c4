/* run_options.c - see run_options.h. */
#include "run_options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const gm_part_names[GM_PARTS] = {"proposer", "bridge", "regions", "embeddings",
                                             "words"};

/* The paper's values (arXiv 2404.13013, and its released scripts). */
typedef struct stage_values {
  const char *name;
  bool learns[GM_PARTS];
  double lr, weight_decay, epochs, warmup, dropout;
  uint64_t batch, accumulate, chunk;
} stage_values;

static const stage_values stages[] = {
    [GM_TRAIN_DETECT] = {"detect", {true}, 2e-4, 1e-4, 12, 100, 0.1, 64, 8, 8},
    [GM_TRAIN_ALIGN] = {"align", {false, true, true, true}, 1e-4, 0, 2, 0.03, 0, 128, 64, 16},
    [GM_TRAIN_INSTRUCT] = {
        "instruct", {false, true, true, true, true}, 1e-5, 0, 1, 0.03, 0, 128, 8, 16}};

/* ---- lists of parts ---- */

static gm_status find_part(const gm_run_settings *s, const char *name, size_t length,
                           const char *option, size_t *part, gm_error *err) {
  for (*part = 0; *part < GM_PARTS; ++*part)
    if (strlen(gm_part_names[*part]) == length &&
        strncmp(gm_part_names[*part], name, length) == 0 && s->learns[*part])
      return GM_OK;
  char wanted[80] = "";
  for (size_t i = 0; i < GM_PARTS; i++)
    if (s->learns[i]) {
      if (wanted[0]) strcat(wanted, ", ");
      strcat(wanted, gm_part_names[i]);
    }
  return gm_fail(err, GM_ERR_ARGUMENT, "%s: found part '%.*s'; wanted one that learns here: %s",
                 option, (int)(length < 60 ? length : 60), name, wanted);
}

static gm_status freeze_parts(gm_run_settings *s, const char *list, gm_error *err) {
  bool any = false;
  for (const char *at = list; *at;) {
    size_t n = strcspn(at, ","), part;
    GM_TRY(find_part(s, at, n, "freeze", &part, err));
    s->learns[part] = false;
    at += n + (at[n] == ',');
  }
  for (size_t i = 0; i < GM_PARTS; i++) any = any || s->learns[i];
  return any ? GM_OK : gm_fail(err, GM_ERR_ARGUMENT, "freeze: nothing is left that learns");
}

/* What 15 digits say, so that config.json has the number as it was typed, and exactly. */
static double plain(double x) {
  char text[40];
  snprintf(text, sizeof text, "%.15g", x);
  return strtod(text, NULL);
}

static double own_or(double given, double own) {
  return given == 0 ? own : given < 0 ? 0 : plain(given);
}

/* "X,PART=X": to values[GM_PARTS]. */
static gm_status read_rates(const gm_run_settings *s, const char *list, const char *option,
                            double *values, gm_error *err) {
  for (const char *at = list; *at;) {
    size_t n = strcspn(at, ","), part = GM_PARTS;
    const char *equals = memchr(at, '=', n), *number = equals ? equals + 1 : at;
    if (equals) GM_TRY(find_part(s, at, (size_t)(equals - at), option, &part, err));
    char *end;
    double value = strtod(number, &end);
    if (end == number || end != at + n || !(value >= 0 && value <= 1e3))
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "%s: found '%.*s'; wanted [PART=]X with a number X from 0 to 1000", option,
                     (int)(n < 60 ? n : 60), at);
    for (size_t i = 0; i < GM_PARTS; i++)
      if (part == GM_PARTS || part == i) values[i] = plain(value);
    at += n + (at[n] == ',');
  }
  return GM_OK;
}

/* ---- from options ---- */

static gm_status set_batch(gm_run_settings *s, const stage_values *stage,
                           const gm_train_params *p, gm_error *err) {
  s->batch = p->batch ? p->batch : stage->batch;
  uint64_t accumulate = p->accumulate;
  if (!accumulate) { /* the stage's micro-batch, or the next smaller one that divides */
    uint64_t micro = stage->batch / stage->accumulate;
    while (s->batch % micro) micro--;
    accumulate = s->batch / micro;
  }
  if (s->batch > 1 << 16 || s->batch % accumulate)
    return gm_fail(
        err, GM_ERR_ARGUMENT,
        "found a batch of %llu in %llu micro-batches; wanted a multiple of these, of "
        "at most 65536",
        (unsigned long long)s->batch, (unsigned long long)accumulate);
  s->micro_batch = s->batch / accumulate;
  s->chunk = s->micro_batch;
  for (uint64_t chunk = s->micro_batch; chunk <= stage->chunk; chunk += s->micro_batch)
    if (s->batch % chunk == 0) s->chunk = chunk;
  return GM_OK;
}

static gm_status check_numbers(const gm_run_settings *s, gm_error *err) {
  if (!(s->epochs > 0 && s->epochs <= 1e6))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "epochs: found %g; wanted a number above 0, up to a million", s->epochs);
  if (s->steps > (uint64_t)1 << 40)
    return gm_fail(err, GM_ERR_ARGUMENT, "steps: found %llu; wanted at most 2^40",
                   (unsigned long long)s->steps);
  if (!(s->warmup >= 0 && s->warmup <= 1e12))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "warmup: found %g; wanted a number of updates, or below 1 a share",
                   s->warmup);
  if (!(s->clip >= 0 && s->clip <= 1e9))
    return gm_fail(err, GM_ERR_ARGUMENT, "clip: found %g; wanted a norm", s->clip);
  if (!(s->dropout >= 0 && s->dropout < 1))
    return gm_fail(err, GM_ERR_ARGUMENT, "dropout: found %g; wanted a share below 1",
                   s->dropout);
  if (!(s->ema >= 0 && s->ema < 1))
    return gm_fail(err, GM_ERR_ARGUMENT, "ema: found %g; wanted a decay below 1, such as 0.999",
                   s->ema);
  return GM_OK;
}

static gm_status set_files(gm_run_settings *s, const gm_train_params *p, gm_error *err) {
  if (!p->data) return gm_fail(err, GM_ERR_ARGUMENT, "no data was given; wanted a JSON file");
  s->data = realpath(p->data, NULL);
  if (!s->data)
    return gm_fail(err, errno == ENOENT ? GM_ERR_FILE_NOT_FOUND : GM_ERR_IO, "%s: %s", p->data,
                   strerror(errno));
  if (p->model && access(p->model, F_OK) == 0) s->model = realpath(p->model, NULL);
  if (!s->model) s->model = strdup(p->model ? p->model : "groma-mini");
  return s->model ? GM_OK : gm_fail_memory(err, "the model's name", 0);
}

static gm_status set_dtype(gm_run_settings *s, const char *dtype, gm_error *err) {
  s->bf16 = !dtype || strcmp(dtype, "bf16") == 0;
  if (s->bf16 || strcmp(dtype, "f32") == 0) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "dtype: found '%.40s'; wanted f32 or bf16", dtype);
}

gm_status gm_run_settings_make(gm_run_settings *out, const gm_train_params *p, gm_error *err) {
  *out = (gm_run_settings){.stage = p->stage,
                           .steps = p->steps,
                           .ema = plain(p->ema),
                           .recompute = p->recompute,
                           .strict = p->strict,
                           .eval_every = p->eval_every,
                           .save_every = p->save_every,
                           .patience = p->patience,
                           .seed = p->seed};
  if (p->stage < GM_TRAIN_DETECT || p->stage > GM_TRAIN_INSTRUCT)
    return gm_fail(err, GM_ERR_ARGUMENT, "found stage %d, wanted 1, 2 or 3", (int)p->stage);
  const stage_values *stage = &stages[p->stage];
  memcpy(out->learns, stage->learns, sizeof out->learns);
  if (p->freeze) GM_TRY(freeze_parts(out, p->freeze, err));
  for (size_t i = 0; i < GM_PARTS; i++) {
    out->lr[i] = stage->lr;
    out->weight_decay[i] = stage->weight_decay;
  }
  if (p->lr) GM_TRY(read_rates(out, p->lr, "lr", out->lr, err));
  if (p->weight_decay)
    GM_TRY(read_rates(out, p->weight_decay, "weight-decay", out->weight_decay, err));
  out->epochs = p->epochs == 0 ? stage->epochs : plain(p->epochs);
  out->warmup = own_or(p->warmup, stage->warmup);
  out->clip = own_or(p->clip, 1);
  out->dropout = own_or(p->dropout, stage->dropout);
  if (out->dropout > 0 && p->stage != GM_TRAIN_DETECT)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "dropout: found %g in stage %s, where the proposer does not learn and has "
                   "none; leave it out (only stage detect has it)",
                   out->dropout, stage->name);
  GM_TRY(set_batch(out, stage, p, err));
  GM_TRY(set_dtype(out, p->dtype, err));
  GM_TRY(check_numbers(out, err));
  return set_files(out, p, err);
}

void gm_run_settings_free(gm_run_settings *s) {
  free(s->model);
  free(s->data);
  *s = (gm_run_settings){0};
}

/* ---- config.json ---- */

typedef enum member_kind { REAL, COUNT, BOOL } member_kind;

static const struct member {
  const char *name;
  member_kind kind;
  size_t at;
} members[] = {
#define MEMBER(name, kind) {#name, kind, offsetof(gm_run_settings, name)},
    MEMBER(epochs, REAL) MEMBER(steps, COUNT) MEMBER(batch, COUNT) MEMBER(micro_batch, COUNT)
        MEMBER(chunk, COUNT) MEMBER(warmup, REAL) MEMBER(clip, REAL) MEMBER(dropout, REAL)
            MEMBER(ema, REAL) MEMBER(bf16, BOOL) MEMBER(recompute, BOOL) MEMBER(strict, BOOL)
                MEMBER(eval_every, COUNT) MEMBER(save_every, COUNT) MEMBER(patience, COUNT)
                    MEMBER(seed, COUNT)
#undef MEMBER
};
enum { MEMBERS = sizeof members / sizeof members[0] };

static json_t *member_json(const gm_run_settings *s, const struct member *m) {
  const char *at = (const char *)s + m->at;
  if (m->kind == BOOL) return json_boolean(*(const bool *)at);
  if (m->kind == COUNT) return json_integer((json_int_t) * (const uint64_t *)at);
  return json_real(*(const double *)at);
}

static json_t *rates_json(const gm_run_settings *s, const double *values) {
  json_t *out = json_object();
  for (size_t i = 0; i < GM_PARTS; i++)
    if (s->learns[i]) json_object_set_new(out, gm_part_names[i], json_real(values[i]));
  return out;
}

json_t *gm_run_settings_json(const gm_run_settings *s) {
  json_t *out = json_object();
  int failed = !out;
  failed |= json_object_set_new(out, "stage", json_string(stages[s->stage].name));
  failed |= json_object_set_new(out, "model", json_string(s->model));
  failed |= json_object_set_new(out, "data", json_string(s->data));
  failed |= json_object_set_new(out, "lr", rates_json(s, s->lr));
  failed |= json_object_set_new(out, "weight_decay", rates_json(s, s->weight_decay));
  for (size_t i = 0; i < MEMBERS; i++)
    failed |= json_object_set_new(out, members[i].name, member_json(s, &members[i]));
  if (!failed) return out;
  json_decref(out);
  return NULL;
}

static bool read_one(gm_run_settings *s, const struct member *m, const json_t *v) {
  char *at = (char *)s + m->at;
  if (m->kind == BOOL) {
    *(bool *)at = json_is_true(v);
    return json_is_boolean(v);
  }
  if (m->kind == COUNT) {
    *(uint64_t *)at = (uint64_t)json_integer_value(v);
    return json_is_integer(v);
  }
  *(double *)at = json_number_value(v);
  return json_is_number(v);
}

static bool read_parts(gm_run_settings *s, const json_t *json) {
  const json_t *lr = json_object_get(json, "lr"),
               *decay = json_object_get(json, "weight_decay");
  bool any = false;
  for (size_t i = 0; i < GM_PARTS; i++) {
    const json_t *rate = json_object_get(lr, gm_part_names[i]);
    s->learns[i] = json_is_number(rate) && stages[s->stage].learns[i];
    s->lr[i] = json_number_value(rate);
    s->weight_decay[i] = json_number_value(json_object_get(decay, gm_part_names[i]));
    any = any || s->learns[i];
  }
  return any;
}

gm_status gm_run_settings_read(gm_run_settings *out, const json_t *json, const char *path,
                               gm_error *err) {
  const char *wrong = NULL, *stage = json_string_value(json_object_get(json, "stage")),
             *model = json_string_value(json_object_get(json, "model")),
             *data = json_string_value(json_object_get(json, "data"));
  *out = (gm_run_settings){0};
  for (int i = GM_TRAIN_DETECT; stage && i <= GM_TRAIN_INSTRUCT; i++)
    if (strcmp(stage, stages[i].name) == 0) out->stage = (gm_train_stage)i;
  if (!out->stage) wrong = "stage";
  if (!wrong && !read_parts(out, json)) wrong = "lr";
  for (size_t i = 0; i < MEMBERS && !wrong; i++)
    if (!read_one(out, &members[i], json_object_get(json, members[i].name)))
      wrong = members[i].name;
  uint64_t micro = out->micro_batch, chunk = out->chunk;
  if (!wrong && (!micro || !chunk || chunk % micro || !out->batch || out->batch % chunk ||
                 out->batch > 1 << 16))
    wrong = "batch";
  if (!wrong && !model) wrong = "model";
  if (!wrong && !data) wrong = "data";
  if (wrong)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "%s: member %s is absent or wrong: the file was changed; begin a new run",
                   path, wrong);
  GM_TRY(check_numbers(out, err));
  out->model = strdup(model);
  out->data = strdup(data);
  return out->model && out->data ? GM_OK : gm_fail_memory(err, path, strlen(model));
}

/* ---- length ---- */

static uint64_t at_least_1(double x) {
  return x >= 1 ? (uint64_t)x : 1;
}

gm_run_length gm_run_settings_length(const gm_run_settings *s, uint64_t chunks,
                                     uint64_t pictures) {
  gm_run_length l = {.updates = s->steps, .total = s->steps};
  if (!s->steps) {
    uint64_t in_update = s->batch / s->chunk;
    l.updates = at_least_1(floor(s->epochs * (double)chunks / (double)in_update));
    l.total = at_least_1(floor(s->epochs * (double)pictures / (double)s->batch));
    if (l.total < l.updates) l.total = l.updates;
  }
  double warmup = s->warmup < 1 ? ceil(s->warmup * (double)l.total) : s->warmup;
  /* 100 updates are the paper's, whose runs have a hundred thousand. */
  double most = ceil((double)l.total / 10);
  l.warmup = (uint64_t)(s->warmup == stages[s->stage].warmup && warmup > most ? most : warmup);
  l.eval_every = s->eval_every ? s->eval_every : (l.updates + 9) / 10;
  l.save_every = s->save_every ? s->save_every : l.eval_every;
  return l;
}
