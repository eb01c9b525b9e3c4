/* handles.h - the structs of gm_model and gm_scene, and how a public call begins and ends. */
#ifndef GM_HANDLES_H
#define GM_HANDLES_H

#include "encoding.h"
#include "groma.h"
#include "opened.h"
#include "sha256.h"
#include "watch.h"

struct gm_model {
  atomic_size_t users; /* the caller, and requests */
  gm_opened base;
  gm_groma *groma;
  gm_scene_cache cache;        /* dir NULL: no scenes are kept */
  gm_present_head *own_head;   /* of its file */
  const gm_present_head *head; /* in use; NULL: none */
};

struct gm_scene {
  gm_model *model;
  size_t holders;         /* 0: kept for the next who wants it; with the engine's scenes_lock */
  char key[65];           /* of picture, model and settings; "": not to be shared */
  struct gm_scene *after; /* in the engine's list */
  _Atomic uint64_t bytes; /* as of the last work on it */
  uint32_t width, height; /* of the upright picture */
  gm_watch watch;
  gm_encoding *encoding;
  float unlikeness;
  gm_region *regions; /* [encoding->base.n], falling score */
};

/* Keeps the model alive until one more gm_model_free. */
gm_model *gm_model_hold(gm_model *model);

/* What decides results besides model and input, for keys of the cache: this library as it was
 * built, and the kernels. */
void gm_add_maker(gm_sha256_state *sha, const gm_kernels *kernels);

/* Uses the cache directory, if there is one, for scenes and for panels. */
gm_status gm_model_use_cache(gm_model *model, const gm_model_params *params, gm_error *err);

/* A call's heavy work on a model, or on a scene, whose watch reports to the callbacks (may be
 * NULL). See gm_engine_enter. */
gm_status gm_model_enter(gm_model *model, gm_entry *entry, const gm_callbacks *callbacks,
                         gm_error *err);
gm_status gm_scene_enter(gm_scene *scene, gm_entry *entry, const gm_callbacks *callbacks,
                         gm_error *err);
gm_status gm_scene_leave(gm_scene *scene, gm_entry *entry, gm_status status);

/* The engine's scenes (scenes.c). find: one of that key, which the caller then holds; NULL:
 * there is none. add: the scene, which the caller holds, is counted from now on. */
gm_scene *gm_scenes_find(gm_engine *engine, const char *key);
void gm_scenes_add(gm_scene *scene);
gm_scene *gm_scene_hold(gm_scene *scene);
/* Frees kept scenes until `bytes` more fit into the engine's memory; GM_ERR_MEMORY where they
 * do not. */
gm_status gm_scenes_make_room(gm_engine *engine, uint64_t bytes, gm_error *err);
/* Frees the model's kept scenes. */
void gm_scenes_forget(gm_model *model);
uint64_t gm_scenes_bytes(gm_engine *engine, size_t *n);
/* After work on it, on the thread that computes. */
void gm_scene_count_bytes(gm_scene *scene);
/* Frees a scene that nobody holds and no list has. */
void gm_scene_destroy(gm_scene *scene);

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
