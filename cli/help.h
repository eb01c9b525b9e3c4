/* help.h - --help and the manual's lists, made from the tables of commands and options. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "arguments.h"

void cli_print_help(FILE *out, const cli_command *command);
void cli_print_overview(FILE *out);
/* The OPTIONS and COMMANDS sections of the manual in roff. */
void cli_print_man_options(FILE *out);
void cli_print_man_commands(FILE *out);

#endif
