/* batch.c - see batch.h. */
#include "batch.h"

#include "ahead.h"
#include "batch_setup.h"
#include "file_names.h"
#include "results.h"
#include "tar_file.h"
#include "terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- boxes ---- */

gm_status cli_job_boxes(const cli_job *job, const cli_report *report, gm_box *out,
                        gm_error *err) {
  for (size_t i = 0; i < job->n_boxes; i++)
    if (!out_box_to_pixels(job->format, job->boxes[i], report->frame.width,
                           report->frame.height, &out[i])) {
      snprintf(err->message, sizeof err->message,
               "--box %s: as %s it covers nothing of this picture of %u x %u pixels; wanted a "
               "box with width and height, a part of it on the picture",
               job->args->boxes.items[i], out_box_format_name(job->format), report->frame.width,
               report->frame.height);
      return err->status = GM_ERR_ARGUMENT;
    }
  return GM_OK;
}

/* ---- one picture ---- */

/* A hash of the picture's bytes and its name, however the name is spelled. The settings are the
 * run's. */
static void input_key(const char *name, const void *bytes, size_t size, char key[65]) {
  char picture[65], *plain = cli_plain_name(name), *all = NULL;
  gm_sha256(bytes, size, picture);
  key[0] = 0;
  if (plain && asprintf(&all, "%s %s", picture, plain) >= 0) gm_sha256(all, strlen(all), key);
  free(plain);
  free(all);
}

static gm_status open_scene(const cli_batch *b, const cli_report *report, const gm_image *image,
                            gm_scene **scene, gm_error *err) {
  const cli_args *a = b->job->args;
  gm_scene_params params = cli_scene_params(a);
  if (strcmp(b->job->command, "ground") == 0)
    params.max_regions = 0; /* --max-det of ground is per phrase */
  gm_box *boxes = NULL;
  gm_status status = GM_OK;
  if (b->n_regions) {
    boxes = malloc(b->n_regions * sizeof *boxes);
    if (!boxes) status = err->status = GM_ERR_MEMORY;
    for (size_t i = 0; status == GM_OK && i < b->n_regions; i++)
      if (!out_box_to_pixels(b->job->format, b->regions[i], report->frame.width,
                             report->frame.height, &boxes[i])) {
        snprintf(err->message, sizeof err->message,
                 "--regions %s: box %zu is not on this picture", a->regions_file, i + 1);
        status = err->status = GM_ERR_ARGUMENT;
      }
    params.regions = boxes;
    params.n_regions = b->n_regions;
  }
  if (status == GM_OK)
    status = gm_scene_create(scene, b->model, image, &params, &b->job->callbacks, err);
  free(boxes);
  return status;
}

/* The command's main model: Groma where it works on scenes, CLIP where it works on pictures. */
static json_t *model_json(const cli_batch *b) {
  const char *path = b->info.path, *hash = b->model_hash, *type = b->info.type;
  if (b->job->run_image) {
    gm_clip_info info = out_clip_info(b->job->clip);
    path = info.path;
    hash = b->clip_hash;
    type = info.type;
  }
  json_t *model = json_pack("{s:o, s:s, s:s}", "file", out_json_text(path ? path : ""),
                            "sha256", hash, "type", type);
  if (b->job->language) {
    json_object_set_new(model, "cache_type_k", json_string(b->info.cache_type_k));
    json_object_set_new(model, "cache_type_v", json_string(b->info.cache_type_v));
  }
  return model;
}

static void add_stage(cli_report *report, json_t *timings, const gm_timing *t) {
  json_object_set_new(timings, t->stage, out_json_number(t->seconds));
  fprintf(report->text, "  %-12s %8.3f s\n", t->stage, t->seconds);
}

/* The stages that the command measured itself. */
static void add_stages(cli_report *report, json_t *timings) {
  for (size_t i = 0; i < report->n_stages; i++) add_stage(report, timings, &report->stages[i]);
}

static void add_verbose(const cli_batch *b, cli_report *report, const gm_scene *scene,
                        double seconds) {
  if (!b->job->args->verbose) return;
  json_t *object = cli_report_object(report);
  json_object_set_new(object, "model", model_json(b));
  gm_timing t = {.struct_size = sizeof t, .stage = b->job->command, .seconds = seconds};
  json_t *timings = json_object();
  fputc('\n', report->text);
  if (b->job->language)
    fprintf(report->text, "  cache of the language model: keys %s, values %s\n",
            b->info.cache_type_k, b->info.cache_type_v);
  if (!scene) add_stages(report, timings);
  if (!scene) add_stage(report, timings, &t);
  for (size_t i = 0; scene && gm_scene_timing_at(scene, i, &t) == GM_OK; i++)
    add_stage(report, timings, &t);
  if (scene) add_stages(report, timings);
  json_object_set_new(object, "timings", timings);
}

