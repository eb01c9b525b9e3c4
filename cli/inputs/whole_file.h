/* whole_file.h - reads files and standard input as a whole. */
#ifndef CLI_WHOLE_FILE_H
#define CLI_WHOLE_FILE_H

#include <stddef.h>
#include <stdio.h>

/* Only one reader gets standard input ("-"): NULL with errno EBUSY if another one has it. */
FILE *cli_take_stdin(void);

/* The whole of a file, or of standard input ("-"), up to `limit` bytes, for free(). NULL with
 * errno set: EFBIG if it is longer, EBUSY if standard input has another reader. */
void *cli_read_all(const char *name, size_t limit, size_t *size);

#endif
