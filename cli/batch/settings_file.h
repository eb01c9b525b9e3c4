/* settings_file.h - FILE.ledger of a result that is rewritten as a whole, again and again: the
 * settings it was made with, and no entries (ledger_list.h). */
#ifndef CLI_SETTINGS_FILE_H
#define CLI_SETTINGS_FILE_H

#include "ledger.h"

/* Takes FILE.lock and decides whether the run may continue FILE (resume) or replace it (force).
 * *anew: do not use FILE's content. Pass *lock to cli_settings_release in any case. Returns an
 * exit code, after a message if it is not CLI_DONE. */
int cli_settings_take(const char *path, json_t *run, ledger_wish wish, int *lock, bool *anew);
/* Call the first before FILE is replaced by other content, and the second afterwards. A run
 * that is killed in between leaves FILE without a ledger, so nobody continues it. Both return
 * false after a message. */
bool cli_settings_forget(const char *path);
bool cli_settings_write(const char *path, const json_t *run);
void cli_settings_release(const char *path, int lock);

#endif
