/* inputs.c - see inputs.h. */
#include "inputs.h"

#include "file_names.h"
#include "tar_file.h"
#include "terminal.h"
#include "text_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool add_name(cli_inputs *inputs, const char *name) {
  char **grown = realloc(inputs->names, (inputs->n + 1) * sizeof *grown);
  if (grown) inputs->names = grown;
  size_t *archive = realloc(inputs->archive, (inputs->n + 1) * sizeof *archive);
  if (archive) inputs->archive = archive;
  if (!grown || !archive) return false;
  archive[inputs->n] = 0;
  grown[inputs->n] = strdup(name);
  return grown[inputs->n++] != NULL;
}

typedef struct archive_adding {
  cli_inputs *inputs;
  const char *path;
} archive_adding;

static bool add_entry(void *user, const char *entry) {
  archive_adding *a = user;
  char *name = NULL;
  bool ok = asprintf(&name, "%s/%s", a->path, entry) >= 0 && add_name(a->inputs, name);
  if (ok) a->inputs->archive[a->inputs->n - 1] = strlen(a->path);
  free(name);
  return ok;
}

static int add_archive(cli_inputs *inputs, const char *path) {
  archive_adding adding = {inputs, path};
  size_t before = inputs->n;
  if (!cli_archive_list(path, add_entry, &adding)) return CLI_USAGE;
  if (inputs->n > before) return CLI_DONE;
  cli_error("%s: no pictures (.jpg, .jpeg, .png, .webp) in this archive", path);
  return CLI_USAGE;
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

enum { MAX_DEPTH = 64 };

static bool is_directory(DIR *parent, const struct dirent *entry) {
  struct stat st;
  return entry->d_name[0] != '.' &&
         fstatat(dirfd(parent), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(st.st_mode);
}

/* A pipe in a directory would be waited for, whatever it is called. What cannot be looked at is
 * told later, with its name. */
static bool is_picture(DIR *parent, const struct dirent *entry) {
  struct stat st;
  return cli_is_picture_name(entry->d_name) &&
         (fstatat(dirfd(parent), entry->d_name, &st, 0) != 0 || S_ISREG(st.st_mode));
}

/* depth: of directories below that are read too. False after a message. */
static bool read_directory(cli_inputs *inputs, const char *path, int depth) {
  DIR *dir = opendir(path);
  if (!dir) {
    cli_error("%s: cannot read the directory: %s", path, strerror(errno));
    return false;
  }
  bool ok = true;
  for (struct dirent *entry; ok && (entry = readdir(dir));) {
    bool picture = is_picture(dir, entry);
    bool folder = depth > 0 && is_directory(dir, entry);
    if (!picture && !folder) continue;
    char *full = NULL;
    size_t length = strlen(path);
    const char *slash = length > 0 && path[length - 1] == '/' ? "" : "/";
    ok = asprintf(&full, "%s%s%s", path, slash, entry->d_name) >= 0;
    if (!ok) break;
    if (ok) ok = folder ? read_directory(inputs, full, depth - 1) : add_name(inputs, full);
    free(full);
  }
  closedir(dir);
  return ok;
}

static int add_directory(cli_inputs *inputs, const char *path, bool recursive) {
  size_t first = inputs->n;
  if (!read_directory(inputs, path, recursive ? MAX_DEPTH : 0)) return CLI_USAGE;
  if (inputs->n > first)
    qsort(inputs->names + first, inputs->n - first, sizeof(char *), by_name);
  if (inputs->n == first) {
    cli_error("%s: no pictures (.jpg, .jpeg, .png, .webp) in this directory%s", path,
              recursive ? "" : "; -r looks into its directories");
    return CLI_USAGE;
  }
  return CLI_DONE;
}

static int add_list_file(cli_inputs *inputs, const char *path) {
  FILE *file = strcmp(path, "-") == 0 ? cli_take_stdin() : fopen(path, "re");
  if (!file) {
    cli_error("%s: cannot read the list: %s", path, strerror(errno));
    return CLI_USAGE;
  }
  char *line = NULL;
  size_t capacity = 0, before = inputs->n;
  bool ok = true;
  for (ssize_t n; ok && (n = getline(&line, &capacity, file)) >= 0;) {
    size_t length = (size_t)n;
    (void)gm_text_import(line, &length, path, NULL); /* names may be any bytes */
    line[strcspn(line, "\r\n")] = 0;
    if (line[0]) ok = add_name(inputs, line);
  }
  free(line);
  if (file != stdin) fclose(file);
  if (ok && inputs->n > before) return CLI_DONE;
  cli_error("%s: %s", path, ok ? "no names in this list" : "no memory for this list");
  return CLI_USAGE;
}

int cli_expand_inputs(const cli_list *given, bool recursive, cli_inputs *out) {
  *out = (cli_inputs){0};
  for (size_t i = 0; i < given->n; i++) {
    const char *name = given->items[i];
    struct stat st;
    int code = CLI_DONE;
    if (!name[0]) {
      cli_error("picture %zu: found an empty name, wanted that of a file", i + 1);
      code = CLI_USAGE;
    } else if (name[0] == '@' && name[1])
      code = add_list_file(out, name + 1);
    else if (strcmp(name, "-") != 0 && stat(name, &st) == 0 && S_ISDIR(st.st_mode))
      code = add_directory(out, name, recursive);
    else if (cli_is_archive(name))
      code = add_archive(out, name);
    else if (!add_name(out, name))
      code = CLI_USAGE;
    if (code != CLI_DONE) {
      cli_inputs_free(out);
      return code;
    }
  }
  return CLI_DONE;
}

void cli_inputs_free(cli_inputs *inputs) {
  for (size_t i = 0; i < inputs->n; i++) free(inputs->names[i]);
  free(inputs->names);
  free(inputs->archive);
  cli_archive_close(inputs->open);
  *inputs = (cli_inputs){0};
}

const char *cli_inputs_entry(const cli_inputs *inputs, size_t i) {
  size_t length = inputs->archive[i];
  return length ? inputs->names[i] + length + 1 : NULL;
}

void *cli_inputs_read(cli_inputs *inputs, size_t i, size_t limit, size_t *size) {
  const char *name = inputs->names[i], *entry = cli_inputs_entry(inputs, i);
  if (!entry) return cli_read_all(name, limit, size);
  size_t length = inputs->archive[i];
  const char *open = inputs->open ? cli_archive_path(inputs->open) : "";
  if (strlen(open) != length || strncmp(open, name, length) != 0 || i == 0 ||
      inputs->archive[i - 1] != length || strncmp(inputs->names[i - 1], name, length) != 0) {
    char *path = strndup(name, length);
    cli_archive_close(inputs->open);
    inputs->open = path ? cli_archive_open(path) : NULL;
    free(path);
    errno = EIO;
    if (!inputs->open) return NULL;
  }
  return cli_archive_read(inputs->open, entry, limit, size);
}

void *cli_read_all(const char *name, size_t limit, size_t *size) {
  FILE *file = strcmp(name, "-") == 0 ? cli_take_stdin() : fopen(name, "rbe");
  if (!file) return NULL;
  size_t capacity = 1 << 16, used = 0;
  char *bytes = malloc(capacity);
  int code = bytes ? 0 : ENOMEM;
  while (!code) {
    errno = 0;
    used += fread(bytes + used, 1, capacity - used, file);
    if (ferror(file)) code = errno ? errno : EIO;
    if (used > limit) code = EFBIG;
    if (code || used < capacity) break;
    char *grown = realloc(bytes, capacity * 2);
    if (!grown) code = ENOMEM;
    if (grown) bytes = grown;
    capacity *= 2;
  }
  if (file != stdin) fclose(file);
  if (code) {
    free(bytes);
    errno = code;
    return NULL;
  }
  *size = used;
  return bytes;
}
