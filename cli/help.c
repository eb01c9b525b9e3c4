/* help.c - see help.h. */
#include "help.h"

#include "option_rows.h"

#include <string.h>

enum { HELP_COLUMN = 31, HELP_WIDTH = 96 };

void cli_print_overview(FILE *out) {
  fprintf(out, "gromatic says what is in a picture and where, on your own processor.\n\n"
               "usage: gromatic COMMAND [OPTION]... [PICTURE]...\n\n");
  for (const cli_command *c = cli_commands; c->name; c++)
    fprintf(out, "  %-17s %s\n", c->name, c->summary);
  fprintf(out, "\n'gromatic help COMMAND' shows a command's options; 'gromatic --version' the "
               "version.\n"
               "exit codes: 0 done, 1 some inputs failed, 2 usage, 3 model unusable, "
               "130 interrupted\n");
}

/* ---- help ---- */

/* Prints the words from `column` on, in lines of HELP_WIDTH that all begin at HELP_COLUMN. */
static void print_wrapped(FILE *out, const char *text, int column) {
  if (column >= HELP_COLUMN) {
    fputc('\n', out);
    column = 0;
  }
  fprintf(out, "%*s", HELP_COLUMN - column, "");
  column = HELP_COLUMN;
  for (const char *separator = ""; *text; separator = " ") {
    int length = (int)strcspn(text, " ");
    if (column + (int)strlen(separator) + length > HELP_WIDTH && *separator) {
      fprintf(out, "\n%*s", HELP_COLUMN, "");
      column = HELP_COLUMN;
      separator = "";
    }
    fprintf(out, "%s%.*s", separator, length, text);
    column += (int)strlen(separator) + length;
    text += length;
    text += strspn(text, " ");
  }
  fputc('\n', out);
}

static void print_option(FILE *out, const cli_option_row *row) {
  char letter[8] = "    ";
  if (row->letter) snprintf(letter, sizeof letter, "-%c, ", row->letter);
  int column = fprintf(out, "  %s--%s%s%s", letter, row->name, row->value ? " " : "",
                       row->value ? row->value : "");
  print_wrapped(out, row->help, column + 2 > HELP_COLUMN ? HELP_COLUMN : column);
}

/* The command's next row of a section, at or after `row`; NULL: there is none. */
static const cli_option_row *next_row(const cli_command *command, cli_section section,
                                      const cli_option_row *row) {
  for (; row->name; row++)
    if (row->section == section && cli_option_admitted(command, row)) return row;
  return NULL;
}

static void print_section(FILE *out, const cli_command *command, cli_section section) {
  const cli_option_row *row = next_row(command, section, cli_option_rows);
  if (!row) return;
  fprintf(out, "\n%s:\n", cli_section_titles[section]);
  for (; row; row = next_row(command, section, row + 1)) print_option(out, row);
}

void cli_print_help(FILE *out, const cli_command *command) {
  fprintf(out, "usage: gromatic %s %s\n\n%s.\n", command->name, command->synopsis,
          command->summary);
  if (command->details) fprintf(out, "\n%s\n", command->details);
  for (int s = 1; s < N_SECTIONS; s++) print_section(out, command, (cli_section)s);
  print_section(out, command, SECTION_OTHER);
}

/* ---- the manual ---- */

/* Prints plain text as roff: hyphens become minus signs; quotes and dots at the beginning of a
 * line stay text. */
static void print_roff(FILE *out, const char *text) {
  for (bool line_start = true; *text; line_start = *text++ == '\n') {
    if (line_start && (*text == '.' || *text == '\'')) fputs("\\&", out);
    if (*text == '-' || *text == '\\') fputc('\\', out);
    fputs(*text == '\\' ? "e" : (char[]){*text, 0}, out);
  }
}

/* Prints "label, detect: " if the option means different things to commands. */
static void print_whose(FILE *out, const cli_option_row *row) {
  bool differ = !cli_option_first(row) || (row[1].name && !cli_option_first(row + 1));
  const char *before = "";
  for (const cli_command *c = cli_commands; differ && c->name; c++) {
    if (!cli_option_admitted(c, row)) continue;
    fputs(before, out);
    print_roff(out, c->name);
    before = ", ";
  }
  if (differ) fputs(": ", out);
}

static void print_man_section(FILE *out, cli_section section) {
  fprintf(out, ".SS %s\n", cli_section_titles[section]);
  for (const cli_option_row *row = cli_option_rows; row->name; row++) {
    if (row->section != section) continue;
    if (cli_option_first(row) || row[-1].section != section) {
      fprintf(out, ".TP\n");
      if (row->letter) fprintf(out, "\\fB\\-%c\\fR, ", row->letter);
      fprintf(out, "\\fB\\-\\-");
      print_roff(out, row->name);
      fprintf(out, "\\fR");
      if (row->value) fprintf(out, " \\fI%s\\fR", row->value);
      fputc('\n', out);
    } else {
      fprintf(out, ".br\n");
    }
    print_whose(out, row);
    print_roff(out, row->help);
    fputc('\n', out);
  }
}

void cli_print_man_options(FILE *out) {
  for (int s = 1; s < N_SECTIONS; s++) print_man_section(out, (cli_section)s);
  print_man_section(out, SECTION_OTHER);
}

void cli_print_man_commands(FILE *out) {
  for (const cli_command *c = cli_commands; c->name; c++) {
    fprintf(out, ".TP\n\\fB%s\\fR ", c->name);
    print_roff(out, c->synopsis);
    fputc('\n', out);
    print_roff(out, c->summary);
    fprintf(out, ".\n");
  }
}
