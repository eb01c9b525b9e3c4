/* http.c - see http.h. A connection whose job computes is suspended: libmicrohttpd does not
 * look at it then, so this file watches its socket, and cancels the job when the client goes.
 */
#include "http.h"

#include "api.h"
#include "body.h"
#include "errors.h"
#include "log.h"
#include "origins.h"
#include "page.h"
#include "routes.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct connection {
  int fd;
  double since; /* its last request ended, or it was opened */
  bool asked;   /* a request was read */
  bool busy;    /* and is not answered yet */
  struct connection *before, *after;
} connection;

/* A request, from its head to the end of its answer. */
typedef struct exchange {
  srv_http *http;
  struct MHD_Connection *mhd;
  connection *conn;
  const srv_route *route;
  const srv_page_file *file; /* instead of a route */
  char method[8], path[128];
  char client[SRV_ID];
  size_t key;
  double began;
  char *body;
  size_t size, room;
  bool received;
  /* An answer that is known before the body has come. */
  int refused;
  const char *code, *allow; /* of 405: the methods */
  char why[300];
  unsigned retry_after;
  char origin[256]; /* to be allowed in the answer, or "" */
  srv_job *job;
  bool suspended, gone, answered;
  double finished; /* the job ended */
  int status;
  struct exchange *before, *after;
} exchange;

struct srv_http {
  srv *server;
  const srv_keys *keys;
  bool local;
  struct MHD_Daemon *daemon;
  int epoll; /* of suspended connections, and libmicrohttpd's own */
  connection *connections;
  size_t n_connections;
  exchange *exchanges;
  size_t n_exchanges;
};

/* ---- answers ---- */

static void add_headers(const exchange *e, struct MHD_Response *response, const char *type,
                        unsigned retry_after) {
  MHD_add_response_header(response, "Content-Type", type);
  MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  MHD_add_response_header(response, "Cache-Control", "no-store");
  if (e->job) MHD_add_response_header(response, "X-Request-Id", e->job->id);
  if (retry_after) {
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", retry_after);
    MHD_add_response_header(response, "Retry-After", seconds);
  }
  if (e->origin[0]) {
    MHD_add_response_header(response, "Access-Control-Allow-Origin", e->origin);
    MHD_add_response_header(response, "Vary", "Origin");
  }
}

/* Takes text, for free(). */
static enum MHD_Result answer(exchange *e, int status, const char *type, char *text,
                              size_t size, unsigned retry_after) {
  struct MHD_Response *response =
      MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
  if (!response) {
    free(text);
    return MHD_NO;
  }
  add_headers(e, response, type, retry_after);
  if (status == 401) MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
  if (status == 405) MHD_add_response_header(response, "Allow", e->allow);
  if (status == 204) {
    MHD_add_response_header(response, "Access-Control-Allow-Methods", "GET, POST");
    MHD_add_response_header(response, "Access-Control-Allow-Headers",
                            "authorization, content-type, x-api-key");
    MHD_add_response_header(response, "Access-Control-Max-Age", "600");
  }
  e->status = status;
  e->answered = true;
  enum MHD_Result done = MHD_queue_response(e->mhd, (unsigned)status, response);
  MHD_destroy_response(response);
  return done;
}

static enum MHD_Result answer_error(exchange *e, int status, const char *code,
                                    const char *message, unsigned retry_after) {
  json_t *object = srv_error_json(e->route ? e->route->work : NULL, status, code, message);
  char *text = json_dumps(object, JSON_COMPACT);
  json_decref(object);
  return text ? answer(e, status, "application/json", text, strlen(text), retry_after) : MHD_NO;
}

