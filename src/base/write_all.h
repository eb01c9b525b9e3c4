/* write_all.h - writes all bytes to a file, in as many writes as it takes. */
#ifndef GM_WRITE_ALL_H
#define GM_WRITE_ALL_H

#include <stdbool.h>
#include <stddef.h>

/* False with errno set. */
bool gm_write_all(int fd, const void *bytes, size_t n);

#endif
