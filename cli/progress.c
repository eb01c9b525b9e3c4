/* progress.c - see progress.h. */
#include "progress.h"

#include "terminal.h"
#include "terminal_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

cli_progress cli_progress_begin(bool quiet) {
  cli_progress progress = {0};
  progress.shown = !quiet && isatty(STDERR_FILENO);
  progress.began = cli_now();
  return progress;
}

/* The columns that can be written without reaching the terminal's next line. */
static size_t room(void) {
  enum { USUAL = 80 };
  struct winsize size;
  bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return (known ? size.ws_col : USUAL) - 1U;
}

/* Cuts text to whole characters that fit into the columns. */
static void cut(char *text, size_t columns) {
  size_t n = strlen(text);
  while (n > 0 && cli_text_width(text) > columns) {
    do n--;
    while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80);
    text[n] = 0;
  }
}

/* Writes "12 s", "5 min" or "2 h 10 min"; never an empty string. */
static void format_time(double seconds, char *out, size_t size) {
  if (seconds < 120)
    snprintf(out, size, "%.0f s", fmax(1, ceil(seconds)));
  else if (seconds < 7200)
    snprintf(out, size, "%.0f min", seconds / 60);
  else
    snprintf(out, size, "%.0f h %.0f min", floor(seconds / 3600),
             floor(fmod(seconds, 3600) / 60));
}

/* Adds a part if all of it fits. */
static void add(char *line, size_t size, size_t columns, const char *part) {
  size_t n = strlen(line);
  if (n + strlen(part) < size && cli_text_width(line) + cli_text_width(part) <= columns)
    memcpy(line + n, part, strlen(part) + 1);
}

/* The most important first: how much, a bar, how long, what, how fast. */
static void compose(const cli_progress *p, double elapsed, size_t columns, char *line,
                    size_t size) {
  enum { LONGEST_BAR = 24, LEAST = 8 };
  char part[160];
  size_t bar = columns / 3 < LONGEST_BAR ? columns / 3 : LONGEST_BAR;
  line[0] = 0;
  if (bar >= LEAST) {
    size_t filled = (size_t)(fmin(p->done, 1) * (double)bar);
    for (size_t i = 0; i < bar; i++) part[1 + i] = i < filled ? '#' : '.';
    part[0] = '[';
    memcpy(part + 1 + bar, "] ", 3);
    add(line, size, columns, part);
  }
  snprintf(part, sizeof part, "%3.0f %%", 100 * p->done);
  add(line, size, columns, part);
  if (p->done >= 0.01 && p->done < 1) {
    char left[40];
    format_time(elapsed / p->done - elapsed, left, sizeof left);
    snprintf(part, sizeof part, ", %s left", left);
    add(line, size, columns, part);
  }
  size_t used = cli_text_width(line);
  if (columns > used + LEAST) {
    snprintf(part, sizeof part, "  %s", p->what);
    cut(part, columns - used);
    add(line, size, columns, part);
  }
  if (p->total_bytes && elapsed > 0 && p->done > 0) {
    snprintf(part, sizeof part, "  %.0f MB/s",
             p->done * (double)p->total_bytes / elapsed * 1e-6);
    add(line, size, columns, part);
  }
}

static void draw(cli_progress *p, double now) {
  char line[512];
  size_t columns = room();
  if (p->done < 0) {
    snprintf(line, sizeof line, "%s", p->what);
    cut(line, columns);
  } else {
    compose(p, now - p->began, columns < 200 ? columns : 200, line, sizeof line);
  }
  size_t width = cli_text_width(line), before = p->drawn < columns ? p->drawn : columns;
  fputc('\r', stderr);
  cli_put_column(stderr, line, width > before ? width : before);
  fflush(stderr);
  p->drawn = width;
  p->last = now;
}

static void on_progress(void *user, const char *stage, double done) {
  cli_progress_update(user, stage, done);
}

gm_callbacks cli_progress_callbacks(cli_progress *progress) {
  gm_callbacks callbacks = cli_callbacks();
  callbacks.user = progress;
  callbacks.progress = on_progress;
  return callbacks;
}

void cli_progress_update(cli_progress *p, const char *what, double done) {
  double now = cli_now();
  if (!p->shown) return;
  snprintf(p->what, sizeof p->what, "%s", what);
  p->done = done;
  if (now - p->last >= 0.1) draw(p, now);
}

void cli_progress_clear(cli_progress *p) {
  size_t columns = p->drawn ? room() : 0;
  if (p->drawn) fprintf(stderr, "\r%*s\r", (int)(p->drawn < columns ? p->drawn : columns), "");
  p->drawn = 0;
}

void cli_progress_again(cli_progress *p) {
  if (p->shown && p->what[0]) draw(p, cli_now());
}