static enum MHD_Result answer_file(exchange *e) {
  char tag[68];
  srv_page_tag(e->file, tag);
  const char *known = MHD_lookup_connection_value(e->mhd, MHD_HEADER_KIND, "If-None-Match");
  bool same = known && strcmp(known, tag) == 0;
  size_t size = same ? 0 : (size_t)(e->file->end - e->file->bytes);
  struct MHD_Response *response = MHD_create_response_from_buffer(
      size, (void *)(uintptr_t)e->file->bytes, MHD_RESPMEM_PERSISTENT);
  if (!response) return MHD_NO;
  const char *const headers[][2] = {{"Content-Type", srv_page_media_type(e->file)},
                                    {"X-Content-Type-Options", "nosniff"},
                                    {"ETag", tag},
                                    {"Cache-Control", "no-cache"},
                                    {"Content-Security-Policy", srv_page_policy},
                                    {"Cross-Origin-Opener-Policy", "same-origin"},
                                    {"Cross-Origin-Resource-Policy", "same-origin"},
                                    {"Referrer-Policy", "no-referrer"}};
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
    MHD_add_response_header(response, headers[i][0], headers[i][1]);
  e->status = same ? 304 : 200;
  e->answered = true;
  enum MHD_Result done = MHD_queue_response(e->mhd, (unsigned)e->status, response);
  MHD_destroy_response(response);
  return done;
}

static enum MHD_Result answer_refusal(exchange *e) {
  return answer_error(e, e->refused, e->code, e->why, e->retry_after);
}

/* ---- watching suspended connections ---- */

static void suspend(exchange *e) {
  struct epoll_event event = {.events = EPOLLRDHUP, .data.ptr = e};
  if (e->suspended) return;
  e->suspended = true;
  MHD_suspend_connection(e->mhd);
  epoll_ctl(e->http->epoll, EPOLL_CTL_ADD, e->conn->fd, &event);
}

static void resume(exchange *e) {
  if (!e->suspended) return;
  e->suspended = false;
  epoll_ctl(e->http->epoll, EPOLL_CTL_DEL, e->conn->fd, NULL);
  MHD_resume_connection(e->mhd);
}

static void client_went(exchange *e) {
  e->gone = true;
  if (e->job) srv_job_cancel(e->job);
  resume(e);
}

/* ---- streams ---- */

static ssize_t read_events(void *user, uint64_t at, char *out, size_t room) {
  exchange *e = user;
  srv_job *job = e->job;
  (void)at;
  pthread_mutex_lock(&job->lock);
  size_t n = job->n_out < room ? job->n_out : room;
  memcpy(out, job->out, n);
  memmove(job->out, job->out + n, job->n_out - n);
  job->n_out -= n;
  bool over = job->state == SRV_ENDED, cancelled = atomic_load(&job->cancelled);
  pthread_mutex_unlock(&job->lock);
  if (n) return (ssize_t)n;
  if (e->gone || cancelled) return MHD_CONTENT_READER_END_WITH_ERROR;
  if (over) return MHD_CONTENT_READER_END_OF_STREAM;
  suspend(e);
  return 0;
}

static enum MHD_Result answer_events(exchange *e) {
  struct MHD_Response *response =
      MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 << 10, read_events, e, NULL);
  if (!response) return MHD_NO;
  add_headers(e, response, "text/event-stream", 0);
  MHD_add_response_header(response, "X-Accel-Buffering", "no"); /* nginx holds back else */
  e->status = 200;
  e->answered = true;
  enum MHD_Result done = MHD_queue_response(e->mhd, 200, response);
  MHD_destroy_response(response);
  return done;
}

/* What the job has so far: an answer, events that begin, or nothing. */
static enum MHD_Result answer_job(exchange *e) {
  srv_job *job = e->job;
  if (e->gone) return MHD_NO;
  pthread_mutex_lock(&job->lock);
  bool over = job->state == SRV_ENDED, events = job->events;
  char *text = NULL;
  size_t size = job->n_out;
  if (over && !events) {
    text = job->out;
    job->out = NULL;
    job->n_out = job->room = 0;
  }
  int status = job->status;
  pthread_mutex_unlock(&job->lock);
  if (events) return answer_events(e);
  if (!over) {
    suspend(e);
    return MHD_YES;
  }
  if (status == 499 || !text) {
    free(text);
    if (atomic_load(&e->http->server->phase) == SRV_DRAINING)
      return answer_error(e, 503, "stopping", "the server is being stopped", 10);
    return MHD_NO;
  }
  return answer(e, status, job->media_type, text, size, job->retry_after);
}

