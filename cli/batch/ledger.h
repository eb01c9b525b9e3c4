/* ledger.h - an output file of JSON lines that survives being killed at any moment.
 *
 * During a run, lines go to FILE.part, and after each its key, end and hash to
 * FILE.part.ledger. Both are synced in that order, so the ledger never claims a line that is
 * not whole. At the end they become FILE and FILE.ledger, which stay together: the ledger says
 * which settings FILE was made with, and its hashes show that FILE is unchanged. A run that
 * continues a stopped or a finished one begins with a copy of the lines that are kept. Earlier
 * files are replaced only by renaming, so at each moment all lines are on disk with their
 * ledger. FILE.lock exists while a process works on FILE. */
#ifndef CLI_LEDGER_H
#define CLI_LEDGER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct cli_ledger cli_ledger;

typedef struct ledger_wish {
  bool resume; /* continue the earlier run */
  bool retry; /* with resume: remove the lines of failed inputs, so that these are done again */
  bool force; /* start again if resume is refused or an earlier result would be lost */
} ledger_wish;

/* Takes the lock and reads the files of earlier runs. Without resume it refuses to start again
 * if a run was stopped. In any case it refuses to replace a FILE that does not match its
 * ledger. Returns an exit code; if it is not CLI_DONE, after a message and with *out NULL. */
int cli_ledger_open(const char *path, ledger_wish wish, cli_ledger **out);
/* Whether FILE exists and matches its ledger: an earlier result, which may be replaced. */
bool cli_ledger_is_finished(const cli_ledger *ledger);

/* Begins to write. run: the settings that must be the same when a run is continued, by name
 * (run_settings.h). With resume and other settings it refuses and changes nothing. Returns as
 * cli_ledger_open. */
int cli_ledger_begin(cli_ledger *ledger, json_t *run);
/* True, once for each recorded line, if the earlier run did this key. *failed: its line was an
 * error. */
bool cli_ledger_take(cli_ledger *ledger, const char *key, bool *failed);
/* Appends a line (without newline) under its key. False after a message on stderr. */
bool cli_ledger_write(cli_ledger *ledger, const char *key, const char *line, bool failed);
/* Gives the lines and their ledger their final names. False after a message on stderr, also if
 * FILE was changed since cli_ledger_open. */
bool cli_ledger_finish(cli_ledger *ledger);
/* Releases the lock. An unfinished run can be resumed. NULL is allowed. */
void cli_ledger_close(cli_ledger *ledger);

#endif
