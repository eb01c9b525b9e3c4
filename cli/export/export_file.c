/* export_file.c - files that appear whole or not at all and replace only their like, and
 * numbers in them. */
#include "export_formats.h"

#include "file_names.h"
#include "terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool begins_with(const char *bytes, size_t n, const char *head) {
  return head && n >= strlen(head) && memcmp(bytes, head, strlen(head)) == 0;
}

bool export_may_replace(const char *path, const char *kind, const char *const heads[2]) {
  char bytes[64];
  if (cli_is_picture_name(path)) {
    cli_error("%s: found a picture's name, wanted one for %s; --draw makes pictures", path,
              kind);
    return false;
  }
  FILE *file = fopen(path, "re");
  if (!file) return true; /* whether it can be made is seen when it is */
  size_t n = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  if (n == 0 || begins_with(bytes, n, heads[0]) || begins_with(bytes, n, heads[1])) return true;
  cli_error(
      "-o %s: this file is no earlier result (%s) and would be lost; give another name, or "
      "remove it first",
      path, kind);
  return false;
}

bool export_file_open(export_file *file, const char *folder, const char *name) {
  *file = (export_file){0};
  if (asprintf(&file->path, "%s%s%s", folder ? folder : "", folder ? "/" : "", name) < 0)
    file->path = NULL;
  if (!file->path || asprintf(&file->part, "%s.XXXXXX", file->path) < 0) file->part = NULL;
  int fd = file->part ? mkstemp(file->part) : -1;
  if (fd >= 0) {
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, 0666 & ~mask) == 0) file->out = fdopen(fd, "w");
    if (!file->out) {
      close(fd);
      unlink(file->part);
    }
  }
  if (file->out) return true;
  int code = errno;
  free(file->path);
  free(file->part);
  errno = code;
  return false;
}

bool export_file_close(export_file *file, bool keep) {
  bool ok = keep && fflush(file->out) == 0 && fsync(fileno(file->out)) == 0;
  int code = errno;
  if (fclose(file->out) != 0 && ok) ok = false, code = errno;
  if (ok && rename(file->part, file->path) != 0) ok = false, code = errno;
  if (!ok) unlink(file->part);
  free(file->path);
  free(file->part);
  errno = code;
  return ok;
}

void export_number(FILE *out, double v, int decimals) {
  char text[64];
  int n = snprintf(text, sizeof text, "%.*f", decimals, v);
  if (n < 0 || (size_t)n >= sizeof text) return;
  if (strchr(text, '.')) {
    while (text[n - 1] == '0') text[--n] = 0;
    if (text[n - 1] == '.') text[--n] = 0;
  }
  fputs(strcmp(text, "-0") == 0 ? "0" : text, out);
}