/* ---- the head ---- */

static const char *header(const exchange *e, const char *name) {
  return MHD_lookup_connection_value(e->mhd, MHD_HEADER_KIND, name);
}

static void refuse(exchange *e, int status, const char *code, const char *why) {
  if (e->refused) return;
  e->refused = status;
  e->code = code;
  snprintf(e->why, sizeof e->why, "%s", why);
}

typedef struct counted {
  int hosts, lengths, encodings;
} counted;

static enum MHD_Result count_header(void *user, enum MHD_ValueKind kind, const char *name,
                                    const char *value) {
  counted *c = user;
  (void)kind;
  (void)value;
  c->hosts += strcasecmp(name, "Host") == 0;
  c->lengths += strcasecmp(name, "Content-Length") == 0;
  c->encodings += strcasecmp(name, "Transfer-Encoding") == 0;
  return MHD_YES;
}

/* What two programs on the way could read differently. */
static void check_framing(exchange *e) {
  counted c = {0};
  MHD_get_connection_values(e->mhd, MHD_HEADER_KIND, count_header, &c);
  const char *encoding = header(e, "Transfer-Encoding");
  if (c.lengths > 1 || c.encodings > 1 || (c.lengths && c.encodings) || c.hosts > 1 ||
      (encoding && strcasecmp(encoding, "chunked") != 0))
    refuse(e, 400, "bad_framing",
           "found more than one of Host, Content-Length and Transfer-Encoding, or an encoding "
           "other than chunked; send one Host, and one of the others");
}

static void check_site(exchange *e) {
  const srv_settings *s = e->http->server->settings;
  const char *host = header(e, "Host"), *origin = header(e, "Origin");
  if (e->http->local && !s->unix_path && !srv_host_is_local(host, s->host))
    refuse(e, 403, "host_refused",
           "found a Host that is not this machine; a server on 127.0.0.1 answers to "
           "localhost only");
  switch (srv_check_origin(origin, host, s->cors_origins, s->n_cors_origins)) {
  case SRV_ORIGIN_ALLOWED:
    snprintf(e->origin, sizeof e->origin, "%s", origin);
    break;
  case SRV_ORIGIN_REFUSED:
    refuse(e, 403, "origin_refused",
           "found a page of another site; name its origin with --cors-origin");
    break;
  case SRV_ORIGIN_NONE:
  case SRV_ORIGIN_SAME:
    break;
  }
}

/* What clients of other protocols say of every request: Anthropic's, of its beta resources, and
 * Label Studio, which project asks. It changes nothing. */
static bool harmless_argument(const srv_route *route, const char *name, const char *value) {
  if (route->work == &srv_messages)
    return strcmp(name, "beta") == 0 && value && strcmp(value, "true") == 0;
  return strncmp(route->path, "/ls/", 4) == 0 && strcmp(name, "project") == 0;
}

static enum MHD_Result refuse_argument(void *user, enum MHD_ValueKind kind, const char *name,
                                       const char *value) {
  exchange *e = user;
  (void)kind;
  char why[200];
  if (harmless_argument(e->route, name, value)) return MHD_YES;
  snprintf(why, sizeof why,
           "found ?%.100s in the address, which is not acted on here; what you ask for stands "
           "in the body",
           name);
  refuse(e, 400, "bad_argument", why);
  return MHD_NO;
}

/* What would be ignored is refused. Who only looks whether the server is there may say
 * anything.
 */
static void check_query(exchange *e) {
  if (e->route && !e->route->open)
    MHD_get_connection_values(e->mhd, MHD_GET_ARGUMENT_KIND, refuse_argument, e);
}

/* The password of "Basic ...", which is all that Label Studio can send of a key. */
static bool basic_key(const char *given, char *key, size_t room) {
  char *text;
  size_t size;
  if (!srv_base64_read(given, strlen(given), &text, &size)) return false;
  const char *colon = memchr(text, ':', size);
  size_t n = colon ? size - (size_t)(colon + 1 - text) : room;
  if (n < room) {
    memcpy(key, colon + 1, n);
    key[n] = 0;
  }
  free(text);
  return n < room;
}

