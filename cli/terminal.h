/* terminal.h - what the program shows a person: colours, messages, Ctrl-C. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include "gromatic.h"
#include "terminal_text.h"

#include <stdio.h>

/* True where out is a terminal, not a dumb one (TERM), and NO_COLOR is not set. */
bool cli_has_colour(FILE *out);
/* Escape sequence of a palette index (as in gm_mark.colour), or of none (-1); "" without
 * colour. */
const char *cli_colour(FILE *out, int32_t index);

/* Ctrl-C sets a flag instead of ending the program; a second one ends it. */
void cli_catch_interrupt(void);
bool cli_interrupted(void);
void cli_clear_interrupt(void);

/* Callbacks that end the call after Ctrl-C; user and the others are the caller's to set. */
gm_callbacks cli_callbacks(void);

double cli_now(void); /* seconds, monotonic */

/* "gromatic: MESSAGE" on stderr, on one line, as cli_put_name. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with what the library says; of a call that Ctrl-C stopped "interrupted". */
void cli_report_error(const gm_error *err);
/* The exit code that a failed library call leads to; that of one that opens or uses a model. */
int cli_exit_code(gm_status status);
int cli_model_exit_code(gm_status status);

#endif
