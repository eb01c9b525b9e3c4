/* whole_file.h - files and standard input, read whole. */
#ifndef CLI_WHOLE_FILE_H
#define CLI_WHOLE_FILE_H

#include <stddef.h>
#include <stdio.h>

/* Standard input, which "-" stands for, is read by one reader: NULL with errno EBUSY where
 * another has it already. */
FILE *cli_take_stdin(void);

/* The whole of a file or of standard input ("-"), up to `limit` bytes; NULL with errno set
 * (EFBIG if it is longer, EBUSY where standard input is another's). free() it. */
void *cli_read_all(const char *name, size_t limit, size_t *size);

#endif
