/* ledger.h - an output file of JSON lines that survives being killed at any moment.
 *
 * While a run goes on, lines go to FILE.part, and after each its key, end and sum to
 * FILE.part.ledger; both are synced in that order, so the ledger never claims a line that is
 * not whole. At the end they become FILE and FILE.ledger, which stay together: the ledger says
 * by which settings FILE was made, and by its sums that FILE is still that file. A run that
 * goes on, from a stopped run or from a finished one, begins with a copy of what is kept: what
 * was there is replaced by renaming only, so that at each moment all lines are on disk with a
 * ledger of their own. FILE.lock is there as long as a process works on FILE. */
#ifndef CLI_LEDGER_H
#define CLI_LEDGER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct cli_ledger cli_ledger;

typedef struct ledger_wish {
  bool resume; /* go on with the run that is there */
  bool retry;  /* with resume: take out lines that were written as failed; they are not done */
  bool force;  /* begin anew where resume is refused, or an earlier result would be lost */
} ledger_wish;

/* Takes the lock and looks at the files of earlier runs. Refused, without resume: to begin anew
 * where a run was stopped; in any case: to replace a FILE that its ledger does not belong to.
 * Returns an exit code, after a message on stderr if it is not CLI_DONE; then *out is NULL. */
int cli_ledger_open(const char *path, ledger_wish wish, cli_ledger **out);
/* Whether FILE is there with its ledger: an earlier result, which may be replaced. */
bool cli_ledger_is_finished(const cli_ledger *ledger);

/* Begins to write. run: what must be the same when the run goes on, by name
 * (run_settings.h). Refused where resume finds other settings; nothing is changed then. Returns
 * as cli_ledger_open. */
int cli_ledger_begin(cli_ledger *ledger, json_t *run);
/* True (once per recorded line) if this key was done by the run that goes on; *failed: it was
 * written as failed. */
bool cli_ledger_take(cli_ledger *ledger, const char *key, bool *failed);
/* Appends a line (without newline) under its key. False after a message on stderr. */
bool cli_ledger_write(cli_ledger *ledger, const char *key, const char *line, bool failed);
/* Gives the lines and their ledger their names. False after a message on stderr, also where
 * FILE has become another since cli_ledger_open. */
bool cli_ledger_finish(cli_ledger *ledger);
/* Lets the lock go; what is not finished can be resumed. NULL is allowed. */
void cli_ledger_close(cli_ledger *ledger);

#endif
