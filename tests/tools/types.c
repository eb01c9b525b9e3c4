/* types.c - conversion of element types for tests in other languages.
 * types write|read TYPE: floats on standard input become rows of the type, or the reverse. */
#include "types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
  gm_type type;
  if (argc != 3 || !gm_type_from_name(argv[2], &type)) return 2;
  const gm_type_traits *t = gm_type_traits_of(type);
  int writes = strcmp(argv[1], "write") == 0;
  size_t in = t->block * sizeof(float), out = t->block_bytes;
  unsigned char from[1024], to[1024];
  if (!writes) {
    in = t->block_bytes;
    out = t->block * sizeof(float);
  }
  while (fread(from, in, 1, stdin) == 1) {
    if (writes)
      t->from_float(to, (const float *)(const void *)from, t->block);
    else
      t->to_float((float *)(void *)to, from, t->block);
    fwrite(to, out, 1, stdout);
  }
  return 0;
}
