/* listening.c - see listening.h. */
#include "listening.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 512, FIRST_PASSED = 3 };

static gm_status fail(gm_error *err, gm_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static gm_status fail(gm_error *err, gm_status status, const char *format, ...) {
  va_list list;
  va_start(list, format);
  err->status = status;
  vsnprintf(err->message, sizeof err->message, format, list);
  va_end(list);
  return status;
}

static bool is_loopback(const struct sockaddr *address) {
  if (address->sa_family == AF_UNIX) return true;
  if (address->sa_family == AF_INET)
    return (ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >>
            24) == 127;
  const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
  return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(v6);
}

static gm_status need_key(const srv_settings *settings, gm_error *err) {
  return fail(err, GM_ERR_ARGUMENT,
              "--host %s: found an address that other machines can reach and no "
              "--api-key-file; give a file of keys, or listen on 127.0.0.1",
              settings->host ? settings->host : "(passed by systemd)");
}

/* ---- sockets that were passed ---- */

static size_t passed_sockets(void) {
  const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
  if (!pid || !n || strtol(pid, NULL, 10) != (long)getpid()) return 0;
  long count = strtol(n, NULL, 10);
  return count > 0 && count <= SRV_MAX_LISTENERS ? (size_t)count : 0;
}

static gm_status take_passed(srv_listeners *out, size_t n, const srv_settings *settings,
                             gm_error *err) {
  for (size_t i = 0; i < n; i++) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int fd = FIRST_PASSED + (int)i, listens = 0;
    socklen_t size = sizeof listens;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || !listens ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0)
      return fail(err, GM_ERR_ARGUMENT, "LISTEN_FDS: descriptor %d is no listening socket", fd);
    out->fds[out->n++] = fd;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    out->local = out->local && is_loopback((struct sockaddr *)&address);
  }
  snprintf(out->address, sizeof out->address, "%zu socket%s of systemd", n, n == 1 ? "" : "s");
  return out->local || settings->key_file ? GM_OK : need_key(settings, err);
}

/* ---- a Unix socket ---- */

/* Removes a socket that nobody listens on any more. */
static void remove_stale(const struct sockaddr_un *address) {
  struct stat st;
  if (lstat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode)) return;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  bool refused = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                 errno == ECONNREFUSED;
  close(fd);
  if (refused) unlink(address->sun_path);
}

static gm_status listen_unix(srv_listeners *out, const char *path, gm_error *err) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path)
    return fail(err, GM_ERR_ARGUMENT, "--unix %.200s: found %zu bytes, wanted at most %zu",
                path, strlen(path), sizeof address.sun_path - 1);
  strcpy(address.sun_path, path);
  remove_stale(&address);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  mode_t before = umask(0177);
  bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
            listen(fd, BACKLOG) == 0;
  int why = errno;
  umask(before);
  if (!ok) {
    if (fd >= 0) close(fd);
    return fail(err, GM_ERR_IO, "--unix %s: %s", path,
                why == EADDRINUSE ? "another program uses this name" : strerror(why));
  }
  out->fds[out->n++] = fd;
  out->own_path = true;
  out->path = path;
  snprintf(out->address, sizeof out->address, "unix:%s", path);
  return GM_OK;
}

/* ---- TCP ---- */

static int open_tcp(const struct addrinfo *at) {
  int one = 1;
  int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (at->ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) return fd;
  int why = errno;
  close(fd);
  errno = why;
  return -1;
}

static gm_status port_failed(const char *host, unsigned port, int why, gm_error *err) {
  if (why == EADDRINUSE)
    return fail(err, GM_ERR_IO,
                "port %u of %s is taken by another program%s; choose another with --port", port,
                host, port == 8080 ? " (Label Studio uses 8080)" : "");
  return fail(err, GM_ERR_IO, "cannot listen on port %u of %s: %s", port, host, strerror(why));
}

static unsigned port_of(int fd, unsigned wanted) {
  struct sockaddr_storage address = {0};
  socklen_t length = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) return wanted;
  if (address.ss_family == AF_INET)
    return ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
  return ntohs(((struct sockaddr_in6 *)(void *)&address)->sin6_port);
}

static gm_status listen_tcp(srv_listeners *out, const srv_settings *settings, gm_error *err) {
  const char *host = settings->host ? settings->host : "127.0.0.1";
  char port[16];
  snprintf(port, sizeof port, "%u", settings->port);
  struct addrinfo want = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  int code = getaddrinfo(host, port, &want, &found);
  if (code != 0) return fail(err, GM_ERR_ARGUMENT, "--host %s: %s", host, gai_strerror(code));
  for (struct addrinfo *at = found; at; at = at->ai_next)
    out->local = out->local && is_loopback(at->ai_addr);
  gm_status status = out->local || settings->key_file ? GM_OK : need_key(settings, err);
  int why = 0;
  for (struct addrinfo *at = found; status == GM_OK && at; at = at->ai_next) {
    if (out->n == SRV_MAX_LISTENERS || (settings->port == 0 && out->n)) break;
    int fd = open_tcp(at);
    if (fd >= 0)
      out->fds[out->n++] = fd;
    else if (errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT) /* a name may be of both kinds */
      status = port_failed(host, settings->port, errno, err);
    else
      why = errno;
  }
  freeaddrinfo(found);
  if (status == GM_OK && out->n == 0) status = port_failed(host, settings->port, why, err);
  if (status != GM_OK) return status;
  bool v6 = strchr(host, ':') != NULL;
  snprintf(out->address, sizeof out->address, "http://%s%s%s:%u", v6 ? "[" : "", host,
           v6 ? "]" : "", port_of(out->fds[0], settings->port));
  return GM_OK;
}

gm_status srv_listen(srv_listeners *out, const srv_settings *settings, gm_error *err) {
  *out = (srv_listeners){.local = true};
  size_t passed = passed_sockets();
  gm_status status = passed                ? take_passed(out, passed, settings, err)
                     : settings->unix_path ? listen_unix(out, settings->unix_path, err)
                                           : listen_tcp(out, settings, err);
  if (status != GM_OK) srv_listeners_close(out);
  return status;
}

void srv_listeners_close(srv_listeners *listeners) {
  for (size_t i = 0; i < listeners->n; i++) close(listeners->fds[i]);
  if (listeners->own_path) unlink(listeners->path);
  listeners->own_path = false;
  listeners->n = 0;
}
