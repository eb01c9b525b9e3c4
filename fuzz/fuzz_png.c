/* fuzz_png.c - PNG pictures, with their EXIF orientation, through the public entry. */
#include "support.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size > 0 && bytes[0] == 0x89) fuzz_image(bytes, size);
  return 0;
}
