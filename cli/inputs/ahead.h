/* ahead.h - the next picture is read and decoded while the one before is looked at.
 *
 * One thread, one picture ahead: so memory holds two decoded pictures at most, and results come
 * in the order of the inputs. */
#ifndef CLI_AHEAD_H
#define CLI_AHEAD_H

#include "gromatic.h"

/* A picture before its command looks at it. */
typedef struct cli_picture {
  char key[65];     /* in the ledger; "" without one */
  bool done;        /* the run that is resumed has it; nothing else is set */
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
  /* Whether reading it may wait for somebody (a pipe, standard input), or its name is not yet
   * known: then it is read when it is its turn, where Ctrl-C interrupts it. Called while
   * nothing is being read. */
  bool (*waits)(void *user, size_t i);
} cli_ahead_calls;

/* At most n pictures, from the first. NULL if memory is short. Without a thread, reads each in
 * its turn. */
cli_ahead *cli_ahead_begin(const cli_ahead_calls *calls, size_t n);
/* The next picture, and the one behind it is begun. The image is the caller's. */
void cli_ahead_next(cli_ahead *ahead, cli_picture *out);
/* Waits for the picture being read, and frees it. */
void cli_ahead_end(cli_ahead *ahead);

#endif
