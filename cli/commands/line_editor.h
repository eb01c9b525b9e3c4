/* line_editor.h - reads lines typed at a terminal: UTF-8, history, completion of file names by
 * Tab. */
#ifndef CLI_LINE_EDITOR_H
#define CLI_LINE_EDITOR_H

#include <stdbool.h>

typedef struct cli_line_editor cli_line_editor;

/* A command that a line may begin with. */
typedef struct cli_line_command {
  const char *name; /* "/image" */
  bool takes_file;  /* the rest of the line is a file's name */
} cli_line_command;

typedef enum cli_line_end {
  LINE_READ,
  LINE_INTERRUPTED, /* Ctrl-C: the line was dropped */
  LINE_NOT_UTF8,    /* the line was dropped: it has other bytes */
  LINE_END          /* Ctrl-D on an empty line, or the terminal was closed */
} cli_line_end;

/* Reads from standard input, which must be a terminal. commands (ends with a NULL name) must
 * outlive the editor. Characters are UTF-8 in every locale; numbers stay in the C locale. NULL
 * if it cannot be opened. */
cli_line_editor *cli_line_editor_open(const cli_line_command *commands);
void cli_line_editor_close(cli_line_editor *editor);

/* *line is the text without its line end. It is valid until the next call and may be changed.
 */
cli_line_end cli_line_editor_read(cli_line_editor *editor, char **line);

#endif
