/* completion.h - shell completion scripts, made from the tables of commands and options. */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "arguments.h"

/* shell: "bash", "zsh" or "fish"; false if it is none of them. */
bool cli_print_completion(FILE *out, const char *shell);

#endif
