/* picture_paths.c - see picture_paths.h. */
#include "picture_paths.h"

#include "file_names.h"
#include "gromatic_tools.h"
#include "terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_folder(const char *path) {
  size_t length = strlen(path);
  return length > 0 && path[length - 1] == '/';
}

static const char *base_name(const char *name) {
  if (strcmp(name, "-") == 0) return "stdin";
  return strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
}

void cli_picture_path(const char *given, cli_drawn_name how, const char *name, char *path,
                      size_t size) {
  if (!is_folder(given)) {
    snprintf(path, size, "%s", given);
    return;
  }
  bool folders = how == DRAWN_FOLDERS_STEM || how == DRAWN_FOLDERS_FILE;
  bool whole = how == DRAWN_FILE || how == DRAWN_FOLDERS_FILE;
  const char *own = folders ? name + strspn(name, "./") : base_name(name);
  if (!*own || strcmp(name, "-") == 0) own = base_name(name);
  const char *dot = strrchr(base_name(own), '.');
  size_t length = whole || !dot || dot == base_name(own) ? strlen(own) : (size_t)(dot - own);
  int at = snprintf(path, size, "%s", given);
  snprintf(path + at, size - (size_t)at, "%.*s.png", (int)length, own);
  for (char *slash = path + at; (slash = strchr(slash, '/'));) *slash = '-';
}

/* Identifies files, whatever their names are. */
typedef struct file_id {
  dev_t device;
  ino_t number;
} file_id;

static bool id_of(const char *name, file_id *out) {
  struct stat st;
  if (stat(name, &st) != 0 || !S_ISREG(st.st_mode)) return false;
  *out = (file_id){st.st_dev, st.st_ino};
  return true;
}

static int by_id(const void *a, const void *b) {
  const file_id *x = a, *y = b;
  if (x->device != y->device) return x->device < y->device ? -1 : 1;
  return x->number < y->number ? -1 : x->number > y->number;
}

bool cli_same_file(const char *a, const char *b) {
  file_id first, second;
  return id_of(a, &first) && id_of(b, &second) && by_id(&first, &second) == 0;
}

gm_status cli_drawing_may_replace(const char *path, bool force, gm_error *err) {
  struct stat st;
  bool drawn;
  if (force || stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) return GM_OK;
  gm_status status = gm_drawn_by_gromatic(path, &drawn, err);
  if (status != GM_OK || drawn) return status;
  err->status = GM_ERR_ARGUMENT;
  snprintf(
      err->message, sizeof err->message,
      "%.800s: this file is not known as a drawing made by gromatic and would be lost; give "
      "another name, or --force to replace it",
      path);
  return err->status;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whether two pictures would be drawn into the same file of the folder; *same is its name, for
 * free(). */
static bool drawn_twice(const char *folder, cli_drawn_name how, const cli_inputs *inputs,
                        char **same) {
  char path[4096], **paths = calloc(inputs->n, sizeof *paths);
  bool ok = paths != NULL;
  *same = NULL;
  for (size_t i = 0; ok && i < inputs->n; i++) {
    cli_picture_path(folder, how, inputs->names[i], path, sizeof path);
    ok = (paths[i] = strdup(path)) != NULL;
  }
  if (ok) qsort(paths, inputs->n, sizeof *paths, by_text);
  for (size_t i = 1; ok && i < inputs->n && !*same; i++)
    if (strcmp(paths[i - 1], paths[i]) == 0) *same = strdup(paths[i]);
  for (size_t i = 0; paths && i < inputs->n; i++) free(paths[i]);
  free(paths);
  return *same != NULL;
}

static bool choose_names(const char *option, const char *folder, const cli_inputs *inputs,
                         cli_drawn_name *how) {
  char *same;
  for (int i = DRAWN_STEM; i <= DRAWN_FOLDERS_FILE; i++) {
    *how = (cli_drawn_name)i;
    if (!drawn_twice(folder, *how, inputs, &same)) return true;
    if (i == DRAWN_FOLDERS_FILE)
      cli_error("--%s: two pictures would be drawn into %s; give them folders of their own",
                option, same);
    free(same);
  }
  return false;
}

/* Accepts a folder that exists or can be made, or the name of one picture. */
static bool check_value(const char *option, const char *given, size_t n_inputs) {
  struct stat st;
  if (is_folder(given)) {
    if (mkdir(given, 0777) == 0 || (stat(given, &st) == 0 && S_ISDIR(st.st_mode))) return true;
    cli_error("--%s %s: cannot make the directory: %s", option, given, strerror(errno));
  } else if (n_inputs > 1) {
    cli_error("--%s %s: several pictures need a directory, written with a / at its end", option,
              given);
  } else if (!cli_is_drawn_name(given)) {
    cli_error("--%s %s: wanted a name that ends in .png, .jpg or .jpeg, or a directory written "
              "with a / at its end",
              option, given);
  } else {
    return true;
  }
  return false;
}

/* False, after a message, if a picture would be drawn over an input. */
static bool spares_inputs(const char *option, const char *given, const cli_inputs *inputs,
                          cli_drawn_name how) {
  char path[4096];
  file_id id, *ids = calloc(inputs->n + 1, sizeof *ids);
  size_t n = 0;
  bool ok = ids != NULL;
  for (size_t i = 0; ok && i < inputs->n; i++) n += id_of(inputs->names[i], &ids[n]);
  if (ok) qsort(ids, n, sizeof *ids, by_id);
  for (size_t i = 0; ok && i < inputs->n; i++) {
    cli_picture_path(given, how, inputs->names[i], path, sizeof path);
    ok = !id_of(path, &id) || !bsearch(&id, ids, n, sizeof *ids, by_id);
    if (!ok)
      cli_error("--%s %s: it would replace %s, which this run reads; draw to another place",
                option, given, path);
  }
  free(ids);
  return ok;
}

/* False, after a message, if a file would be lost that gromatic did not draw. */
static bool spares_others(const char *option, const char *given, const cli_inputs *inputs,
                          bool force, cli_drawn_name how) {
  char path[4096];
  gm_error err = {0};
  for (size_t i = 0; i < inputs->n; i++) {
    cli_picture_path(given, how, inputs->names[i], path, sizeof path);
    if (cli_drawing_may_replace(path, force, &err) == GM_OK) continue;
    cli_error("--%s: %s", option, err.message);
    return false;
  }
  return true;
}

int cli_picture_paths_prepare(const char *option, const char *given, const cli_inputs *inputs,
                              bool force, cli_drawn_name *how) {
  *how = DRAWN_STEM;
  if (!given) return CLI_DONE;
  if (!check_value(option, given, inputs->n)) return CLI_USAGE;
  if (is_folder(given) && !choose_names(option, given, inputs, how)) return CLI_USAGE;
  if (!spares_inputs(option, given, inputs, *how) ||
      !spares_others(option, given, inputs, force, *how))
    return CLI_USAGE;
  gm_remove_cut_drawings(given);
  return CLI_DONE;
}
