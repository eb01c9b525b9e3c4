/* api_request.c - gm_request: jobs that nobody waits for, their events, and their results. What
 * is asked is in request_tasks.c. */
#include "request.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- events ---- */

static request_event *new_event(gm_request *r, gm_event_type type, const char *text,
                                size_t length, size_t n_regions) {
  size_t bytes = sizeof(request_event) + n_regions * sizeof(gm_region) + length + 1;
  request_event *e = calloc(1, bytes);
  if (!e) {
    if (type != GM_EVENT_PROGRESS) gm_job_cancel_for_memory(r->job);
    return NULL;
  }
  char *copy = (char *)(e->regions + n_regions);
  if (length > 0) memcpy(copy, text, length);
  e->event = (gm_event){.struct_size = sizeof e->event,
                        .type = type,
                        .text = copy,
                        .length = length,
                        .n_regions = n_regions,
                        .own = e};
  return e;
}

/* Calls the user's callback, which hears nothing of a request that it has freed. */
static void give(gm_request *r, const gm_event *event) {
  pthread_mutex_lock(&r->lock);
  bool abandoned = r->abandoned;
  pthread_mutex_unlock(&r->lock);
  if (abandoned) return;
  gm_callback_begin();
  r->params.event(r->params.user, event);
  gm_callback_end();
}

/* Hands the event over, or queues it. Of progress that nobody has fetched only the last of a
 * stage stays; one that begins anew is another. */
static void publish(gm_request *r, request_event *e) {
  if (!e) return;
  if (r->params.event) {
    give(r, &e->event);
    free(e);
    return;
  }
  pthread_mutex_lock(&r->lock);
  request_event *last = r->last;
  if (last && e->event.type == GM_EVENT_PROGRESS && last->event.type == GM_EVENT_PROGRESS &&
      strcmp(last->event.stage, e->event.stage) == 0 && last->event.done <= e->event.done) {
    last->event.done = e->event.done;
    free(e);
  } else {
    if (last)
      last->after = e;
    else
      r->first = e;
    r->last = e;
  }
  pthread_cond_broadcast(&r->arrival);
  pthread_mutex_unlock(&r->lock);
}

static void on_progress(gm_job *job, const char *stage, double done) {
  gm_request *r = job->user;
  request_event *e = new_event(r, GM_EVENT_PROGRESS, NULL, 0, 0);
  if (!e) return;
  e->event.stage = stage;
  e->event.done = done;
  publish(r, e);
}

static void on_text(gm_job *job, const char *text, size_t length) {
  gm_request *r = job->user;
  publish(r, new_event(r, GM_EVENT_TEXT, text, length, 0));
}

void gm_request_on_phrase(void *user, const gm_grounded_text *g,
                          const gm_grounded_phrase *phrase) {
  const gm_job *job = user;
  gm_request *r = job->user;
  request_event *e = new_event(r, GM_EVENT_PHRASE, g->text.bytes + phrase->begin,
                               phrase->end - phrase->begin, phrase->n_regions);
  if (!e) return;
  e->event.span_begin = phrase->begin;
  e->event.span_end = phrase->end;
  e->event.present = phrase->present;
  for (size_t i = 0; i < phrase->n_regions; i++) {
    size_t index = (size_t)g->regions.ids[phrase->first_region + i];
    e->regions[i] = gm_scene_region(r->scene, &gm_request_list(r)->regions[index], index);
  }
  publish(r, e);
}

static void destroy(gm_request *r);

/* Whoever waits for the request goes on after the last event, so that the caller's data may go
 * with it. */
static void on_done(gm_job *job) {
  gm_request *r = job->user;
  bool gone = false;
  gm_event event = {
      .struct_size = sizeof event, .type = GM_EVENT_DONE, .text = "", .status = job->status};
  pthread_mutex_lock(&r->lock);
  r->ended = true;
  r->ender = pthread_self();
  r->gone = &gone;
  pthread_mutex_unlock(&r->lock);
  if (r->params.event) give(r, &event);
  if (gone) return;
  pthread_mutex_lock(&r->lock);
  r->done = true;
  r->gone = NULL;
  bool abandoned = r->abandoned;
  pthread_cond_broadcast(&r->arrival);
  pthread_cond_broadcast(&r->end);
  pthread_mutex_unlock(&r->lock); /* from here on the request may be gone */
  if (abandoned) destroy(r);
}

gm_status gm_event_region_at(const gm_event *event, size_t i, gm_region *out) {
  const request_event *e = event->own;
  if (!e || i >= e->event.n_regions) return GM_ERR_ARGUMENT;
  return GM_STRUCT_WRITE(gm_region, out, &e->regions[i], NULL);
}

/* ---- waiting ---- */

