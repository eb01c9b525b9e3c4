/* handles.h - what is behind gm_model and gm_scene, and how a public call begins and ends. */
#ifndef GM_HANDLES_H
#define GM_HANDLES_H

#include "embedded.h"
#include "groma.h"
#include "picture.h"
#include "sha256.h"
#include "struct_size.h"
#include "watch.h"

#include <pthread.h>

struct gm_model {
  gm_model_file *file;
  gm_groma *groma;
  gm_pool *pool;
  gm_compute compute;
  pthread_mutex_t turn; /* held while a call computes */
  gm_cache_dir *dir;    /* NULL: nothing is kept */
  gm_scene_cache cache; /* dir NULL: no scenes are */
  char *path;
  const char *name, *type;
  const gm_embedded_world *world; /* NULL: not known */
};

struct gm_scene {
  gm_model *model;
  uint32_t width, height; /* of the upright picture */
  gm_watch watch;
  gm_picture *picture;
  float unlikeness;
  gm_region *regions; /* [picture->base.n], falling score */
};

/* The type that most weights of a file have, by bytes. */
const char *gm_main_type(const gm_model_file *file);

/* What decides results besides model and input, for keys of the cache: this library as it was
 * built, and the kernels. */
void gm_add_maker(gm_sha256_state *sha, const gm_kernels *kernels);

/* Opens the cache directory that params name, if any, for scenes and for panels. */
gm_status gm_model_open_cache(gm_model *model, const gm_model_params *params, gm_error *err);

/* Takes the model's turn for a call; its compute reports to err and asks callbacks (may be
 * NULL) whether to stop. */
gm_compute *gm_model_enter(gm_model *model, const gm_callbacks *callbacks, gm_error *err);
/* Gives the turn back and returns status. */
gm_status gm_model_leave(gm_model *model, gm_status status);

/* The same for a call on a scene, whose watch reports to callbacks. */
gm_compute *gm_scene_enter(gm_scene *scene, const gm_callbacks *callbacks, gm_error *err);
gm_status gm_scene_leave(gm_scene *scene, gm_status status);

/* Between pixels of the picture and the model's relative boxes. to_rel clips to the picture;
 * GM_ERR_ARGUMENT where nothing of the box is left, with its number (from 1) in the message. */
gm_status gm_scene_box_to_rel(const gm_scene *scene, gm_box box, size_t number, gm_rel_box *out,
                              gm_error *err);
/* struct_size is not set. */
gm_region gm_scene_region(const gm_scene *scene, const gm_listed_region *region, size_t index);
/* Falling score, NaN last; equal ones by index. */
void gm_sort_regions(gm_region *regions, size_t n);
/* An array of n boxes; free() it. NULL with GM_OK where n is 0. */
gm_status gm_scene_boxes_to_rel(const gm_scene *scene, const gm_box *boxes, size_t n,
                                gm_rel_box **out, gm_error *err);

#endif
