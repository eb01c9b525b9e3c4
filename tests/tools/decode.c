/* decode.c - decodes the pictures named on stdin, one per line. Prints for each its status, or
 * its size and a sum that depends on every pixel, so that a tool such as valgrind sees any use
 * of uninitialised bytes. */
#include "gromatic.h"

#include <stdio.h>
#include <string.h>

/* Branches on the pixel itself, since valgrind reports branches on uninitialised bytes, not
 * arithmetic. */
static unsigned sum_of(const uint8_t *bytes, size_t n) {
  unsigned sum = 0;
  for (size_t i = 0; i < n; i++)
    if (bytes[i] & 1)
      sum = sum * 31 + bytes[i];
    else
      sum = sum * 37 + bytes[i];
  return sum;
}

int main(void) {
  const gm_image_params limits = {.struct_size = sizeof limits, .max_pixels = 1 << 18};
  char path[4096];
  while (fgets(path, sizeof path, stdin)) {
    path[strcspn(path, "\n")] = 0;
    gm_image *image = NULL;
    gm_error err = {0};
    gm_status status = gm_image_open(&image, path, &limits, &err);
    if (status == GM_ERR_IO || status == GM_ERR_FILE_NOT_FOUND) {
      fprintf(stderr, "%s\n", err.message);
      return 2;
    }
    if (status != GM_OK) {
      printf("%s: %s\n", path, gm_status_name(status));
      continue;
    }
    uint32_t w = gm_image_width(image), h = gm_image_height(image);
    printf("%s: %ux%u %08x\n", path, w, h, sum_of(gm_image_rgb(image), (size_t)w * h * 3));
    gm_image_free(image);
  }
  return 0;
}
