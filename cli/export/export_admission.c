/* export_admission.c - see export_admission.h. */
#include "export_admission.h"

#include "export_folder.h"
#include "export_lines.h"
#include "export_list.h"
#include "terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder without a list, which belongs to somebody else. */
static bool admits_unlisted(const cli_export *export, const char *inside) {
  char *path = export_join(export->path, inside);
  struct stat st;
  bool labelled =
      path && lstat(path, &st) == 0 && !(S_ISDIR(st.st_mode) && export_folder_is_empty(path));
  free(path);
  if (!labelled) return true;
  cli_error("-o %s: %s/ has files in it that no list of gromatic's names (%s there), so they "
            "stay, also with --force; remove them first, or choose another folder",
            export->path, inside, EXPORT_LIST);
  return false;
}

bool export_folder_admits(const cli_export *export, const char *format, const char *inside) {
  struct stat st;
  if (stat(export->path, &st) != 0 && errno == ENOENT) return true;
  if (!S_ISDIR(st.st_mode) || access(export->path, R_OK | X_OK) != 0) {
    cli_error("-o %s: wanted a folder to make: %s", export->path,
              S_ISDIR(st.st_mode) ? strerror(errno) : "a file has that name");
    return false;
  }
  export_folder_recover(export->path);
  if (export_folder_is_empty(export->path)) return true;
  if (!export->again && !export->force) {
    cli_error("-o %s: the folder has something in it; choose another,%s or replace an earlier "
              "export with --force",
              export->path, export->lines_name ? "" : " go on with --resume,");
    return false;
  }
  json_t *list = export_list_read(export->path);
  if (!list) return admits_unlisted(export, inside);
  const char *before = json_string_value(json_object_get(list, "format"));
  bool same = export->force || strcmp(before, format) == 0;
  if (!same)
    cli_error("-o %s: the folder holds an export with -f %s, wanted one with -f %s; choose "
              "another, or replace it with --force",
              export->path, before, format);
  json_decref(list);
  return same;
}

static bool tell_difference(const char *folder, const json_t *before, const json_t *now) {
  size_t i = 0, n = json_array_size(before), m = json_array_size(now);
  while (i < n && i < m && json_equal(json_array_get(before, i), json_array_get(now, i))) i++;
  if (i == n && i == m) return true;
  const char *earlier = json_string_value(json_array_get(before, i));
  const char *today = json_string_value(json_array_get(now, i));
  cli_error("-o %s: its labels were written with other classes: number %zu %s%s%s, now %s%s%s; "
            "give the same classes, choose another folder, or start again with --force",
            folder, i, earlier ? "is '" : "is not there", earlier ? earlier : "",
            earlier ? "'" : "", today ? "'" : "not there", today ? today : "",
            today ? "'" : "");
  return false;
}

bool export_folder_has_classes(const cli_export *export) {
  if (export->force || !export->again) return true;
  json_t *list = export_list_read(export->path);
  export_classes now;
  bool same = true;
  if (list && export_classes_begin(export, &now)) {
    same = tell_difference(export->path, json_object_get(list, "classes"), now.names);
    export_classes_free(&now);
  }
  json_decref(list);
  return same;
}
