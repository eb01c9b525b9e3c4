/* export.c - see export.h. */
#include "export.h"

#include "export_admission.h"
#include "export_formats.h"
#include "export_list.h"
#include "export_part.h"
#include "file_names.h"
#include "picture_paths.h"
#include "terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
  const char *kind; /* for messages */
  int (*file)(export_job *job, FILE *out);
  int (*folder)(export_job *job, export_folder *folder);
  const char *inside;   /* the folder of the files, one for each picture */
  const char *heads[2]; /* how the file begins */
} formats[] = {
    [FORMAT_JSON] = {"JSON lines", NULL, NULL, NULL, {"{\"image\":", NULL}},
    [FORMAT_CSV] = {"CSV", export_csv, NULL, NULL, {"file,width,", "file,rank,"}},
    [FORMAT_COCO] = {"COCO", export_coco, NULL, NULL, {EXPORT_COCO_HEAD, NULL}},
    [FORMAT_YOLO] = {"YOLO", NULL, export_yolo, "labels", {NULL}},
    [FORMAT_VOC] = {"Pascal VOC", NULL, export_voc, "Annotations", {NULL}},
    [FORMAT_LABELSTUDIO] =
        {"Label Studio", export_labelstudio, NULL, NULL, {"[\n{\"data\":{\"image\":", "[]"}},
};

bool cli_format_is_folder(cli_format format) {
  return formats[format].folder != NULL;
}

bool cli_format_may_replace(cli_format format, const char *path) {
  return export_may_replace(path, formats[format].kind, formats[format].heads);
}

bool cli_format_is_earlier(cli_format format, const char *path) {
  return export_is_earlier(path, formats[format].heads);
}

/* ---- before the run ---- */

static bool is_text(const char *name) {
  json_t *string = json_string(name);
  json_decref(string);
  return string != NULL;
}

static bool no_memory(void) {
  cli_error("no memory for the export");
  return false;
}

/* Whether both name one file, even if it does not exist yet. */
static bool is_same_name(const char *a, const char *b) {
  char *first = cli_real_name(a), *second = cli_real_name(b);
  bool same = first && second && strcmp(first, second) == 0;
  free(first);
  free(second);
  return same || cli_same_file(a, b);
}

/* Whether each picture has a different file. */
static bool pictures_differ(const cli_export *export, char *const *names, size_t n) {
  export_items items = {0};
  bool ok = true;
  for (size_t i = 0; ok && i < n; i++) ok = export_items_add(&items, names[i], i + 1);
  int code = ok ? export_items_name(&items, export) : 1;
  export_items_free(&items);
  return code <= 0 ? code == 0 : no_memory();
}

bool cli_export_check(const cli_export *export, char *const *names, size_t n) {
  static const char *const config_heads[] = {EXPORT_CONFIG_HEAD, NULL};
  for (size_t i = 0; i < n; i++) {
    if (!is_text(names[i])) {
      cli_error("picture %zu, %s: its name is not UTF-8, and -f %s cannot hold it; rename the "
                "file",
                i + 1, names[i], cli_format_name(export->format));
      return false;
    }
    if (export->link && strcmp(names[i], "-") == 0) {
      cli_error("--link-images: found a picture from standard input, wanted files");
      return false;
    }
  }
  if (export->label_config && export->path &&
      is_same_name(export->label_config, export->path)) {
    cli_error("-o and --label-config: found %s twice, wanted two files", export->path);
    return false;
  }
  if (export->label_config && !export->force &&
      !export_may_replace(export->label_config, "a labelling configuration", config_heads))
    return false;
  if (!cli_format_is_folder(export->format)) return true;
  if (!export->path) {
    cli_error("-f %s writes a folder: say which with -o FOLDER",
              cli_format_name(export->format));
    return false;
  }
  return pictures_differ(export, names, n) &&
         export_folder_admits(export, cli_format_name(export->format),
                              formats[export->format].inside);
}

bool cli_export_check_classes(const cli_export *export) {
  return !cli_format_is_folder(export->format) || export_folder_has_classes(export);
}

/* ---- the first pass ---- */

export_reader export_job_lines(export_job *job) {
  export_reader reader = export_lines_begin(&job->export, &job->classes, job->lines, NULL);
  reader.last = job->last;
  return reader;
}

/* The first line of a user's file that is not an error says which command wrote it. */
static void find_kind(export_job *job) {
  char *text = NULL;
  size_t capacity = 0;
  bool found = false;
  rewind(job->lines);
  while (!found && getline(&text, &capacity, job->lines) > 0) {
    bool marked = strncmp(text, "\xEF\xBB\xBF", 3) == 0;
    json_t *line = json_loads(text + (marked ? 3 : 0), 0, NULL);
    found = json_object_get(line, "image") && !json_object_get(line, "error");
    if (found) job->export.classification = export_line_is_classification(line);
    json_decref(line);
  }
  free(text);
}

/* Counts the picture. With --resume a picture that changed has several lines: of a run's own
 * lines the last one counts. */
static bool count_picture(export_job *job, const export_picture *p, size_t *replaced) {
  size_t boxes = job->export.classification
                     ? json_array_size(json_object_get(p->line, "results"))
                     : p->n_regions;
  job->counts.pictures++;
  job->counts.boxes += boxes;
  if (!job->last) return true;
  const json_t *before = json_object_get(job->last, p->file);
  if (before) {
    ++*replaced;
    job->counts.pictures--;
    job->counts.boxes -= (size_t)json_integer_value(json_array_get(before, 1));
  }
  return json_object_set_new(job->last, p->file,
                             json_pack("[I, I]", (json_int_t)p->number, (json_int_t)boxes)) ==
         0;
}

