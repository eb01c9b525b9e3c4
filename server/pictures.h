/* pictures.h - pictures that clients sent, as they came, so that an id (SHA-256) may stand for
 * one afterwards. A picture belongs to the client that sent it; to others it is unknown. */
#ifndef SRV_PICTURES_H
#define SRV_PICTURES_H

#include "keys.h"

#include <pthread.h>

typedef struct srv_picture {
  char *bytes;
  size_t size;
  char id[SRV_ID], client[SRV_ID];
  int holders;
  struct srv_picture *after;
} srv_picture;

typedef struct srv_pictures {
  pthread_mutex_t lock;
  srv_picture *first;  /* the most recently used */
  size_t bytes, alive; /* of those in the list; and of those that only jobs hold */
} srv_pictures;

/* Keeps the bytes (from malloc; it owns them from now on, after a failure too), the least
 * recently used ones go. The result is held: give it back. NULL: no memory, or SRV_MAX_PICTURES
 * are reached. */
srv_picture *srv_picture_add(srv_pictures *all, const char *client, char *bytes, size_t size);
/* The client's picture of that id, held; NULL: there is none. */
srv_picture *srv_picture_find(srv_pictures *all, const char *client, const char *id);
void srv_picture_give_back(srv_pictures *all, srv_picture *picture);
void srv_pictures_free(srv_pictures *all);

#endif
