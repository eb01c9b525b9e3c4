/* consumer.c - the smallest use of the library: the caption of a picture. */
#include <gromatic.h>
#include <stdio.h>

int main(int argc, char **argv) {
  gm_error err = {0};
  gm_model *model = NULL;
  gm_image *image = NULL;
  gm_scene *scene = NULL;
  gm_answer *answer = NULL;
  gm_status status = argc == 2 ? GM_OK : GM_ERR_ARGUMENT;
  if (status == GM_OK) status = gm_model_open(&model, NULL, NULL, &err);
  if (status == GM_OK) status = gm_image_open(&image, argv[1], NULL, &err);
  if (status == GM_OK) status = gm_scene_create(&scene, model, image, NULL, NULL, &err);
  if (status == GM_OK) status = gm_caption(scene, NULL, NULL, &answer, &err);
  if (status == GM_OK)
    puts(answer->text);
  else
    fprintf(stderr, "%s\n", err.message);
  gm_answer_free(answer);
  gm_scene_free(scene);
  gm_image_free(image);
  gm_model_free(model);
  return status != GM_OK;
}
