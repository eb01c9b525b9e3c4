/* checkpoint_open.c - a path -> the format's own opener, by the kind of file and its first
 * bytes. */
#include "checkpoint.h"
#include "json_file.h"
#include "placeholder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool holds_weights(const char *name) {
  static const char *const endings[] = {".safetensors", ".bin", ".pt", ".pth", ".gguf"};
  size_t length = strlen(name);
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    size_t n = strlen(endings[i]);
    if (length > n && strcmp(name + length - n, endings[i]) == 0) return true;
  }
  return false;
}

/* Refuses a folder without weights under a known name; the message names a file that may be
 * meant. */
static gm_status refuse_directory(const char *path, gm_error *err) {
  char other[256] = "";
  DIR *dir = opendir(path);
  for (struct dirent *entry; dir && (entry = readdir(dir));)
    if (holds_weights(entry->d_name) && (!*other || strcmp(entry->d_name, other) < 0))
      snprintf(other, sizeof other, "%s", entry->d_name);
  if (dir) closedir(dir);
  if (strstr(other, "-of-"))
    return gm_fail(
        err, GM_ERR_FILE_NOT_FOUND,
        "%s: found %s, but not the .index.json that names all parts; is the download "
        "complete?",
        path, other);
  if (*other)
    return gm_fail(err, GM_ERR_FILE_NOT_FOUND,
                   "%s: found no weights under a name that is known, but %s: give the file "
                   "itself, or name it model.safetensors",
                   path, other);
  return gm_fail(
      err, GM_ERR_FILE_NOT_FOUND,
      "%s: found no weights there, wanted model.safetensors or pytorch_model.bin, or "
      "one of them in parts with its .index.json",
      path);
}

static gm_status open_directory(gm_checkpoint **out, const char *path, gm_error *err) {
  static const struct {
    const char *name;
    gm_checkpoint_opener *open_file;
    bool is_index;
  } layouts[] = {
      {"model.safetensors.index.json", gm_safetensors_open, true},
      {"model.safetensors", gm_safetensors_open, false},
      {"open_clip_model.safetensors", gm_safetensors_open, false},
      {"open_clip_pytorch_model.safetensors", gm_safetensors_open, false},
      {"pytorch_model.bin.index.json", gm_torch_open, true},
      {"pytorch_model.bin", gm_torch_open, false},
      {"open_clip_pytorch_model.bin", gm_torch_open, false},
  };
  for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
    char *file = gm_join_path(path, layouts[i].name);
    if (!file) return gm_fail_memory(err, path, strlen(path));
    struct stat st;
    bool there = lstat(file, &st) == 0;
    gm_status status = there ? gm_refuse_dangling_link(file, err) : GM_OK;
    if (status == GM_OK && there && layouts[i].is_index)
      status = gm_sharded_open(out, path, layouts[i].name, layouts[i].open_file, err);
    else if (status == GM_OK && there)
      status = layouts[i].open_file(out, file, err);
    free(file);
    if (there) return status;
  }
  return refuse_directory(path, err);
}

gm_status gm_checkpoint_open(gm_checkpoint **out, const char *path, gm_error *err) {
  *out = NULL;
  struct stat st;
  GM_TRY(gm_refuse_dangling_link(path, err));
  if (stat(path, &st) != 0)
    return gm_fail(err, errno == ENOENT || errno == ENOTDIR ? GM_ERR_FILE_NOT_FOUND : GM_ERR_IO,
                   "%s: cannot open: %s", path, strerror(errno));
  if (S_ISDIR(st.st_mode)) return open_directory(out, path, err);
  unsigned char head[64] = {0};
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof head, 0);
  int code = errno;
  if (fd >= 0) close(fd);
  if (n < 0) return gm_fail(err, GM_ERR_IO, "%s: cannot read: %s", path, strerror(code));
  GM_TRY(gm_refuse_placeholder(path, head, (size_t)n, err));
  if (memcmp(head, "GGUF", 4) == 0) return gm_gguf_checkpoint_open(out, path, err);
  /* A safetensors header's length takes less than 5 bytes, and '{' follows it. */
  if (head[8] == '{' && head[5] == 0 && head[6] == 0 && head[7] == 0)
    return gm_safetensors_open(out, path, err);
  return gm_torch_open(out, path, err);
}
