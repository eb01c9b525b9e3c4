/* class_options.c - see class_options.h. */
#include "class_options.h"

#include "adapters.h"
#include "cache_options.h"
#include "engine.h"
#include "file_names.h"
#include "presets.h"
#include "results.h"
#include "scope.h"
#include "terminal.h"
#include "text_file.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The thresholds of --dedup alone, measured in docs/WCA.md. */
#define DEDUP_IOU 0.75
#define DEDUP_COSINE 0.98

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

static int by_name(const void *a, const void *b) {
  return gm_name_compare(*(char *const *)a, *(char *const *)b);
}

/* False after a message. */
static bool names_differ(const cli_args *args, char *const *names, size_t n) {
  char **sorted = malloc(n * sizeof *sorted);
  bool ok = sorted != NULL;
  if (ok) {
    memcpy(sorted, names, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_name);
  }
  for (size_t i = 1; ok && i < n; i++)
    if (gm_name_compare(sorted[i - 1], sorted[i]) == 0) {
      cli_error("--classes %.100s: found '%s' twice, wanted each name once", args->classes,
                sorted[i]);
      ok = false;
    }
  free(sorted);
  return ok;
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

/* {name: [], ...}: no descriptions, so each class has its label prompt only. NULL after a
 * message. */
static char *empty_descriptions(const char *const *names, size_t n) {
  json_t *root = json_object();
  char *text = NULL;
  bool ok = root != NULL;
  for (size_t i = 0; ok && i < n; i++) {
    ok = json_object_set_new(root, names[i], json_array()) == 0;
    if (!ok) cli_error("--classes: class %zu: wanted UTF-8", i + 1);
  }
  if (ok) text = json_dumps(root, JSON_COMPACT);
  json_decref(root);
  return text;
}

/* ---- classes ---- */

typedef struct class_files {
  const char *descriptions, *templates, *descriptors, *words;
  char *own; /* made here, without a file; or NULL */
} class_files;

static bool read_files(const cli_args *args, class_files *files) {
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

/* The flag of the file that a method needs, or NULL. Without it the method would be clip under
 * another name. */
static const char *missing_flag(gm_method method, const class_files *files) {
  switch (method) {
  case GM_METHOD_CUPL:
    return files->descriptions ? NULL : "descriptions";
  case GM_METHOD_CLIP_E:
    return files->templates ? NULL : "templates";
  case GM_METHOD_CLIP_D:
    return files->descriptors ? NULL : "descriptors";
  default:
    return NULL;
  }
}

/* For the library 0 is the default: NaN (not given) becomes 0, and 0 becomes an exponent whose
 * exp is 1 too. */
static float exponent(double given) {
  if (isnan(given)) return 0;
  return given == 0 ? 1e-20F : (float)given;
}

static int create_classes(const cli_args *args, gm_clip *clip, gm_method method,
                          const char *const *names, size_t n, const class_files *files,
                          const gm_callbacks *callbacks, gm_classes **out) {
  const char *flag = missing_flag(method, files);
  if (flag) {
    cli_error("--method %s wants --%s FILE; wca, wca-released, clip and waffle need the names "
              "only",
              gm_method_name(method), flag);
    return CLI_USAGE;
  }
  if (n == 0 && !files->descriptions) {
    cli_error("no names of classes given; say which with --classes a,b,c or --classes FILE, or "
              "with --descriptions FILE");
    return CLI_USAGE;
  }
  gm_classes_params params = gm_classes_params_default();
  params.method = method;
  params.names = n ? names : NULL;
  params.n_names = n;
  params.descriptions = files->descriptions;
  params.templates = files->templates;
  params.descriptors = files->descriptors;
  params.words = files->words;
  params.seed = args->seed;
  params.text_scale = exponent(args->text_scale);
  if (args->dedup) params.dedup = (float)DEDUP_COSINE;
  if (args->dedup_cosine >= 0) params.dedup = (float)args->dedup_cosine;
  gm_error err = {0};
  gm_status status = gm_classes_create(out, clip, &params, callbacks, &err);
  if (status == GM_OK) return CLI_DONE;
  cli_report_error(&err);
  return status == GM_ERR_ARGUMENT ? CLI_USAGE : cli_exit_code(status);
}

int cli_make_classes(const cli_args *args, gm_clip *clip, gm_method method,
                     const char *const *names, size_t n, const gm_callbacks *callbacks,
                     gm_classes **out) {
  *out = NULL;
  class_files files = {0};
  char **own = NULL;
  size_t n_own = 0;
  int code = CLI_DONE;
  if (!read_files(args, &files)) code = CLI_USAGE;
  if (code == CLI_DONE && n == 0) {
    if (!cli_class_names(args, &own, &n_own)) code = CLI_USAGE;
    names = (const char *const *)own;
    n = n_own;
  }
  if (code == CLI_DONE && cli_has_crops(method) && n && !files.descriptions) {
    files.descriptions = files.own = empty_descriptions(names, n);
    if (!files.descriptions) code = CLI_USAGE;
  }
  if (code == CLI_DONE)
    code = create_classes(args, clip, method, names, n, &files, callbacks, out);
  cli_names_free(own, n_own);
  free(files.own);
  return code;
}

/* ---- crops and scores ---- */

bool cli_has_crops(gm_method method) {
  return method == GM_METHOD_WCA || method == GM_METHOD_WCA_RELEASED;
}

/* The library's defaults, as the help has them. They are set here because --alpha and --beta
 * are compared with them. */
static void set_own(gm_method method, bool of_region, gm_view_params *out) {
  out->crops = !cli_has_crops(method) ? GM_NONE : of_region ? 10 : 100;
  out->alpha = of_region ? 0.7F : method == GM_METHOD_WCA_RELEASED ? 0.1F : 0.5F;
  out->beta = of_region ? 1 : 0.9F;
}

/* --preset: the published settings of a data set. */
static bool use_preset(const cli_args *args, gm_method method, gm_view_params *out) {
  if (!args->preset) return true;
  const cli_preset *preset = cli_preset_named(args->preset);
  if (!preset) {
    cli_error("--preset: found '%s', wanted imagenet, cub, pets, dtd, food101 or places365",
              args->preset);
    return false;
  }
  if (cli_has_crops(method)) out->crops = preset->crops;
  out->alpha =
      (float)(method == GM_METHOD_WCA_RELEASED ? preset->released_alpha : preset->alpha);
  return true;
}

bool cli_view_params(const cli_args *args, gm_method method, bool of_region,
                     gm_view_params *out) {
  bool crops = cli_has_crops(method);
  *out = gm_view_params_default(method);
  set_own(method, of_region && !args->preset, out);
  if (!use_preset(args, method, out)) return false;
  if (args->dedup) out->dedup = (float)DEDUP_IOU;
  if (args->dedup_iou >= 0) out->dedup = (float)args->dedup_iou;
  if (crops && args->crops != UINT64_MAX) out->crops = (uint32_t)args->crops;
  if (args->alpha >= 0) out->alpha = (float)args->alpha;
  if (args->beta >= 0) out->beta = (float)args->beta;
  out->seed = args->seed;
  if (!crops || (out->alpha > 0 && out->alpha <= out->beta)) return true;
  cli_error("--alpha, --beta: found %g and %g, wanted 0 < alpha <= beta <= 1",
            (double)out->alpha, (double)out->beta);
  return false;
}

gm_classify_params cli_classify_params(const cli_args *args) {
  gm_classify_params params = gm_classify_params_default();
  if (args->draws) params.draws = (uint32_t)args->draws;
  if (args->redraws) params.redraws = (uint32_t)args->redraws;
  params.image_scale = exponent(args->image_scale);
  params.stop = args->stop;
  params.seed = args->seed;
  return params;
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
