/* export_folder.c - see export_folder.h. */
#include "export_folder.h"

#include "export_list.h"
#include "export_part.h"
#include "export_places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAGE ".gromatic-new"
#define READY ".gromatic-ready"

/* ---- paths ---- */

/* Makes the folders of name below the folder. False with errno. */
static bool make_parents(const char *folder, const char *name) {
  char *path = export_join(folder, name);
  bool ok = path != NULL;
  for (char *slash = path ? path + strlen(folder) + 1 : NULL;
       ok && (slash = strchr(slash, '/'));) {
    *slash = 0;
    ok = mkdir(path, 0777) == 0 || errno == EEXIST;
    *slash++ = '/';
  }
  free(path);
  return ok;
}

/* Whether none of name's folders is a link: files in a linked folder are not ours to remove. */
static bool has_plain_parents(const char *folder, const char *name) {
  char *path = export_join(folder, name);
  struct stat st;
  bool ok = path != NULL;
  for (char *slash = path ? path + strlen(folder) + 1 : NULL;
       ok && (slash = strchr(slash, '/'));) {
    *slash = 0;
    ok = lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
    *slash++ = '/';
  }
  free(path);
  return ok;
}

static bool is_there(const char *folder, const char *name) {
  struct stat st;
  char *path = export_join(folder, name);
  bool found = path && lstat(path, &st) == 0;
  free(path);
  return found;
}

static void remove_below(const char *folder, const char *name) {
  char *path = export_join(folder, name);
  if (path) export_remove_tree(path);
  free(path);
}

/* Whether it is missing, or has only parts of ours. */
static bool is_empty(const char *path) {
  DIR *dir = opendir(path);
  if (!dir) return errno == ENOENT;
  bool empty = true;
  for (struct dirent *entry; (entry = readdir(dir));)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
        strcmp(entry->d_name, STAGE) != 0)
      empty = false;
  closedir(dir);
  return empty;
}

/* ---- a change ---- */

/* A link stays if it is now the only name of its picture. */
static bool may_remove_link(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0 && (S_ISLNK(st.st_mode) || st.st_nlink > 1);
}

/* Removes what an earlier export wrote and the new one does not have. False if memory is short.
 */
static bool remove_earlier(const char *folder, const json_t *before, const json_t *now) {
  static const char *const members[] = {"files", "links"};
  json_t *kept = json_object(), *name;
  size_t i;
  bool ok = kept != NULL;
  for (size_t k = 0; k < 2; k++)
    json_array_foreach(json_object_get(now, members[k]), i, name) if (ok) ok =
        json_object_set_new(kept, json_string_value(name), json_true()) == 0;
  for (size_t k = 0; ok && k < 2; k++) {
    json_array_foreach(json_object_get(before, members[k]), i, name) {
      const char *text = json_string_value(name);
      if (json_object_get(kept, text) || !has_plain_parents(folder, text)) continue;
      char *path = export_join(folder, text);
      if (path && (k == 0 || may_remove_link(path))) {
        unlink(path);
        char *slash = strrchr(path, '/');
        *slash = 0; /* a folder is removed with its last file */
        if (strcmp(path, folder) != 0) rmdir(path);
      }
      free(path);
    }
  }
  json_decref(kept);
  if (!ok) errno = ENOMEM;
  return ok;
}

/* Removes the class names first, so that nobody trains on labels of one state with the names of
 * another. */
static void remove_heads(const char *folder, const char *ready, const json_t *before) {
  size_t i;
  json_t *name;
  json_array_foreach(json_object_get(before, "files"), i, name) {
    const char *text = json_string_value(name);
    if (!strchr(text, '/') && is_there(ready, text)) remove_below(folder, text);
  }
}

/* Ultralytics keeps what it read of labels/ in a file beside it. Its older versions notice
 * changed labels by names and sizes only, and would miss labels that only change their class.
 */
static void remove_reader_cache(const char *folder) {
  char *path = export_join(folder, "labels.cache");
  if (path) unlink(path);
  free(path);
}

