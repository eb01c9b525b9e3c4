/* cmd_tune.c - gromatic tune: teaches a model the user's own boxes and words, and says what
 * that did on pictures that it did not see.
 *
 *   read -> hold a share out -> measure -> learn for the time that is left -> fit the head that
 *   says what is not there -> measure again -> write, unless the model got worse */
#include "class_options.h"
#include "commands.h"
#include "export_formats.h"
#include "progress.h"
#include "terminal.h"
#include "tune_data.h"
#include "tune_measure.h"
#include "tune_sheet.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_TIME "30m"
/* Of the time: measuring before learning takes at most this share, after it a little longer
 * than before; and writing, in seconds. */
#define MEASURING_SHARE 0.15
#define SLOWER 1.15
#define WRITING 2.0
/* Held pictures that a head is fitted to, at least, and the time for them as a share of that of
 * measuring them. */
#define HEAD_PICTURES 10
#define HEAD_SHARE 1.0

typedef struct tuning {
  const cli_args *args;
  double began, seconds; /* of the whole command */
  tune_data data;
  tune_measures before, after;
  char *unchecked; /* the adapter until it is known to be good */
  cli_progress progress;
} tuning;

/* "90", "90s", "30m", "2h" as seconds; 0: something else. */
static double time_of(const char *text) {
  char *end;
  errno = 0;
  double value = strtod(text, &end);
  double unit = !*end || strcmp(end, "s") == 0 ? 1 : strcmp(end, "m") == 0 ? 60 : 3600;
  bool known = !*end || (strlen(end) == 1 && strchr("smh", *end));
  return end == text || errno || !known || !(value > 0) || value > 1e6 ? 0 : value * unit;
}

static int check_args(const cli_args *args, double *seconds) {
  const char *const heads[2] = {"GGUF"};
  if (!args->coco || args->inputs.n || (!args->output && !args->dry_run)) {
    cli_error("tune: wanted --coco FILE or FOLDER, and -o FILE.gguf");
    return CLI_USAGE;
  }
  *seconds = time_of(args->time ? args->time : DEFAULT_TIME);
  if (*seconds <= 0) {
    cli_error("--time: found '%s', wanted a time as 90s, 30m or 2h", args->time);
    return CLI_USAGE;
  }
  if (!(args->val >= 0 && args->val < 1)) {
    cli_error("--val: found %g, wanted a share from 0 to below 1", args->val);
    return CLI_USAGE;
  }
  if (args->rank == 0) {
    cli_error("--rank: found 0, wanted 1 or more");
    return CLI_USAGE;
  }
  if (args->output && !args->force && !export_may_replace(args->output, "a GGUF file", heads))
    return CLI_USAGE;
  return CLI_DONE;
}

/* gm_tune_params.note */
static void on_note(void *user, bool detail, const char *line) {
  tuning *t = user;
  if (t->args->quiet || (detail && !t->args->verbose)) return;
  cli_progress_clear(&t->progress);
  cli_print(stderr, "%s\n", line);
}

static gm_tune_params params_of(tuning *t) {
  gm_tune_params params = gm_tune_params_default();
  const tune_data *d = &t->data;
  params.model = t->args->model;
  params.learned = d->learned;
  params.n_learned = d->n_learned;
  params.held = d->n_held ? d->held : NULL;
  params.n_held = d->n_held;
  params.kept = d->n_old ? d->old : NULL;
  params.n_kept = d->n_old;
  params.parts = t->args->parts;
  params.rank = (uint32_t)t->args->rank;
  params.steps = t->args->steps;
  params.seed = t->args->seed;
  params.threads = (unsigned)t->args->threads;
  params.note = on_note;
  params.note_user = t;
  return params;
}

static int report(const gm_error *err, gm_status status) {
  cli_report_error(err);
  return cli_model_exit_code(status);
}

/* How many pictures can be learned from in the time. Each is seen first twice, as it is and
 * mirrored. */
