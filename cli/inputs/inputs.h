/* inputs.h - the pictures a command works on: files, - for standard input, @FILE for a list of
 * names (name_list.h), a directory for its pictures, sorted by name, a tar file for its
 * pictures, in its order.
 *
 * A list from a pipe is read as it is needed, so that its writer gets an answer for one name
 * before it writes the next. */
#ifndef CLI_INPUTS_H
#define CLI_INPUTS_H

#include "arguments.h"
#include "name_list.h"

typedef struct cli_inputs {
  char **names; /* "-" is standard input; "FILE.tar/ENTRY" is a picture in a tar file */
  struct cli_place *places; /* [n] the place of each */
  size_t n;                 /* known so far */
  bool whole;               /* all are known */
  int code;                 /* CLI_DONE, or after a message why the list ended early */
  struct cli_archive *open; /* the tar file that is being read */
  cli_list given;
  size_t next; /* of given */
  bool recursive;
  name_list *list; /* the list that is being read */
} cli_inputs;

/* Expands the arguments up to the first list that comes slowly. recursive: also takes the
 * directories in a directory, except hidden ones and links, which are reported. Returns an exit
 * code, after a message if it is not CLI_DONE. given's items must outlive inputs. Free with
 * cli_inputs_free. */
int cli_expand_inputs(const cli_list *given, bool recursive, cli_inputs *out);
/* Waits for all inputs, for callers that need to know them. Returns an exit code. */
int cli_inputs_finish(cli_inputs *inputs);
/* Whether there is an input i, i <= n. Never called while one is being read on another thread.
 */
input_state cli_inputs_more(cli_inputs *inputs, size_t i, bool wait);
void cli_inputs_free(cli_inputs *inputs);

/* The bytes of picture i, as cli_read_all. */
void *cli_inputs_read(cli_inputs *inputs, size_t i, size_t limit, size_t *size);
/* The entry's name in its tar file; NULL if picture i is not in one. */
const char *cli_inputs_entry(const cli_inputs *inputs, size_t i);

#endif
