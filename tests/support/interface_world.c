/* interface_world.c - see interface_world.h. */
#include "interface_world.h"

#include <stdio.h>
#include <stdlib.h>

const gm_box world_boxes[2] = {{108, 46, 193, 124}, {26, 16, 79, 93}};

interface_world world;

int interface_world_open(void **state) {
  (void)state;
  gm_error err = {0};
  gm_classes_params classes = {
      .struct_size = sizeof classes,
      .descriptions = "{\"tree\": [\"a tree.\", \"a green tree.\", \"leaves on a stem.\"],"
                      " \"rabbit\": [\"a rabbit.\"]}"};
  gm_view_params view = {.struct_size = sizeof view, .crops = 5};
  snprintf(world.folder, sizeof world.folder, "/tmp/gromatic-border-XXXXXX");
  if (!mkdtemp(world.folder)) return 1;
  assert_ok(gm_model_open(&world.model, GM_REFERENCE_MINI, NULL, &err), &err);
  assert_ok(gm_clip_open(&world.clip, NULL, NULL, &err), &err);
  assert_ok(gm_image_open(&world.image, WORLD_PICTURE, NULL, &err), &err);
  assert_ok(gm_scene_create(&world.scene, world.model, world.image, NULL, NULL, &err), &err);
  assert_ok(gm_classes_create(&world.classes, world.clip, &classes, NULL, &err), &err);
  assert_ok(gm_view_create(&world.view, world.clip, world.image, &view, &err), &err);
  return 0;
}

int interface_world_close(void **state) {
  (void)state;
  char command[64];
  gm_view_free(world.view);
  gm_classes_free(world.classes);
  gm_scene_free(world.scene);
  gm_image_free(world.image);
  gm_clip_free(world.clip);
  gm_model_free(world.model);
  snprintf(command, sizeof command, "rm -r %s", world.folder);
  return system(command);
}

const char *world_path(const char *name) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", world.folder, name);
  return path;
}
