/* ahead.h - reads and decodes the next picture while the command works on the current one.
 *
 * One thread, one picture ahead: memory holds at most two decoded pictures, and results come in
 * the order of the inputs. */
#ifndef CLI_AHEAD_H
#define CLI_AHEAD_H

#include "gromatic.h"

/* A picture before its command works on it. */
typedef struct cli_picture {
  char key[65];     /* of the ledger; "" without a ledger */
  bool done;        /* the resumed run has it already; nothing else is set */
  gm_status status; /* of reading and decoding */
  gm_error err;
  gm_image *image; /* NULL unless GM_OK */
} cli_picture;

typedef struct cli_ahead cli_ahead;

typedef struct cli_ahead_calls {
  void *user;
  /* Reads and decodes picture i. Called for one picture at a time, in order, on either thread.
   */
  void (*read)(void *user, size_t i, cli_picture *out);
  /* Whether reading picture i may wait for somebody (a pipe, standard input), or its name is
   * not yet known. Then the calling thread reads it, where Ctrl-C interrupts it. Called only
   * while nothing is being read. */
  bool (*waits)(void *user, size_t i);
} cli_ahead_calls;

/* Begins with the first of at most n pictures. NULL if memory is short. If no thread can be
 * made, each picture is read when it is asked for. */
cli_ahead *cli_ahead_begin(const cli_ahead_calls *calls, size_t n);
/* Returns the next picture, which the caller frees, and begins to read the one after it. */
void cli_ahead_next(cli_ahead *ahead, cli_picture *out);
/* Waits for the picture that is being read, and frees it. */
void cli_ahead_end(cli_ahead *ahead);

#endif
