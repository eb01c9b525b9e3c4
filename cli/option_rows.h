/* option_rows.h - the options of all commands in one table, from which parsing, --help,
 * suggestions, shell completion and the manual's list are made. */
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
  SECTION_MEASURE,
  SECTION_OUTPUT,
  SECTION_MODEL,
  SECTION_SPEED,
  SECTION_CACHE,
  N_SECTIONS
} cli_section;
extern const char *const cli_section_titles[N_SECTIONS];

/* What an option changes. --resume goes on only where the options are the same that change the
 * result (run_settings.h). */
typedef enum cli_changes {
  CHANGES_UNSAID, /* in no row */
  CHANGES_INPUT,  /* which pictures or classes are looked at: each has a result of its own */
  CHANGES_RESULT, /* the result */
  CHANGES_FILE,   /* the result, by what is in the file that the option names */
  CHANGES_MODEL,  /* the result, by what is in the model that the option names */
  CHANGES_LIMIT,  /* which inputs fail, nothing else */
  CHANGES_OUTPUT, /* what is shown, drawn or exported of the result, and where it goes */
  CHANGES_SPEED   /* time, memory and patience, nothing else */
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
  const char *choices; /* "f32,f16": what a shell offers as its value; NULL: no fixed list */
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
