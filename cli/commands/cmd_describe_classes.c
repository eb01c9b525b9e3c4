/* cmd_describe_classes.c - gromatic describe-classes: lets a language model write what the
 * classes look like, for classify and label. The questions are in the manner of CuPL (arXiv
 * 2209.03320), in words of our own. */
#include "batch.h"
#include "chat_endpoint.h"
#include "class_options.h"
#include "commands.h"
#include "export_formats.h"
#include "progress.h"
#include "terminal.h"
#include "text_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORM                                                                                   \
  " Answer with five short sentences, each on a line of its own, each naming it, without "     \
  "numbers or headings."

/* {} is the class with its article. */
static const char *const questions[] = {
    "What does a photo of {} look like?" FORM,
    "By which visible features is {} told from similar things?" FORM,
    "Which shapes, colours and parts are seen on {}?" FORM,
};
enum { N_QUESTIONS = sizeof questions / sizeof questions[0], ANSWER_TOKENS = 256 };

typedef struct describer {
  chat_endpoint *endpoint; /* or else: */
  gm_model *model;
  gm_scene *scene; /* of a grey picture */
} describer;

static char *question_for(const char *form, const char *name) {
  const char *place = strstr(form, "{}");
  const char *article = strchr("aeiouAEIOU", name[0]) ? "an" : "a";
  char *text = NULL;
  return asprintf(&text, "%.*s%s %s%s", (int)(place - form), form, article, name, place + 2) < 0
             ? NULL
             : text;
}

static bool on_cancelled(void *user) {
  (void)user;
  return cli_interrupted();
}

static const gm_callbacks callbacks = {.cancelled = on_cancelled};

static char *ask_model(const describer *d, const char *question) {
  gm_ask_params params = gm_ask_params_default();
  params.no_grounding = true;
  params.max_tokens = ANSWER_TOKENS;
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

/* One description a line, bullets and numbers taken off. */
static void add_lines(json_t *list, char *text) {
  for (char *line; (line = strsep(&text, "\n"));) {
    line += strspn(line, " \t\r-*0123456789.)");
    size_t length = strlen(line);
    while (length && isspace((unsigned char)line[length - 1])) line[--length] = 0;
    if (length) json_array_append_new(list, json_string(line));
  }
}

/* A list of descriptions, or NULL after a message. */
static json_t *describe(const describer *d, const char *name) {
  json_t *list = json_array();
  for (size_t i = 0; i < N_QUESTIONS && list; i++) {
    char *question = question_for(questions[i], name), *answer = NULL;
    if (question)
      answer = d->endpoint ? chat_endpoint_ask(d->endpoint, question) : ask_model(d, question);
    if (answer) add_lines(list, answer);
    if (!answer) {
      json_decref(list);
      list = NULL;
    }
    free(question);
    free(answer);
  }
  if (list && json_array_size(list) == 0) {
    cli_error("%s: the answers were empty", name);
    json_decref(list);
    list = NULL;
  }
  return list;
}

static bool save(const char *path, const json_t *all) {
  export_file file;
  bool ok = export_file_open(&file, path);
  if (ok) ok = export_file_close(&file, json_dumpf(all, file.out, JSON_INDENT(1)) == 0);
  if (!ok) cli_error("%s: cannot write: %s", path, strerror(errno));
  return ok;
}

/* What an earlier run has written, with --resume; NULL after a message where that is something
 * else, which is not to be overwritten. */
static json_t *read_earlier(const cli_args *args) {
  enum { MOST = 256 << 20 };
  if (!args->resume || access(args->output, F_OK) != 0) return json_object();
  json_t *all = cli_read_json("--resume: wanted an earlier run:", args->output, MOST,
                              JSON_REJECT_DUPLICATES);
  if (!all || json_is_object(all)) return all;
  cli_error("--resume: %s: wanted the descriptions of an earlier run", args->output);
  json_decref(all);
  return NULL;
}

/* The file is written anew after each class, so that a run can be resumed. */
static int describe_all(const cli_args *args, const describer *d, char **names, size_t n) {
  json_t *all = read_earlier(args);
  if (!all) return CLI_USAGE;
  cli_progress progress = cli_progress_begin(args->quiet);
  int code = CLI_DONE;
  for (size_t i = 0; code == CLI_DONE && i < n; i++) {
    if (json_object_get(all, names[i])) continue;
    cli_progress_update(&progress, names[i], (double)i / (double)n);
    json_t *list = describe(d, names[i]);
    if (!list || json_object_set_new(all, names[i], list) != 0 || !save(args->output, all))
      code = cli_interrupted() ? CLI_INTERRUPTED : CLI_SOME_FAILED;
  }
  cli_progress_clear(&progress);
  if (code != CLI_DONE && json_object_size(all))
    cli_error("%zu of %zu classes are in %s; go on with --resume", json_object_size(all), n,
              args->output);
  json_decref(all);
  return code;
}

static int open_model(const cli_args *args, describer *d) {
  static const uint8_t grey[3] = {128, 128, 128};
  gm_image *image = NULL;
  gm_error err = {0};
  int code = cli_open_model(args, 0, &d->model);
  if (code != CLI_DONE) return code;
  if (strcmp(gm_model_get_info(d->model).name, "groma-mini") == 0) {
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
  /* read_earlier looks closer */
  if (!args->resume && !export_may_replace(args->output, "descriptions", heads))
    return CLI_USAGE;
  if (!cli_class_names(args, &names, &n)) return CLI_USAGE;
  cli_catch_interrupt();
  int code = args->endpoint ? open_endpoint(args, &d) : open_model(args, &d);
  if (code == CLI_DONE) code = describe_all(args, &d, names, n);
  chat_endpoint_close(d.endpoint);
  gm_scene_free(d.scene);
  cli_close_model(args, d.model);
  cli_names_free(names, n);
  return code;
}
