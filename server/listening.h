/* listening.h - the sockets that connections come in by. */
#ifndef SRV_LISTENING_H
#define SRV_LISTENING_H

#include "server.h"

enum { SRV_MAX_LISTENERS = 8 };

typedef struct srv_listeners {
  int fds[SRV_MAX_LISTENERS];
  size_t n;
  bool own_path;     /* the socket file is to be removed at the end */
  const char *path;  /* of the Unix socket, or NULL */
  char address[300]; /* for people: "http://127.0.0.1:8080" or "unix:PATH" */
  bool local;        /* loopback or Unix only */
} srv_listeners;

/* Opens the sockets of the settings, or takes those that systemd passed (LISTEN_FDS).
 * GM_ERR_ARGUMENT where an address is not this machine's own (loopback or a Unix socket) and no
 * key is wanted; GM_ERR_IO where a port is taken. */
gm_status srv_listen(srv_listeners *out, const srv_settings *settings, gm_error *err);
/* No connection is accepted any more. */
void srv_listeners_close(srv_listeners *listeners);

#endif