static double pictures_in(const tuning *t, const gm_tune_cost *cost) {
  double first = 2 * (double)(t->data.n_learned + t->data.n_old);
  double left = t->seconds - first * cost->seconds;
  return floor(left < 0 ? t->seconds / cost->seconds : first + left / cost->again);
}

static int dry_run(tuning *t) {
  gm_tune_params params = params_of(t);
  gm_tune_cost cost = {.struct_size = sizeof cost};
  gm_error err = {0};
  gm_callbacks callbacks = cli_callbacks();
  gm_status status = gm_tune_measure(&params, &callbacks, &cost, &err);
  if (status != GM_OK) return report(&err, status);
  const double mega = 1e6;
  printf("pictures         %zu to learn from, %zu held out, %zu to keep\n", t->data.n_learned,
         t->data.n_held, t->data.n_old);
  printf("what learns      %.2f M numbers\n", (double)cost.learns / mega);
  printf("a picture        %.2f s", cost.seconds);
  if (cost.again < cost.seconds || cost.again > cost.seconds)
    printf(", when it was seen before %.2f s", cost.again);
  printf("\nin %-13s about %.0f pictures\n", t->args->time ? t->args->time : DEFAULT_TIME,
         pictures_in(t, &cost));
  printf("memory           %.0f MB, and the model's file of %.0f MB\n",
         (double)cost.bytes / mega, (double)cost.file_bytes / mega);
  return CLI_DONE;
}

static bool fits_head(const tuning *t) {
  return t->before.n_pictures >= HEAD_PICTURES;
}

static int learn(tuning *t) {
  gm_tune_params params = params_of(t);
  double left = t->seconds - (cli_now() - t->began) - SLOWER * t->before.seconds - WRITING;
  if (fits_head(t)) left -= HEAD_SHARE * t->before.seconds;
  if (!t->args->steps && left < 0.1 * t->seconds) {
    cli_error(
        "--time %s: measuring %zu held pictures takes %.0f s twice, which leaves too little "
        "to learn; give more time",
        t->args->time ? t->args->time : DEFAULT_TIME, t->before.n_pictures, t->before.seconds);
    return CLI_USAGE;
  }
  params.seconds = left;
  t->progress = cli_progress_begin(t->args->quiet);
  const gm_callbacks callbacks = cli_progress_callbacks(&t->progress);
  gm_error err = {0};
  gm_status status = gm_tune(&params, t->unchecked, &callbacks, &err);
  cli_progress_clear(&t->progress);
  return status == GM_OK ? CLI_DONE : report(&err, status);
}

/* The adapter's changes turn the model's head off, so it gets one of its own. It is fitted to
 * held pictures: of those that were learned the model is surer than of others. Without a head
 * the adapter is good too: then nothing is refused. */
static int fit_head(tuning *t) {
  gm_calibrate_params params = gm_calibrate_params_default();
  gm_calibrate_report found = {.struct_size = sizeof found};
  gm_error err = {0};
  double left = t->seconds - (cli_now() - t->began) - SLOWER * t->before.seconds - WRITING;
  if (!fits_head(t)) {
    snprintf(err.message, sizeof err.message, "found %zu held pictures, wanted %d or more",
             t->before.n_pictures, HEAD_PICTURES);
  } else {
    params.model = t->args->model;
    params.adapter = t->unchecked;
    params.clip = cli_head_clip(t->args);
    params.pictures = t->data.held;
    params.n_pictures = t->before.n_pictures;
    params.seed = t->args->seed;
    params.threads = (unsigned)t->args->threads;
    params.note = on_note;
    params.note_user = t;
    params.seconds = t->args->steps ? 0 : fmax(left, 1);
    t->progress = cli_progress_begin(t->args->quiet);
    const gm_callbacks callbacks = cli_progress_callbacks(&t->progress);
    gm_status status = gm_calibrate(&params, t->unchecked, &callbacks, &found, &err);
    cli_progress_clear(&t->progress);
    if (status == GM_ERR_CANCELLED) return report(&err, status);
    if (status == GM_OK) err.message[0] = 0;
  }
  if (t->args->quiet) return CLI_DONE;
  if (err.message[0])
    cli_print(stderr, "no head that says what is not there (gromatic calibrate): %s\n",
              err.message);
  else
    cli_print(
        stderr,
        "a head that says what is not there: it keeps %zu of %zu right boxes, and refuses "
        "%zu of %zu absent names\n",
        found.kept, found.right, found.refused_nouns, found.n_nouns);
  return CLI_DONE;
}

