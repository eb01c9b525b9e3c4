/* class_options.c - see class_options.h. */
#include "class_options.h"

#include "adapters.h"
#include "cache_options.h"
#include "class_choice.h"
#include "engine.h"
#include "file_names.h"
#include "results.h"
#include "scope.h"
#include "terminal.h"
#include "text_file.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- the model ---- */

static void tell_adapters(const cli_args *args, const gm_clip *clip) {
  gm_adapter_info info = {.struct_size = sizeof info};
  for (size_t i = 0; gm_clip_adapter_at(clip, i, &info) == GM_OK; i++)
    cli_tell_adapter(args, &info);
}

int cli_open_clip(const cli_args *args, const char *model, bool both, gm_clip **out) {
  gm_error err = {0};
  gm_clip_params params = gm_clip_params_default();
  char *directory;
  gm_adapter_use *adapters;
  int code = cli_adapters(args, "clip", both, &adapters, &params.n_adapters);
  if (code != CLI_DONE) return code;
  params.adapters = adapters;
  if (!cli_cache_options(args, &directory, &params.cache_bytes)) {
    free(adapters);
    return CLI_USAGE;
  }
  params.no_mmap = args->no_mmap;
  params.mlock = args->mlock;
  params.fast = args->fast;
  params.cache = directory;
  gm_status status = cli_engine(args, &params.engine, &err);
  if (status == GM_OK) status = gm_clip_open(out, model, &params, &err);
  free(directory);
  free(adapters);
  if (status != GM_OK) {
    cli_report_error(&err);
    return cli_model_exit_code(status);
  }
  gm_clip_info info = out_clip_info(*out);
  if (!model) cli_scope_tell((cli_scope){info.name, info.scope});
  tell_adapters(args, *out);
  return CLI_DONE;
}

static const char built_in[] = "clip-mini";

const char *cli_head_clip(const cli_args *args) {
  bool mini = !args->model || strcmp(args->model, "groma-mini") == 0;
  return args->clip_model ? args->clip_model : mini ? built_in : NULL;
}

int cli_open_head_clip(const cli_args *args, const gm_model *model, gm_clip **out) {
  const char *name = args->clip_model, *fitted = out_model_info(model).head_clip;
  if (!name && fitted && strcmp(fitted, built_in) == 0) name = built_in;
  return name ? cli_open_clip(args, name, true, out) : CLI_DONE;
}

void cli_close_clip(const cli_args *args, gm_clip *clip) {
  gm_cache_refusal refusal = {.struct_size = sizeof refusal};
  if (!clip) return;
  for (size_t i = 0; gm_clip_refusal_at(clip, i, &refusal) == GM_OK; i++)
    cli_tell_refusal(args, &refusal);
  gm_clip_free(clip);
}

bool cli_method(const cli_args *args, gm_method *out) {
  *out = GM_METHOD_WCA;
  if (!args->method || gm_method_named(args->method, out)) return true;
  cli_error("--method: found '%s', wanted wca, wca-released, clip, clip-e, clip-d, waffle or "
            "cupl",
            args->method);
  return false;
}

/* ---- files ---- */

/* NULL after a message. */
static const char *read_text(const char *option, const char *path, size_t *size) {
  char name[32];
  snprintf(name, sizeof name, "--%s", option);
  return cli_kept_text(name, path, CLI_MAX_TEXT, size);
}

/* ---- names ---- */

static bool add_name(char ***names, size_t *n, char *name) {
  while (isspace((unsigned char)*name)) name++;
  size_t length = strlen(name);
  while (length && isspace((unsigned char)name[length - 1])) length--;
  if (length == 0) return true;
  char **grown = realloc(*names, (*n + 1) * sizeof *grown);
  if (!grown) return false;
  *names = grown;
  grown[*n] = strndup(name, length);
  return grown[(*n)++] != NULL;
}

/* False after a message. */
static bool names_differ(const cli_args *args, char *const *names, size_t n) {
  const char *twice;
  bool known = out_name_twice((const char *const *)names, n, &twice);
  if (twice)
    cli_error("--classes %.100s: found '%s' twice, wanted each name once", args->classes,
              twice);
  return known && !twice;
}

/* Whether --classes is a file ("-": standard input) or a list. False, after a message, if it
 * looks like a file's name and there is no such file. */
static bool is_file_or_list(const char *classes, bool *file) {
  struct stat st;
  bool there = stat(classes, &st) == 0;
  *file = strcmp(classes, "-") == 0 || (there && !S_ISDIR(st.st_mode));
  if (*file || !cli_reads_as_file(classes)) return true;
  cli_error("--classes %s: %s; wanted a file of names, or a list (of one name: '%s,')", classes,
            there ? "this is a directory" : "there is no such file", classes);
  return false;
}

