/* embedded.c - see embedded.h; the list itself is src/embed. */
#include "embedded.h"

#include <string.h>

bool gm_embedded_find(const char *name, gm_embedded *out) {
  for (size_t i = 0; gm_embedded_at(i, out); i++)
    if (strcmp(out->name, name) == 0) return true;
  return false;
}
