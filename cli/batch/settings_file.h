/* settings_file.h - by which settings a result was made that is one file written anew again and
 * again: FILE.ledger, with the run alone (ledger_list.h). */
#ifndef CLI_SETTINGS_FILE_H
#define CLI_SETTINGS_FILE_H

#include "ledger.h"

/* Takes FILE.lock and looks whether the run may go on with FILE (resume), or replace it
 * (force).
 * *anew: FILE's content is not to be used. *lock is for cli_settings_release, in any case.
 * Returns an exit code, after a message if it is not CLI_DONE. */
int cli_settings_take(const char *path, json_t *run, ledger_wish wish, int *lock, bool *anew);
/* Before FILE is replaced by other content, and after it: killed in between, it has no ledger,
 * and nobody goes on with it. Both false after a message. */
bool cli_settings_forget(const char *path);
bool cli_settings_write(const char *path, const json_t *run);
void cli_settings_release(const char *path, int lock);

#endif
