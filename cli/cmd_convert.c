/* cmd_convert.c - gromatic convert: a checkpoint becomes one GGUF file. */
#include "commands.h"
#include "gromatic.h"
#include "terminal.h"

#include <string.h>

static void on_progress(void *user, const char *stage, double done) {
  cli_progress_update(user, stage, done);
}

static bool on_cancelled(void *user) {
  (void)user;
  return cli_interrupted();
}

int cmd_convert(const cli_args *args) {
  if (args->inputs.n != 1 || !args->output) {
    cli_error("convert: wanted one checkpoint and -o FILE.gguf");
    return CLI_USAGE;
  }
  cli_catch_interrupt();
  cli_progress progress = cli_progress_begin(args->quiet);
  gm_callbacks callbacks = {&progress, on_cancelled, on_progress, NULL};
  gm_convert_params params = {
      .type = args->type, .threads = (unsigned)args->threads, .layout = args->layout};
  gm_error err = {0};
  gm_status status = gm_convert(args->inputs.items[0], args->output, &params, &callbacks, &err);
  cli_progress_clear(&progress);
  if (status == GM_OK) {
    if (!args->quiet) printf("wrote %s\n", args->output);
    return CLI_DONE;
  }
  cli_error("%s", err.message);
  return status == GM_ERR_MODEL || status == GM_ERR_FILE_NOT_FOUND ? CLI_MODEL
                                                                   : cli_exit_code(status);
}
