/* inputs.h - the pictures a command works on: files, - for standard input, @FILE for a list of
 * names (one a line), a directory for its pictures, sorted by name, a tar file for the pictures
 * in it, in its order. */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include "arguments.h"

typedef struct cli_inputs {
  char **names;    /* "-" is standard input; of a picture in a tar file "FILE.tar/ENTRY" */
  size_t *archive; /* [n] bytes of the tar file's name in front of the entry's; 0: no tar */
  size_t n;
  struct cli_archive *open; /* the tar file that is being read */
} cli_inputs;

/* recursive: of a directory its directories too (not those with a dot in front, and no links).
 * On an error says so on stderr and returns an exit code. Free with cli_inputs_free. */
int cli_expand_inputs(const cli_list *given, bool recursive, cli_inputs *out);
void cli_inputs_free(cli_inputs *inputs);

/* The bytes of picture i, as cli_read_all. Those in a tar file are read in their order. */
void *cli_inputs_read(cli_inputs *inputs, size_t i, size_t limit, size_t *size);
/* The entry's name in its tar file; NULL where picture i is in none. */
const char *cli_inputs_entry(const cli_inputs *inputs, size_t i);

/* The whole of a file or of standard input ("-"), up to `limit` bytes; NULL with errno set
 * (EFBIG if it is longer). free() it. */
void *cli_read_all(const char *name, size_t limit, size_t *size);

#endif
