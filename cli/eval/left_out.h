/* left_out.h - entries of a data set that cannot be used: counted by reason, with the names of
 * the first ones. */
#ifndef CLI_LEFT_OUT_H
#define CLI_LEFT_OUT_H

#include <stddef.h>

enum { LEFT_OUT_NAMED = 5, LEFT_OUT_REASONS = 8 };

typedef struct left_out {
  struct {
    const char *reason; /* "whose bbox has no area" */
    size_t n;
    char *named[LEFT_OUT_NAMED]; /* the first ones; NULL after the last */
  } reasons[LEFT_OUT_REASONS];
  size_t n; /* for all reasons */
} left_out;

/* reason: a constant string, always the same pointer for one reason. name: how the user finds
 * the entry. */
void left_out_add(left_out *all, const char *reason, const char *name);
/* Prints "FILE: 7 annotations left out whose bbox has no area: 3, 5, 8, 9, 11 and 2 more" for
 * each reason on stderr. one, many: the words for entries. */
void left_out_tell(const left_out *all, const char *file, const char *one, const char *many);
void left_out_free(left_out *all);

#endif
