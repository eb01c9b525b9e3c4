/* cmd_train.c - gromatic train: the three stages of Groma's training. */
#include "cache_options.h"
#include "commands.h"
#include "gromatic_train.h"
#include "progress.h"
#include "terminal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct training {
  const cli_args *args;
  cli_progress progress;
} training;

/* gm_train_params.note */
static void on_note(void *user, bool detail, const char *line) {
  training *t = user;
  if (detail && !t->args->verbose) return;
  cli_progress_clear(&t->progress);
  if (!t->args->quiet || strncmp(line, "step ", 5) != 0) cli_print(stderr, "%s\n", line);
  cli_progress_again(&t->progress);
}

static int stage_named(const char *name) {
  static const char *const names[] = {[GM_TRAIN_DETECT] = "detect",
                                      [GM_TRAIN_ALIGN] = "align",
                                      [GM_TRAIN_INSTRUCT] = "instruct"};
  for (int i = GM_TRAIN_DETECT; i <= GM_TRAIN_INSTRUCT; i++)
    if (strcmp(names[i], name) == 0) return i;
  return 0;
}

/* What --resume leaves to the run's own settings. */
static const char *given_beside_resume(const cli_args *a) {
  const struct {
    bool given;
    const char *name;
  } options[] = {
      {a->inputs.n > 0, "a stage"},
      {a->model, "--model"},
      {a->data, "--data"},
      {a->output, "--output"},
      {a->dtype, "--dtype"},
      {a->freeze, "--freeze"},
      {a->lr.n > 0, "--lr"},
      {a->weight_decay.n > 0, "--weight-decay"},
      {!isnan(a->epochs), "--epochs"},
      {!isnan(a->warmup), "--warmup"},
      {!isnan(a->clip), "--clip"},
      {!isnan(a->dropout), "--dropout"},
      {!isnan(a->ema), "--ema"},
      {a->steps, "--steps"},
      {a->batch, "--batch"},
      {a->accumulate, "--accumulate"},
      {a->eval_every, "--eval-every"},
      {a->save_every, "--save-every"},
      {a->patience, "--patience"},
      {a->seed, "--seed"},
      {a->recompute, "--recompute"},
      {a->strict, "--strict"},
  };
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
    if (options[i].given) return options[i].name;
  return NULL;
}

static bool check_usage(const cli_args *args, int *stage) {
  *stage = 0;
  if (args->resume_run) {
    const char *other = given_beside_resume(args);
    if (other)
      cli_error("train: found %s beside --resume; the run's own settings are used", other);
    return !other;
  }
  if (args->inputs.n == 1) *stage = stage_named(args->inputs.items[0]);
  if (*stage && args->data && args->output) return true;
  if (args->inputs.n == 1 && !*stage)
    cli_error("train: found '%s', wanted detect, align or instruct", args->inputs.items[0]);
  else
    cli_error("train: wanted detect, align or instruct, --data CONFIG.json and -o DIR");
  return false;
}

/* The items with commas between, for free(); NULL for none. False: memory is short. */
static bool join(const cli_list *list, char **out) {
  size_t length = 1;
  *out = NULL;
  for (size_t i = 0; i < list->n; i++) length += strlen(list->items[i]) + 1;
  if (!list->n) return true;
  *out = calloc(length, 1);
  for (size_t i = 0; *out && i < list->n; i++) {
    if (i) strcat(*out, ",");
    strcat(*out, list->items[i]);
  }
  return *out != NULL;
}

/* The library takes 0 for the stage's own value, and less for none. */
static double own_or_none(double given) {
  return isnan(given) ? 0 : given == 0 ? -1 : given;
}

static gm_train_params params_of(training *t, int stage) {
  const cli_args *a = t->args;
  gm_train_params p = gm_train_params_default();
  p.stage = (gm_train_stage)stage;
  p.model = a->model;
  p.data = a->data;
  p.folder = a->resume_run ? a->resume_run : a->output;
  p.resume = a->resume_run != NULL;
  p.epochs = isnan(a->epochs) ? 0 : a->epochs;
  p.steps = a->steps;
  p.batch = (uint32_t)a->batch;
  p.accumulate = (uint32_t)a->accumulate;
  p.warmup = own_or_none(a->warmup);
  p.clip = own_or_none(a->clip);
  p.dropout = own_or_none(a->dropout);
  p.ema = isnan(a->ema) ? 0 : a->ema;
  p.dtype = a->dtype;
  p.recompute = a->recompute;
  p.freeze = a->freeze;
  p.eval_every = a->eval_every;
  p.save_every = a->save_every;
  p.patience = a->patience;
  p.seed = a->seed;
  p.strict = a->strict;
  p.threads = (unsigned)a->threads;
  p.note = on_note;
  p.note_user = t;
  return p;
}

static int train(training *t, int stage) {
  gm_train_params params = params_of(t, stage);
  char *lr = NULL, *decay = NULL, *cache = NULL;
  gm_error err = {0};
  gm_status status = GM_ERR_MEMORY;
  if (!cli_cache_options(t->args, &cache, &params.cache_size)) return CLI_USAGE;
  const gm_callbacks callbacks = cli_progress_callbacks(&t->progress);
  if (join(&t->args->lr, &lr) && join(&t->args->weight_decay, &decay)) {
    params.lr = lr;
    params.weight_decay = decay;
    params.cache = cache;
    status = gm_train(&params, &callbacks, &err);
  }
  cli_progress_clear(&t->progress);
  free(lr);
  free(decay);
  free(cache);
  if (status == GM_OK) {
    if (!t->args->quiet) cli_print(stdout, "wrote %s\n", params.folder);
    return CLI_DONE;
  }
  if (status == GM_ERR_CANCELLED) {
    cli_print(stderr, "gromatic: stopped; gromatic train --resume %s goes on\n", params.folder);
    return CLI_INTERRUPTED;
  }
  cli_report_error(&err);
  return cli_model_exit_code(status);
}

int cmd_train(const cli_args *args) {
  int stage;
  if (!check_usage(args, &stage)) return CLI_USAGE;
  cli_catch_interrupt();
  training t = {.args = args, .progress = cli_progress_begin(args->quiet)};
  return train(&t, stage);
}
