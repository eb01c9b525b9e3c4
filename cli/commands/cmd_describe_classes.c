/* cmd_describe_classes.c - gromatic describe-classes: a language model writes what the classes
 * look like, for classify and label. The questions follow CuPL (arXiv 2209.03320), in our own
 * words. */
#include "adapters.h"
#include "answer_lines.h"
#include "batch.h"
#include "chat_endpoint.h"
#include "class_options.h"
#include "commands.h"
#include "export_formats.h"
#include "options.h"
#include "progress.h"
#include "results.h"
#include "run_settings.h"
#include "settings_file.h"
#include "terminal.h"
#include "text_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORM                                                                                   \
  " Answer with five short sentences, each on a line of its own, each naming it, without "     \
  "numbers or headings."

/* {} becomes the class with its article. */
static const char *const questions[] = {
    "What does a photo of {} look like?" FORM,
    "By which visible features is {} told from similar things?" FORM,
    "Which shapes, colours and parts are seen on {}?" FORM,
};
enum { N_QUESTIONS = sizeof questions / sizeof questions[0], ANSWER_TOKENS = 256 };

typedef struct describer {
  chat_endpoint *endpoint; /* NULL: the model below */
  gm_model *model;
  gm_scene *scene; /* a grey picture */
  answer_drops drops;
  size_t n_descriptions;
} describer;

static char *question_for(const char *form, const char *name) {
  const char *place = strstr(form, "{}");
  const char *article = strchr("aeiouAEIOU", name[0]) ? "an" : "a";
  char *text = NULL;
  return asprintf(&text, "%.*s%s %s%s", (int)(place - form), form, article, name, place + 2) < 0
             ? NULL
             : text;
}

static char *ask_model(const describer *d, const char *question) {
  gm_ask_params params = gm_ask_params_default();
  params.no_grounding = true;
  params.max_tokens = ANSWER_TOKENS;
  const gm_callbacks callbacks = cli_callbacks();
  gm_chat *chat = NULL;
  gm_answer *answer = NULL;
  gm_error err = {0};
  gm_status status = gm_chat_create(&chat, d->scene, &err);
  if (status == GM_OK) status = gm_chat_ask(chat, question, &params, &callbacks, &answer, &err);
  char *text = status == GM_OK ? strdup(answer->text) : NULL;
  if (status != GM_OK && status != GM_ERR_CANCELLED) cli_error("%s", err.message);
  gm_answer_free(answer);
  gm_chat_free(chat);
  return text;
}

typedef enum outcome {
  DESCRIBED,
  NOTHING, /* for this class; others may succeed */
  FAILED
} outcome;

/* Reasoning in a member of its own counts as one more passage. */
static bool ask(describer *d, const char *question, json_t *list) {
  const chat_question asked = {.text = question};
  chat_answer answer = {0};
  if (d->endpoint)
    chat_endpoint_ask(d->endpoint, &asked, &answer);
  else
    answer.text = ask_model(d, question);
  bool ok = answer.text && answer_lines(list, answer.text, &d->drops);
  d->drops.reasoning += answer.reasoning;
  free(answer.text);
  return ok;
}

/* Adds the class's descriptions to all; prints a message if there are none. */
static outcome describe(describer *d, const char *name, json_t *all) {
  json_t *list = json_array();
  bool ok = list != NULL;
  for (size_t i = 0; i < N_QUESTIONS && ok; i++) {
    char *question = question_for(questions[i], name);
    ok = question && ask(d, question, list);
    free(question);
  }
  size_t n = json_array_size(list);
  if (ok && n == 0) cli_error("%s: there were no descriptions in the answers", name);
  if (ok && n) {
    d->n_descriptions += n;
    return json_object_set_new(all, name, list) == 0 ? DESCRIBED : FAILED;
  }
  json_decref(list);
  return ok ? NOTHING : FAILED;
}

/* The first time, the old file goes together with its ledger. */
static bool save(const char *path, const json_t *all, bool *anew, const json_t *settings) {
  export_file file;
  if (*anew && !cli_settings_forget(path)) return false;
  bool ok = export_file_open(&file, path);
  if (ok) ok = export_file_close(&file, json_dumpf(all, file.out, JSON_INDENT(1)) == 0);
  if (!ok) cli_error("%s: cannot write: %s", path, strerror(errno));
  if (ok && *anew) ok = cli_settings_write(path, settings);
  *anew = *anew && !ok;
  return ok;
}

/* What an earlier run wrote, with --resume. NULL, after a message, if the file holds something
 * else, which must not be overwritten. */
static json_t *read_earlier(const cli_args *args, bool anew) {
  enum { MOST = 256 << 20 };
  if (anew) return json_object();
  json_t *all = cli_read_json("--resume: wanted an earlier run:", args->output, MOST,
                              JSON_REJECT_DUPLICATES);
  if (!all || json_is_object(all)) return all;
  cli_error("--resume: %s: wanted the descriptions of an earlier run", args->output);
  json_decref(all);
  return NULL;
}

/* Dropped parts are reported even without a closing line. */
static void tell_all(const describer *d, const cli_args *args, size_t n, size_t failed,
                     double began) {
  char dropped[300];
  if (answer_drops_text(&d->drops, dropped, sizeof dropped))
    cli_error("left out of the answers: %s", dropped);
  if (n > 1 && !args->quiet)
    fprintf(stderr, "gromatic: %zu classes, %zu new descriptions, %zu failure%s, %.1f s\n", n,
            d->n_descriptions, failed, failed == 1 ? "" : "s", cli_now() - began);
}

