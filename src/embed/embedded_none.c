/* embedded_none.c - the empty list, for the program that makes the embedded files. */
#include "embedded.h"

bool gm_embedded_at(size_t i, gm_embedded *out) {
  (void)i;
  (void)out;
  return false;
}
