/* watch.c - see watch.h. */
#include "watch.h"

#include <assert.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void gm_watch_begin(gm_watch *watch, const char *stage) {
  gm_watch_end(watch, true);
  size_t i = 0;
  while (i < watch->n && strcmp(watch->timings[i].stage, stage) != 0) i++;
  if (i == watch->n) {
    assert(i < GM_WATCH_STAGES);
    watch->timings[watch->n++] = (gm_timing){.stage = stage};
  }
  watch->running = i + 1;
  watch->since = now();
  gm_watch_progress(watch, 0);
}

void gm_watch_end(gm_watch *watch, bool done) {
  if (watch->running == 0) return;
  assert(watch->running <= watch->n);
  watch->timings[watch->running - 1].seconds += now() - watch->since;
  if (done) gm_watch_progress(watch, 1);
  watch->running = 0;
}

void gm_watch_progress(void *user, double done) {
  const gm_watch *watch = user;
  if (watch->running == 0 || !watch->callbacks || !watch->callbacks->progress) return;
  watch->callbacks->progress(watch->callbacks->user, watch->timings[watch->running - 1].stage,
                             done);
}
