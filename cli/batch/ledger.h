/* ledger.h - an output file of JSON lines that survives being killed at any moment.
 *
 * While a run goes on, lines go to FILE.part, and after each the key and the size of the file
 * up to here, with " failed" if it tells an error, to FILE.ledger; both are synced in that
 * order, so the ledger never claims a line that is not whole. At the end FILE.part becomes
 * FILE. With resume, FILE.part is cut to the ledger's last size and inputs whose key is in the
 * ledger are skipped; without it an older FILE is replaced at the end. The ledger stays beside
 * a finished FILE where a later run may go on from it: after a resumed run, which more inputs
 * may follow, and after failures. */
#ifndef CLI_LEDGER_H
#define CLI_LEDGER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cli_ledger cli_ledger;

/* run: what must be the same when the run goes on, by name; the ledger's first line. With
 * resume it must be that of the run that goes on; without, no run that was stopped may be
 * there, for its lines would be lost. retry (with resume): lines that were written as failed
 * are taken out, and their keys are not done. Returns an exit code, after a message on stderr
 * if it is not CLI_DONE. */
int cli_ledger_open(const char *path, json_t *run, bool resume, bool retry, cli_ledger **out);
/* True (once per recorded line) if this key was done by the run that is resumed. */
bool cli_ledger_take(cli_ledger *ledger, const char *key);
/* Appends a line (without newline) under its key. False after a message on stderr. */
bool cli_ledger_write(cli_ledger *ledger, const char *key, const char *line, bool failed);
/* complete: gives the file its name, and removes the ledger unless keep; else leaves both parts
 * for --resume. False on failure. */
bool cli_ledger_close(cli_ledger *ledger, bool complete, bool keep);

#endif
