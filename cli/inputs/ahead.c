/* ahead.c - see ahead.h. */
#include "ahead.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct cli_ahead {
  cli_ahead_calls calls;
  size_t n, next; /* next: the picture that the caller gets next */
  pthread_t thread;
  bool threaded, begun; /* begun: the thread was told to read `next` */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool wanted, ready,
      over; /* guarded by lock: `next` is to be read; it has been read; the thread must end */
  cli_picture picture; /* valid if ready */
};

static void *run(void *arg) {
  cli_ahead *a = arg;
  pthread_mutex_lock(&a->lock);
  while (!a->over) {
    if (!a->wanted) {
      pthread_cond_wait(&a->changed, &a->lock);
      continue;
    }
    size_t i = a->next;
    a->wanted = false;
    pthread_mutex_unlock(&a->lock);
    a->calls.read(a->calls.user, i, &a->picture);
    pthread_mutex_lock(&a->lock);
    a->ready = true;
    pthread_cond_broadcast(&a->changed);
  }
  pthread_mutex_unlock(&a->lock);
  return NULL;
}

/* Blocks signals: Ctrl-C is for the computing thread. */
static bool start(cli_ahead *a) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool ok = pthread_create(&a->thread, NULL, run, a) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return ok;
}

cli_ahead *cli_ahead_begin(const cli_ahead_calls *calls, size_t n) {
  cli_ahead *a = calloc(1, sizeof *a);
  if (!a) return NULL;
  a->calls = *calls;
  a->n = n;
  pthread_mutex_init(&a->lock, NULL);
  pthread_cond_init(&a->changed, NULL);
  a->threaded = n > 1 && start(a);
  return a;
}

/* True if the thread was told to read the next picture. */
static bool begin_next(cli_ahead *a) {
  if (!a->threaded || a->next >= a->n || a->calls.waits(a->calls.user, a->next)) return false;
  pthread_mutex_lock(&a->lock);
  a->wanted = true;
  pthread_cond_broadcast(&a->changed);
  pthread_mutex_unlock(&a->lock);
  return true;
}

static void wait_ready(cli_ahead *a) {
  pthread_mutex_lock(&a->lock);
  while (!a->ready) pthread_cond_wait(&a->changed, &a->lock);
  a->ready = false;
  pthread_mutex_unlock(&a->lock);
}

void cli_ahead_next(cli_ahead *a, cli_picture *out) {
  if (a->begun) {
    wait_ready(a);
    *out = a->picture;
  } else {
    *out = (cli_picture){0};
    a->calls.read(a->calls.user, a->next, out);
  }
  a->picture = (cli_picture){0};
  a->next++;
  a->begun = begin_next(a);
}

void cli_ahead_end(cli_ahead *a) {
  if (!a) return;
  if (a->begun) {
    wait_ready(a);
    gm_image_free(a->picture.image);
  }
  if (a->threaded) {
    pthread_mutex_lock(&a->lock);
    a->over = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
  }
  pthread_cond_destroy(&a->changed);
  pthread_mutex_destroy(&a->lock);
  free(a);
}
