/* cmd_export.c - gromatic export: makes an export of JSON lines that exist already. */
#include "class_options.h"
#include "commands.h"
#include "export.h"
#include "file_names.h"
#include "terminal.h"
#include "text_file.h"
#include "whole_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A stream that can be read several times: the file, or a copy of a pipe. NULL after a message.
 */
static FILE *open_lines(const char *name) {
  char bytes[1 << 16];
  struct stat st;
  FILE *in = strcmp(name, "-") == 0 ? cli_take_stdin() : fopen(name, "re");
  if (!in || fstat(fileno(in), &st) != 0) {
    cli_error("%s: cannot read: %s", name, strerror(errno));
    return NULL;
  }
  if (S_ISDIR(st.st_mode)) {
    cli_error("%s: found a folder, wanted a file of JSON lines", name);
    fclose(in);
    return NULL;
  }
  if (S_ISREG(st.st_mode) && in != stdin) return in;
  FILE *copy = tmpfile();
  bool ok = copy != NULL;
  for (size_t n; ok && (n = fread(bytes, 1, sizeof bytes, in)) > 0;)
    ok = fwrite(bytes, 1, n, copy) == n;
  if (!ok || ferror(in) || fflush(copy) != 0) {
    cli_error("%s: cannot copy the lines: %s", name, strerror(errno));
    if (copy) fclose(copy);
    copy = NULL;
  }
  if (in != stdin) fclose(in);
  return copy;
}

static int check_arguments(const cli_args *args, cli_export *export) {
  if (args->inputs.n != 1) {
    cli_error("export: found %zu files, wanted one of JSON lines, or - for standard input",
              args->inputs.n);
    return CLI_USAGE;
  }
  if (!cli_export_options(args, export)) return CLI_USAGE;
  if (export->format == FORMAT_JSON) {
    cli_error(
        "export: the lines are JSON already; say with -f what to make of them: csv, coco, "
        "yolo, voc or labelstudio");
    return CLI_USAGE;
  }
  export->lines_name = args->inputs.items[0];
  return CLI_DONE;
}

/* Whether the name may be made a file or a folder: no device, no pipe. */
static bool is_output(const char *path) {
  struct stat st;
  return *path && strcmp(path, "-") != 0 &&
         (stat(path, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

/* The folder's path without slashes at its end, for free(). False after a message. */
static bool check_output(const char *output, cli_export *export, char **path) {
  bool folder = cli_format_is_folder(export->format);
  *path = NULL;
  if (output) {
    *path = strndup(output, folder ? cli_length_without_slashes(output) : strlen(output));
    if (!*path || !is_output(*path)) {
      cli_error("-o: found '%s', wanted the name of a file; without -o the export goes to "
                "standard output",
                output);
      return false;
    }
    export->path = *path;
  }
  if (*path && !export->force && !folder && !cli_format_may_replace(export->format, *path))
    return false;
  return cli_export_check(export, NULL, 0);
}

static void tell_result(const cli_export *export, bool quiet) {
  const cli_export_counts *n = export->counts;
  char failed[64] = "", bad[64] = "";
  if (quiet && n->bad == 0) return;
  if (n->failed)
    snprintf(failed, sizeof failed, "; %zu line%s an error", n->failed,
             n->failed == 1 ? " tells" : "s tell");
  if (n->bad)
    snprintf(bad, sizeof bad, "; %zu line%s left out", n->bad, n->bad == 1 ? " is" : "s are");
  cli_error("%s: %zu picture%s, %zu %s, %zu class%s%s%s", export->lines_name, n->pictures,
            n->pictures == 1 ? "" : "s", n->boxes,
            n->labels       ? "labels"
            : n->boxes == 1 ? "box"
                            : "boxes",
            n->classes, n->classes == 1 ? "" : "es", failed, bad);
}

int cmd_export(const cli_args *args) {
  cli_export export;
  cli_export_counts counts = {0};
  char *path = NULL, **names = NULL;
  size_t n_names = 0;
  int code = check_arguments(args, &export);
  if (code == CLI_DONE &&
      (!check_output(args->output, &export, &path) || !cli_class_names(args, &names, &n_names)))
    code = CLI_USAGE;
  FILE *lines = code == CLI_DONE ? open_lines(args->inputs.items[0]) : NULL;
  if (code == CLI_DONE && !lines) code = CLI_SOME_FAILED;
  if (lines) {
    export.counts = &counts;
    export.classes = (const char *const *)names;
    export.n_classes = n_names;
    bool written = cli_export_write(&export, lines);
    if (!written || counts.bad) code = CLI_SOME_FAILED;
    if (written || counts.unlinked) tell_result(&export, args->quiet);
    fclose(lines);
  }
  cli_names_free(names, n_names);
  free(path);
  return code;
}
