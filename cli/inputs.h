/* inputs.h - the pictures a command works on: files, - for standard input, @FILE for a list of
 * names (one a line), a directory for its pictures, sorted by name. */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include "options.h"

typedef struct cli_inputs {
  char **names; /* "-" is standard input */
  size_t n;
} cli_inputs;

/* On an error says so on stderr and returns an exit code. Free with cli_inputs_free. */
int cli_expand_inputs(const cli_list *given, cli_inputs *out);
void cli_inputs_free(cli_inputs *inputs);

/* The whole of a file or of standard input ("-"), up to `limit` bytes; NULL with errno set
 * (EFBIG if it is longer). free() it. */
void *cli_read_all(const char *name, size_t limit, size_t *size);

#endif
