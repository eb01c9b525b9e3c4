/* limits.h - what one client may cost. docs/SERVER.md lists them. */
#ifndef SRV_LIMITS_H
#define SRV_LIMITS_H

enum {
  SRV_MAX_CONNECTIONS = 2048,
  SRV_MAX_HEADERS = 32 << 10, /* bytes of a request's head; also what a connection holds */
  SRV_MAX_BODY = 32 << 20,    /* bytes */
  SRV_MAX_BODIES = 256 << 20, /* bytes of all bodies that wait or are being read */
  SRV_MAX_PICTURES_KEPT = 256 << 20, /* bytes of pictures that may be named by their id */
  SRV_MAX_PICTURES = 512 << 20,      /* bytes of these and of pictures that jobs hold */
  SRV_LARGE_PIXELS = 16 << 20,       /* a decoded picture of more is a large one */
  SRV_MAX_LARGE = 2,                 /* large pictures at the same time */
  SRV_MAX_DEPTH = 64,                /* JSON */
  SRV_MAX_VALUES = 100000,           /* JSON, in one body */
  SRV_MAX_IMAGES = 8,                /* in one request */
  SRV_MAX_ITEMS = 1024,              /* phrases, boxes or classes in one request */
  SRV_MAX_CROPS = 1024,              /* of a picture, or of each region */
  SRV_MAX_WAITING = 64,              /* jobs that wait for a slot */
  SRV_MAX_PER_CLIENT = 32,           /* jobs of one key, or of one address without keys */
  SRV_MAX_OUTPUT = 8 << 20,          /* bytes of an answer that its client has not read */
  SRV_READERS = 6,                   /* threads that read bodies */
  SRV_MAX_FETCHES = 4,               /* of these at most so many fetch pictures */
};

/* Seconds. */
#define SRV_HEADER_TIME 10.0 /* until a new connection has sent its first head */
#define SRV_IDLE_TIME 60.0   /* between two requests of a connection */
#define SRV_BODY_TIME 60.0   /* for a body */
#define SRV_FETCH_TIME 10.0  /* to fetch a picture */
#define SRV_READ_TIME 60.0   /* for the client to read a finished answer */

#endif
