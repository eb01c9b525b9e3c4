/* run_folder.c - see run_folder.h. */
#include "run_folder.h"

#include "new_file.h"
#include "write_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[GM_RUN_FILES] = {
    [GM_RUN_CONFIG] = "config.json",     [GM_RUN_RESULTS] = "results.csv",
    [GM_RUN_CHART] = "results.png",      [GM_RUN_LOG] = "log.jsonl",
    [GM_RUN_BATCH] = "train_batch0.png", [GM_RUN_PREDICTIONS] = "val_pred.png",
    [GM_RUN_BEST] = "best.gguf",         [GM_RUN_LAST] = "last.gguf",
    [GM_RUN_STATE] = "last.state",
};
static const gm_run_file list_files[GM_RUN_LISTS] = {GM_RUN_RESULTS, GM_RUN_LOG};

static gm_status fail_io(const char *path, const char *what, gm_error *err) {
  return gm_fail(err, GM_ERR_IO, "%s: %s: %s", path, what, strerror(errno));
}

static gm_status name_files(gm_run_folder *f, const char *path, gm_error *err) {
  size_t n = strlen(path);
  const char *slash = n && path[n - 1] == '/' ? "" : "/";
  for (size_t i = 0; i < GM_RUN_FILES; i++)
    if (asprintf(&f->paths[i], "%s%s%s", path, slash, names[i]) < 0) {
      f->paths[i] = NULL;
      return gm_fail_memory(err, "the run's folder", n);
    }
  return GM_OK;
}

/* Any file of a run but the drawings, which other programs have too. Empty files are what is
 * left where a run ended before it had its config.json; it cannot be gone on with. */
static const char *run_in(const gm_run_folder *f) {
  struct stat st;
  static const gm_run_file telling[] = {GM_RUN_CONFIG, GM_RUN_RESULTS, GM_RUN_LOG,
                                        GM_RUN_BEST,   GM_RUN_LAST,    GM_RUN_STATE};
  for (size_t i = 0; i < sizeof telling / sizeof telling[0]; i++)
    if (stat(f->paths[telling[i]], &st) == 0 && st.st_size > 0) return names[telling[i]];
  return NULL;
}

static gm_status make_folder(const char *path, gm_error *err) {
  struct stat st;
  if (mkdir(path, 0777) == 0) return GM_OK;
  if (errno != EEXIST) return fail_io(path, "the run's folder cannot be made", err);
  if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "%s: found a file, wanted a folder for the run", path);
}

static gm_status open_lists(gm_run_folder *f, const char *path, gm_error *err) {
  for (size_t i = 0; i < GM_RUN_LISTS; i++) {
    const char *name = f->paths[list_files[i]];
    f->lists[i] = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (f->lists[i] < 0) return fail_io(name, "cannot be opened", err);
    f->lengths[i] = (uint64_t)lseek(f->lists[i], 0, SEEK_END);
  }
  if (flock(f->lists[GM_LIST_LOG], LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
    return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT, "%s: another process is at work on this run", path);
}

gm_status gm_run_folder_open(gm_run_folder *f, const char *path, bool resume, gm_error *err) {
  *f = (gm_run_folder){.lists = {-1, -1}};
  if (!path || !*path) return gm_fail(err, GM_ERR_ARGUMENT, "no folder was given for the run");
  GM_TRY(name_files(f, path, err));
  if (resume && !gm_run_folder_has(f, GM_RUN_CONFIG))
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "%s: found no run to go on with (it has no config.json)", path);
  if (!resume) {
    GM_TRY(make_folder(path, err));
    const char *found = run_in(f);
    if (found)
      return gm_fail(err, GM_ERR_ARGUMENT,
                     "%s: found another run (%s); go on with it by --resume, or choose another "
                     "folder",
                     path, found);
  }
  GM_TRY(open_lists(f, path, err));
  for (size_t i = 0; i < GM_RUN_FILES; i++) gm_new_file_remove_dead(f->paths[i]);
  return GM_OK;
}

void gm_run_folder_close(gm_run_folder *f) {
  for (size_t i = 0; i < GM_RUN_LISTS; i++)
    if (f->lists[i] >= 0) close(f->lists[i]);
  for (size_t i = 0; i < GM_RUN_FILES; i++) free(f->paths[i]);
  *f = (gm_run_folder){.lists = {-1, -1}};
}

bool gm_run_folder_has(const gm_run_folder *f, gm_run_file file) {
  return access(f->paths[file], F_OK) == 0;
}

gm_status gm_run_folder_write(const gm_run_folder *f, gm_run_file file, const void *bytes,
                              size_t n, gm_error *err) {
  gm_new_file new;
  gm_status status = gm_new_file_begin(&new, f->paths[file], err);
  if (status == GM_OK) status = gm_new_file_write(&new, bytes, n, err);
  if (status == GM_OK) status = gm_new_file_commit(&new, err);
  gm_new_file_end(&new);
  return status;
}

gm_status gm_run_folder_append(gm_run_folder *f, gm_run_list list, const char *text, size_t n,
                               gm_error *err) {
  if (!gm_write_all(f->lists[list], text, n))
    return fail_io(f->paths[list_files[list]], "cannot be written", err);
  f->lengths[list] += n;
  return GM_OK;
}

gm_status gm_run_folder_sync(const gm_run_folder *f, gm_error *err) {
  for (size_t i = 0; i < GM_RUN_LISTS; i++)
    if (fdatasync(f->lists[i]) != 0 && errno != EINVAL && errno != EROFS)
      return fail_io(f->paths[list_files[i]], "cannot be brought to disk", err);
  return GM_OK;
}

gm_status gm_run_folder_cut(gm_run_folder *f, gm_run_list list, uint64_t length,
                            gm_error *err) {
  if (length >= f->lengths[list]) return GM_OK;
  if (ftruncate(f->lists[list], (off_t)length) != 0)
    return fail_io(f->paths[list_files[list]], "cannot be cut", err);
  f->lengths[list] = length;
  return GM_OK;
}
