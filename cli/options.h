/* options.h - reads a command's settings from the command line and the environment. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "arguments.h"

/* The settings of a command without options. */
extern const cli_args cli_defaults;

/* Fills *args from argv[1..] and GROMATIC_ARG_* variables. On an error it prints a message with
 * a suggestion and returns CLI_USAGE. Release the lists with cli_args_free. */
int cli_parse(const cli_command *command, int argc, char **argv, cli_args *args);
void cli_args_free(cli_args *args);

/* NULL if no command has that name. */
const cli_command *cli_command_named(const char *name);
/* Reports an unknown command on stderr, with the one that was perhaps meant. */
void cli_report_unknown_command(const char *word);

#endif
