/* server.c - see server.h: opens, loops, ends. */
#include "server.h"

#include "fetch.h"
#include "http.h"
#include "log.h"
#include "media.h"

#include <errno.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct running {
  srv server;
  srv_settings settings;
  srv_keys keys;
  srv_listeners listeners;
  srv_http *http;
  int epoll, signals;
  bool deaf; /* no descriptor was left: connections wait until the next second */
  pthread_t loader;
  bool loading;
  atomic_bool opened; /* the loader has ended */
  gm_status status;   /* of the models */
  gm_error err;
  unsigned stops; /* signals that ask for the end */
} running;

/* ---- models ---- */

static void *load(void *user) {
  running *r = user;
  r->status = srv_models_open(&r->server.models, r->server.engine, &r->settings, &r->err);
  int loading = SRV_LOADING;
  atomic_store(&r->server.loaded, r->status == GM_OK);
  atomic_compare_exchange_strong(&r->server.phase, &loading,
                                 r->status == GM_OK ? SRV_READY : SRV_BROKEN);
  atomic_store(&r->opened, true);
  uint64_t one = 1;
  return write(r->server.wake, &one, sizeof one) < 0 ? NULL : NULL;
}

/* ---- the loop ---- */

/* Whether the listeners are watched. */
static void listen_to_all(running *r, bool wanted) {
  for (size_t i = 0; i < r->listeners.n; i++) {
    struct epoll_event event = {.events = wanted ? EPOLLIN : 0, .data.fd = r->listeners.fds[i]};
    epoll_ctl(r->epoll, EPOLL_CTL_MOD, r->listeners.fds[i], &event);
  }
  r->deaf = !wanted;
}

static void accept_all(running *r, int listener) {
  for (;;) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int fd =
        accept4(listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    /* A connection that cannot be taken would wake the loop again at once. */
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
      if (!r->deaf) srv_log(&r->settings, "connections wait: %s", strerror(errno));
      listen_to_all(r, false);
    }
    if (fd < 0) return;
    srv_http_add(r->http, fd, &address, length);
  }
}

static void on_signal(running *r) {
  struct signalfd_siginfo info;
  gm_error err = {0};
  if (read(r->signals, &info, sizeof info) != sizeof info) return;
  if (info.ssi_signo == SIGHUP) {
    if (!r->settings.key_file) return;
    if (srv_keys_read(&r->keys, r->settings.key_file, &err) == GM_OK)
      srv_log(&r->settings, "read %zu keys again", r->keys.n);
    else
      srv_log(&r->settings, "%s; the old keys stay", err.message);
    return;
  }
  if (++r->stops == 1) {
    srv_log(&r->settings, "stopping: what runs is finished; once more ends at once");
    atomic_store(&r->server.phase, SRV_DRAINING);
    srv_listeners_close(&r->listeners);
  } else {
    srv_jobs_cancel_all(&r->server);
  }
}

static void handle(running *r, const struct epoll_event *event) {
  uint64_t count;
  int fd = event->data.fd;
  if (fd == r->signals)
    on_signal(r);
  else if (fd == r->server.wake)
    (void)!read(fd, &count, sizeof count);
  else if (fd != srv_http_fd(r->http))
    accept_all(r, fd);
}

static bool is_done(running *r) {
  if (atomic_load(&r->server.phase) == SRV_BROKEN) return true;
  if (r->stops > 0 && !atomic_load(&r->opened)) return true; /* nothing runs */
  return r->stops > 0 && (srv_http_open(r->http) == 0 || r->stops > 2);
}

static void loop(running *r) {
  struct epoll_event events[16];
  double ticked = srv_now();
  bool told = false;
  while (!is_done(r)) {
    int wait = (int)(1000 * srv_http_timeout(r->http) + 0.5);
    int n = epoll_wait(r->epoll, events, 16, wait);
    for (int i = 0; i < n; i++) handle(r, &events[i]);
    srv_http_run(r->http);
    if (!told && atomic_load(&r->server.phase) == SRV_READY) {
      told = true;
      srv_log(&r->settings, "ready: %zu model%s and %s", r->server.models.n,
              r->server.models.n == 1 ? "" : "s", r->server.models.clip_name);
    }
    if (srv_now() - ticked < 1) continue;
    ticked = srv_now();
    if (r->deaf) listen_to_all(r, true);
    srv_http_tick(r->http);
  }
}

/* ---- begin and end ---- */

