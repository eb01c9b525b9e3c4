/* interface_world.h - one of everything that the public calls need, for the tests of the
 * interface itself. */
#ifndef GM_INTERFACE_WORLD_H
#define GM_INTERFACE_WORLD_H

#include "interface.h"

#define WORLD_PICTURE GM_TEST_DATA "/world/scenes/images/000.png"
/* Of WORLD_PICTURE: a tree and a rabbit. */
extern const gm_box world_boxes[2];

typedef struct interface_world {
  char folder[32]; /* for files of the test */
  gm_model *model; /* groma-mini */
  gm_clip *clip;   /* clip-mini */
  gm_image *image;
  gm_scene *scene;
  gm_classes *classes; /* 2, of wca, 3 and 1 descriptions */
  gm_view *view;       /* of the image, 5 crops */
} interface_world;

extern interface_world world;

/* For cmocka_run_group_tests. */
int interface_world_open(void **state);
int interface_world_close(void **state);
/* A path in world.folder, in a buffer that the next call overwrites. */
const char *world_path(const char *name);

#endif
