/* saving.h - what /save of a conversation writes. */
#ifndef CLI_SAVING_H
#define CLI_SAVING_H

#include "report.h"

/* Both replace only what gromatic wrote, or with force any other file, but none of the
 * conversation's pictures. False after a message. */

/* The picture with the last answer's boxes. */
bool cli_save_drawing(const char *path, const gm_image *image, const cli_report *last,
                      bool force);
/* The turns [object, ...] as JSON lines. */
bool cli_save_turns(const char *path, const json_t *turns, bool force);

#endif