/* The client is its key, or without keys its address. */
static void check_key(exchange *e) {
  const srv_keys *keys = e->http->keys;
  if (keys->n == 0) {
    char address[SRV_ID] = "local";
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(e->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info && info->client_addr && info->client_addr->sa_family == AF_INET)
      gm_sha256(&((struct sockaddr_in *)(void *)info->client_addr)->sin_addr, 4, address);
    snprintf(e->client, sizeof e->client, "%s", address);
    return;
  }
  const char *given = header(e, "Authorization");
  char key[512];
  if (given && strncasecmp(given, "Bearer ", 7) == 0)
    given += 7;
  else if (given && strncasecmp(given, "Basic ", 6) == 0)
    given = basic_key(given + 6, key, sizeof key) ? key : "";
  else
    given = header(e, "X-Api-Key"); /* Anthropic's clients */
  if (!srv_keys_check(keys, given, e->client, &e->key) && !e->file &&
      !(e->route && e->route->open))
    refuse(e, 401, "invalid_api_key",
           given ? "found a key that is not known here"
                 : "found no key; send Authorization: "
                   "Bearer KEY");
}

static void check_route(exchange *e) {
  e->file = srv_page_find(e->path);
  const char *allowed = e->file ? "GET, HEAD" : srv_find_route(e->method, e->path, &e->route);
  if (e->file && (strcmp(e->method, "GET") == 0 || strcmp(e->method, "HEAD") == 0)) return;
  if (!allowed)
    refuse(e, 404, "not_found", "there is nothing at this address; docs/SERVER.md lists them");
  else if (!e->route) {
    char why[100];
    snprintf(why, sizeof why, "found a method that this address does not know; send %s",
             allowed);
    e->allow = allowed;
    refuse(e, 405, "method_not_allowed", why);
  }
}

/* At the head, and again when the body is there: many clients may have come between. */
static void check_jobs(exchange *e) {
  srv *s = e->http->server;
  if (srv_jobs_waiting(s) >= SRV_MAX_WAITING)
    refuse(e, 429, "busy", "64 requests wait already; try again later");
  else if (srv_jobs_of(s, e->client) >= SRV_MAX_PER_CLIENT)
    refuse(e, 429, "busy", "32 requests of this client are not answered yet; wait for some");
  if (e->refused == 429) e->retry_after = 1;
}

static void check_load(exchange *e) {
  srv *s = e->http->server;
  const char *length = header(e, "Content-Length");
  if (length && (strlen(length) > 18 || strtoull(length, NULL, 10) > SRV_MAX_BODY))
    refuse(e, 413, "body_too_large",
           "found a body of more than 32 MiB; send a smaller picture");
  if (!e->route || !e->route->work) return;
  int phase = atomic_load(&s->phase);
  if (phase != SRV_READY)
    refuse(e, 503, phase == SRV_LOADING ? "loading" : "stopping",
           phase == SRV_LOADING ? "Loading model" : "the server is being stopped");
  check_jobs(e);
  e->retry_after = e->refused == 429 || e->refused == 503 ? 1 : 0;
}

static exchange *begin(srv_http *http, struct MHD_Connection *mhd, const char *url,
                       const char *method) {
  exchange *e = calloc(1, sizeof *e);
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  if (!e || !info || !info->socket_context) {
    free(e);
    return NULL;
  }
  e->http = http;
  e->mhd = mhd;
  e->conn = info->socket_context;
  e->conn->asked = e->conn->busy = true;
  e->began = srv_now();
  snprintf(e->method, sizeof e->method, "%s", method);
  snprintf(e->path, sizeof e->path, "%s", url);
  e->after = http->exchanges;
  if (e->after) e->after->before = e;
  http->exchanges = e;
  http->n_exchanges++;
  check_framing(e);
  check_site(e);
  check_route(e);
  check_key(e);
  check_query(e);
  check_load(e);
  return e;
}

/* ---- the body ---- */

