/* batch_setup.c - see batch_setup.h. */
#include "batch_setup.h"

#include "adapters.h"
#include "boxes_file.h"
#include "class_options.h"
#include "file_names.h"
#include "results.h"
#include "run_settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Words that are repeated in the JSON must be UTF-8. */
static int check_words(const char *option, const cli_list *words) {
  for (size_t i = 0; words && i < words->n; i++) {
    json_t *word = json_string(words->items[i]);
    if (!word) {
      cli_error("%s %zu: found text that is not UTF-8", option, i + 1);
      return CLI_USAGE;
    }
    json_decref(word);
  }
  return CLI_DONE;
}

static int no_memory(void) {
  cli_error("no memory to begin with");
  return CLI_SOME_FAILED;
}

static int check_arguments(cli_job *job, const cli_list *inputs) {
  const cli_args *a = job->args;
  if (inputs->n == 0) {
    cli_error("%s: no picture given; try 'gromatic %s --help'", job->command, job->command);
    return CLI_USAGE;
  }
  if (!out_box_format_named(a->box_format, &job->format)) {
    cli_error("--box-format: found '%s', wanted xyxy, xywh, xyxyn, cxcywhn or qwen3",
              a->box_format);
    return CLI_USAGE;
  }
  if (check_words("question", &a->prompts) != CLI_DONE ||
      check_words("phrase", job->phrases) != CLI_DONE)
    return CLI_USAGE;
  if (a->resume && !a->output) {
    cli_error("--resume needs -o FILE, the output to go on with");
    return CLI_USAGE;
  }
  struct stat st;
  if (a->output &&
      (!*a->output || strcmp(a->output, "-") == 0 ||
       (stat(a->output, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))) {
    cli_error("-o: found '%s', wanted the name of a file; without -o the lines go to standard "
              "output",
              a->output);
    return CLI_USAGE;
  }
  if (a->retry_errors && !a->resume) {
    cli_error("--retry-errors goes with --resume");
    return CLI_USAGE;
  }
  for (size_t i = 0; i < a->boxes.n; i++) {
    double box[4];
    if (!out_parse_box(a->boxes.items[i], box)) {
      cli_error("--box: found '%s', wanted four numbers x1,y1,x2,y2", a->boxes.items[i]);
      return CLI_USAGE;
    }
    if (out_box_looks_relative(job->format, box)) {
      cli_error("--box %s: " OUT_BOX_RELATIVE, a->boxes.items[i],
                out_box_format_name(job->format));
      return CLI_USAGE;
    }
    if (!cli_boxes_add(&job->boxes, &job->n_boxes, box)) return no_memory();
  }
  return CLI_DONE;
}

/* One box in the picture's corner may be that small, but not all of them. */
static int read_regions(cli_batch *b) {
  const char *path = b->job->args->regions_file;
  if (!path) return CLI_DONE;
  if (!cli_read_boxes_file(path, &b->regions, &b->n_regions)) return CLI_USAGE;
  for (size_t i = 0; i < b->n_regions; i++)
    if (!out_box_looks_relative(b->job->format, b->regions[i])) return CLI_DONE;
  const double *box = b->regions[0];
  cli_error("--regions %s: box 1, %g,%g,%g,%g, and all others: " OUT_BOX_RELATIVE, path, box[0],
            box[1], box[2], box[3], out_box_format_name(b->job->format));
  return CLI_USAGE;
}

static int prepare_pictures(cli_batch *b) {
  const cli_args *a = b->job->args;
  if (a->draw && a->explain && strcmp(a->draw, a->explain) == 0) {
    cli_error("--draw and --explain: found %s twice, wanted two places", a->draw);
    return CLI_USAGE;
  }
  int code =
      cli_picture_paths_prepare("draw", a->draw, &b->inputs, a->force, &b->job->draw_name);
  if (code != CLI_DONE) return code;
  return cli_picture_paths_prepare("explain", a->explain, &b->inputs, a->force,
                                   &b->job->explain_name);
}

/* False, after a message, if a file would be lost. An export that exists may be replaced if the
 * lines exist that it was made of. The export itself looks into folders. */
static bool may_export(const cli_batch *b, cli_format format) {
  struct stat st;
  if (format == FORMAT_JSON || cli_format_is_folder(format)) return true;
  if (b->job->args->force) return true;
  if (!cli_format_may_replace(format, b->export_path)) return false;
  if (cli_ledger_is_finished(b->ledger) || stat(b->export_path, &st) != 0 || st.st_size == 0)
    return true;
  cli_error("-o %s: the lines that it was made of are not there (%s and its ledger), and it "
            "would be lost; give another name, or replace it with --force",
            b->export_path, b->output);
  return false;
}

/* Finds the files that -o means, and the earlier run that may have left them. */
static int prepare_output(cli_batch *b, cli_format format) {
  const cli_args *a = b->job->args;
  if (!a->output) return CLI_DONE;
  size_t length =
      format == FORMAT_JSON ? strlen(a->output) : cli_length_without_slashes(a->output);
  b->export_path = strndup(a->output, length);
  if (!b->export_path ||
      asprintf(&b->output, "%s%s", b->export_path, format == FORMAT_JSON ? "" : ".jsonl") < 0) {
    b->output = NULL;
    return no_memory();
  }
  if (cli_is_picture_name(b->export_path)) {
    cli_error("-o %s: found a picture's name, wanted one for a result; --draw makes pictures",
              b->export_path);
    return CLI_USAGE;
  }
  const ledger_wish wish = {a->resume, a->retry_errors, a->force};
  int code = cli_ledger_open(b->output, wish, &b->ledger);
  if (code != CLI_DONE) return code;
  return may_export(b, format) ? CLI_DONE : CLI_USAGE;
}

/* Decides where the lines go and what is made of them at the end. With an export format, -o
 * FILE is the export and its lines are beside it. */
static int prepare_export(cli_batch *b) {
  const cli_args *a = b->job->args;
  if (!cli_export_options(a, &b->export)) return CLI_USAGE;
  cli_format format = b->export.format;
  if (b->job->run_image && format != FORMAT_JSON && format != FORMAT_CSV) {
    cli_error("-f %s is for regions; classify has json and csv", a->format);
    return CLI_USAGE;
  }
  b->lines = a->json || a->format || a->output;
  int code = prepare_output(b, format);
  if (code != CLI_DONE) return code;
  b->export.path = b->export_path;
  b->export.classification = b->job->run_image != NULL;
  b->export.again = a->resume && b->ledger && cli_ledger_is_finished(b->ledger);
  if (format == FORMAT_JSON) return CLI_DONE;
  if (b->job->format != BOX_XYXY) {
    cli_error("--box-format %s goes with JSON; -f %s has its own boxes",
              out_box_format_name(b->job->format), a->format);
    return CLI_USAGE;
  }
  if (!cli_export_check(&b->export, b->inputs.names, b->inputs.n)) return CLI_USAGE;
  if (!b->output) b->kept = tmpfile();
  if (b->output || b->kept) return CLI_DONE;
  cli_error("cannot make a temporary file: %s", strerror(errno));
  return CLI_SOME_FAILED;
}

static int begin_ledger(cli_batch *b) {
  if (!b->ledger) return CLI_DONE;
  const char *kernels = b->model ? b->info.kernels : out_clip_info(b->job->clip).kernels;
  const cli_run_models models = {b->model_hash, b->clip_hash,
                                 kernels,       b->regions,
                                 b->n_regions,  cli_adapter_settings(b->model, b->job->clip)};
  json_t *run = cli_run_settings(b->job, &models);
  int code = run ? cli_ledger_begin(b->ledger, run) : no_memory();
  json_decref(run);
  return code;
}

/* Opens Groma if the command works on scenes; hashes the models if results are kept. */
static int prepare_models(cli_batch *b) {
  const cli_args *a = b->job->args;
  if (b->job->run) {
    int code = cli_open_model(a, b->inputs.whole ? b->inputs.n : 0,
                              b->job->clip || a->clip_model, &b->model);
    if (code != CLI_DONE) return code;
    b->info = out_model_info(b->model);
    b->scope = cli_scope_of(a, b->model);
    b->export.model = b->info.name;
    b->export.classes = b->job->classes;
    b->export.n_classes = b->job->n_classes;
    if (b->job->looks) code = cli_open_head_clip(a, b->model, &b->job->clip);
    if (code != CLI_DONE) return code;
  }
  if (b->job->clip && !b->job->looks && !b->scope.scope && !a->clip_model &&
      !(b->job->run_image && a->model)) {
    gm_clip_info info = out_clip_info(b->job->clip);
    b->scope = (cli_scope){info.name, info.scope};
  }
  if (!a->output && !a->verbose) return CLI_DONE;
  gm_error err = {0};
  const gm_callbacks callbacks = cli_callbacks();
  gm_status status = GM_OK;
  if (b->model) status = gm_model_sha256(b->model, b->model_hash, &callbacks, &err);
  if (status == GM_OK && b->job->clip)
    status = gm_clip_sha256(b->job->clip, b->clip_hash, &callbacks, &err);
  if (status == GM_OK) return CLI_DONE;
  cli_report_error(&err);
  return status == GM_ERR_CANCELLED ? CLI_INTERRUPTED : CLI_MODEL;
}

/* Whether all names must be known before the first picture, because each name depends on the
 * others. */
static bool knows_all(const cli_args *args) {
  return args->draw || args->explain || (args->format && strcmp(args->format, "json") != 0);
}

int cli_batch_set_up(cli_batch *b, const cli_list *inputs) {
  const cli_args *a = b->job->args;
  int code = check_arguments(b->job, inputs);
  if (code == CLI_DONE) code = cli_expand_inputs(inputs, a->recursive, &b->inputs);
  if (code == CLI_DONE && knows_all(a)) code = cli_inputs_finish(&b->inputs);
  b->many = b->inputs.n > 1 || !b->inputs.whole;
  if (code == CLI_DONE) code = prepare_pictures(b);
  if (code == CLI_DONE) code = prepare_export(b);
  if (code == CLI_DONE) code = read_regions(b);
  if (code == CLI_DONE && b->job->prepare) code = b->job->prepare(b->job);
  if (code == CLI_DONE) code = prepare_models(b);
  if (code == CLI_DONE && !cli_export_check_classes(&b->export)) code = CLI_USAGE;
  if (code != CLI_DONE) return code;
  return begin_ledger(b);
}

void cli_batch_free(cli_batch *b) {
  cli_ledger_close(b->ledger);
  cli_close_model(b->job->args, b->model);
  if (b->job->looks) cli_close_clip(b->job->args, b->job->clip);
  cli_inputs_free(&b->inputs);
  if (b->kept) fclose(b->kept);
  free(b->output);
  free(b->unlike_name);
  free(b->export_path);
  free(b->regions);
  free(b->job->boxes);
}