/* The file is rewritten after each class, so that a run can be resumed. */
static int describe_all(const cli_args *args, describer *d, char **names, size_t n, bool anew,
                        const json_t *settings) {
  json_t *all = read_earlier(args, anew);
  if (!all) return CLI_USAGE;
  cli_progress progress = cli_progress_begin(args->quiet);
  double began = cli_now();
  size_t failed = 0;
  bool goes_on = true;
  for (size_t i = 0; goes_on && i < n; i++) {
    if (cli_member_named(all, names[i])) continue;
    cli_progress_update(&progress, names[i], (double)i / (double)n);
    outcome found = describe(d, names[i], all);
    failed += found != DESCRIBED;
    goes_on =
        found == NOTHING || (found == DESCRIBED && save(args->output, all, &anew, settings));
  }
  cli_progress_clear(&progress);
  int code = CLI_DONE;
  if (failed || !goes_on) code = cli_interrupted() ? CLI_INTERRUPTED : CLI_SOME_FAILED;
  if (code == CLI_INTERRUPTED) cli_error("interrupted");
  if (code != CLI_DONE && json_object_size(all))
    cli_error("%zu of %zu classes are in %s; go on with --resume", json_object_size(all), n,
              args->output);
  tell_all(d, args, n, failed, began);
  json_decref(all);
  return code;
}

static int open_model(const cli_args *args, describer *d) {
  static const uint8_t grey[3] = {128, 128, 128};
  const gm_callbacks callbacks = cli_callbacks();
  gm_image *image = NULL;
  gm_error err = {0};
  int code = cli_open_model(args, 0, false, &d->model);
  if (code != CLI_DONE) return code;
  if (strcmp(out_model_info(d->model).name, "groma-mini") == 0) {
    cli_error("-m groma-mini: it knows the words of the drawn world only and cannot describe "
              "classes; wanted a model as Groma-7B, or --endpoint URL");
    return CLI_USAGE;
  }
  gm_status status = gm_image_from_rgb(&image, grey, 1, 1, &err);
  if (status == GM_OK)
    status = gm_scene_create(&d->scene, d->model, image, NULL, &callbacks, &err);
  gm_image_free(image);
  if (status != GM_OK && status != GM_ERR_CANCELLED) cli_error("%s", err.message);
  return status == GM_OK ? CLI_DONE : cli_exit_code(status);
}

static int open_endpoint(const cli_args *args, describer *d) {
  const chat_endpoint_params params = {
      .url = args->endpoint,
      .key = getenv("OPENAI_API_KEY"),
      .model = args->endpoint_model ? args->endpoint_model : "default",
      .per_minute = args->rate,
      .timeout = args->timeout,
      .retries = args->retries,
  };
  d->endpoint = chat_endpoint_open(&params);
  return d->endpoint ? CLI_DONE : CLI_SOME_FAILED;
}

/* The settings that change a description; NULL after a message. */
static json_t *settings_of(const cli_args *args, const describer *d) {
  char sum[65] = "";
  gm_error err = {0};
  const gm_callbacks callbacks = cli_callbacks();
  if (d->model && gm_model_sha256(d->model, sum, &callbacks, &err) != GM_OK) {
    cli_report_error(&err);
    return NULL;
  }
  json_t *asked = json_array();
  for (size_t i = 0; i < N_QUESTIONS; i++)
    json_array_append_new(asked, json_string(questions[i]));
  json_t *own = json_pack("{s:s, s:o}", "the model's SHA-256", sum, "the questions", asked);
  json_t *adapters = cli_adapter_settings(d->model, NULL);
  if (adapters) json_object_set_new(own, "--adapter", adapters);
  /* A model with a name is the same at another address. */
  if (own && args->endpoint_model) json_object_set_new(own, "--endpoint", json_null());
  json_t *all = cli_option_settings(cli_command_named("describe-classes"), args, own);
  json_decref(own);
  if (!all) cli_error("no memory to begin with");
  return all;
}

/* Describes the classes under the file's lock, if its settings are the same. */
static int run_locked(const cli_args *args, describer *d, char **names, size_t n) {
  const ledger_wish wish = {args->resume, false, args->force};
  int lock = -1;
  bool anew = true;
  json_t *settings = settings_of(args, d);
  int code = settings            ? cli_settings_take(args->output, settings, wish, &lock, &anew)
             : cli_interrupted() ? CLI_INTERRUPTED
                                 : CLI_SOME_FAILED;
  if (code == CLI_DONE) code = describe_all(args, d, names, n, anew, settings);
  cli_settings_release(args->output, lock);
  json_decref(settings);
  return code;
}

int cmd_describe_classes(const cli_args *args) {
  char **names;
  size_t n;
  describer d = {0};
  if (!args->classes || !args->output || !args->endpoint == !args->model) {
    cli_error("describe-classes: wanted --classes FILE, -o FILE.json, and --endpoint URL or -m "
              "MODEL");
    return CLI_USAGE;
  }
  const char *const heads[2] = {"{\n \"", "{}"}; /* as save writes them */
  /* cli_settings_take looks closer */
  if (!args->resume && !args->force && !export_may_replace(args->output, "descriptions", heads))
    return CLI_USAGE;
  if (!cli_class_names(args, &names, &n)) return CLI_USAGE;
  cli_catch_interrupt();
  int code = args->endpoint ? open_endpoint(args, &d) : open_model(args, &d);
  if (code == CLI_DONE) code = run_locked(args, &d, names, n);
  chat_endpoint_close(d.endpoint);
  gm_scene_free(d.scene);
  cli_close_model(args, d.model);
  cli_names_free(names, n);
  return code;
}
