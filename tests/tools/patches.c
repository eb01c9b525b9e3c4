/* patches.c - writes the patches' hidden states of the pictures named on stdin, one per line,
 * as floats [patches, width], one picture after another, for scripts/familiar.py. The model is
 * the first argument. */
#include "handles.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  char path[4096];
  gm_error err = {0};
  gm_model *model;
  if (argc != 2 || gm_model_open(&model, argv[1], NULL, &err) != GM_OK) return 1;
  gm_status status = GM_OK;
  while (status == GM_OK && fgets(path, sizeof path, stdin)) {
    path[strcspn(path, "\n")] = 0;
    gm_image *image = NULL;
    gm_scene *scene = NULL;
    size_t patches, width;
    status = gm_image_open(&image, path, NULL, &err);
    if (status == GM_OK) status = gm_scene_create(&scene, model, image, NULL, NULL, &err);
    if (status == GM_OK) {
      const float *states = gm_features_patches(model->groma->vision, scene->encoding->features,
                                                &patches, &width);
      if (fwrite(states, sizeof *states * width, patches, stdout) != patches)
        status = GM_ERR_IO;
    }
    gm_scene_free(scene);
    gm_image_free(image);
  }
  if (status != GM_OK) fprintf(stderr, "%s: %s\n", path, err.message);
  gm_model_free(model);
  return status == GM_OK ? 0 : 1;
}
