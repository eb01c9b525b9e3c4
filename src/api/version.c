/* version.c - the library's version, from CMakeLists.txt. */
#include "gromatic.h"

const char *gm_version(void) {
  return GM_VERSION;
}

uint32_t gm_abi_version(void) {
  return (uint32_t)GM_VERSION_MAJOR << 16 | GM_VERSION_MINOR;
}
