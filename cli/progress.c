/* progress.c - see progress.h. */
#include "progress.h"

#include "terminal.h"

#include <stdio.h>
#include <unistd.h>

cli_progress cli_progress_begin(bool quiet) {
  cli_progress progress = {0};
  progress.shown = !quiet && isatty(STDERR_FILENO);
  progress.began = cli_now();
  return progress;
}

void cli_progress_update(cli_progress *progress, const char *what, double done) {
  double now = cli_now();
  if (!progress->shown || now - progress->last < 0.1) return;
  progress->last = now;
  progress->drawn = true;
  if (done < 0) {
    fputs("\r\033[K", stderr);
    cli_put_name(stderr, what);
    fflush(stderr);
    return;
  }
  enum { WIDTH = 24 };
  char bar[WIDTH + 1];
  int filled = (int)(done * WIDTH);
  for (int i = 0; i < WIDTH; i++) bar[i] = i < filled ? '#' : '.';
  bar[WIDTH] = 0;
  double elapsed = now - progress->began, left = done > 0 ? elapsed / done - elapsed : 0;
  char rate[32] = "";
  if (progress->total_bytes && elapsed > 0)
    snprintf(rate, sizeof rate, " %.0f MB/s",
             done * (double)progress->total_bytes / elapsed * 1e-6);
  fprintf(stderr, "\r\033[K[%s] %3.0f %%%s, %.0f s left  ", bar, 100 * done, rate, left);
  char cut[41]; /* names of classes and tensors are among it */
  snprintf(cut, sizeof cut, "%s", what);
  cli_put_name(stderr, cut);
  fflush(stderr);
}

void cli_progress_clear(cli_progress *progress) {
  if (progress->drawn) fputs("\r\033[K", stderr);
  progress->drawn = false;
}
