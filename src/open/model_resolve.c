/* model_resolve.c - see model_resolve.h. */
#include "model_resolve.h"

#include "synthetic.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_path(const char *spec) {
  size_t n = strlen(spec);
  return strchr(spec, '/') || (n > 5 && strcmp(spec + n - 5, ".gguf") == 0);
}

/* "groma-mini, clip-mini" */
static void list_embedded(char *out, size_t capacity) {
  size_t at = 0;
  out[0] = 0;
  gm_embedded e;
  for (size_t i = 0; gm_embedded_at(i, &e) && at < capacity; i++)
    if (e.is_model)
      at += (size_t)snprintf(out + at, capacity - at, "%s%s", at ? ", " : "", e.name);
}

const gm_embedded_world *gm_model_world(const char *spec) {
  gm_embedded embedded;
  if (!spec) spec = GM_DEFAULT_MODEL;
  return !is_path(spec) && gm_embedded_find(spec, &embedded) ? embedded.world : NULL;
}

gm_status gm_model_file_resolve(gm_model_file **out, const char *spec,
                                const gm_model_params *params, gm_pool *pool, gm_error *err) {
  *out = NULL;
  if (!spec) spec = GM_DEFAULT_MODEL;
  bool use_mmap = !params || !params->no_mmap, lock = params && params->mlock;
  if (strncmp(spec, GM_SYNTHETIC, sizeof GM_SYNTHETIC - 1) == 0)
    return gm_synthetic_model(out, spec + sizeof GM_SYNTHETIC - 1, pool, err);
  gm_embedded embedded;
  if (!is_path(spec) && gm_embedded_find(spec, &embedded) && embedded.is_model)
    return gm_model_file_from_memory(out, embedded.bytes, embedded.size, spec, err);
  if (!is_path(spec) && access(spec, F_OK) != 0) {
    char names[200];
    list_embedded(names, sizeof names);
    return gm_fail(err, GM_ERR_FILE_NOT_FOUND,
                   "%.300s: there is no such model file, and no such model comes with the "
                   "program (it has: %s)",
                   spec, names);
  }
  return gm_model_file_open(out, spec, use_mmap, lock, err);
}

const char *gm_model_quick(const char *spec, char *room, size_t size) {
  static const char fast[] = ":fast";
  const size_t prefix = sizeof GM_SYNTHETIC - 1;
  if (!spec || strncmp(spec, GM_SYNTHETIC, prefix) != 0) return spec;
  const char *type = strchr(spec + prefix, ':');
  if (!type || strchr(type + 1, ':') || strlen(spec) + sizeof fast > size) return spec;
  snprintf(room, size, "%s%s", spec, fast);
  return room;
}
