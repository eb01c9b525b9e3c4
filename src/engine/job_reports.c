/* job_reports.c - what a job tells its owner while others compute for it: progress and text go
 * to the callbacks on the waiter's thread, as notes where they were said on another; and
 * whether it is to stop. */
#include "engine_parts.h"

#include <stdlib.h>
#include <string.h>

/* What was said on another thread than the waiter's. */
typedef struct gm_event_note {
  struct gm_event_note *after;
  const char *stage; /* NULL: text */
  double done;
  size_t length;
  char text[];
} gm_event_note;

static bool on_waiter(const gm_job *job) {
  return job->waited && pthread_equal(job->waiter, pthread_self());
}

static void tell(const gm_job *job, const char *stage, double done, const char *text,
                 size_t length) {
  const gm_callbacks *c = job->callbacks;
  gm_callback_begin();
  if (stage && c && c->progress) c->progress(c->user, stage, done);
  if (!stage && c && c->text) c->text(c->user, text, length);
  gm_callback_end();
}

void gm_job_tell_notes(gm_job *job) {
  pthread_mutex_lock(&job->engine->lock);
  gm_event_note *note = job->notes;
  job->notes = job->last_note = NULL;
  pthread_mutex_unlock(&job->engine->lock);
  for (gm_event_note *after; note; note = after) {
    after = note->after;
    tell(job, note->stage, note->done, note->text, note->length);
    free(note);
  }
}

void gm_job_free_notes(gm_job *job) {
  for (gm_event_note *note = job->notes, *after; note; note = after) {
    after = note->after;
    free(note);
  }
  job->notes = job->last_note = NULL;
}

static void add_note(gm_job *job, const char *stage, double done, const char *text,
                     size_t length) {
  gm_engine *e = job->engine;
  gm_event_note *note = malloc(sizeof *note + length);
  pthread_mutex_lock(&e->lock);
  if (note) {
    *note = (gm_event_note){.stage = stage, .done = done, .length = length};
    if (length > 0) memcpy(note->text, text, length);
    if (job->last_note)
      job->last_note->after = note;
    else
      job->notes = note;
    job->last_note = note;
    pthread_cond_broadcast(&e->change);
  } else if (!stage) {
    gm_job_cancel_for_memory(job); /* text must not get lost */
  }
  pthread_mutex_unlock(&e->lock);
}

static void report(gm_job *job, const char *stage, double done, const char *text,
                   size_t length) {
  if (on_waiter(job)) {
    gm_job_tell_notes(job); /* which are older */
    tell(job, stage, done, text, length);
  } else if (job->waited) {
    const gm_callbacks *c = job->callbacks;
    if (c && (stage ? c->progress != NULL : c->text != NULL))
      add_note(job, stage, done, text, length);
  } else {
    gm_callback_begin();
    if (stage && job->progress) job->progress(job, stage, done);
    if (!stage && job->text) job->text(job, text, length);
    gm_callback_end();
  }
}

static void inner_progress(void *user, const char *stage, double done) {
  report(user, stage, done, NULL, 0);
}

static void inner_text(void *user, const char *text, size_t length) {
  report(user, NULL, 0, text, length);
}

bool gm_job_stops(gm_job *job) {
  if (atomic_load_explicit(&job->cancel, memory_order_relaxed)) return true;
  if (job->deadline > 0 && gm_now() > job->deadline) {
    atomic_store(&job->late, true);
    atomic_store(&job->cancel, true);
    return true;
  }
  const gm_callbacks *c = job->callbacks;
  if (!c || !c->cancelled || !on_waiter(job)) return false;
  gm_callback_begin();
  bool stops = c->cancelled(c->user);
  gm_callback_end();
  if (stops) atomic_store(&job->cancel, true);
  return stops;
}

static bool inner_cancelled(void *user) {
  return gm_job_stops(user);
}

gm_callbacks gm_job_inner(gm_job *job) {
  return (gm_callbacks){.struct_size = sizeof(gm_callbacks),
                        .user = job,
                        .cancelled = inner_cancelled,
                        .progress = inner_progress,
                        .text = inner_text};
}
