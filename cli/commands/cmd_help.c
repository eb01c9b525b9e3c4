/* cmd_help.c - gromatic help: the commands, or the options of one. */
#include "commands.h"
#include "help.h"
#include "options.h"
#include "terminal.h"

int cmd_help(const cli_args *args) {
  if (args->inputs.n == 0) {
    cli_print_overview(stdout);
    return CLI_DONE;
  }
  const cli_command *command =
      args->inputs.n == 1 ? cli_command_named(args->inputs.items[0]) : NULL;
  if (command) {
    cli_print_help(stdout, command);
    return CLI_DONE;
  }
  if (args->inputs.n > 1)
    cli_error("help: found %zu names, wanted one command", args->inputs.n);
  else
    cli_report_unknown_command(args->inputs.items[0]);
  return CLI_USAGE;
}
