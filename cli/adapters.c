/* adapters.c - see adapters.h. */
#include "adapters.h"

#include "gromatic_tools.h"
#include "terminal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Whether the file says that it is of this architecture. */
static bool is_for(const char *path, const char *architecture) {
  gm_inspection *in;
  bool same = false;
  if (gm_inspect(&in, path, false, NULL, NULL) != GM_OK) return false;
  gm_inspect_key key = {.struct_size = sizeof key};
  for (size_t i = 0; gm_inspect_key_at(in, i, &key) == GM_OK; i++) {
    size_t n = strlen(architecture);
    if (strcmp(key.name, "general.architecture") == 0) /* the value is JSON: in quotes */
      same = strlen(key.value) == n + 2 && strncmp(key.value + 1, architecture, n) == 0;
  }
  gm_inspection_free(in);
  return same;
}

/* *path (for free()) and the scale of FILE[:SCALE]: a number behind the last colon. */
static bool split(const char *given, char **path, gm_adapter_use *use) {
  const char *colon = strrchr(given, ':');
  char *end = NULL;
  double scale = colon ? strtod(colon + 1, &end) : 1;
  size_t length = strlen(given);
  if (colon && colon[1] && *end == 0)
    length = (size_t)(colon - given);
  else
    scale = 1;
  if (length == 0 || !isfinite(scale) || fabs(scale) > 1e6) {
    cli_error("--adapter: found '%s', wanted FILE or FILE:SCALE, as my.gguf:0.5", given);
    return false;
  }
  *path = strndup(given, length);
  if (!*path) cli_error("no memory for --adapter");
  *use = (gm_adapter_use){
      .struct_size = sizeof *use, .path = *path, .scale = (float)scale, .off = scale == 0};
  return *path != NULL;
}

/* One block: the uses, then the paths that they point to. */
static gm_adapter_use *allocate(const cli_list *given) {
  size_t bytes = given->n * sizeof(gm_adapter_use);
  for (size_t i = 0; i < given->n; i++) bytes += strlen(given->items[i]) + 1;
  return calloc(1, bytes);
}

int cli_adapters(const cli_args *args, const char *architecture, bool both,
                 gm_adapter_use **uses, size_t *n) {
  const cli_list *given = &args->adapters;
  *uses = NULL;
  *n = 0;
  if (given->n == 0) return CLI_DONE;
  gm_adapter_use *all = allocate(given);
  if (!all) cli_error("no memory for --adapter");
  char *room = (char *)(all + given->n);
  for (size_t i = 0; all && i < given->n; i++) {
    char *path;
    if (!split(given->items[i], &path, &all[*n])) {
      free(all);
      *n = 0;
      return CLI_USAGE;
    }
    /* A file that cannot be read belongs to Groma, which says why. */
    bool clip = both && is_for(path, "clip");
    bool taken = !both || clip == (strcmp(architecture, "clip") == 0);
    size_t size = strlen(path) + 1;
    memcpy(room, path, size);
    free(path);
    if (!taken) continue;
    all[(*n)++].path = room;
    room += size;
  }
  *uses = all;
  return all ? CLI_DONE : CLI_SOME_FAILED;
}

void cli_tell_adapter(const cli_args *args, const gm_adapter_info *info) {
  if (info->other_base && !args->quiet)
    cli_error("note: %s was made for another file than this model; the vocabulary and all "
              "shapes are the same, so it is used",
              info->path);
}

static void add(json_t *list, const gm_adapter_info *info) {
  json_array_append_new(list,
                        json_sprintf("SHA-256 %s times %g", info->sha256, (double)info->scale));
}

json_t *cli_adapter_settings(const gm_model *model, const gm_clip *clip) {
  gm_adapter_info info = {.struct_size = sizeof info};
  json_t *list = json_array();
  for (size_t i = 0; model && gm_model_adapter_at(model, i, &info) == GM_OK; i++)
    add(list, &info);
  for (size_t i = 0; clip && gm_clip_adapter_at(clip, i, &info) == GM_OK; i++) add(list, &info);
  if (json_array_size(list) > 0) return list;
  json_decref(list);
  return NULL;
}
