/* embed_convert.c - build tool: converts a checkpoint to GGUF before the gromatic program
 * exists. embed_convert SOURCE DESTINATION TYPE */
#include "gromatic_tools.h"

#include <stdio.h>

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: embed_convert SOURCE DESTINATION TYPE\n");
    return 2;
  }
  gm_convert_params params = gm_convert_params_default();
  params.type = argv[3];
  gm_error err = {GM_OK, ""};
  if (gm_convert(argv[1], argv[2], &params, NULL, &err) == GM_OK) return 0;
  fprintf(stderr, "embed_convert: %s\n", err.message);
  return 1;
}