/* Only pictures of last lines. */
static void drop_replaced_items(export_job *job) {
  size_t kept = 0;
  for (size_t i = 0; i < job->items.n; i++) {
    export_item item = job->items.all[i];
    const json_t *last = json_object_get(job->last, item.file);
    if (json_integer_value(json_array_get(last, 0)) == (json_int_t)item.number)
      job->items.all[kept++] = item;
    else
      free(item.file);
  }
  job->items.n = kept;
}

/* Reports faulty lines, counts, collects classes and pictures. 0; -1 after a message; 1 with
 * errno. */
static int look_at_lines(export_job *job) {
  export_picture p;
  int more;
  bool ok = true, folder = cli_format_is_folder(job->export.format);
  if (job->export.lines_name) find_kind(job);
  if (job->export.classification && job->export.format != FORMAT_CSV) {
    cli_error("-f %s is for regions; classify's lines have none, only -f csv holds them",
              cli_format_name(job->export.format));
    return -1;
  }
  job->counts.labels = job->export.classification;
  if (!job->export.lines_name && !(job->last = json_object())) return 1;
  size_t replaced = 0;
  export_reader reader =
      export_lines_begin(&job->export, &job->classes, job->lines, &job->counts);
  while (ok && (more = export_lines_next(&reader, &p)) == 1) {
    ok = count_picture(job, &p, &replaced) &&
         (!folder || export_items_add(&job->items, p.file, p.number));
    export_picture_free(&p);
  }
  export_lines_end(&reader);
  if (replaced && ok) {
    drop_replaced_items(job);
    cli_error(
        "%zu picture%s looked at again, as the file had changed: of each the last line is "
        "exported",
        replaced, replaced == 1 ? " was" : "s were");
  }
  job->classes.open = false;
  job->counts.classes = json_array_size(job->classes.names);
  return !ok ? 1 : more < 0 ? -1 : 0;
}

/* Reports pictures that could not be linked: readers look for them by their own name. */
static void tell_other_names(const export_job *job) {
  size_t n = 0;
  const export_item *first = NULL;
  for (size_t i = 0; i < job->items.n; i++) {
    const export_item *item = &job->items.all[i];
    const char *slash = strrchr(item->file, '/');
    if (strcmp(slash ? slash + 1 : item->file, item->image) == 0) continue;
    if (n++ == 0) first = item;
  }
  if (n > 0 && !job->export.link)
    cli_error("%zu picture%s the export under another name, as %s for %s; --link-images puts "
              "them there under it",
              n, n == 1 ? " stands in" : "s stand in", first->image, first->file);
}

/* ---- after it ---- */

/* Text for a terminal must not steer it. */
static int write_stdout(export_job *job) {
  int (*put)(export_job *, FILE *) = formats[job->export.format].file;
  char *text = NULL;
  size_t size;
  bool terminal = isatty(STDOUT_FILENO);
  FILE *out = terminal ? open_memstream(&text, &size) : stdout;
  if (!out) return 1;
  int code = put(job, out);
  if (terminal && fclose(out) != 0) code = 1;
  if (terminal && code == 0) cli_put_text(stdout, text, size);
  free(text);
  return code == 0 && fflush(stdout) != 0 ? 1 : code;
}

static int write_file(export_job *job) {
  int (*put)(export_job *, FILE *) = formats[job->export.format].file;
  if (!job->export.path) return write_stdout(job);
  /* Another program may have created a file there during the run. */
  if (!job->export.force && !cli_format_may_replace(job->export.format, job->export.path))
    return -1;
  export_file file;
  if (!export_file_open(&file, job->export.path)) return 1;
  int code = put(job, file.out);
  bool kept = export_file_close(&file, code == 0);
  return code == 0 && !kept ? 1 : code;
}

static int write_folder(export_job *job) {
  int code = export_items_name(&job->items, &job->export);
  if (code) return code;
  if (!export_items_split(&job->items, job->export.split, job->export.seed)) return 1;
  tell_other_names(job);
  export_folder folder;
  bool replace = job->export.again || job->export.force;
  code = export_folder_begin(&folder, job->export.path, replace) ? 0 : 1;
  if (code == 0) code = formats[job->export.format].folder(job, &folder);
  if (code == 0 && !export_folder_may_commit(&folder, job->export.force)) code = -1;
  if (code == 0)
    code =
        !export_folder_commit(&folder, cli_format_name(job->export.format), job->classes.names);
  export_folder_end(&folder);
  return code;
}

static int write_all(export_job *job) {
  int code = look_at_lines(job);
  if (code) return code;
  code = cli_format_is_folder(job->export.format) ? write_folder(job) : write_file(job);
  const char *config = job->export.label_config;
  if (code || !config || export_label_config(job, config)) return code;
  cli_error("%s: cannot write the labelling configuration: %s", config, strerror(errno));
  return -1;
}

bool cli_export_write(const cli_export *export, FILE *lines) {
  export_job job = {.export = *export, .lines = lines};
  int code = export_classes_begin(export, &job.classes) ? write_all(&job) : 1;
  bool told = !export->path && ferror(stdout); /* by main */
  if (code > 0 && !told)
    cli_error("%s: cannot write the export: %s", export->path ? export->path : "stdout",
              strerror(errno));
  if (job.counts.unlinked)
    cli_error("--link-images: %zu picture%s not linked", job.counts.unlinked,
              job.counts.unlinked == 1 ? " was" : "s were");
  if (export->counts) *export->counts = job.counts;
  export_items_free(&job.items);
  export_classes_free(&job.classes);
  json_decref(job.last);
  return code == 0 && job.counts.unlinked == 0;
}
