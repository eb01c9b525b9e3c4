/* callbacks.c - engine.h's guard around the user's callbacks: the thread knows that it is in
 * one.
 */
#include "engine.h"

#include <assert.h>

static _Thread_local unsigned in_callback;

bool gm_in_callback(void) {
  return in_callback > 0;
}

void gm_callback_begin(void) {
  in_callback++;
}

void gm_callback_end(void) {
  assert(in_callback > 0);
  in_callback--;
}

gm_status gm_refuse_in_callback(gm_error *err) {
  if (!gm_in_callback()) return GM_OK;
  return gm_fail(err, GM_ERR_ARGUMENT,
                 "found a call that computes within a callback; wanted it after the callback "
                 "has returned: gm_request_... calls may be made there");
}

static bool guarded_cancelled(void *user) {
  const gm_callbacks *c = user;
  gm_callback_begin();
  bool stops = c->cancelled && c->cancelled(c->user);
  gm_callback_end();
  return stops;
}

static void guarded_progress(void *user, const char *stage, double done) {
  const gm_callbacks *c = user;
  gm_callback_begin();
  if (c->progress) c->progress(c->user, stage, done);
  gm_callback_end();
}

gm_callbacks gm_callbacks_guarded(const gm_callbacks *callbacks) {
  return (gm_callbacks){.struct_size = sizeof(gm_callbacks),
                        .user = (void *)(uintptr_t)callbacks,
                        .cancelled = guarded_cancelled,
                        .progress = guarded_progress};
}
