/* export_list.c - see export_list.h. */
#include "export_list.h"

#include "export_part.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *export_join(const char *folder, const char *name) {
  char *path = NULL;
  return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

/* Whether the name is below the folder: relative, without "..". A list may come from somebody
 * else. */
static bool stays_inside(const char *name) {
  if (!name || !*name || *name == '/') return false;
  for (const char *part = name; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
    if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == 0)) return false;
  return true;
}

static bool are_names(const json_t *list) {
  size_t i;
  json_t *name;
  if (!json_is_array(list)) return false;
  json_array_foreach(list, i, name) if (!stays_inside(json_string_value(name))) return false;
  return true;
}

json_t *export_list_read(const char *folder) {
  char *path = export_join(folder, EXPORT_LIST);
  json_t *list = path ? json_load_file(path, 0, NULL) : NULL;
  free(path);
  if (json_is_string(json_object_get(list, "format")) &&
      json_is_array(json_object_get(list, "classes")) &&
      are_names(json_object_get(list, "files")) && are_names(json_object_get(list, "links")))
    return list;
  json_decref(list);
  return NULL;
}

bool export_list_write(const char *folder, json_t *list) {
  char *path = export_join(folder, EXPORT_LIST);
  FILE *file = path ? fopen(path, "we") : NULL;
  free(path);
  if (!file) return false;
  bool ok = json_dumpf(list, file, JSON_INDENT(1)) == 0 && fputc('\n', file) != EOF &&
            fflush(file) == 0 && fsync(fileno(file)) == 0;
  return export_close(file) && ok;
}