static gm_status draw_report(const cli_batch *b, const cli_report *report,
                             const gm_image *image, const char *name, gm_error *err) {
  char path[4096];
  cli_picture_path(b->job->args->draw, b->job->draw_name, name, path, sizeof path);
  gm_status status = cli_drawing_may_replace(path, b->job->args->force, err);
  if (status != GM_OK) return status;
  const gm_draw_params params = cli_report_drawing(report);
  return gm_draw(image, &params, path, err);
}

/* ---- output ---- */

static json_t *error_json(const char *name, const gm_error *err) {
  return json_pack("{s:{s:o}, s:{s:s, s:o}}", "image", "file", out_json_text(name), "error",
                   "code", gm_status_name(err->status), "message", out_json_text(err->message));
}

/* An object is one line, an array one line for each element. NULL if memory is short. */
static char *lines_of(json_t *json) {
  enum { FLAGS = JSON_COMPACT | JSON_REAL_PRECISION(10) };
  if (!json_is_array(json)) return json_dumps(json, FLAGS);
  char *all = NULL;
  size_t i;
  json_t *object;
  json_array_foreach(json, i, object) {
    char *line = json_dumps(object, FLAGS), *joined = NULL;
    if (line && asprintf(&joined, "%s%s%s", all ? all : "", all ? "\n" : "", line) < 0)
      joined = NULL;
    free(line);
    free(all);
    all = joined;
    if (!all) return NULL;
  }
  return all;
}

/* failed: the picture's line is an error, or a partial result with an error. */
static bool emit(cli_batch *b, const char *key, json_t *json, bool failed) {
  char *line = lines_of(json);
  bool ok = line != NULL;
  if (ok && b->ledger) ok = cli_ledger_write(b->ledger, key, line, failed);
  if (ok && b->kept) ok = fputs(line, b->kept) >= 0 && fputc('\n', b->kept) >= 0;
  if (ok && !b->ledger && !b->kept) ok = cli_put_json(stdout, line) && fflush(stdout) == 0;
  /* The ledger has reported its own failure, and main reports that of standard output. */
  if (!ok && (b->kept || !line)) cli_error("cannot write the result: %s", strerror(errno));
  free(line);
  return ok;
}

/* WebDataset's key of a picture in a tar file. */
static void add_entry_key(const cli_batch *b, json_t *object) {
  char key[1024];
  const char *entry = cli_inputs_entry(&b->inputs, b->done);
  if (!entry) return;
  cli_archive_key(entry, key, sizeof key);
  json_t *string = json_string(key);
  if (string) json_object_set_new(json_object_get(object, "image"), "key", string);
}

static void print_result(cli_batch *b, const char *name, cli_report *report) {
  if (b->many) {
    fputs("== ", stdout);
    cli_put_name(stdout, name);
    putchar('\n');
  }
  fflush(report->text);
  fwrite(report->text_bytes, 1, report->text_size, stdout);
  if (b->many) putchar('\n');
  if (fflush(stdout) != 0) b->fatal = true;
}

/* The text alone does not show that it was cut; a JSON object has "complete". */
static void tell_cut(const cli_batch *b, const char *name, size_t n) {
  unsigned long long most = b->job->args->max_tokens;
  if (n == 1)
    cli_error("%s: the answer was cut after %llu tokens (-n)", name, most);
  else
    cli_error("%s: %zu answers were cut after %llu tokens (-n)", name, n, most);
}

static void finish_picture(cli_batch *b, const char *name, const char *key, gm_status status,
                           cli_report *report, gm_error *err) {
  bool shown = status != GM_OK || (!b->ledger && !b->kept);
  if (shown) cli_progress_clear(&b->progress);
  b->looked_at += status == GM_OK;
  b->found += report->n_marks;
  bool partial = status != GM_OK && report->partial;
  if (status != GM_OK) {
    b->failed++;
    if (!err->message[0])
      snprintf(err->message, sizeof err->message, "%s", gm_status_name(status));
    err->status = status;
  }
  /* Print this before the error: a streamed answer is on the screen already, and its line has
   * not ended. */
  if (!b->lines && (status == GM_OK || partial)) print_result(b, name, report);
  if (status != GM_OK && (!b->lines || b->ledger || b->kept))
    cli_error("%s: %s", name, err->message);
  if (status == GM_OK && !b->lines && report->cut) tell_cut(b, name, report->cut);
  if (b->lines) {
    json_t *object =
        status == GM_OK || partial ? json_incref(report->json) : error_json(name, err);
    if (partial) {
      json_t *error = error_json(name, err);
      json_object_set(cli_report_object(report), "error", json_object_get(error, "error"));
      json_decref(error);
    }
    add_entry_key(b, json_is_array(object) ? json_array_get(object, 0) : object);
    if (!emit(b, key, object, status != GM_OK)) b->fatal = true;
    json_decref(object);
  }
  if (shown && b->many) cli_progress_again(&b->progress);
}

