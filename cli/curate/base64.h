/* base64.h - bytes as letters (RFC 4648). */
#ifndef CLI_BASE64_H
#define CLI_BASE64_H

#include <stddef.h>

/* The prefix, then the bytes; for free(). NULL if memory is short. */
char *base64_uri(const char *prefix, const void *bytes, size_t size);

#endif
