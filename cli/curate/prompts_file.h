/* prompts_file.h - prompts as files, for any model that sees: JSON lines {id, image, text}, and
 * the pictures with their marks in a folder beside them. */
#ifndef CLI_PROMPTS_FILE_H
#define CLI_PROMPTS_FILE_H

#include "curate_set.h"

/* Writes path, and path-marked/000000.png and so on (without the ending .jsonl). folder: of the
 * pictures. A picture that cannot be read is told and left out: *failed. False after a message.
 */
bool prompts_write(const char *path, const curate_set *set, const char *folder,
                   const char *instructions, size_t *failed);

#endif
