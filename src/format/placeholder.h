/* placeholder.h - files that stand where a download should be. */
#ifndef GM_PLACEHOLDER_H
#define GM_PLACEHOLDER_H

#include "status.h"

/* GM_ERR_MODEL that says what the file is, where it is no data at all: a Git LFS pointer, a web
 * page, an empty file. */
gm_status gm_refuse_placeholder(const char *path, const void *bytes, size_t size,
                                gm_error *err);

/* What a path that cannot be opened is: GM_ERR_FILE_NOT_FOUND that names the target of a link
 * to nowhere; GM_OK where it is no such link. */
gm_status gm_refuse_dangling_link(const char *path, gm_error *err);

#endif
