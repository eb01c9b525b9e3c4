/* http.h - HTTP by libmicrohttpd, on one thread: requests in, answers out. Whatever takes
 * longer than a millisecond is a job. */
#ifndef SRV_HTTP_H
#define SRV_HTTP_H

#include "state.h"

typedef struct srv_http srv_http;

/* keys is read by this thread only, and may be changed between two calls of srv_http_run. */
srv_http *srv_http_create(srv *server, const srv_keys *keys, bool local);
/* To be watched by the loop: there is something to do (srv_http_run). */
int srv_http_fd(const srv_http *http);
/* Takes over an accepted connection. */
void srv_http_add(srv_http *http, int fd, const void *address, unsigned length);
/* Does what there is to do; returns within milliseconds. */
void srv_http_run(srv_http *http);
/* Once a second: time limits, comments. */
void srv_http_tick(srv_http *http);
/* Seconds until srv_http_run is wanted in any case; at most 1. */
double srv_http_timeout(srv_http *http);
/* How many requests are not answered to the end. */
size_t srv_http_open(const srv_http *http);
void srv_http_free(srv_http *http);

#endif