static void take_body(exchange *e, const char *bytes, size_t n) {
  srv *s = e->http->server;
  if (e->refused) return;
  if (e->size + n > SRV_MAX_BODY) {
    refuse(e, 413, "body_too_large", "found a body of more than 32 MiB");
  } else if (e->size + n + 1 > e->room) {
    size_t room = 2 * (e->size + n) + 1;
    char *grown = atomic_load(&s->bodies) + room - e->room > SRV_MAX_BODIES
                      ? NULL
                      : realloc(e->body, room);
    if (!grown) {
      refuse(e, 429, "busy", "too many bodies are being received; try again later");
      e->retry_after = 1;
    } else {
      atomic_fetch_add(&s->bodies, room - e->room);
      e->body = grown;
      e->room = room;
    }
  }
  if (e->refused) return;
  memcpy(e->body + e->size, bytes, n);
  e->size += n;
}

static enum MHD_Result begin_job(exchange *e) {
  check_jobs(e);
  if (e->refused) return answer_refusal(e);
  const char *type = header(e, "Content-Type");
  char *copy = type ? strdup(type) : NULL;
  if (!e->body) e->body = calloc(1, 1);
  if (!e->body || (type && !copy)) {
    free(copy);
    return MHD_NO;
  }
  e->body[e->size] = 0;
  e->job = srv_job_begin(e->http->server, e->route->work, e->client, e->body, e->size, e->room,
                         copy);
  if (!e->job) {
    free(copy);
    return MHD_NO;
  }
  e->body = NULL; /* the job's, and counted as its own */
  e->room = 0;
  suspend(e);
  return MHD_YES;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *n, void **state) {
  srv_http *http = user;
  exchange *e = *state;
  (void)version;
  if (!e) {
    *state = e = begin(http, mhd, url, method);
    if (!e) return MHD_NO;
    atomic_fetch_add(&http->server->requests, 1);
    /* Too much is not received at all. */
    return e->refused == 413 ? answer_refusal(e) : MHD_YES;
  }
  if (*n) {
    take_body(e, bytes, *n);
    *n = 0;
    return e->refused == 413 ? MHD_NO : MHD_YES;
  }
  e->received = true;
  if (e->job) return answer_job(e);
  if (e->origin[0] && strcmp(method, "OPTIONS") == 0 &&
      (e->refused == 405 || e->refused == 401))
    return answer(e, 204, "text/plain", NULL, 0, 0);
  if (e->refused) return answer_refusal(e);
  if (e->file) return answer_file(e);
  if (e->route->work) return begin_job(e);
  srv_quick quick = e->route->quick(http->server);
  return quick.text
             ? answer(e, quick.status, quick.media_type, quick.text, strlen(quick.text), 0)
             : MHD_NO;
}

static void on_completed(void *user, struct MHD_Connection *mhd, void **state,
                         enum MHD_RequestTerminationCode code) {
  srv_http *http = user;
  exchange *e = *state;
  (void)mhd;
  if (!e) return;
  bool lost = code != MHD_REQUEST_TERMINATED_COMPLETED_OK || e->gone || !e->answered;
  if (lost && e->job) srv_job_cancel(e->job);
  if (e->refused) atomic_fetch_add(&http->server->refused, 1);
  srv_log_request(http->server->settings, &(srv_log_line){.method = e->method,
                                                          .path = e->path,
                                                          .status = lost ? 499 : e->status,
                                                          .seconds = srv_now() - e->began,
                                                          .key = e->key,
                                                          .bytes_in = e->size,
                                                          .job = e->job,
                                                          .ended = srv_job_ended(e->job),
                                                          .code = e->refused ? e->code : NULL});
  atomic_fetch_sub(&http->server->bodies, e->room);
  *(e->before ? &e->before->after : &http->exchanges) = e->after;
  if (e->after) e->after->before = e->before;
  http->n_exchanges--;
  e->conn->busy = false;
  e->conn->since = srv_now();
  srv_job_free(e->job);
  free(e->body);
  free(e);
  *state = NULL;
}

/* ---- connections ---- */

