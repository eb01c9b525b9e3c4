/* inputs.h - the pictures a command works on: files, - for standard input, @FILE for a list of
 * names (name_list.h), a directory for its pictures, sorted by name, a tar file for the
 * pictures in it, in its order.
 *
 * A list that is a pipe is read as it is needed, so that whoever writes names gets an answer to
 * one before the next is written. */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include "arguments.h"
#include "name_list.h"

typedef struct cli_inputs {
  char **names; /* "-" is standard input; of a picture in a tar file "FILE.tar/ENTRY" */
  struct cli_place *places; /* [n] where each is */
  size_t n;                 /* that are known */
  bool whole;               /* no more will come */
  int code;                 /* why no more came, after a message; CLI_DONE */
  struct cli_archive *open; /* the tar file that is being read */
  cli_list given;
  size_t next; /* of given */
  bool recursive;
  name_list *list; /* that is being read */
} cli_inputs;

/* Up to the first list that comes slowly. recursive: of a directory its directories too (not
 * those with a dot in front, and no links, which are told). On an error says so on stderr and
 * returns an exit code. given's items must outlive it. Free with cli_inputs_free. */
int cli_expand_inputs(const cli_list *given, bool recursive, cli_inputs *out);
/* The rest of them, for those who need to know all. Returns an exit code. */
int cli_inputs_finish(cli_inputs *inputs);
/* Whether there is an input i, at most n. Never called while one is being read elsewhere. */
input_state cli_inputs_more(cli_inputs *inputs, size_t i, bool wait);
void cli_inputs_free(cli_inputs *inputs);

/* The bytes of picture i, as cli_read_all. */
void *cli_inputs_read(cli_inputs *inputs, size_t i, size_t limit, size_t *size);
/* The entry's name in its tar file; NULL where picture i is in none. */
const char *cli_inputs_entry(const cli_inputs *inputs, size_t i);

#endif