/* With the lock: waits for a change; false once `until` is over (0: without limit). */
static bool wait_change(gm_request *r, pthread_cond_t *change, double until) {
  if (until == 0) return pthread_cond_wait(change, &r->lock) == 0;
  struct timespec t = {(time_t)until, (long)((until - (double)(time_t)until) * 1e9)};
  return pthread_cond_timedwait(change, &r->lock, &t) == 0;
}

static double until(double seconds) {
  static const double YEARS = 1e9; /* seconds; a clock's time has no room for much more */
  return seconds < 0 || seconds > YEARS ? 0 : gm_now() + seconds;
}

/* With the lock. In a callback of GM_EVENT_DONE the request has ended, as its results have. */
static bool is_over(const gm_request *r) {
  return r->done || (r->ended && gm_in_callback());
}

/* The lock is held where it returns true: the request has ended or has an event. */
static bool wait_for(gm_request *r, double seconds, bool event) {
  double end = until(seconds);
  bool waits = seconds != 0;
  pthread_mutex_lock(&r->lock);
  while (!is_over(r) && !(event && r->first) && waits)
    waits = wait_change(r, event ? &r->arrival : &r->end, end);
  if (is_over(r) || (event && r->first)) return true;
  pthread_mutex_unlock(&r->lock);
  return false;
}

bool gm_request_wait(gm_request *request, double seconds) {
  if (gm_in_callback()) seconds = 0;
  if (!wait_for(request, seconds, false)) return false;
  pthread_mutex_unlock(&request->lock);
  return true;
}

gm_status gm_request_next_event(gm_request *request, double seconds, gm_event *out) {
  gm_request *r = request;
  if (r->params.event || r->told) return GM_ERR_ARGUMENT;
  if (gm_in_callback()) seconds = 0;
  if (!wait_for(r, seconds, true)) return GM_ERR_TIMEOUT;
  request_event *next = r->first;
  gm_event end = {.type = GM_EVENT_DONE, .text = "", .status = next ? GM_OK : r->job->status};
  gm_status status = GM_STRUCT_WRITE(gm_event, out, next ? &next->event : &end, NULL);
  if (status == GM_OK) {
    free(r->given);
    r->given = next;
    if (next) r->first = next->after;
    if (!r->first) r->last = NULL;
    r->told = !next;
  }
  pthread_mutex_unlock(&r->lock);
  return status;
}

void gm_request_cancel(gm_request *request) {
  gm_job_cancel(request->job);
}

/* ---- life ---- */

gm_status gm_request_new(gm_request **out, const gm_request_params *params, gm_error *err) {
  *out = NULL;
  gm_request_params own;
  GM_TRY(GM_STRUCT_READ(gm_request_params, &own, params, err));
  gm_request *r = calloc(1, sizeof *r);
  if (!r) return gm_fail_memory(err, "the request", sizeof *r);
  r->params = own;
  r->done = true; /* until it is submitted */
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&r->arrival, &attr);
  pthread_cond_init(&r->end, &attr);
  pthread_condattr_destroy(&attr);
  pthread_mutex_init(&r->lock, NULL);
  *out = r;
  return GM_OK;
}

gm_status gm_request_submit(gm_request *r, gm_engine *engine, gm_job *job, gm_error *err) {
  job->user = r;
  job->progress = on_progress;
  job->text = on_text;
  job->done = on_done;
  if (r->params.timeout > 0) job->deadline = gm_now() + r->params.timeout;
  r->job = job;
  r->done = false;
  gm_status status = gm_job_submit(engine, job, err);
  if (status != GM_OK) r->done = true;
  return status;
}

static void free_events(gm_request *r) {
  for (request_event *e = r->first, *after; e; e = after) {
    after = e->after;
    free(e);
  }
  free(r->given);
}

static void destroy(gm_request *r) {
  gm_request_free_task(r);
  free_events(r);
  pthread_cond_destroy(&r->arrival);
  pthread_cond_destroy(&r->end);
  pthread_mutex_destroy(&r->lock);
  free(r);
}

/* In a callback: false where the request has not ended, whose end then frees it. */
static bool end_in_callback(gm_request *r) {
  pthread_mutex_lock(&r->lock);
  bool here = r->gone && pthread_equal(r->ender, pthread_self());
  bool over = r->done || here;
  if (here) *r->gone = true;
  if (!over) r->abandoned = true;
  pthread_mutex_unlock(&r->lock);
  return over;
}

void gm_request_free(gm_request *request) {
  gm_request *r = request;
  if (!r) return;
  if (!gm_request_wait(r, 0)) gm_job_cancel(r->job);
  if (!gm_in_callback())
    (void)gm_request_wait(r, -1);
  else if (!end_in_callback(r))
    return;
  destroy(r);
}
