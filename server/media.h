/* media.h - pictures by name, below the folder of --media-path. */
#ifndef SRV_MEDIA_H
#define SRV_MEDIA_H

#include "gromatic.h"

/* Opens the folder; a descriptor, or -1 after an error. */
int srv_media_open(const char *path, gm_error *err);
/* Reads a file below the folder. The name is relative, its parts are names of folders and at
 * last of a file; ".", "..", empty parts, links and what is no file are refused: GM_ERR_IO,
 * which does not say more, so that nobody learns what else is there. *out for free(). */
gm_status srv_media_read(int folder, const char *name, char **out, size_t *size, gm_error *err);

#endif
