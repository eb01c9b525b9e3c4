/* origins.h - whether a browser may make a request: the Host that it names, and the Origin that
 * the asking page has. A page of another site must not reach a server on the user's machine. */
#ifndef SRV_ORIGINS_H
#define SRV_ORIGINS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the Host header (NULL: none) names this machine, or `host`, the name that the server
 * was told to listen on. A page that resolves its own name to 127.0.0.1 is refused here. */
bool srv_host_is_local(const char *header, const char *host);

typedef enum srv_origin {
  SRV_ORIGIN_NONE,    /* no Origin: not a browser's request to another site */
  SRV_ORIGIN_SAME,    /* the server's own page */
  SRV_ORIGIN_ALLOWED, /* named by the user */
  SRV_ORIGIN_REFUSED
} srv_origin;
/* origin, host: the headers, or NULL. allowed[n]: origins, or "*". */
srv_origin srv_check_origin(const char *origin, const char *host, const char *const *allowed,
                            size_t n);

#endif
