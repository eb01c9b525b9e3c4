/* help.h - what the program says about itself, made of the tables of commands and options:
 * --help, shell completion, the manual's lists. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "arguments.h"

void cli_print_help(FILE *out, const cli_command *command);
void cli_print_overview(FILE *out);
/* shell: "bash", "zsh" or "fish"; false if it is none of them. */
bool cli_print_completion(FILE *out, const char *shell);
/* The OPTIONS and COMMANDS sections of the manual in roff. */
void cli_print_man_options(FILE *out);
void cli_print_man_commands(FILE *out);

#endif
