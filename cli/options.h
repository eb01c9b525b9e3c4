/* options.h - how a command's settings are read from the command line and the environment. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "arguments.h"

/* The settings of a command to which nothing is given. */
extern const cli_args cli_defaults;

/* Fills *args from argv[1..] and GROMATIC_ARG_* variables. On an error it says so on stderr,
 * with a suggestion, and returns CLI_USAGE. cli_args_free releases the lists. */
int cli_parse(const cli_command *command, int argc, char **argv, cli_args *args);
void cli_args_free(cli_args *args);

/* NULL where no command has that name. */
const cli_command *cli_command_named(const char *name);
/* Says so on stderr, with the command that was perhaps meant. */
void cli_report_unknown_command(const char *word);

#endif
