/* replies_file.h - replies of a model in a file: JSON lines {id, reply}, or an array of them.
 */
#ifndef CLI_REPLIES_FILE_H
#define CLI_REPLIES_FILE_H

#include "curate_set.h"

typedef struct curate_replies {
  char **texts;     /* [set->n] the last reply about each picture; NULL: none */
  size_t strangers; /* replies about no picture of the set */
  size_t faults;    /* entries without id or reply */
  size_t other;     /* replies to other marks than the picture has now */
} curate_replies;

/* False after a message. Free with curate_replies_free in any case. */
bool curate_replies_read(curate_replies *out, const char *path, curate_set *set);
void curate_replies_free(curate_replies *replies, const curate_set *set);

#endif
