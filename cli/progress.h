/* progress.h - how far a run is, on stderr. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* A progress line on stderr, drawn only where that is a terminal and not quiet. Done in 0..1,
 * or CLI_PROGRESS_UNKNOWN: what is said alone, no bar; the rest of the time is estimated from
 * the rate so far. */
#define CLI_PROGRESS_UNKNOWN (-1.0)
typedef struct cli_progress {
  bool shown, drawn;
  double began, last;
  uint64_t total_bytes; /* for a rate; 0: none */
} cli_progress;
cli_progress cli_progress_begin(bool quiet);
void cli_progress_update(cli_progress *progress, const char *what, double done);
void cli_progress_clear(cli_progress *progress);

#endif