static bool move_into_place(const char *folder, const char *ready, const char *name) {
  char *from = export_join(ready, name), *to = export_join(folder, name);
  bool ok = from && to && make_parents(folder, name) &&
            (rename(from, to) == 0 || errno == ENOENT); /* an earlier run has moved it */
  int code = errno;
  free(from);
  free(to);
  errno = code;
  return ok;
}

/* Completes a change that is ready, also one that another process began. False with errno. */
static bool finish_change(const char *folder) {
  bool ok = true;
  char *ready = export_join(folder, READY);
  json_t *now = ready && is_there(folder, READY) ? export_list_read(ready) : NULL, *name;
  if (now) {
    json_t *before = export_list_read(folder);
    static const char *const members[] = {"links", "files"};
    remove_heads(folder, ready, before);
    ok = remove_earlier(folder, before, now);
    remove_reader_cache(folder);
    for (size_t k = 0, i; ok && k < 2; k++)
      json_array_foreach(json_object_get(now, members[k]), i, name) if (ok) ok =
          move_into_place(folder, ready, json_string_value(name));
    if (ok) ok = move_into_place(folder, ready, EXPORT_LIST);
    json_decref(before);
  }
  if (ok && ready) export_remove_tree(ready);
  json_decref(now);
  free(ready);
  return ok;
}

void export_folder_recover(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
    finish_change(path);
    remove_below(path, STAGE);
  }
  close(fd);
}

bool export_folder_is_empty(const char *path) {
  return is_empty(path);
}

/* ---- writing ---- */

/* Whether the folder can be made by renaming: it is missing or empty, not a mount point, and
 * not named by a link. */
static bool may_be_renamed(const char *path) {
  struct stat own, parent;
  if (lstat(path, &own) != 0) return errno == ENOENT;
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return false;
  char *above = export_join(path, "..");
  bool same = above && stat(above, &parent) == 0 && own.st_dev == parent.st_dev;
  free(above);
  return S_ISDIR(own.st_mode) && same && is_empty(path);
}

static bool begin_fresh(export_folder *folder) {
  if (!may_be_renamed(folder->path)) return false;
  remove_below(folder->path, STAGE);
  folder->lock = export_part_make(folder->path, true, &folder->stage);
  if (folder->lock < 0) return false;
  mode_t mask = umask(0);
  umask(mask);
  fchmod(folder->lock, 0777 & ~mask);
  return folder->fresh = true;
}

static bool begin_in_place(export_folder *folder, bool replace) {
  if (mkdir(folder->path, 0777) != 0 && errno != EEXIST) return false;
  folder->lock = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder->lock < 0) return false;
  (void)flock(folder->lock, LOCK_EX); /* some file systems have no locks */
  if (!replace && !is_empty(folder->path)) {
    errno = ENOTEMPTY; /* another process changed the folder since it was examined */
    return false;
  }
  if (!finish_change(folder->path)) return false;
  folder->before = export_list_read(folder->path);
  remove_below(folder->path, STAGE);
  folder->stage = export_join(folder->path, STAGE);
  return folder->stage && mkdir(folder->stage, 0777) == 0;
}

bool export_folder_begin(export_folder *folder, const char *path, bool replace) {
  *folder =
      (export_folder){.path = path, .lock = -1, .files = json_array(), .links = json_array()};
  export_parts_remove(path);
  if (!folder->files || !folder->links) return false;
  return begin_fresh(folder) || begin_in_place(folder, replace);
}

FILE *export_folder_open(export_folder *folder, const char *name) {
  if (!make_parents(folder->stage, name)) return NULL;
  char *path = export_join(folder->stage, name);
  FILE *file = path ? fopen(path, "we") : NULL;
  int code = errno;
  if (file && json_array_append_new(folder->files, json_string(name)) != 0) {
    fclose(file);
    file = NULL;
    code = ENOMEM;
  }
  free(path);
  errno = code;
  return file;
}

/* ---- links ---- */

/* What is at the link's place already. */
enum { NOTHING, THE_PICTURE, LINK_OF_OURS, ANOTHER_FILE };

