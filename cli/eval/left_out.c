/* left_out.c - see left_out.h. */
#include "left_out.h"

#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void left_out_add(left_out *all, const char *reason, const char *name) {
  size_t i = 0;
  while (i + 1 < LEFT_OUT_REASONS && all->reasons[i].n && all->reasons[i].reason != reason) i++;
  all->reasons[i].reason = reason;
  size_t n = all->reasons[i].n++;
  if (n < LEFT_OUT_NAMED) all->reasons[i].named[n] = strdup(name);
  all->n++;
}

void left_out_tell(const left_out *all, const char *file, const char *one, const char *many) {
  for (size_t i = 0; i < LEFT_OUT_REASONS && all->reasons[i].n; i++) {
    char names[600] = "";
    size_t n = all->reasons[i].n, named = n < LEFT_OUT_NAMED ? n : LEFT_OUT_NAMED, length = 0;
    for (size_t k = 0; k < named; k++) {
      const char *name = all->reasons[i].named[k];
      int more = snprintf(names + length, sizeof names - length, "%s%.100s", k ? ", " : "",
                          name ? name : "?");
      if (more > 0) length += (size_t)more;
    }
    if (n > named) snprintf(names + length, sizeof names - length, " and %zu more", n - named);
    cli_error("%s: %zu %s left out %s: %s", file, n, n == 1 ? one : many,
              all->reasons[i].reason, names);
  }
}

void left_out_free(left_out *all) {
  for (size_t i = 0; i < LEFT_OUT_REASONS; i++)
    for (size_t k = 0; k < LEFT_OUT_NAMED; k++) free(all->reasons[i].named[k]);
  *all = (left_out){0};
}
