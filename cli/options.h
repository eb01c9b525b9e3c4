/* options.h - how a command's settings are read from the command line and the environment. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "arguments.h"

/* Fills *args from argv[1..] and GROMATIC_ARG_* variables. On an error it says so on stderr,
 * with a suggestion, and returns CLI_USAGE. cli_args_free releases the lists. */
int cli_parse(const cli_command *command, int argc, char **argv, cli_args *args);
void cli_args_free(cli_args *args);

/* The best match of `word` among the commands' names, or NULL if none is near. */
const char *cli_suggest_command(const char *word);

#endif
