/* option_rows.h - one table of the options of all commands. Parsing, --help, suggestions, shell
 * completion, the manual's list and the check of --resume are made from it. */
#ifndef CLI_OPTION_ROWS_H
#define CLI_OPTION_ROWS_H

#include "arguments.h"

/* COUNT: 32 bits, BIG: 64 */
typedef enum cli_option_kind { FLAG, TEXT, COUNT, BIG, NUMBER, LIST, LEVEL } cli_option_kind;

/* The headings of --help, in the order shown; see cli_section_titles. */
typedef enum cli_section {
  SECTION_OTHER, /* shown last */
  SECTION_QUESTION,
  SECTION_CLASSES,
  SECTION_CROPS,
  SECTION_REGIONS,
  SECTION_PICTURES,
  SECTION_ANSWER,
  SECTION_SERVER,
  SECTION_HTTP,
  SECTION_LEARNING,
  SECTION_MEASURE,
  SECTION_OUTPUT,
  SECTION_MODEL,
  SECTION_SPEED,
  SECTION_CACHE,
  N_SECTIONS
} cli_section;
extern const char *const cli_section_titles[N_SECTIONS];

/* What an option changes. --resume continues a run only if the options that change the result
 * are the same (run_settings.h). */
typedef enum cli_changes {
  CHANGES_UNSAID, /* in no row */
  CHANGES_INPUT,  /* which pictures or classes are worked on: each has its own result */
  CHANGES_RESULT, /* the result */
  CHANGES_FILE,   /* the result, by the content of the file that it names */
  CHANGES_MODEL,  /* the result, by the content of the model that it names */
  CHANGES_LIMIT,  /* only which inputs fail */
  CHANGES_OUTPUT, /* only what is shown, drawn or exported of the result, and where */
  CHANGES_SPEED   /* only time and memory */
} cli_changes;

typedef struct cli_option_row {
  const char *name;
  char letter; /* 0: none */
  cli_option_kind kind;
  size_t offset; /* in cli_args */
  unsigned groups;
  const char *value; /* placeholder; NULL for flags */
  const char *help;
  cli_section section;
  cli_changes changes;
  const char *choices; /* "f32,f16": values that a shell offers; NULL: no fixed list */
} cli_option_row;

/* Ends with a NULL name. Rows with one name are adjacent; a command has the first of them that
 * its groups admit. */
extern const cli_option_row cli_option_rows[];
enum { CLI_MAX_OPTIONS = 256 }; /* rows at most, with the last one */

/* Whether the row is an option of the command. */
bool cli_option_admitted(const cli_command *command, const cli_option_row *row);
/* Whether the row is the first one with its name. */
bool cli_option_first(const cli_option_row *row);

#endif
