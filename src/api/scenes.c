/* scenes.c - the scenes of an engine: shared by content, counted, and kept for a while when
 * nobody holds them. The list is in the order of use, the most recent first. */
#include "handles.h"

#include <assert.h>
#include <string.h>

/* With the lock. */
static void unlink_scene(gm_engine *e, gm_scene *scene) {
  gm_scene **at = &e->scenes;
  while (*at != scene) at = &(*at)->after;
  *at = scene->after;
  scene->after = NULL;
}

static void put_first(gm_engine *e, gm_scene *scene) {
  scene->after = e->scenes;
  e->scenes = scene;
}

gm_scene *gm_scenes_find(gm_engine *e, const char *key) {
  if (!key[0]) return NULL;
  pthread_mutex_lock(&e->scenes_lock);
  gm_scene *scene = e->scenes;
  while (scene && strcmp(scene->key, key) != 0) scene = scene->after;
  if (scene) {
    scene->holders++;
    unlink_scene(e, scene);
    put_first(e, scene);
  }
  pthread_mutex_unlock(&e->scenes_lock);
  return scene;
}

void gm_scenes_add(gm_scene *scene) {
  gm_engine *e = scene->model->base.engine;
  pthread_mutex_lock(&e->scenes_lock);
  put_first(e, scene);
  pthread_mutex_unlock(&e->scenes_lock);
}

gm_scene *gm_scene_hold(gm_scene *scene) {
  gm_engine *e = scene->model->base.engine;
  pthread_mutex_lock(&e->scenes_lock);
  assert(scene->holders > 0);
  scene->holders++;
  pthread_mutex_unlock(&e->scenes_lock);
  return scene;
}

/* The least recently used scene that nobody holds, of that model (NULL: any); out of the list.
 * With the lock. */
static gm_scene *take_unheld(gm_engine *e, const gm_model *model) {
  gm_scene *last = NULL;
  for (gm_scene *scene = e->scenes; scene; scene = scene->after)
    if (scene->holders == 0 && (!model || scene->model == model)) last = scene;
  if (last) unlink_scene(e, last);
  return last;
}

/* With the lock. */
static uint64_t used(gm_engine *e, size_t *n, size_t *kept) {
  uint64_t bytes = atomic_load(&e->voice_bytes);
  *n = *kept = 0;
  for (const gm_scene *scene = e->scenes; scene; scene = scene->after) {
    bytes += atomic_load(&scene->bytes);
    *kept += scene->holders == 0;
    ++*n;
  }
  return bytes;
}

uint64_t gm_scenes_bytes(gm_engine *e, size_t *n) {
  size_t kept;
  pthread_mutex_lock(&e->scenes_lock);
  uint64_t bytes = used(e, n, &kept);
  pthread_mutex_unlock(&e->scenes_lock);
  return bytes;
}

gm_status gm_scenes_make_room(gm_engine *e, uint64_t bytes, gm_error *err) {
  for (;;) {
    size_t n, kept;
    pthread_mutex_lock(&e->scenes_lock);
    uint64_t now = used(e, &n, &kept);
    bool fits = now <= e->memory && bytes <= e->memory - now;
    gm_scene *scene = fits ? NULL : take_unheld(e, NULL);
    pthread_mutex_unlock(&e->scenes_lock);
    if (fits) return GM_OK;
    if (!scene)
      return gm_fail(err, GM_ERR_MEMORY,
                     "%zu scenes and their answers take %.1f MB, and %.1f MB more are wanted; "
                     "the engine may use %.1f MB: free scenes, or give it more memory",
                     n, (double)now * 1e-6, (double)bytes * 1e-6, (double)e->memory * 1e-6);
    gm_scene_destroy(scene);
  }
}

/* Frees kept scenes that are too many. */
static void trim(gm_engine *e) {
  for (;;) {
    size_t n, kept;
    pthread_mutex_lock(&e->scenes_lock);
    uint64_t now = used(e, &n, &kept);
    bool many = kept > 0 && (now > e->memory || kept > e->kept_scenes);
    gm_scene *scene = many ? take_unheld(e, NULL) : NULL;
    pthread_mutex_unlock(&e->scenes_lock);
    if (!scene) return;
    gm_scene_destroy(scene);
  }
}

void gm_scenes_forget(gm_model *model) {
  gm_engine *e = model->base.engine;
  for (;;) {
    pthread_mutex_lock(&e->scenes_lock);
    gm_scene *scene = take_unheld(e, model);
    pthread_mutex_unlock(&e->scenes_lock);
    if (!scene) return;
    gm_scene_destroy(scene);
  }
}

void gm_scene_free(gm_scene *scene) {
  if (!scene) return;
  gm_engine *e = scene->model->base.engine;
  pthread_mutex_lock(&e->scenes_lock);
  assert(scene->holders > 0);
  bool last = --scene->holders == 0, drop = last && !scene->key[0];
  if (drop) unlink_scene(e, scene);
  pthread_mutex_unlock(&e->scenes_lock);
  if (drop)
    gm_scene_destroy(scene);
  else if (last)
    trim(e);
}
