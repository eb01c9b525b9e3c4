/* terminal.c - see terminal.h. */
#include "terminal.h"

#include "arguments.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool cli_has_colour(FILE *out) {
  const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
  bool dumb = terminal && strcmp(terminal, "dumb") == 0;
  return isatty(fileno(out)) && !dumb && !(no_colour && no_colour[0]);
}

const char *cli_colour(FILE *out, int32_t index) {
  static const char *const codes[] = {"\033[1;33m", "\033[1;36m", "\033[1;32m",
                                      "\033[1;35m", "\033[1;34m", "\033[1;31m"};
  if (!cli_has_colour(out)) return "";
  return index < 0 ? "\033[0m" : codes[index % 6];
}

static volatile sig_atomic_t interrupts;

static void on_interrupt(int signal_number) {
  if (++interrupts > 1) {
    signal(signal_number, SIG_DFL);
    raise(signal_number);
  }
}

void cli_catch_interrupt(void) {
  struct sigaction action = {0};
  action.sa_handler = on_interrupt;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  signal(SIGPIPE, SIG_DFL);
}

bool cli_interrupted(void) {
  return interrupts > 0;
}
void cli_clear_interrupt(void) {
  interrupts = 0;
}

static bool on_cancelled(void *user) {
  (void)user;
  return cli_interrupted();
}

gm_callbacks cli_callbacks(void) {
  gm_callbacks callbacks = gm_callbacks_default();
  callbacks.cancelled = on_cancelled;
  return callbacks;
}

double cli_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void cli_error(const char *format, ...) {
  char *message = NULL;
  va_list args;
  va_start(args, format);
  if (vasprintf(&message, format, args) < 0) message = NULL;
  va_end(args);
  flockfile(stderr); /* whole lines, whatever other threads print */
  fputs("gromatic: ", stderr);
  cli_put_name(stderr, message ? message : "no memory to say what is wrong");
  fputc('\n', stderr);
  funlockfile(stderr);
  free(message);
}

void cli_report_error(const gm_error *err) {
  cli_error("%s", err->status == GM_ERR_CANCELLED ? "interrupted" : err->message);
}

int cli_exit_code(gm_status status) {
  switch (status) {
  case GM_OK:
    return CLI_DONE;
  case GM_ERR_CANCELLED:
    return CLI_INTERRUPTED;
  case GM_ERR_ARGUMENT:
    return CLI_USAGE;
  default:
    return CLI_SOME_FAILED;
  }
}

int cli_model_exit_code(gm_status status) {
  int code = cli_exit_code(status);
  return code == CLI_SOME_FAILED ? CLI_MODEL : code;
}
