/* progress.h - shows how far a run is, on one line of stderr, as wide as the terminal is at
 * that moment. It uses no escape sequences, so it looks the same on a dumb terminal. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "gromatic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A progress line on stderr, drawn only if that is a terminal and not quiet. done is in 0..1,
 * or CLI_PROGRESS_UNKNOWN: then the text is shown without a bar. The remaining time is
 * estimated from the rate so far. */
#define CLI_PROGRESS_UNKNOWN (-1.0)
typedef struct cli_progress {
  bool shown;
  size_t drawn; /* columns on the screen now */
  double began, last;
  uint64_t total_bytes; /* for a rate; 0: none */
  char what[128];       /* of the last update */
  double done;
} cli_progress;
cli_progress cli_progress_begin(bool quiet);
/* cli_callbacks (terminal.h) that also show the stages of a call. */
gm_callbacks cli_progress_callbacks(cli_progress *progress);
void cli_progress_update(cli_progress *progress, const char *what, double done);
/* Removes the line, because something else is printed or the run has ended. */
void cli_progress_clear(cli_progress *progress);
/* Draws the removed line again. */
void cli_progress_again(cli_progress *progress);

#endif