/* ---- pictures on their way ---- */

/* A picture on its way from its file to its line of the result. */
typedef struct item {
  const char *name;
  cli_picture picture; /* with the first error */
  cli_report report;
  gm_scene *scene;
  bool answered; /* by run_together */
  double seconds;
} item;

static void begin_item(cli_batch *b, item *it) {
  const gm_image *image = it->picture.image;
  gm_error *err = &it->picture.err;
  if (it->picture.done || it->picture.status != GM_OK) return;
  bool colour = !b->lines && cli_has_colour(stdout);
  if (!cli_report_begin(&it->report, it->name, gm_image_width(image), gm_image_height(image),
                        b->job->format, colour))
    it->picture.status = err->status = GM_ERR_MEMORY;
  it->report.image = image;
  double began = cli_now();
  if (it->picture.status == GM_OK && b->job->run)
    it->picture.status = open_scene(b, &it->report, image, &it->scene, err);
  it->seconds = cli_now() - began;
}

static void run_alone(cli_batch *b, item *it) {
  gm_error *err = &it->picture.err;
  if (it->picture.done || it->answered || it->picture.status != GM_OK) return;
  double began = cli_now();
  if (b->job->run_image)
    it->picture.status =
        b->job->run_image(b->job, it->picture.image, it->name, &it->report, err);
  if (it->picture.status == GM_OK && b->job->run)
    it->picture.status = b->job->run(b->job, it->scene, &it->report, err);
  it->seconds += cli_now() - began;
}

/* Pictures that are not answered here are run alone afterwards. */
static void run_together(cli_batch *b, item *items, size_t n) {
  item *each[CLI_MOST_TOGETHER];
  gm_scene *scenes[CLI_MOST_TOGETHER];
  cli_report *reports[CLI_MOST_TOGETHER];
  bool answered[CLI_MOST_TOGETHER] = {false};
  gm_error err = {0};
  size_t together = 0;
  for (size_t i = 0; i < n; i++) {
    if (!items[i].scene) continue;
    each[together] = &items[i];
    scenes[together] = items[i].scene;
    reports[together++] = &items[i].report;
  }
  if (together < 2) return;
  gm_status status = b->job->run_together(b->job, scenes, reports, together, answered, &err);
  for (size_t i = 0; i < together; i++) {
    each[i]->answered = answered[i];
    if (status == GM_ERR_CANCELLED) each[i]->picture.status = status;
  }
}

static void add_scope(cli_batch *b, item *it, bool whole) {
  float unlikeness = it->scene ? gm_scene_unlikeness(it->scene) : 0;
  json_t *json = it->report.json, *object;
  size_t i;
  if (whole && unlikeness > 1) {
    free(b->unlike_name);
    b->unlike_name = strdup(it->name);
    b->unlike++;
  }
  if (json_is_array(json)) {
    json_array_foreach(json, i, object)
        out_json_add_scope(object, b->scope.name, b->scope.scope, unlikeness);
  } else if (json) {
    out_json_add_scope(json, b->scope.name, b->scope.scope, unlikeness);
  }
}

static void finish_item(cli_batch *b, item *it) {
  gm_error *err = &it->picture.err;
  gm_status status = it->picture.status;
  if (it->picture.done) return;
  if (status == GM_OK) add_verbose(b, &it->report, it->scene, it->seconds);
  if (status == GM_OK && b->job->args->draw)
    status = draw_report(b, &it->report, it->picture.image, it->name, err);
  add_scope(b, it, status == GM_OK);
  gm_scene_free(it->scene);
  gm_image_free(it->picture.image);
  it->report.image = NULL;
  if (status != GM_ERR_CANCELLED)
    finish_picture(b, it->name, it->picture.key, status, &it->report, err);
  cli_report_free(&it->report);
}

/* ---- callbacks ---- */

