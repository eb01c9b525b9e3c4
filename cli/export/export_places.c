/* export_places.c - see export_places.h. */
#include "export_places.h"

#include "export_list.h"
#include "inputs.h"
#include "terminal.h"
#include "whole_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* NULL with errno. */
static json_t *sum_of(const char *folder, const char *name) {
  size_t size;
  char sum[65], *path = export_join(folder, name);
  void *bytes = path ? cli_read_all(path, SIZE_MAX, &size) : NULL;
  int code = errno;
  free(path);
  errno = code;
  if (!bytes) return NULL;
  gm_sha256(bytes, size, sum);
  free(bytes);
  return json_string(sum);
}

json_t *export_places_sums(const char *folder, const json_t *files) {
  json_t *sums = json_array(), *name;
  size_t i;
  bool ok = sums != NULL;
  json_array_foreach(files, i, name) if (ok) ok =
      json_array_append_new(sums, sum_of(folder, json_string_value(name))) == 0;
  if (ok) return sums;
  int code = errno;
  json_decref(sums);
  errno = code;
  return NULL;
}

/* Whether the name's folder is a real one or missing. Below a link, renaming may not work, and
 * nothing is removed. */
static bool has_room(const char *folder, const char *name) {
  char *path = export_join(folder, name);
  struct stat st;
  bool ok = path != NULL, there = true;
  for (char *slash = path ? path + strlen(folder) + 1 : NULL;
       ok && there && (slash = strchr(slash, '/'));) {
    *slash = 0;
    there = lstat(path, &st) == 0;
    ok = there ? S_ISDIR(st.st_mode) : errno == ENOENT;
    *slash++ = '/';
  }
  free(path);
  return ok;
}

/* Whether the place is free, or has a file of the list. */
static bool is_free(const char *folder, const char *name, const json_t *listed) {
  char *path = export_join(folder, name);
  struct stat st;
  bool there = path && lstat(path, &st) == 0;
  bool gone = path && !there && errno == ENOENT;
  free(path);
  return gone || (there && !S_ISDIR(st.st_mode) && json_object_get(listed, name));
}

static bool is_changed(const char *folder, const char *name, const json_t *sum) {
  if (!json_is_string(sum)) return false;
  json_t *now = sum_of(folder, name);
  bool changed = now ? !json_equal(now, sum) : errno != ENOENT && errno != ENOTDIR;
  json_decref(now);
  return changed;
}

/* The first refused name, and the number of them. */
typedef struct refused {
  const char *first;
  size_t n;
} refused;

static void refuse_if(refused *list, bool refuse, const char *name) {
  if (refuse && list->n++ == 0) list->first = name;
}

/* False, after a message, if there are any. */
static bool none(const refused *list, const char *folder, const char *what) {
  char more[64] = "";
  if (list->n > 1) snprintf(more, sizeof more, " (and %zu more)", list->n - 1);
  if (list->n) cli_error("-o %s: %s%s %s", folder, list->first, more, what);
  return list->n == 0;
}

bool export_places_are_free(const char *folder, const json_t *before, const json_t *files,
                            const json_t *links, bool force) {
  refused closed = {0}, taken = {0}, changed = {0};
  const json_t *sums = json_object_get(before, "sums");
  json_t *listed = json_object(), *name;
  size_t i;
  if (!listed) {
    cli_error("no memory for the export");
    return false;
  }
  json_array_foreach(json_object_get(before, "files"), i, name) {
    const char *text = json_string_value(name);
    json_object_set_new(listed, text, json_true());
    if (!force) refuse_if(&changed, is_changed(folder, text, json_array_get(sums, i)), text);
  }
  json_array_foreach(links, i, name)
      refuse_if(&closed, !has_room(folder, json_string_value(name)), json_string_value(name));
  json_array_foreach(files, i, name) {
    const char *text = json_string_value(name);
    bool room = has_room(folder, text);
    refuse_if(&closed, !room, text);
    refuse_if(&taken, room && !is_free(folder, text, listed), text);
  }
  json_decref(listed);
  return none(&closed, folder,
              "has no place: its folder is a link or a file, wanted a folder; move that "
              "away, or choose another folder") &&
         none(&taken, folder,
              "is there, and no list of gromatic's names it, so it stays, also with --force; "
              "move it away, or choose another folder") &&
         none(&changed, folder,
              "was changed since gromatic wrote it, and would be lost; choose another folder, "
              "or replace it with --force");
}
