/* pictures.c - see pictures.h. The list holds each picture once. */
#include "pictures.h"

#include "limits.h"

#include <stdlib.h>
#include <string.h>

/* With the lock. */
static void drop(srv_picture *picture) {
  if (--picture->holders > 0) return;
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
    drop(last);
  }
}

srv_picture *srv_picture_find(srv_pictures *all, const char *client, const char *id) {
  pthread_mutex_lock(&all->lock);
  srv_picture *picture = take(all, client, id);
  if (picture) {
    put_first(all, picture);
    picture->holders++;
  }
  pthread_mutex_unlock(&all->lock);
  return picture;
}

srv_picture *srv_picture_add(srv_pictures *all, const char *client, char *bytes, size_t size) {
  char id[SRV_ID];
  gm_sha256(bytes, size, id);
  srv_picture *picture = srv_picture_find(all, client, id);
  if (!picture) picture = calloc(1, sizeof *picture);
  if (!picture || picture->bytes) {
    free(bytes);
    return picture;
  }
  picture->bytes = bytes;
  picture->size = size;
  memcpy(picture->id, id, sizeof id);
  memcpy(picture->client, client, strlen(client) + 1);
  picture->holders = 2;
  pthread_mutex_lock(&all->lock);
  put_first(all, picture);
  all->bytes += size;
  trim(all);
  pthread_mutex_unlock(&all->lock);
  return picture;
}

void srv_picture_give_back(srv_pictures *all, srv_picture *picture) {
  if (!picture) return;
  pthread_mutex_lock(&all->lock);
  drop(picture);
  pthread_mutex_unlock(&all->lock);
}

void srv_pictures_free(srv_pictures *all) {
  for (srv_picture *next; all->first; all->first = next) {
    next = all->first->after;
    drop(all->first);
  }
}
