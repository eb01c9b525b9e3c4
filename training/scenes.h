/* scenes.h - a drawn world in memory: what scripts/world/draw.py wrote beside the pictures. */
#ifndef GM_TRAINING_SCENES_H
#define GM_TRAINING_SCENES_H

#include "regions.h"
#include "status.h"

#include <jansson.h>

typedef struct scene_object {
  gm_rel_box box;
  size_t kind; /* into scenes.names */
} scene_object;

/* Words that single out an object of the scene; object -1: the scene has no such thing. */
typedef struct scene_expression {
  const char *text;
  ptrdiff_t object;
} scene_expression;

typedef struct scene {
  const char *file, *background; /* background NULL: not known */
  scene_object *objects;         /* [n] */
  size_t n;
  scene_expression *expressions; /* [n_expressions] */
  size_t n_expressions;
} scene;

typedef struct scenes {
  char images[4096]; /* folder */
  const char **names;
  size_t n_names;
  char (*phrases)[128]; /* [n_names] the name with its article: "a cat", "grapes", "the sun" */
  scene *all;           /* [n] */
  size_t n;
  json_t *annotations, *referring; /* own the strings */
} scenes;

/* Where a box's centre is: a cell of a grid of so many columns and rows. */
enum { PLACE_GRID = 6, PLACES = PLACE_GRID * PLACE_GRID };
int32_t box_place(gm_rel_box box);

/* folder/annotations.json and folder/referring.json. Annotations of a picture stand together.
 * Free with scenes_free, after a failure too. Errors: GM_ERR_IO (not readable, or not such a
 * file), GM_ERR_MEMORY. */
gm_status scenes_load(scenes *out, const char *folder, gm_error *err);
void scenes_free(scenes *s);

#endif
