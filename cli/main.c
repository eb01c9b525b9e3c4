/* main.c - the program: finds the command and runs it. */
#include "commands.h"
#include "engine.h"
#include "gromatic.h"
#include "help.h"
#include "options.h"
#include "spared_files.h"
#include "terminal.h"

#include <errno.h>
#include <string.h>

static int run_command(const cli_command *command, int argc, char **argv) {
  cli_args args;
  int code = cli_parse(command, argc, argv, &args);
  if (code == CLI_DONE && args.help)
    cli_print_help(stdout, command);
  else if (code == CLI_DONE)
    code = cli_spares_inputs(command, &args) ? command->run(&args) : CLI_USAGE;
  cli_args_free(&args);
  return code;
}

static int run(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "--help";
  if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
    printf("gromatic %s\n", gm_version());
    return CLI_DONE;
  }
  if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
    cli_print_overview(argc > 1 ? stdout : stderr);
    return argc > 1 ? CLI_DONE : CLI_USAGE;
  }
  const cli_command *command = cli_command_named(name);
  if (command) return run_command(command, argc - 1, argv + 1);
  cli_report_unknown_command(name);
  return CLI_USAGE;
}

/* If standard output could not be written, no command has succeeded. */
int main(int argc, char **argv) {
  int code = run(argc, argv);
  cli_free_engine();
  bool before = ferror(stdout) != 0;
  errno = 0;
  if (fflush(stdout) == 0 && !before) return code;
  cli_error("cannot write to standard output%s%s", errno ? ": " : "",
            errno ? strerror(errno) : "");
  return code == CLI_DONE ? CLI_SOME_FAILED : code;
}
