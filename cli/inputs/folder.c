/* folder.c - see folder.h. */
#include "folder.h"

#include "file_names.h"
#include "terminal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 64 };

typedef struct walk {
  bool (*found)(void *user, const char *picture);
  void *user;
  size_t links, deep, others; /* left out: links to directories, directories that are too deep,
                                 pictures in other formats */
  char *one_link, *one_deep, *one_other; /* the first of them */
} walk;

typedef enum { NOTHING, PICTURE, OTHER_PICTURE, FOLDER, LINKED_FOLDER } kind;

/* Pipes are left out, since reading them would wait. Files that cannot be examined are kept,
 * and reported later with their name. */
static kind kind_of(DIR *parent, const struct dirent *entry, bool recursive) {
  struct stat st;
  const char *name = entry->d_name;
  bool there = fstatat(dirfd(parent), name, &st, 0) == 0, folder = there && S_ISDIR(st.st_mode);
  if (!folder) {
    if (there && !S_ISREG(st.st_mode)) return NOTHING;
    return cli_is_picture_name(name)         ? PICTURE
           : cli_is_other_picture_name(name) ? OTHER_PICTURE
                                             : NOTHING;
  }
  if (!recursive || name[0] == '.') return NOTHING;
  bool link =
      fstatat(dirfd(parent), name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
  return link ? LINKED_FOLDER : FOLDER;
}

static void leave_out(size_t *n, char **one, const char *path) {
  if (++*n == 1) *one = strdup(path);
}

/* depth: how many levels of directories below are read. False after a message. */
static bool read_directory(walk *w, const char *path, int depth, bool recursive) {
  DIR *dir = opendir(path);
  if (!dir) {
    cli_error("%s: cannot read the directory: %s", path, strerror(errno));
    return false;
  }
  bool ok = true;
  for (struct dirent *entry; ok && (entry = readdir(dir));) {
    kind what = kind_of(dir, entry, recursive);
    if (what == NOTHING) continue;
    char *full = NULL;
    size_t length = strlen(path);
    const char *slash = length > 0 && path[length - 1] == '/' ? "" : "/";
    ok = asprintf(&full, "%s%s%s", path, slash, entry->d_name) >= 0;
    if (!ok) break;
    if (what == PICTURE)
      ok = w->found(w->user, full);
    else if (what == OTHER_PICTURE)
      leave_out(&w->others, &w->one_other, full);
    else if (what == LINKED_FOLDER)
      leave_out(&w->links, &w->one_link, full);
    else if (depth == 0)
      leave_out(&w->deep, &w->one_deep, full);
    else
      ok = read_directory(w, full, depth - 1, recursive);
    free(full);
  }
  closedir(dir);
  return ok;
}

static void tell(size_t n, const char *one, const char *what, const char *why) {
  if (n > 1)
    cli_error("%s and %zu other %s%s were not read: %s", one, n - 1, what, n > 2 ? "s" : "",
              why);
  else if (n == 1)
    cli_error("%s: this %s was not read: %s", one, what, why);
}

bool cli_folder_list(const char *path, bool recursive,
                     bool (*found)(void *user, const char *picture), void *user) {
  walk w = {.found = found, .user = user};
  bool ok = read_directory(&w, path, recursive ? MAX_DEPTH : 0, recursive);
  if (ok) {
    tell(w.links, w.one_link, "link", "-r follows no links to folders; give it by itself");
    tell(w.others, w.one_other, "file", "its format is none of JPEG, PNG and WebP; convert it");
    tell(w.deep, w.one_deep, "folder", "it lies too deep; give it by itself");
  }
  free(w.one_link);
  free(w.one_deep);
  free(w.one_other);
  return ok;
}