static void on_progress(void *user, const char *stage, double done) {
  cli_batch *b = user;
  if (b->job->stream) return;
  char what[300];
  if (!b->inputs.whole)
    snprintf(what, sizeof what, "%zu, %s", b->done + 1, stage);
  else if (b->many)
    snprintf(what, sizeof what, "%zu of %zu, %s", b->done + 1, b->inputs.n, stage);
  if (!b->inputs.whole)
    done = CLI_PROGRESS_UNKNOWN;
  else if (b->many)
    done = (double)b->done / (double)b->inputs.n;
  cli_progress_update(&b->progress, b->many ? what : stage, done);
}

static void on_text(void *user, const char *text, size_t length) {
  cli_batch *b = user;
  if (!b->job->stream) return;
  cli_progress_clear(&b->progress);
  cli_put_text(stdout, text, length);
  fflush(stdout);
}

static gm_status cannot_read(int code, gm_error *err) {
  if (code == EFBIG) {
    snprintf(err->message, sizeof err->message, "found more than %d bytes, wanted at most that",
             CLI_MAX_FILE);
    return GM_ERR_IMAGE_TOO_LARGE;
  }
  const char *why = strerror(code);
  if (code == EBUSY) why = "standard input is read for something else already";
  if (code == ENOLINK) why = "it is a link to what is not in this archive";
  snprintf(err->message, sizeof err->message, "cannot read: %s", why);
  return code == ENOENT || code == ENOTDIR || code == ENOLINK ? GM_ERR_FILE_NOT_FOUND
                                                              : GM_ERR_IO;
}

/* Whether --draw asks for a drawing that does not exist. */
static bool is_undrawn(const cli_batch *b, const char *name) {
  char path[4096];
  if (!b->job->args->draw) return false;
  cli_picture_path(b->job->args->draw, b->job->draw_name, name, path, sizeof path);
  return access(path, F_OK) != 0;
}

/* cli_ahead_calls.read. Nobody else takes from the ledger; the other thread only writes to it.
 */
static void read_input(void *user, size_t i, cli_picture *out) {
  cli_batch *b = user;
  const gm_image_params params = cli_image_params(b->job->args);
  size_t size = 0;
  void *bytes = cli_inputs_read(&b->inputs, i, CLI_MAX_FILE, &size);
  int code = errno;
  if (b->ledger) {
    input_key(b->inputs.names[i], bytes, size, out->key);
    bool failed;
    out->done = cli_ledger_take(b->ledger, out->key, &failed);
    b->skipped += out->done;
    b->undrawn += out->done && !failed && is_undrawn(b, b->inputs.names[i]);
  }
  if (!bytes)
    out->status = cannot_read(code, &out->err);
  else if (!out->done)
    out->status = gm_image_from_memory(&out->image, bytes, size, &params, &out->err);
  free(bytes);
}

static bool input_waits(void *user, size_t i) {
  cli_batch *b = user;
  struct stat st;
  if (cli_inputs_more(&b->inputs, i, false) != INPUT_THERE) return true;
  const char *name = b->inputs.names[i];
  if (cli_inputs_entry(&b->inputs, i)) return false;
  return strcmp(name, "-") == 0 || (stat(name, &st) == 0 && !S_ISREG(st.st_mode));
}

/* Works on the next pictures, at most n, in order. If names come one by one, takes only those
 * that are known by now. Only the language model works on several pictures at once. */
static void run_items(cli_batch *b, cli_ahead *ahead, size_t n) {
  item items[CLI_MOST_TOGETHER] = {{0}};
  size_t begun = 0;
  for (; begun < n && !cli_interrupted(); begun++) {
    item *it = &items[begun];
    if (cli_inputs_more(&b->inputs, b->done + begun, begun == 0) != INPUT_THERE) break;
    it->name = b->inputs.names[b->done + begun];
    cli_ahead_next(ahead, &it->picture);
    begin_item(b, it);
  }
  if (begun > 1) run_together(b, items, begun);
  for (size_t i = 0; i < begun; i++, b->done++) {
    if (b->fatal) items[i].picture.status = GM_ERR_CANCELLED;
    run_alone(b, &items[i]);
    finish_item(b, &items[i]);
  }
}

static bool is_over(const cli_batch *b) {
  return b->inputs.whole && b->done == b->inputs.n;
}

static bool run_inputs(cli_batch *b) {
  const cli_ahead_calls calls = {b, read_input, input_waits};
  cli_ahead *ahead = cli_ahead_begin(&calls, b->inputs.whole ? b->inputs.n : SIZE_MAX);
  size_t together = b->job->run_together ? cli_together(b->job->args) : 1;
  while (ahead && !is_over(b) && !cli_interrupted() && !b->fatal) run_items(b, ahead, together);
  cli_ahead_end(ahead);
  return ahead != NULL;
}

