/* python_overhead.c - detect in C, for bench/python_overhead.py: for each line on stdin, one
 * picture from its pixels to its regions; prints the seconds. Usage: python_overhead PIXELS
 * WIDTH HEIGHT */
#include "gromatic.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static gm_status detect(gm_model *model, const uint8_t *rgb, uint32_t width, uint32_t height,
                        gm_error *err) {
  gm_image *image = NULL;
  gm_scene *scene = NULL;
  gm_region region = {.struct_size = sizeof region};
  gm_status status = gm_image_from_rgb(&image, rgb, width, height, err);
  if (status == GM_OK) status = gm_scene_create(&scene, model, image, NULL, NULL, err);
  for (size_t i = 0; status == GM_OK && i < gm_scene_region_count(scene); i++)
    status = gm_scene_region_at(scene, i, &region);
  gm_scene_free(scene);
  gm_image_free(image);
  return status;
}

int main(int argc, char **argv) {
  gm_error err = {0};
  gm_model *model = NULL;
  if (argc != 4) return 2;
  uint32_t width = (uint32_t)atoi(argv[2]), height = (uint32_t)atoi(argv[3]);
  size_t size = (size_t)width * height * 3;
  uint8_t *rgb = malloc(size);
  FILE *file = fopen(argv[1], "rb");
  if (!rgb || !file || fread(rgb, 1, size, file) != size) return 1;
  fclose(file);
  gm_status status = gm_model_open(&model, NULL, NULL, &err);
  while (status == GM_OK && getchar() == '\n') {
    double begin = now();
    status = detect(model, rgb, width, height, &err);
    printf("%.9f\n", now() - begin);
    fflush(stdout);
  }
  if (status != GM_OK) fprintf(stderr, "%s\n", err.message);
  gm_model_free(model);
  free(rgb);
  return status != GM_OK;
}
