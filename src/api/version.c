/* version.c - the library's version. */
#include "gromatic.h"

const char *gm_version(void) {
  return "0.1.0";
}