/* ---- the run ---- */

/* Makes the export of a complete run's lines. */
static bool write_export(const cli_batch *b) {
  if (b->export.format == FORMAT_JSON) return true;
  FILE *lines = b->kept ? b->kept : fopen(b->output, "re");
  if (!lines) {
    cli_error("%s: cannot read: %s", b->output, strerror(errno));
    return false;
  }
  bool ok = cli_export_write(&b->export, lines);
  if (lines != b->kept) fclose(lines);
  return ok;
}

/* ---- closing messages ---- */

/* Inputs that have a line or were shown. */
static size_t told(const cli_batch *b) {
  return b->skipped + b->looked_at + b->failed;
}

static bool is_told(const cli_batch *b) {
  return b->inputs.whole && told(b) == b->inputs.n;
}

static void tell_interrupted(const cli_batch *b) {
  const char *then = b->ledger ? "; --resume goes on" : "";
  if (!b->many)
    cli_error("interrupted%s", then);
  else if (b->inputs.whole)
    cli_error("interrupted after %zu of %zu pictures%s", told(b), b->inputs.n, then);
  else
    cli_error("interrupted after %zu pictures%s", told(b), then);
}

static const char *plural(size_t n, const char *one, const char *many) {
  return n == 1 ? one : many;
}

static void tell_undrawn(const cli_batch *b) {
  if (b->undrawn == 0) return;
  cli_error("--draw %s: %zu picture%s done before ha%s no drawing there; start again with "
            "--force, without --resume, to draw %s",
            b->job->args->draw, b->undrawn, plural(b->undrawn, "", "s"),
            plural(b->undrawn, "s", "ve"), plural(b->undrawn, "it", "them"));
}

/* The closing line of a run over several pictures. */
static void tell_all(const cli_batch *b) {
  if (!b->many || b->job->args->quiet) return;
  size_t shown = b->looked_at + b->failed;
  fprintf(stderr, "gromatic: %zu picture%s", shown, plural(shown, "", "s"));
  if (b->skipped) fprintf(stderr, " and %zu done before", b->skipped);
  if (!b->job->run_image) fprintf(stderr, ", %zu box%s", b->found, plural(b->found, "", "es"));
  fprintf(stderr, ", %zu failure%s, %.1f s\n", b->failed, plural(b->failed, "", "s"),
          cli_now() - b->began);
}

/* Without this line an empty result would look like an unreported failure. */
static void tell_nothing(const cli_batch *b) {
  if (!b->job->nothing || b->looked_at == 0 || b->found > 0) return;
  if (b->looked_at == 1)
    cli_error("found nothing: %s", b->job->nothing);
  else
    cli_error("found nothing in any of %zu pictures: %s", b->looked_at, b->job->nothing);
}

static void tell_unlike(const cli_batch *b) {
  if (b->unlike == 1 && b->looked_at == 1 && b->unlike_name)
    cli_scope_tell_unlike(b->unlike_name, &b->info);
  else if (b->unlike > 0)
    cli_scope_tell_several(b->unlike, b->looked_at, &b->info);
}

/* A run is complete if its last picture was done when Ctrl-C came. */
static int end_run(cli_batch *b, bool ran) {
  int cut = b->inputs.code; /* the list of names could not be read to its end */
  bool complete = ran && is_told(b) && cut == CLI_DONE && !b->fatal;
  bool interrupted = !complete && cli_interrupted();
  tell_nothing(b);
  tell_undrawn(b);
  tell_unlike(b);
  if (interrupted) tell_interrupted(b);
  if (complete && b->ledger) complete = cli_ledger_finish(b->ledger);
  if (complete) complete = write_export(b);
  if (!interrupted) tell_all(b);
  if (interrupted) return CLI_INTERRUPTED;
  return cut != CLI_DONE ? cut : complete && !b->failed ? CLI_DONE : CLI_SOME_FAILED;
}

int cli_run_batch(cli_job *job, const cli_list *inputs) {
  cli_batch b = {.job = job, .began = cli_now()};
  cli_catch_interrupt();
  b.progress = cli_progress_begin(job->args->quiet);
  job->callbacks = cli_callbacks();
  job->callbacks.user = &b;
  job->callbacks.progress = on_progress;
  job->callbacks.text = on_text;
  int code = cli_batch_set_up(&b, inputs);
  if (code == CLI_DONE) {
    job->stream = job->stream && !b.many && !b.lines;
    bool ran = run_inputs(&b);
    cli_progress_clear(&b.progress);
    code = end_run(&b, ran);
  }
  cli_batch_free(&b);
  return code;
}
