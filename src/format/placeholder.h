/* placeholder.h - files that are found in place of a download. */
#ifndef GM_PLACEHOLDER_H
#define GM_PLACEHOLDER_H

#include "status.h"

/* GM_ERR_MODEL if the file is no data at all: a Git LFS pointer, a web page, an empty file. The
 * message says which. */
gm_status gm_refuse_placeholder(const char *path, const void *bytes, size_t size,
                                gm_error *err);

/* For a path that cannot be opened: GM_ERR_FILE_NOT_FOUND if it is a dangling link (the message
 * names its target), else GM_OK. */
gm_status gm_refuse_dangling_link(const char *path, gm_error *err);

#endif
