/* tar_file.c - see tar_file.h. */
#include "tar_file.h"

#include "file_names.h"
#include "terminal.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BLOCK = 1 << 16 };

struct cli_archive {
  struct archive *reader;
  char *path;
};

bool cli_is_archive(const char *name) {
  static const char *const endings[] = {".tar",     ".tar.gz", ".tgz",
                                        ".tar.bz2", ".tar.xz", ".tar.zst"};
  size_t n = strlen(name);
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    size_t k = strlen(endings[i]);
    if (n > k && strcasecmp(name + n - k, endings[i]) == 0) return true;
  }
  return false;
}

cli_archive *cli_archive_open(const char *path) {
  cli_archive *a = calloc(1, sizeof *a);
  if (a) a->path = strdup(path);
  if (a) a->reader = archive_read_new();
  if (!a || !a->path || !a->reader) {
    cli_archive_close(a);
    cli_error("%s: no memory", path);
    return NULL;
  }
  archive_read_support_format_tar(a->reader);
  archive_read_support_filter_gzip(a->reader);
  archive_read_support_filter_bzip2(a->reader);
  archive_read_support_filter_xz(a->reader);
  archive_read_support_filter_zstd(a->reader);
  if (archive_read_open_filename(a->reader, path, BLOCK) == ARCHIVE_OK) return a;
  cli_error("%s: cannot read the archive: %s", path, archive_error_string(a->reader));
  cli_archive_close(a);
  return NULL;
}

void cli_archive_close(cli_archive *archive) {
  if (!archive) return;
  if (archive->reader) archive_read_free(archive->reader);
  free(archive->path);
  free(archive);
}

const char *cli_archive_path(const cli_archive *archive) {
  return archive->path;
}

/* The next regular file's name: 1; at the end 0; -1 where the archive is damaged. */
static int next_file(cli_archive *a, const char **name) {
  struct archive_entry *entry;
  int code;
  while ((code = archive_read_next_header(a->reader, &entry)) == ARCHIVE_OK ||
         code == ARCHIVE_WARN) {
    *name = archive_entry_pathname(entry);
    if (*name && archive_entry_filetype(entry) == AE_IFREG) return 1;
  }
  return code == ARCHIVE_EOF ? 0 : -1;
}

bool cli_archive_list(const char *path, bool (*found)(void *user, const char *entry),
                      void *user) {
  cli_archive *a = cli_archive_open(path);
  if (!a) return false;
  const char *name;
  int more;
  bool ok = true;
  while (ok && (more = next_file(a, &name)) == 1) {
    const char *slash = strrchr(name, '/');
    if (cli_is_picture_name(slash ? slash + 1 : name)) ok = found(user, name);
  }
  if (ok && more < 0) {
    cli_error("%s: the archive is damaged: %s", path, archive_error_string(a->reader));
    ok = false;
  }
  cli_archive_close(a);
  return ok;
}

void *cli_archive_read(cli_archive *archive, const char *entry, size_t limit, size_t *size) {
  const char *name;
  int more;
  while ((more = next_file(archive, &name)) == 1 && strcmp(name, entry) != 0) continue;
  errno = more == 0 ? ENOENT : EIO;
  if (more != 1) return NULL;
  size_t used = 0, capacity = BLOCK;
  char *bytes = malloc(capacity);
  for (;;) {
    if (bytes && used == capacity) {
      char *grown = realloc(bytes, capacity *= 2);
      if (!grown) free(bytes);
      bytes = grown;
    }
    if (!bytes) {
      errno = ENOMEM;
      return NULL;
    }
    la_ssize_t n = archive_read_data(archive->reader, bytes + used, capacity - used);
    if (n == 0) break;
    used += n > 0 ? (size_t)n : 0;
    if (n < 0 || used > limit) {
      free(bytes);
      errno = n < 0 ? EIO : EFBIG;
      return NULL;
    }
  }
  *size = used;
  return bytes;
}

void cli_archive_key(const char *entry, char *out, size_t size) {
  const char *slash = strrchr(entry, '/'), *base = slash ? slash + 1 : entry;
  size_t length = (size_t)(base - entry) + strcspn(base, ".");
  if (length >= size) length = size - 1;
  memcpy(out, entry, length);
  out[length] = 0;
}