static int write_sheet(const tuning *t) {
  char *path = NULL;
  const char *out = t->args->output, *dot = strrchr(out, '.');
  size_t stem = dot && !strchr(dot, '/') ? (size_t)(dot - out) : strlen(out);
  if (asprintf(&path, "%.*s.png", (int)stem, out) < 0) return CLI_SOME_FAILED;
  int code = tune_sheet_write(path, &t->data, &t->before, &t->after);
  free(path);
  return code;
}

static int finish(const tuning *t) {
  tune_value worse = t->data.n_held ? tune_worse(&t->before, &t->after) : TUNE_VALUES;
  if (worse != TUNE_VALUES) {
    cli_error("tune: '%s' fell from %.3f to %.3f, by more than one standard error (%.3f)%s",
              tune_value_rows[worse].name, tune_mean(&t->before.values[worse]),
              tune_mean(&t->after.values[worse]), tune_error(&t->before.values[worse]),
              t->args->force ? "" : "; nothing was written (--force writes)");
    if (!t->args->force) return CLI_SOME_FAILED;
  }
  if (rename(t->unchecked, t->args->output) != 0) {
    cli_error("%s: cannot write: %s", t->args->output, strerror(errno));
    return CLI_SOME_FAILED;
  }
  int code = t->data.n_held ? write_sheet(t) : CLI_DONE;
  if (!t->args->quiet && !t->args->json) cli_print(stdout, "wrote %s\n", t->args->output);
  return code;
}

/* As many of the held pictures as there is time for, the same before and after. */
static int measure_after(tuning *t) {
  double left = t->seconds - (cli_now() - t->began) - WRITING;
  int code = tune_measure(&t->after, t->args, &t->data, t->unchecked, "measuring after",
                          t->before.n_pictures, t->args->steps ? 0 : fmax(left, 1));
  tune_measures_cut(&t->before, t->after.n_pictures);
  return code;
}

/* So that a wrong name is said before the half hour. */
static int check_clip(const cli_args *args) {
  gm_clip *clip = NULL;
  int code = args->clip_model ? cli_open_clip(args, args->clip_model, true, &clip) : CLI_DONE;
  cli_close_clip(args, clip);
  return code;
}

static int run(tuning *t) {
  const cli_args *args = t->args;
  int code = check_clip(args);
  if (code != CLI_DONE) return code;
  if (args->dry_run) return dry_run(t);
  if (asprintf(&t->unchecked, "%s.new", args->output) < 0) {
    t->unchecked = NULL;
    cli_error("tune: not enough memory");
    return CLI_SOME_FAILED;
  }
  code = tune_measure(&t->before, args, &t->data, NULL, "measuring before", t->data.n_held,
                      args->steps ? 0 : MEASURING_SHARE * t->seconds);
  if (code == CLI_DONE) code = learn(t);
  if (code == CLI_DONE) code = fit_head(t);
  if (code == CLI_DONE) code = measure_after(t);
  if (code == CLI_DONE && t->data.n_held) tune_print(args, &t->before, &t->after);
  if (code == CLI_DONE) code = finish(t);
  unlink(t->unchecked); /* if it is still there */
  return code;
}

int cmd_tune(const cli_args *args) {
  tuning t = {.args = args, .began = cli_now()};
  int code = check_args(args, &t.seconds);
  if (code != CLI_DONE) return code;
  cli_catch_interrupt();
  code = tune_data_load(&t.data, args) ? run(&t) : CLI_USAGE;
  tune_measures_free(&t.before);
  tune_measures_free(&t.after);
  tune_data_free(&t.data);
  free(t.unchecked);
  return code;
}
