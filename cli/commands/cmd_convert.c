/* cmd_convert.c - gromatic convert: makes one GGUF file of a checkpoint. */
#include "adapters.h"
#include "commands.h"
#include "export_formats.h"
#include "gromatic_tools.h"
#include "progress.h"
#include "terminal.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool holds_weights(const char *name) {
  static const char *const endings[] = {".safetensors", ".bin", ".pt", ".gguf"};
  size_t length = strlen(name);
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
    size_t n = strlen(endings[i]);
    if (length > n && strcmp(name + length - n, endings[i]) == 0) return true;
  }
  return false;
}

/* Bytes of the weights, for the rate in the progress line; 0 if not known. */
static uint64_t source_bytes(const char *path) {
  struct stat st;
  if (stat(path, &st) != 0) return 0;
  if (!S_ISDIR(st.st_mode)) return (uint64_t)st.st_size;
  DIR *dir = opendir(path);
  uint64_t sum = 0;
  for (struct dirent *entry; dir && (entry = readdir(dir));)
    if (holds_weights(entry->d_name) && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0)
      sum += (uint64_t)st.st_size;
  if (dir) closedir(dir);
  return sum;
}

/* gm_convert_params.note */
static void on_note(void *user, bool detail, const char *line) {
  const cli_args *args = user;
  if (!detail || args->verbose) fprintf(stderr, "%s\n", line);
}

int cmd_convert(const cli_args *args) {
  if (args->inputs.n != 1 || !args->output) {
    cli_error("convert: wanted one checkpoint and -o FILE.gguf");
    return CLI_USAGE;
  }
  const char *const heads[2] = {"GGUF"};
  if (!export_may_replace(args->output, "a GGUF model", heads)) return CLI_USAGE;
  cli_catch_interrupt();
  cli_progress progress = cli_progress_begin(args->quiet);
  progress.total_bytes = source_bytes(args->inputs.items[0]);
  const gm_callbacks callbacks = cli_progress_callbacks(&progress);
  gm_convert_params params = gm_convert_params_default();
  params.type = args->type;
  params.threads = (unsigned)args->threads;
  params.layout = args->layout;
  params.ignore_config = args->ignore_config;
  params.note = on_note;
  params.note_user = (void *)(uintptr_t)args;
  gm_adapter_use *adapters;
  int code = cli_adapters(args, "", false, &adapters, &params.n_adapters);
  if (code != CLI_DONE) return code;
  params.adapters = adapters;
  gm_error err = {0};
  gm_status status = gm_convert(args->inputs.items[0], args->output, &params, &callbacks, &err);
  cli_progress_clear(&progress);
  free(adapters);
  if (status == GM_OK) {
    if (!args->quiet) cli_print(stdout, "wrote %s\n", args->output);
    return CLI_DONE;
  }
  cli_report_error(&err);
  return status == GM_ERR_MODEL || status == GM_ERR_FILE_NOT_FOUND ? CLI_MODEL
                                                                   : cli_exit_code(status);
}
