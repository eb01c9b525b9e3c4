/* help.c - see help.h. */
#include "help.h"

#include "option_rows.h"

#include <string.h>

void cli_print_overview(FILE *out) {
  fprintf(out, "gromatic says where, what and which about a picture, on your own processor.\n\n"
               "usage: gromatic COMMAND [OPTION]... [PICTURE]...\n\n");
  for (const cli_command *c = cli_commands; c->name; c++)
    fprintf(out, "  %-12s %s\n", c->name, c->summary);
  fprintf(out, "\n'gromatic COMMAND --help' tells more; 'gromatic --version' the version.\n"
               "exit codes: 0 done, 1 some inputs failed, 2 usage, 3 model unusable, "
               "130 interrupted\n");
}

void cli_print_help(FILE *out, const cli_command *command) {
  fprintf(out, "usage: gromatic %s %s\n\n%s.\n", command->name, command->synopsis,
          command->summary);
  if (command->details) fprintf(out, "\n%s\n", command->details);
  fprintf(out, "\noptions:\n");
  for (const cli_option_row *row = cli_option_rows; row->name; row++) {
    if (!cli_option_admitted(command, row)) continue;
    char left[64], letter[8] = "    ";
    if (row->letter) snprintf(letter, sizeof letter, "-%c, ", row->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, row->name, row->value ? " " : "",
             row->value ? row->value : "");
    fprintf(out, "  %-28s %s\n", left, row->help);
  }
}

/* Whether a value is the name of a file, so that a shell offers some. */
static bool names_file(const cli_option_row *row) {
  static const char *const kinds[] = {"FILE", "DIR", "MODEL", "OUT.png"};
  for (size_t i = 0; row->value && i < sizeof kinds / sizeof *kinds; i++)
    if (strncmp(row->value, kinds[i], strlen(kinds[i])) == 0) return true;
  return false;
}

/* Options whose value is a word of another kind, as a pattern of `case`. */
static void print_word_options(FILE *out) {
  const char *before = "";
  for (const cli_option_row *row = cli_option_rows; row->name; row++) {
    if (!row->value || names_file(row) || !cli_option_first(row)) continue;
    fprintf(out, "%s--%s", before, row->name);
    before = "|";
    if (row->letter) fprintf(out, "|-%c", row->letter);
  }
}

static void print_bash(FILE *out) {
  fprintf(out, "_gromatic() {\n  local cur=${COMP_WORDS[COMP_CWORD]} options=\n"
               "  if [ \"$COMP_CWORD\" = 1 ]; then\n    COMPREPLY=($(compgen -W \"");
  for (const cli_command *c = cli_commands; c->name; c++) fprintf(out, "%s ", c->name);
  fprintf(out,
          "--help --version\" -- \"$cur\"))\n    return\n  fi\n  case ${COMP_WORDS[1]} in\n");
  for (const cli_command *c = cli_commands; c->name; c++) {
    fprintf(out, "  %s) options='", c->name);
    for (const cli_option_row *row = cli_option_rows; row->name; row++)
      if (cli_option_admitted(c, row)) fprintf(out, "--%s ", row->name);
    fprintf(out, "' ;;\n");
  }
  fprintf(out, "  esac\n  case ${COMP_WORDS[COMP_CWORD-1]} in\n  ");
  print_word_options(out);
  fprintf(out, ") return ;;\n  esac\n  case $cur in\n  -*) COMPREPLY=($(compgen -W "
               "\"$options\" -- \"$cur\")) ;;\n"
               "  *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n  esac\n}\n"
               "complete -o filenames -F _gromatic gromatic\n");
}

static void print_zsh(FILE *out) {
  fprintf(out, "#compdef gromatic\n_gromatic() {\n  local -a commands\n  commands=(\n");
  for (const cli_command *c = cli_commands; c->name; c++)
    fprintf(out, "    '%s:%s'\n", c->name, c->summary);
  fprintf(out, "  )\n  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
               "  case $words[2] in\n");
  for (const cli_command *c = cli_commands; c->name; c++) {
    fprintf(out, "  %s) _arguments", c->name);
    for (const cli_option_row *row = cli_option_rows; row->name; row++)
      if (cli_option_admitted(c, row))
        fprintf(out, " '--%s%s'", row->name,
                !row->value       ? ""
                : names_file(row) ? "=:file:_files"
                                  : "=:value: ");
    fprintf(out, " '*:file:_files' ;;\n");
  }
  fprintf(out, "  esac\n}\ncompdef _gromatic gromatic\n");
}

static void print_fish(FILE *out) {
  for (const cli_command *c = cli_commands; c->name; c++) {
    fprintf(out, "complete -c gromatic -n __fish_use_subcommand -a %s -d '%s'\n", c->name,
            c->summary);
    for (const cli_option_row *row = cli_option_rows; row->name; row++)
      if (cli_option_admitted(c, row))
        fprintf(out, "complete -c gromatic -n '__fish_seen_subcommand_from %s' -l %s%s\n",
                c->name, row->name,
                !row->value       ? ""
                : names_file(row) ? " -r -F"
                                  : " -x");
  }
}

bool cli_print_completion(FILE *out, const char *shell) {
  if (strcmp(shell, "bash") == 0)
    print_bash(out);
  else if (strcmp(shell, "zsh") == 0)
    print_zsh(out);
  else if (strcmp(shell, "fish") == 0)
    print_fish(out);
  else
    return false;
  return true;
}

/* Plain text as roff: hyphens are minus signs, quotes and dots at a line's start are text. */
static void print_roff(FILE *out, const char *text) {
  for (bool line_start = true; *text; line_start = *text++ == '\n') {
    if (line_start && (*text == '.' || *text == '\'')) fputs("\\&", out);
    if (*text == '-' || *text == '\\') fputc('\\', out);
    fputs(*text == '\\' ? "e" : (char[]){*text, 0}, out);
  }
}

/* "label, detect: " where commands differ in what the option means to them. */
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

void cli_print_man_options(FILE *out) {
  for (const cli_option_row *row = cli_option_rows; row->name; row++) {
    if (cli_option_first(row)) {
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

void cli_print_man_commands(FILE *out) {
  for (const cli_command *c = cli_commands; c->name; c++) {
    fprintf(out, ".TP\n\\fB%s\\fR ", c->name);
    print_roff(out, c->synopsis);
    fputc('\n', out);
    print_roff(out, c->summary);
    fprintf(out, ".\n");
  }
}
