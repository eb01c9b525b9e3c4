/* terminal.h - what the program shows a person: colours, messages, Ctrl-C. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include "gromatic.h"
#include "terminal_text.h"

#include <stdio.h>

/* Whether out is a terminal that is not dumb (TERM), and NO_COLOR is not set. */
bool cli_has_colour(FILE *out);
/* The escape sequence for a palette index (as in gm_mark.colour), or for none (-1); "" without
 * colour. */
const char *cli_colour(FILE *out, int32_t index);

/* Makes Ctrl-C set a flag instead of ending the program; a second one ends it. */
void cli_catch_interrupt(void);
bool cli_interrupted(void);
void cli_clear_interrupt(void);

/* Callbacks that end the call after Ctrl-C. The caller may set user and the others. */
gm_callbacks cli_callbacks(void);

double cli_now(void); /* seconds, monotonic */

/* Prints "gromatic: MESSAGE" on stderr, on one line, as cli_put_name does. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with the library's message; "interrupted" for a call that Ctrl-C stopped. */
void cli_report_error(const gm_error *err);
/* The exit code for a failed call; the second one is for calls that open or use a model. */
int cli_exit_code(gm_status status);
int cli_model_exit_code(gm_status status);

#endif