/* The text of the names, which the caller cuts into pieces and frees; NULL after a message. */
static char *names_text(const char *classes, bool file) {
  const char *kept = file ? read_text("classes", classes, NULL) : NULL;
  if (file && !kept) return NULL;
  char *text = strdup(file ? kept : classes);
  size_t length = text ? strlen(text) : 0;
  gm_error err = {0};
  if (text && (file || gm_text_import(text, &length, "--classes", &err) == GM_OK)) return text;
  cli_error("%s", text ? err.message : "no memory for the names");
  free(text);
  return NULL;
}

bool cli_class_names(const cli_args *args, char ***names, size_t *n) {
  *names = NULL;
  *n = 0;
  if (!args->classes) return true;
  bool file;
  if (!is_file_or_list(args->classes, &file)) return false;
  char *text = names_text(args->classes, file), *rest = text;
  bool ok = text != NULL;
  for (char *name; ok && (name = strsep(&rest, file ? "\n" : ","));)
    ok = add_name(names, n, name);
  free(text);
  if (ok && *n == 0) cli_error("--classes %s: no names", args->classes);
  if (ok && *n && names_differ(args, *names, *n)) return true;
  cli_names_free(*names, *n);
  *names = NULL;
  *n = 0;
  return false;
}

void cli_names_free(char **names, size_t n) {
  for (size_t i = 0; i < n; i++) free(names[i]);
  free(names);
}

/* ---- classes ---- */

/* False after a message. */
static bool read_files(const cli_args *args, out_class_choice *files) {
  const struct {
    const char *option, *path, **text;
  } all[] = {{"descriptions", args->descriptions, &files->descriptions},
             {"templates", args->templates, &files->templates},
             {"descriptors", args->descriptors, &files->descriptors},
             {"words", args->words, &files->words}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    if (!all[i].path) continue;
    *all[i].text = read_text(all[i].option, all[i].path, NULL);
    if (!*all[i].text) return false;
  }
  return true;
}

/* What the options say of classes, crops and scoring, but for names and files. */
static out_class_choice choice_of(const cli_args *args, gm_method method) {
  return (out_class_choice){.dashes = "--",
                            .method = method,
                            .preset = args->preset,
                            .crops = args->crops,
                            .alpha = args->alpha,
                            .beta = args->beta,
                            .dedup = args->dedup,
                            .dedup_iou = args->dedup_iou,
                            .dedup_cosine = args->dedup_cosine,
                            .image_scale = args->image_scale,
                            .text_scale = args->text_scale,
                            .draws = (uint32_t)args->draws,
                            .redraws = (uint32_t)args->redraws,
                            .stop = args->stop,
                            .seed = args->seed};
}

int cli_make_classes(const cli_args *args, gm_clip *clip, gm_method method,
                     const char *const *names, size_t n, const gm_callbacks *callbacks,
                     gm_classes **out) {
  *out = NULL;
  out_class_choice choice = choice_of(args, method);
  char **own = NULL;
  size_t n_own = 0;
  gm_error err = {0};
  if (!read_files(args, &choice)) return CLI_USAGE;
  if (n == 0) {
    if (!cli_class_names(args, &own, &n_own)) return CLI_USAGE;
    names = (const char *const *)own;
    n = n_own;
  }
  choice.names = names;
  choice.n_names = n;
  gm_status status = out_choice_classes(&choice, clip, callbacks, out, &err);
  cli_names_free(own, n_own);
  if (status == GM_OK) return CLI_DONE;
  cli_report_error(&err);
  return status == GM_ERR_ARGUMENT ? CLI_USAGE : cli_exit_code(status);
}

bool cli_view_params(const cli_args *args, gm_method method, bool of_region,
                     gm_view_params *out) {
  const out_class_choice choice = choice_of(args, method);
  gm_error err = {0};
  if (out_choice_view(&choice, of_region, out, &err) == GM_OK) return true;
  cli_error("%s", err.message);
  return false;
}

gm_classify_params cli_classify_params(const cli_args *args) {
  const out_class_choice choice = choice_of(args, GM_METHOD_WCA);
  return out_choice_scoring(&choice);
}

/* ---- for --resume ---- */

/* The names themselves, whether given as a file or as a list. */
static json_t *names_json(const cli_args *args) {
  char **names;
  size_t n;
  if (!args->classes || !cli_class_names(args, &names, &n)) return json_null();
  json_t *list = json_array();
  for (size_t i = 0; list && i < n; i++) {
    json_t *name = json_string(names[i]);
    json_array_append_new(list, name ? name : json_string("?"));
  }
  cli_names_free(names, n);
  return list ? list : json_null();
}

json_t *cli_class_settings(const cli_args *args) {
  return json_pack("{s:o}", "--classes", names_json(args));
}