static int standing_at(const export_folder *folder, const char *name,
                       const struct stat *picture, bool *listed) {
  struct stat st;
  char *path = folder->fresh ? NULL : export_join(folder->path, name);
  size_t i;
  json_t *link;
  *listed = false;
  if (!path || lstat(path, &st) != 0) {
    free(path);
    return NOTHING;
  }
  json_array_foreach(json_object_get(folder->before, "links"), i,
                     link) if (strcmp(json_string_value(link), name) == 0) *listed = true;
  bool may_replace = *listed && may_remove_link(path);
  bool same =
      stat(path, &st) == 0 && st.st_dev == picture->st_dev && st.st_ino == picture->st_ino;
  free(path);
  return same ? THE_PICTURE : may_replace ? LINK_OF_OURS : ANOTHER_FILE;
}

static bool make_link(const export_folder *folder, const char *picture, const char *name) {
  char *path = export_join(folder->stage, name), *whole = NULL;
  bool ok = path && make_parents(folder->stage, name);
  if (ok && linkat(AT_FDCWD, picture, AT_FDCWD, path, AT_SYMLINK_FOLLOW) != 0) {
    whole = realpath(picture, NULL);
    ok = whole && symlink(whole, path) == 0;
  }
  int code = errno;
  free(whole);
  free(path);
  errno = code;
  return ok;
}

bool export_folder_link(export_folder *folder, const char *picture, const char *name) {
  struct stat st;
  bool listed;
  if (stat(picture, &st) != 0) return false;
  if (!S_ISREG(st.st_mode)) {
    errno = EINVAL;
    return false;
  }
  int standing = standing_at(folder, name, &st, &listed);
  if (standing == ANOTHER_FILE) {
    errno = EEXIST;
    return false;
  }
  if (standing == THE_PICTURE && !listed) return true; /* the user's file */
  if (standing != THE_PICTURE && !make_link(folder, picture, name)) return false;
  return json_array_append_new(folder->links, json_string(name)) == 0;
}

/* ---- the end ---- */

static bool sync_at(const char *path, int (*sync_fd)(int)) {
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  bool ok = fd >= 0 && sync_fd(fd) == 0;
  int code = errno;
  if (fd >= 0) close(fd);
  errno = code;
  return ok;
}

/* Syncs a few files one by one. For many, which would each wait for the disk, syncs the whole
 * file system. */
static bool bring_to_disk(const export_folder *folder) {
  enum { FEW = 64 };
  size_t i;
  json_t *name;
  bool ok = true;
  if (json_array_size(folder->files) > FEW) return sync_at(folder->stage, syncfs);
  json_array_foreach(folder->files, i, name) {
    char *path = ok ? export_join(folder->stage, json_string_value(name)) : NULL;
    ok = ok && sync_at(path, fsync);
    free(path);
  }
  return ok;
}

bool export_folder_may_commit(const export_folder *folder, bool force) {
  return folder->fresh || export_places_are_free(folder->path, folder->before, folder->files,
                                                 folder->links, force);
}

bool export_folder_commit(export_folder *folder, const char *format, json_t *classes) {
  json_t *sums = export_places_sums(folder->stage, folder->files);
  json_t *list =
      sums ? json_pack("{s:s, s:O, s:O, s:o, s:O}", "format", format, "classes", classes,
                       "files", folder->files, "sums", sums, "links", folder->links)
           : NULL;
  bool ok = list && export_list_write(folder->stage, list) && bring_to_disk(folder);
  char *ready = folder->fresh ? strdup(folder->path) : export_join(folder->path, READY);
  ok = ok && ready && rename(folder->stage, ready) == 0;
  if (ok) {
    free(folder->stage);
    folder->stage = NULL;
    if (!folder->fresh) ok = finish_change(folder->path);
  }
  int code = errno;
  json_decref(list);
  free(ready);
  errno = code;
  return ok;
}

void export_folder_end(export_folder *folder) {
  int code = errno;
  if (folder->stage) export_remove_tree(folder->stage);
  free(folder->stage);
  json_decref(folder->before);
  json_decref(folder->files);
  json_decref(folder->links);
  if (folder->lock >= 0) close(folder->lock);
  *folder = (export_folder){.lock = -1};
  errno = code;
}
