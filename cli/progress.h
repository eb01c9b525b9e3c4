/* progress.h - how far a run is, on one line of stderr: as wide as the terminal is at that
 * moment, and without any escape sequence, so that it is the same on a dumb one. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "gromatic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A progress line on stderr, drawn only where that is a terminal and not quiet. Done in 0..1,
 * or CLI_PROGRESS_UNKNOWN: what is said alone, no bar; the rest of the time is estimated from
 * the rate so far, once there is one. */
#define CLI_PROGRESS_UNKNOWN (-1.0)
typedef struct cli_progress {
  bool shown;
  size_t drawn; /* columns that are on the screen now */
  double began, last;
  uint64_t total_bytes; /* for a rate; 0: none */
  char what[128];       /* of the last update */
  double done;
} cli_progress;
cli_progress cli_progress_begin(bool quiet);
/* cli_callbacks (terminal.h) that show a call's stages. */
gm_callbacks cli_progress_callbacks(cli_progress *progress);
void cli_progress_update(cli_progress *progress, const char *what, double done);
/* Takes the line away: something else is to be written, or the run has ended. */
void cli_progress_clear(cli_progress *progress);
/* Puts the line back that was taken away. */
void cli_progress_again(cli_progress *progress);

#endif
