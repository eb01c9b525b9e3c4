/* completion.c - see completion.h. */
#include "completion.h"

#include "option_rows.h"

#include <string.h>

/* Whether a value is the name of a file, which a shell can complete. */
static bool names_file(const cli_option_row *row) {
  static const char *const kinds[] = {"FILE", "DIR", "MODEL", "OUT"};
  for (size_t i = 0; row->value && i < sizeof kinds / sizeof *kinds; i++)
    if (strncmp(row->value, kinds[i], strlen(kinds[i])) == 0) return true;
  return false;
}

/* Writes "a,b" as "a b", or with another separator. */
static void put_list(FILE *out, const char *list, char separator) {
  for (; *list; list++) fputc(*list == ',' ? separator : *list, out);
}

static void put_commands(FILE *out) {
  for (const cli_command *c = cli_commands; c->name; c++) fprintf(out, "%s ", c->name);
}

/* ---- bash ---- */

static void put_bash_pattern(FILE *out, const cli_option_row *row) {
  fprintf(out, "--%s", row->name);
  if (row->letter) fprintf(out, "|-%c", row->letter);
}

/* The values of an option of one command: fixed words, nothing to offer, or (not listed) a
 * file. */
static void print_bash_values(FILE *out, const cli_command *command) {
  fprintf(out, "    case $prev in\n");
  for (const cli_option_row *row = cli_option_rows; row->name; row++) {
    if (!row->value || !cli_option_admitted(command, row)) continue;
    if (!row->choices && names_file(row)) continue;
    fprintf(out, "    ");
    put_bash_pattern(out, row);
    fprintf(out, ") _gromatic_words \"");
    if (row->choices) put_list(out, row->choices, ' ');
    fprintf(out, "\"; return ;;\n");
  }
  fprintf(out, "    esac\n");
}

static void print_bash_command(FILE *out, const cli_command *command) {
  fprintf(out, "  %s)\n    options='", command->name);
  for (const cli_option_row *row = cli_option_rows; row->name; row++)
    if (cli_option_admitted(command, row)) fprintf(out, "--%s ", row->name);
  fprintf(out, "'\n    words='");
  if (strcmp(command->name, "help") == 0) put_commands(out);
  if (command->words) put_list(out, command->words, ' ');
  fprintf(out, "'\n");
  print_bash_values(out, command);
  fprintf(out, "    ;;\n");
}

static void print_bash(FILE *out) {
  fprintf(out, "_gromatic_words() {\n"
               "  COMPREPLY=($(compgen -W \"$1\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n"
               "_gromatic() {\n  local cur=${COMP_WORDS[COMP_CWORD]} prev= options= words=\n"
               "  COMPREPLY=()\n  if [ \"$COMP_CWORD\" = 1 ]; then\n    _gromatic_words \"");
  put_commands(out);
  fprintf(out, "--help --version\"\n    return\n  fi\n  prev=${COMP_WORDS[COMP_CWORD-1]}\n"
               "  case ${COMP_WORDS[1]} in\n");
  for (const cli_command *c = cli_commands; c->name; c++) print_bash_command(out, c);
  fprintf(out, "  esac\n"
               "  if [[ $cur == -* ]]; then _gromatic_words \"$options\"; return; fi\n"
               "  if [ \"$COMP_CWORD\" = 2 ] && [ -n \"$words\" ]; then _gromatic_words "
               "\"$words\"; return; fi\n"
               "  COMPREPLY=($(compgen -f -- \"$cur\"))\n}\n"
               "complete -o filenames -F _gromatic gromatic\n");
}

/* text within single quotes, for zsh and fish */
static void put_within_quotes(FILE *out, const char *text) {
  for (; *text; text++)
    if (*text == '\'')
      fputs("'\\''", out);
    else
      fputc(*text, out);
}

/* ---- zsh ---- */

static void print_zsh_option(FILE *out, const cli_option_row *row) {
  fprintf(out, " '--%s%s", row->name, row->value ? "=:value:" : "");
  if (row->choices) {
    fputc('(', out);
    put_list(out, row->choices, ' ');
    fputc(')', out);
  } else if (row->value) {
    fputs(names_file(row) ? "_files" : " ", out);
  }
  fputc('\'', out);
}

static void print_zsh(FILE *out) {
  fprintf(out, "#compdef gromatic\n_gromatic() {\n  local -a commands\n  commands=(\n");
  for (const cli_command *c = cli_commands; c->name; c++) {
    fprintf(out, "    '%s:", c->name);
    put_within_quotes(out, c->summary);
    fputs("'\n", out);
  }
  fprintf(out, "  )\n  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
               "  local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n"
               "  case $command in\n");
  for (const cli_command *c = cli_commands; c->name; c++) {
    fprintf(out, "  %s) _arguments", c->name);
    for (const cli_option_row *row = cli_option_rows; row->name; row++)
      if (cli_option_admitted(c, row)) print_zsh_option(out, row);
    if (strcmp(c->name, "help") == 0 || c->words) {
      fprintf(out, " '1:what:(");
      if (c->words)
        put_list(out, c->words, ' ');
      else
        put_commands(out);
      fprintf(out, ")'");
    }
    fprintf(out, " '*:file:_files' ;;\n");
  }
  fprintf(out, "  esac\n}\ncompdef _gromatic gromatic\n");
}

/* ---- fish ---- */

static void print_fish_command(FILE *out, const cli_command *command) {
  fprintf(out, "complete -c gromatic -n __fish_use_subcommand -a %s -d '", command->name);
  put_within_quotes(out, command->summary);
  fputs("'\n", out);
  if (command->words || strcmp(command->name, "help") == 0) {
    fprintf(out, "complete -c gromatic -n '__fish_seen_subcommand_from %s' -a '",
            command->name);
    if (command->words)
      put_list(out, command->words, ' ');
    else
      put_commands(out);
    fprintf(out, "'\n");
  }
  for (const cli_option_row *row = cli_option_rows; row->name; row++) {
    if (!cli_option_admitted(command, row)) continue;
    fprintf(out, "complete -c gromatic -n '__fish_seen_subcommand_from %s' -l %s",
            command->name, row->name);
    if (row->choices) {
      fprintf(out, " -x -a '");
      put_list(out, row->choices, ' ');
      fprintf(out, "'");
    } else if (row->value) {
      fputs(names_file(row) ? " -r -F" : " -x", out);
    }
    fputc('\n', out);
  }
}

bool cli_print_completion(FILE *out, const char *shell) {
  if (strcmp(shell, "bash") == 0)
    print_bash(out);
  else if (strcmp(shell, "zsh") == 0)
    print_zsh(out);
  else if (strcmp(shell, "fish") == 0)
    for (const cli_command *c = cli_commands; c->name; c++) print_fish_command(out, c);
  else
    return false;
  return true;
}
