/* saving.h - writes the files of /save in a conversation. */
#ifndef CLI_SAVING_H
#define CLI_SAVING_H

#include "report.h"

/* Both replace only files that gromatic wrote, with force any file, but never the
 * conversation's pictures. False after a message. */

/* Writes the picture with the last answer's boxes. */
bool cli_save_drawing(const char *path, const gm_image *image, const cli_report *last,
                      bool force);
/* Writes the turns [object, ...] as JSON lines. */
bool cli_save_turns(const char *path, const json_t *turns, bool force);

#endif
