/* option_rows.h - the options of all commands in one table, from which parsing, --help,
 * suggestions, shell completion and the manual's list are made. */
#ifndef CLI_OPTION_ROWS_H
#define CLI_OPTION_ROWS_H

#include "arguments.h"

/* COUNT: 32 bits, BIG: 64 */
typedef enum cli_option_kind { FLAG, TEXT, COUNT, BIG, NUMBER, LIST, LEVEL } cli_option_kind;

typedef struct cli_option_row {
  const char *name;
  char letter; /* 0: none */
  cli_option_kind kind;
  size_t offset; /* in cli_args */
  unsigned groups;
  const char *value; /* placeholder; NULL for flags */
  const char *help;
} cli_option_row;

/* Ends with a NULL name. Rows of one name stand together: of these a command has the first one
 * that its groups admit. */
extern const cli_option_row cli_option_rows[];
enum { CLI_MAX_OPTIONS = 128 }; /* rows at most, the last one too */

/* Whether it is one of the command's options. */
bool cli_option_admitted(const cli_command *command, const cli_option_row *row);
/* Whether it is the first row of its name. */
bool cli_option_first(const cli_option_row *row);

#endif
