/* cmd_completion.c - gromatic completion: a completion script for a shell, or the manual's
 * options. */
#include "commands.h"
#include "completion.h"
#include "help.h"
#include "terminal.h"

#include <string.h>

int cmd_completion(const cli_args *args) {
  const char *shell = args->inputs.n == 1 ? args->inputs.items[0] : "";
  if (strcmp(shell, "man-options") == 0 || strcmp(shell, "man-commands") == 0) {
    (strcmp(shell, "man-options") == 0 ? cli_print_man_options
                                       : cli_print_man_commands)(stdout);
    return CLI_DONE;
  }
  if (cli_print_completion(stdout, shell)) return CLI_DONE;
  cli_error("completion: found '%s', wanted bash, zsh or fish", shell);
  return CLI_USAGE;
}
