/* export.c - see export.h. */
#include "export.h"

#include "export_formats.h"
#include "terminal.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

typedef int file_fn(const cli_export *export, FILE *lines, FILE *out);
typedef int folder_fn(const cli_export *export, FILE *lines, const char *folder);

static const struct {
  const char *name;
  const char *kind; /* as a person says it */
  file_fn *file;
  folder_fn *folder;
  const char *inside;   /* the folder's own folder, one file a picture */
  const char *heads[2]; /* how the file begins */
} formats[] = {
    [FORMAT_JSON] = {"json", "JSON lines", NULL, NULL, NULL, {"{\"image\":", NULL}},
    [FORMAT_CSV] = {"csv", "CSV", export_csv, NULL, NULL, {"file,width,", "file,rank,"}},
    [FORMAT_COCO] = {"coco", "COCO", export_coco, NULL, NULL, {EXPORT_COCO_HEAD, NULL}},
    [FORMAT_YOLO] = {"yolo", "YOLO", NULL, export_yolo, "labels", {NULL}},
    [FORMAT_VOC] = {"voc", "Pascal VOC", NULL, export_voc, "Annotations", {NULL}},
    [FORMAT_LABELSTUDIO] = {"labelstudio",
                            "Label Studio",
                            export_labelstudio,
                            NULL,
                            NULL,
                            {"[\n{\"data\":{\"image\":", "[]"}},
};

bool cli_format_named(const char *name, cli_format *out) {
  if (!name) name = "json";
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
    if (strcasecmp(formats[i].name, name) == 0) {
      *out = (cli_format)i;
      return true;
    }
  return false;
}

bool cli_format_is_folder(cli_format format) {
  return formats[format].folder != NULL;
}

bool cli_format_may_replace(cli_format format, const char *path) {
  return export_may_replace(path, formats[format].kind, formats[format].heads);
}

/* ---- before the run ---- */

typedef struct named_stem {
  char *stem;
  const char *name;
} named_stem;

static int by_stem(const void *a, const void *b) {
  return strcmp(((const named_stem *)a)->stem, ((const named_stem *)b)->stem);
}

static bool stems_differ(const cli_export *export, char *const *names, size_t n) {
  named_stem *stems = calloc(n + 1, sizeof *stems);
  bool ok = stems != NULL;
  for (size_t i = 0; ok && i < n; i++) {
    stems[i] = (named_stem){export_stem(names[i]), names[i]};
    ok = stems[i].stem != NULL;
  }
  if (ok) qsort(stems, n, sizeof *stems, by_stem);
  for (size_t i = 1; ok && i < n; i++)
    if (strcmp(stems[i - 1].stem, stems[i].stem) == 0) {
      cli_error("-f %s: found %s and %s, which would share one annotation file; export them "
                "into folders of their own",
                formats[export->format].name, stems[i - 1].name, stems[i].name);
      ok = false;
    }
  for (size_t i = 0; stems && i < n; i++) free(stems[i].stem);
  free(stems);
  return ok;
}

/* A missing or empty folder is free; an earlier export is, when it may be replaced. */
static bool folder_is_free(const cli_export *export) {
  DIR *dir = opendir(export->path);
  if (!dir && errno == ENOENT) return true;
  if (!dir) {
    cli_error("-o %s: wanted a folder to make: %s", export->path, strerror(errno));
    return false;
  }
  bool empty = true;
  for (struct dirent *entry; (entry = readdir(dir));)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) empty = false;
  closedir(dir);
  if (empty || export->again) return true;
  cli_error("-o %s: the folder has something in it; choose another, or go on with --resume",
            export->path);
  return false;
}

static bool is_text(const char *name) {
  json_t *string = json_string(name);
  json_decref(string);
  return string != NULL;
}

bool cli_export_check(const cli_export *export, char *const *names, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!is_text(names[i])) {
      cli_error("picture %zu: its name is not UTF-8; -f %s cannot hold it", i + 1,
                formats[export->format].name);
      return false;
    }
  if (!cli_format_is_folder(export->format)) return true;
  if (!export->path) {
    cli_error("-f %s writes a folder: say which with -o FOLDER", formats[export->format].name);
    return false;
  }
  return stems_differ(export, names, n) && folder_is_free(export);
}

/* ---- after it ---- */

static int write_file(const cli_export *export, FILE *lines) {
  file_fn *put = formats[export->format].file;
  if (!export->path) {
    int code = put(export, lines, stdout);
    return code == 0 && fflush(stdout) != 0 ? 1 : code;
  }
  export_file file;
  if (!export_file_open(&file, NULL, export->path)) return 1;
  int code = put(export, lines, file.out);
  bool kept = export_file_close(&file, code == 0);
  return code == 0 && !kept ? 1 : code;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
  (void)st;
  (void)kind;
  (void)ftw;
  return remove(path);
}

static int fill_folder(const cli_export *export, FILE *lines, const char *folder) {
  char *inside = NULL;
  if (asprintf(&inside, "%s/%s", folder, formats[export->format].inside) < 0) return 1;
  bool made = mkdir(inside, 0777) == 0 || errno == EEXIST;
  free(inside);
  return made ? formats[export->format].folder(export, lines, folder) : 1;
}

/* Fills a folder of another name, which then takes the place of none or an empty one. */
static int write_folder(const cli_export *export, FILE *lines) {
  struct stat st;
  if (rmdir(export->path) != 0 && stat(export->path, &st) == 0)
    return fill_folder(export, lines, export->path);
  char *part = NULL;
  if (asprintf(&part, "%s.XXXXXX", export->path) < 0) return 1;
  int code = mkdtemp(part) ? 0 : 1;
  if (code == 0) {
    mode_t mask = umask(0);
    umask(mask);
    code = chmod(part, 0777 & ~mask) != 0;
    if (code == 0) code = fill_folder(export, lines, part);
    if (code == 0) code = rename(part, export->path) != 0;
    int number = errno;
    if (code) nftw(part, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    errno = number;
  }
  int number = errno;
  free(part);
  errno = number;
  return code;
}

/* The classes without repeats; NULL where memory is short. */
static const char **unique_classes(const cli_export *export, size_t *n) {
  const char **unique = calloc(export->n_classes + 1, sizeof *unique);
  *n = 0;
  for (size_t i = 0; unique && i < export->n_classes; i++)
    if (export_class_index(export, export->classes[i]) == i)
      unique[(*n)++] = export->classes[i];
  return unique;
}

bool cli_export_write(const cli_export *export, FILE *lines) {
  cli_export own = *export;
  const char **classes = unique_classes(export, &own.n_classes);
  own.classes = classes;
  int code = !classes                               ? 1
             : cli_format_is_folder(export->format) ? write_folder(&own, lines)
                                                    : write_file(&own, lines);
  bool told = !export->path && ferror(stdout); /* by main */
  if (code > 0 && !told)
    cli_error("%s: cannot write the export: %s", export->path ? export->path : "stdout",
              strerror(errno));
  free(classes);
  return code == 0;
}