static bool watch(running *r, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  return fd >= 0 && epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static gm_status fail(gm_error *err, const char *what) {
  snprintf(err->message, sizeof err->message, "%s: %s", what, strerror(errno));
  return err->status = GM_ERR_IO;
}

/* What the settings name: keys, hosts, a folder, sockets. */
static bool open_named(running *r, gm_error *err) {
  const srv_settings *s = &r->settings;
  if (s->key_file && srv_keys_read(&r->keys, s->key_file, err) != GM_OK) return false;
  if (srv_hosts_read(&r->server.hosts, s->allow_url_hosts, err) != GM_OK) return false;
  if (s->media_path && (r->server.media = srv_media_open(s->media_path, err)) < 0) return false;
  return srv_listen(&r->listeners, s, err) == GM_OK;
}

static void close_named(running *r) {
  srv_listeners_close(&r->listeners);
  if (r->server.media >= 0) close(r->server.media);
  srv_keys_free(&r->keys);
}

static gm_status begin(running *r, const sigset_t *signals, gm_error *err) {
  gm_engine_params params = gm_engine_params_default();
  params.threads = r->settings.threads;
  params.memory = r->settings.memory;
  params.queue = GM_NONE; /* the slots are fewer */
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  gm_status status = gm_engine_create(&r->server.engine, &params, err);
  if (status == GM_OK) status = srv_jobs_start(&r->server, r->settings.slots, err);
  if (status != GM_OK) return status;
  r->epoll = epoll_create1(EPOLL_CLOEXEC);
  r->server.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  r->signals = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
  r->http = srv_http_create(&r->server, &r->keys, r->listeners.local);
  bool ok = r->epoll >= 0 && r->http && watch(r, r->server.wake) && watch(r, r->signals) &&
            watch(r, srv_http_fd(r->http));
  for (size_t i = 0; ok && i < r->listeners.n; i++) ok = watch(r, r->listeners.fds[i]);
  if (!ok) return fail(err, "cannot begin to serve");
  r->loading = pthread_create(&r->loader, NULL, load, r) == 0;
  return r->loading ? GM_OK : fail(err, "cannot start a thread");
}

static void finish(running *r) {
  if (r->loading) pthread_join(r->loader, NULL);
  srv_jobs_cancel_all(&r->server);
  srv_jobs_stop(&r->server);
  srv_http_free(r->http);
  srv_pictures_free(&r->server.pictures);
  srv_lora_close(&r->server.variants);
  srv_models_close(&r->server.models);
  gm_engine_free(r->server.engine);
  close_named(r);
  if (r->epoll >= 0) close(r->epoll);
  if (r->signals >= 0) close(r->signals);
  if (r->server.wake >= 0) close(r->server.wake);
}

srv_end srv_run(const srv_settings *settings, gm_error *err) {
#ifdef __GLIBC__
  /* By default each thread keeps a heap of its own, and memory grows for hours until every slot
   * has had the largest picture. */
  mallopt(M_ARENA_MAX, 2);
#endif
  running *r = calloc(1, sizeof *r);
  if (!r) {
    snprintf(err->message, sizeof err->message, "no memory to begin with");
    return SRV_FAILED;
  }
  r->settings = *settings;
  if (r->settings.slots == 0) r->settings.slots = 16;
  if (!(r->settings.timeout > 0)) r->settings.timeout = 600;
  r->server.settings = &r->settings;
  r->epoll = r->signals = r->server.wake = r->server.media = -1;
  pthread_mutex_init(&r->server.pictures.lock, NULL);
  pthread_mutex_init(&r->server.variants.lock, NULL);
  if (settings->model_params.n_adapters > SRV_MAX_ADAPTERS) {
    snprintf(err->message, sizeof err->message, "--adapter: found %zu, wanted at most %d",
             settings->model_params.n_adapters, SRV_MAX_ADAPTERS);
    free(r);
    return SRV_USAGE;
  }
  if (!srv_fetch_begin() || !open_named(r, err)) {
    close_named(r);
    srv_fetch_end();
    free(r);
    return SRV_USAGE;
  }
  sigset_t wanted, before;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGTERM);
  sigaddset(&wanted, SIGINT);
  sigaddset(&wanted, SIGHUP);
  sigset_t blocked = wanted;
  sigaddset(&blocked, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  srv_end end = SRV_FAILED;
  if (begin(r, &wanted, err) == GM_OK) {
    srv_log(&r->settings, "listening on %s", r->listeners.address);
    loop(r);
    end = SRV_STOPPED;
    if (r->stops > 0 && !atomic_load(&r->opened)) {
      /* The thread that opens a model cannot be interrupted, and may take minutes. */
      srv_listeners_close(&r->listeners);
      _exit(SRV_STOPPED);
    }
  }
  finish(r);
  srv_fetch_end();
  if (end == SRV_STOPPED && r->status != GM_OK && r->stops == 0) {
    *err = r->err;
    end = SRV_MODEL;
  }
  free(r);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return end;
}
