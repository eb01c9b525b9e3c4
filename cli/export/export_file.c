/* export_file.c - files that appear whole or not at all, and numbers in them. */
#include "export_formats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
