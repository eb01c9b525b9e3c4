/* opencv_resize.c - opencv_resize WIDTH HEIGHT SIZE: resizes rgb pixels from standard input to
 * standard output, for tests/python/test_opencv_resize.py. */
#include "opencv_resize.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  size_t width = strtoul(argv[1], NULL, 10), height = strtoul(argv[2], NULL, 10),
         size = strtoul(argv[3], NULL, 10);
  uint8_t *in = malloc(width * height * 3), *out = malloc(size * size * 3);
  bool ok = in && out && fread(in, 3, width * height, stdin) == width * height &&
            opencv_resize(out, size, in, width, height, NULL) == GM_OK &&
            fwrite(out, 3, size * size, stdout) == size * size;
  free(in);
  free(out);
  return !ok;
}
