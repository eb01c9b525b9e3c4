/* watch.c - see watch.h. */
#include "watch.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Timings are read while others compute. One lock for all: it is held for an addition. */
static pthread_mutex_t timings_lock = PTHREAD_MUTEX_INITIALIZER;

/* Adds seconds to a stage, which may be new; returns its index. */
static size_t add(gm_watch *watch, const char *stage, double seconds) {
  size_t i = 0;
  pthread_mutex_lock(&timings_lock);
  while (i < watch->n && strcmp(watch->timings[i].stage, stage) != 0) i++;
  if (i == watch->n) {
    assert(i < GM_WATCH_STAGES);
    watch->timings[watch->n++] = (gm_timing){.stage = stage};
  }
  watch->timings[i].seconds += seconds;
  pthread_mutex_unlock(&timings_lock);
  return i;
}

bool gm_watch_timing(const gm_watch *watch, size_t i, gm_timing *out) {
  pthread_mutex_lock(&timings_lock);
  bool there = i < watch->n;
  if (there) *out = watch->timings[i];
  pthread_mutex_unlock(&timings_lock);
  return there;
}

void gm_watch_add(gm_watch *watch, const char *stage, double seconds) {
  (void)add(watch, stage, seconds);
}

void gm_watch_begin(gm_watch *watch, const char *stage) {
  gm_watch_end(watch, true);
  watch->running = add(watch, stage, 0) + 1;
  watch->since = now();
  gm_watch_progress(watch, 0);
}

void gm_watch_end(gm_watch *watch, bool done) {
  if (watch->running == 0) return;
  assert(watch->running <= watch->n);
  (void)add(watch, watch->timings[watch->running - 1].stage, now() - watch->since);
  if (done) gm_watch_progress(watch, 1);
  watch->running = 0;
}

void gm_watch_progress(void *user, double done) {
  const gm_watch *watch = user;
  if (watch->running == 0 || !watch->callbacks || !watch->callbacks->progress) return;
  watch->callbacks->progress(watch->callbacks->user, watch->timings[watch->running - 1].stage,
                             done);
}
