/* pictures.c - see pictures.h. The list holds each picture once. */
#include "pictures.h"

#include "limits.h"

#include <stdlib.h>
#include <string.h>

/* With the lock. */
static void drop(srv_pictures *all, srv_picture *picture) {
  if (--picture->holders > 0) return;
  all->alive -= picture->size;
  free(picture->bytes);
  free(picture);
}

/* With the lock: takes it out of the list. */
static srv_picture *take(srv_pictures *all, const char *client, const char *id) {
  for (srv_picture **at = &all->first; *at; at = &(*at)->after) {
    srv_picture *picture = *at;
    if (strcmp(picture->id, id) != 0 || strcmp(picture->client, client) != 0) continue;
    *at = picture->after;
    return picture;
  }
  return NULL;
}

static void put_first(srv_pictures *all, srv_picture *picture) {
  picture->after = all->first;
  all->first = picture;
}

static void trim(srv_pictures *all) {
  while (all->bytes > SRV_MAX_PICTURES_KEPT && all->first && all->first->after) {
    srv_picture **at = &all->first;
    while ((*at)->after) at = &(*at)->after;
    srv_picture *last = *at;
    *at = NULL;
    all->bytes -= last->size;
    drop(all, last);
  }
}

/* With the lock. */
static srv_picture *find(srv_pictures *all, const char *client, const char *id) {
  srv_picture *picture = take(all, client, id);
  if (!picture) return NULL;
  put_first(all, picture);
  picture->holders++;
  return picture;
}

srv_picture *srv_picture_find(srv_pictures *all, const char *client, const char *id) {
  pthread_mutex_lock(&all->lock);
  srv_picture *picture = find(all, client, id);
  pthread_mutex_unlock(&all->lock);
  return picture;
}

/* With the lock. Owns the bytes of *made after success. */
static srv_picture *add(srv_pictures *all, srv_picture *made) {
  srv_picture *old = find(all, made->client, made->id);
  if (old || all->alive + made->size > SRV_MAX_PICTURES) return old;
  made->holders = 2;
  put_first(all, made);
  all->bytes += made->size;
  all->alive += made->size;
  trim(all);
  return made;
}

srv_picture *srv_picture_add(srv_pictures *all, const char *client, char *bytes, size_t size) {
  srv_picture *made = calloc(1, sizeof *made), *picture = NULL;
  if (made) {
    made->bytes = bytes;
    made->size = size;
    gm_sha256(bytes, size, made->id);
    memcpy(made->client, client, strlen(client) + 1);
    pthread_mutex_lock(&all->lock);
    picture = add(all, made);
    pthread_mutex_unlock(&all->lock);
  }
  if (!made || picture != made) {
    free(bytes);
    free(made);
  }
  return picture;
}

void srv_picture_give_back(srv_pictures *all, srv_picture *picture) {
  if (!picture) return;
  pthread_mutex_lock(&all->lock);
  drop(all, picture);
  pthread_mutex_unlock(&all->lock);
}

void srv_pictures_free(srv_pictures *all) {
  for (srv_picture *next; all->first; all->first = next) {
    next = all->first->after;
    drop(all, all->first);
  }
}
