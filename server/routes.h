/* routes.h - which address is answered how. */
#ifndef SRV_ROUTES_H
#define SRV_ROUTES_H

#include "job.h"

/* An answer that is made at once, on the HTTP thread. */
typedef struct srv_quick {
  int status;
  const char *media_type;
  char *text; /* for free() */
} srv_quick;

typedef struct srv_route {
  const char *method, *path;
  bool open;                       /* answered without a key */
  srv_quick (*quick)(srv *server); /* GET; or NULL */
  const srv_work *work;            /* POST; or NULL */
} srv_route;

/* Ends with a NULL path. */
extern const srv_route srv_routes[];

/* "GET, POST" for a known path, whatever the method; *route is NULL where the method is not
 * one of them. NULL: no such path. */
const char *srv_find_route(const char *method, const char *path, const srv_route **route);

#endif