static void on_connection(void *user, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code) {
  srv_http *http = user;
  connection *c = *context;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    c = calloc(1, sizeof *c);
    *context = c;
    if (!c) return;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    c->since = srv_now();
    c->after = http->connections;
    if (c->after) c->after->before = c;
    http->connections = c;
    http->n_connections++;
  } else if (c) {
    *(c->before ? &c->before->after : &http->connections) = c->after;
    if (c->after) c->after->before = c->before;
    http->n_connections--;
    free(c);
    *context = NULL;
  }
}

void srv_http_add(srv_http *http, int fd, const void *address, unsigned length) {
  static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                             "Content-Length: 0\r\nConnection: close\r\n\r\n";
  if (http->n_connections >= SRV_MAX_CONNECTIONS) {
    (void)!send(fd, full, sizeof full - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
    return;
  }
  MHD_add_connection(http->daemon, fd, address, length); /* closes it after a failure */
}

/* ---- the loop's part ---- */

srv_http *srv_http_create(srv *server, const srv_keys *keys, bool local) {
  srv_http *http = calloc(1, sizeof *http);
  if (!http) return NULL;
  http->server = server;
  http->keys = keys;
  http->local = local;
  http->epoll = epoll_create1(EPOLL_CLOEXEC);
  http->daemon = MHD_start_daemon(
      MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
      on_request, http, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
      MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      (size_t)SRV_MAX_HEADERS, MHD_OPTION_CONNECTION_LIMIT, SRV_MAX_CONNECTIONS + 8,
      MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SRV_IDLE_TIME, MHD_OPTION_STRICT_FOR_CLIENT, 1,
      MHD_OPTION_END);
  const union MHD_DaemonInfo *info =
      http->daemon ? MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (http->epoll >= 0 && info &&
      epoll_ctl(http->epoll, EPOLL_CTL_ADD, info->epoll_fd, &event) == 0)
    return http;
  srv_http_free(http);
  return NULL;
}

int srv_http_fd(const srv_http *http) {
  return http->epoll;
}

static void take_news(srv_http *http) {
  for (srv_job *job; (job = srv_jobs_news(http->server));) {
    for (exchange *e = http->exchanges; e; e = e->after)
      if (e->job == job) resume(e);
    srv_job_free(job);
  }
}

void srv_http_run(srv_http *http) {
  struct epoll_event events[64];
  int n = epoll_wait(http->epoll, events, 64, 0);
  for (int i = 0; i < n; i++)
    if (events[i].data.ptr) client_went(events[i].data.ptr);
  take_news(http);
  MHD_run(http->daemon);
}

void srv_http_tick(srv_http *http) {
  double now = srv_now();
  for (connection *c = http->connections; c; c = c->after)
    if (!c->busy && now - c->since > (c->asked ? SRV_IDLE_TIME : SRV_HEADER_TIME))
      shutdown(c->fd, SHUT_RDWR);
  for (exchange *e = http->exchanges; e; e = e->after) {
    if (!e->received && now - e->began > SRV_BODY_TIME) shutdown(e->conn->fd, SHUT_RDWR);
    if (!e->job) continue;
    srv_job_keep_alive(e->job, now);
    pthread_mutex_lock(&e->job->lock);
    if (e->job->state == SRV_ENDED && e->finished == 0) e->finished = now;
    pthread_mutex_unlock(&e->job->lock);
    if (e->finished > 0 && now - e->finished > SRV_READ_TIME) shutdown(e->conn->fd, SHUT_RDWR);
  }
}

double srv_http_timeout(srv_http *http) {
  MHD_UNSIGNED_LONG_LONG milliseconds;
  if (MHD_get_timeout(http->daemon, &milliseconds) != MHD_YES || milliseconds > 1000) return 1;
  return (double)milliseconds * 1e-3;
}

size_t srv_http_open(const srv_http *http) {
  return http->n_exchanges;
}

void srv_http_free(srv_http *http) {
  if (!http) return;
  for (exchange *e = http->exchanges; e; e = e->after)
    if (e->suspended) client_went(e);
  if (http->daemon) {
    MHD_run(http->daemon);
    MHD_stop_daemon(http->daemon);
  }
  if (http->epoll >= 0) close(http->epoll);
  free(http);
}
