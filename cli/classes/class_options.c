/* class_options.c - see class_options.h. */
#include "class_options.h"

#include "cache_options.h"
#include "inputs.h"
#include "presets.h"
#include "terminal.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_CLASS_FILE = 256 << 20 };

/* What --dedup alone means: measured in docs/WCA.md. */
#define DEDUP_IOU 0.75
#define DEDUP_COSINE 0.98

/* ---- the model ---- */

int cli_open_clip(const cli_args *args, const char *model, gm_clip **out) {
  gm_error err = {0};
  gm_clip_params params = gm_clip_params_default();
  char *directory;
  if (!cli_cache_options(args, &directory, &params.cache_bytes)) return CLI_USAGE;
  params.threads = (unsigned)args->threads;
  params.no_mmap = args->no_mmap;
  params.mlock = args->mlock;
  params.fast = args->fast;
  params.cache = directory;
  gm_status status = gm_clip_open(out, model, &params, &err);
  free(directory);
  if (status == GM_OK) return CLI_DONE;
  cli_error("%s", err.message);
  return status == GM_ERR_CANCELLED ? CLI_INTERRUPTED : CLI_MODEL;
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

/* The whole file with a NUL behind it; NULL after a message. */
static char *read_text(const char *option, const char *path) {
  size_t size = 0;
  char *bytes = cli_read_all(path, MAX_CLASS_FILE, &size);
  char *text = bytes ? realloc(bytes, size + 1) : NULL;
  if (!text) {
    cli_error("--%s %s: cannot read: %s", option, path, strerror(errno));
    free(bytes);
    return NULL;
  }
  text[size] = 0;
  if (strlen(text) == size) return text;
  cli_error("--%s %s: found a zero byte, wanted text", option, path);
  free(text);
  return NULL;
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
  return strcmp(*(char *const *)a, *(char *const *)b);
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
    if (strcmp(sorted[i - 1], sorted[i]) == 0) {
      cli_error("--classes %.100s: found '%s' twice, wanted each name once", args->classes,
                sorted[i]);
      ok = false;
    }
  free(sorted);
  return ok;
}

/* --classes is either a file or a list. False after a message where it is neither: a name that
 * reads as a file's where there is none, or none that can be read twice. */
static bool is_file_or_list(const char *classes, bool *file) {
  struct stat st;
  bool there = stat(classes, &st) == 0;
  *file = there && S_ISREG(st.st_mode);
  if (*file || !cli_reads_as_file(classes)) return true;
  cli_error("--classes %s: %s; wanted a file of names, or a list (of one name: '%s,')", classes,
            there ? "this is no regular file" : "there is no such file", classes);
  return false;
}

bool cli_class_names(const cli_args *args, char ***names, size_t *n) {
  *names = NULL;
  *n = 0;
  if (!args->classes) return true;
  bool file;
  if (!is_file_or_list(args->classes, &file)) return false;
  char *text = file ? read_text("classes", args->classes) : strdup(args->classes), *rest = text;
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

/* {name: [], ...}: every class by its label prompt. NULL after a message. */
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
  char *descriptions, *templates, *descriptors, *words;
} class_files;

static bool read_files(const cli_args *args, class_files *files) {
  const struct {
    const char *option, *path;
    char **text;
  } all[] = {{"descriptions", args->descriptions, &files->descriptions},
             {"templates", args->templates, &files->templates},
             {"descriptors", args->descriptors, &files->descriptors},
             {"words", args->words, &files->words}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
    if (!all[i].path) continue;
    *all[i].text = read_text(all[i].option, all[i].path);
    if (!*all[i].text) return false;
  }
  return true;
}

/* What a method cannot do without, by the flag that gives it. */
static const char *missing_flag(gm_method method, const class_files *files) {
  switch (method) {
  case GM_METHOD_WCA:
  case GM_METHOD_WCA_RELEASED:
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

static int create_classes(const cli_args *args, gm_clip *clip, gm_method method,
                          const char *const *names, size_t n, const class_files *files,
                          const gm_callbacks *callbacks, gm_classes **out) {
  const char *flag = missing_flag(method, files);
  if (flag) {
    cli_error("--method %s wants --%s FILE; --method clip needs the names only",
              gm_method_name(method), flag);
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
  if (!isnan(args->text_scale)) params.text_scale = (float)args->text_scale;
  if (args->dedup) params.dedup = (float)DEDUP_COSINE;
  if (args->dedup_cosine >= 0) params.dedup = (float)args->dedup_cosine;
  gm_error err = {0};
  gm_status status = gm_classes_create(out, clip, &params, callbacks, &err);
  if (status == GM_OK) return CLI_DONE;
  if (status != GM_ERR_CANCELLED) cli_error("%s", err.message);
  return status == GM_ERR_ARGUMENT ? CLI_USAGE : cli_exit_code(status);
}

int cli_make_classes(const cli_args *args, gm_clip *clip, gm_method method,
                     const char *const *names, size_t n, bool plain_names,
                     const gm_callbacks *callbacks, gm_classes **out) {
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
  bool wca = method == GM_METHOD_WCA || method == GM_METHOD_WCA_RELEASED;
  if (code == CLI_DONE && wca && plain_names && n && !files.descriptions) {
    files.descriptions = empty_descriptions(names, n);
    if (!files.descriptions) code = CLI_USAGE;
  }
  if (code == CLI_DONE)
    code = create_classes(args, clip, method, names, n, &files, callbacks, out);
  cli_names_free(own, n_own);
  free(files.descriptions);
  free(files.templates);
  free(files.descriptors);
  free(files.words);
  return code;
}

/* ---- crops and scores ---- */

/* --preset: the published settings of a data set. */
static bool use_preset(const cli_args *args, gm_method method, gm_view_params *out) {
  if (!args->preset) return true;
  const cli_preset *preset = cli_preset_named(args->preset);
  if (!preset) {
    cli_error("--preset: found '%s', wanted imagenet, cub, pets, dtd, food101 or places365",
              args->preset);
    return false;
  }
  if (out->crops) out->crops = preset->crops;
  out->alpha =
      (float)(method == GM_METHOD_WCA_RELEASED ? preset->released_alpha : preset->alpha);
  return true;
}

bool cli_view_params(const cli_args *args, gm_method method, bool of_region,
                     gm_view_params *out) {
  *out = of_region && !args->preset ? gm_label_view_params_default(method)
                                    : gm_view_params_default(method);
  bool crops = out->crops > 0;
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
  if (!isnan(args->image_scale)) params.image_scale = (float)args->image_scale;
  params.stop = args->stop;
  params.seed = args->seed;
  return params;
}

/* ---- as text ---- */

static void print_sum(FILE *out, const char *option, const char *path) {
  size_t size;
  char sum[65] = "";
  void *bytes = path ? cli_read_all(path, MAX_CLASS_FILE, &size) : NULL;
  if (bytes) gm_sha256(bytes, size, sum);
  fprintf(out, " %s=%s", option, sum);
  free(bytes);
}

char *cli_class_options_text(const cli_args *args) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (!out) return NULL;
  fprintf(out, "method=%s preset=%s crops=%llu alpha=%a beta=%a seed=%llu",
          args->method ? args->method : "", args->preset ? args->preset : "",
          (unsigned long long)args->crops, args->alpha, args->beta,
          (unsigned long long)args->seed);
  fprintf(out, " image=%a text=%a draws=%llu redraws=%llu stop=%a dedup=%d,%a,%a",
          args->image_scale, args->text_scale, (unsigned long long)args->draws,
          (unsigned long long)args->redraws, args->stop, args->dedup, args->dedup_iou,
          args->dedup_cosine);
  fprintf(out, " top=%llu proposals=%d explain=%d groma=%s", (unsigned long long)args->top,
          args->proposals, args->explain != NULL, args->groma_model ? args->groma_model : "");
  print_sum(out, "classes", args->classes);
  fprintf(out, " %s", args->classes ? args->classes : "");
  print_sum(out, "descriptions", args->descriptions);
  print_sum(out, "templates", args->templates);
  print_sum(out, "descriptors", args->descriptors);
  print_sum(out, "words", args->words);
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
}
