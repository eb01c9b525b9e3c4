/* engine.c - see engine.h: threads, the queue, and a job's way through it. */
#include "engine_parts.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const double LOOK = 0.02; /* seconds between two looks at `cancelled` while waiting */

double gm_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the queue ---- */

/* With the lock. */
static void enqueue(gm_engine *e, gm_job *job) {
  job->after = NULL;
  job->state = GM_JOB_WAITING;
  if (e->last_job)
    e->last_job->after = job;
  else
    e->first_job = job;
  e->last_job = job;
}

/* With the lock. */
static void dequeue(gm_engine *e, gm_job *job) {
  gm_job *before = NULL, *at = e->first_job;
  for (; at != job; at = at->after) before = at;
  if (before)
    before->after = job->after;
  else
    e->first_job = job->after;
  if (e->last_job == job) e->last_job = before;
  job->after = NULL;
}

void gm_engine_count(gm_engine *e, size_t *waiting, size_t *running) {
  pthread_mutex_lock(&e->lock);
  *waiting = 0;
  for (const gm_job *job = e->first_job; job; job = job->after) ++*waiting;
  *running = e->n_jobs - *waiting;
  pthread_mutex_unlock(&e->lock);
}

/* ---- running ---- */

/* The end of a job's run or of its voices: collects, and puts it back in the queue if there is
 * more to do. Without the lock. */
void gm_job_finish(gm_job *job, gm_status status) {
  gm_engine *e = job->engine;
  bool more = false;
  if (status == GM_ERR_CANCELLED && atomic_load(&job->late))
    status = gm_fail(&job->error, GM_ERR_TIMEOUT, "the deadline of the request has passed");
  if (status == GM_ERR_CANCELLED && atomic_load(&job->short_of_memory))
    status = gm_fail_memory(&job->error, "an event", 1);
  if (job->collect) status = job->collect(job, &job->error, status, &more);
  void (*done)(gm_job *) = NULL;
  pthread_mutex_lock(&e->lock);
  if (more && status == GM_OK) {
    enqueue(e, job);
  } else {
    job->status = status;
    job->state = GM_JOB_DONE;
    e->n_jobs--;
    done = job->waited ? NULL : job->done;
  }
  pthread_cond_broadcast(&e->change);
  pthread_mutex_unlock(&e->lock);
  if (done) {
    gm_callback_begin();
    done(job); /* job may be gone now */
    gm_callback_end();
  }
}

void gm_job_speak(gm_job *job, gm_voice *voice) {
  gm_engine *e = job->engine;
  assert(job->state == GM_JOB_RUNNING && e->busy);
  voice->job = job;
  voice->status = GM_OK;
  voice->bytes = 0;
  job->n_voices++;
  gm_voices_add(&e->unread, voice);
}

/* The engine whose work the calling thread is doing. */
static _Thread_local gm_engine *computes_for;

/* Runs a job that is out of the queue, on the thread that computes, at `level`. */
static void run_job(gm_engine *e, gm_job *job, unsigned level) {
  gm_compute *c = &e->compute;
  gm_engine *before = computes_for;
  gm_visit_frame frame = gm_visit_begin(e, job->kernels, level);
  gm_arena_mark mark = gm_arena_save(&c->arena);
  computes_for = e;
  c->err = &job->error;
  c->cancelled = job->inner.cancelled;
  c->cancel_user = job;
  gm_status status = gm_poll(c);
  if (status == GM_OK) status = job->run(job, c);
  gm_arena_restore(&c->arena, mark); /* whatever a run that failed has left */
  assert(status == GM_OK || job->n_voices == 0);
  computes_for = before;
  gm_visit_end(e, &frame);
  bool speaks = job->n_voices > 0;
  if (speaks) {
    pthread_mutex_lock(&e->lock);
    job->voices_status = GM_OK;
    job->state = GM_JOB_SPEAKING;
    pthread_mutex_unlock(&e->lock);
  } else {
    gm_job_finish(job, status);
  }
}

/* No heavy work, or none any more. */
static bool runs_at_once(gm_job *job) {
  return (job->ready && job->ready(job)) || (!job->waited && gm_job_stops(job));
}

/* The first job that needs no heavy work; out of the queue. */
static gm_job *take_ready(gm_engine *e) {
  pthread_mutex_lock(&e->lock);
  gm_job *job = e->first_job;
  while (job && !runs_at_once(job)) job = job->after;
  if (job) {
    dequeue(e, job);
    job->state = GM_JOB_RUNNING;
  }
  pthread_mutex_unlock(&e->lock);
  return job;
}

/* A step, and when it was. */
static void take_step(gm_engine *e) {
  double since = gm_now();
  if (!gm_voices_step(e)) return;
  e->stepped = gm_now();
  e->step_seconds = e->stepped - since;
}

/* Whether heavy work has had as much time as the last step. */
static bool step_is_due(const gm_engine *e) {
  return gm_now() - e->stepped >= fmin(e->step_seconds, GM_STEP_WAIT);
}

/* Called by gm_poll on the thread that computes. */
static void visit(void *user) {
  gm_engine *e = user;
  assert(e->busy);
  if (e->level >= GM_LEVEL_STEP) return;
  if (e->level == GM_LEVEL_RUN) {
    for (gm_job *job; (job = take_ready(e)) != NULL;) run_job(e, job, GM_LEVEL_READ);
    (void)gm_voices_read(e);
  }
  if (e->speaking.first && step_is_due(e)) take_step(e);
}

void gm_engine_let_pass(gm_engine *engine) {
  if (computes_for == engine) visit(engine);
}

/* With the lock, which is given back and taken again. */
static void compute_job(gm_engine *e, gm_job *job) {
  dequeue(e, job);
  job->state = GM_JOB_RUNNING;
  e->busy = true;
  pthread_mutex_unlock(&e->lock);
  run_job(e, job, GM_LEVEL_RUN);
  pthread_mutex_lock(&e->lock);
  e->busy = false;
  pthread_cond_broadcast(&e->change);
}

/* One reading and one step. With the lock, which is given back and taken again. */
static void compute_voices(gm_engine *e) {
  e->busy = true;
  pthread_mutex_unlock(&e->lock);
  gm_visit_frame frame = gm_visit_begin(e, e->compute.kernels, GM_LEVEL_RUN);
  (void)gm_voices_read(e);
  take_step(e);
  gm_visit_end(e, &frame);
  pthread_mutex_lock(&e->lock);
  e->busy = false;
  pthread_cond_broadcast(&e->change);
}

/* ---- waiting ---- */

static void wait_until(gm_engine *e, double when) {
  struct timespec t = {(time_t)when, (long)((when - floor(when)) * 1e9)};
  (void)pthread_cond_timedwait(&e->change, &e->lock, &t);
}

/* The first job in the queue that some thread is ready to run: the one that waits for it
 * (`mine` is the calling thread's), or the engine's own. A thread in a callback is not: its job
 * is passed over, so that a callback holds up nobody else's work. */
static gm_job *next_job(const gm_engine *e, const gm_job *mine) {
  gm_job *job = e->first_job;
  while (job && job != mine && job->waited && !job->can_run) job = job->after;
  return job;
}

/* Whether there are voices that the calling thread should compute. Waiting threads compute for
 * all; the engine's own only if some have no thread. */
static bool has_voices(const gm_engine *e, const gm_job *mine) {
  return mine ? gm_voices_any(e) : gm_voices_unwaited(e);
}

/* With the lock: computes something, or waits for a change. job: the calling thread's; NULL: it
 * is the engine's own. */
static void work_or_wait(gm_engine *e, gm_job *job) {
  gm_job *next = next_job(e, job);
  bool ours = next && (job ? next == job : !next->waited);
  if (!e->busy && ours) {
    compute_job(e, next);
  } else if (!e->busy && !next && has_voices(e, job)) {
    compute_voices(e);
  } else if (job) {
    bool asks = (job->callbacks && job->callbacks->cancelled) || job->deadline > 0;
    job->can_run = true;
    if (asks)
      wait_until(e, gm_now() + LOOK);
    else
      pthread_cond_wait(&e->change, &e->lock);
    job->can_run = false;
  } else {
    pthread_cond_wait(&e->change, &e->lock);
  }
}

/* Gives the lock back for a callback, in which this thread cannot run its job: others wait for
 * that, and may go on without it. */
static void unlock_for_callback(gm_engine *e) {
  if (!e->busy) pthread_cond_broadcast(&e->change);
  pthread_mutex_unlock(&e->lock);
}

/* A job that waits for its run and is to stop ends without one. With the lock, which is given
 * back and taken again. */
static void stop_waiting(gm_engine *e, gm_job *job) {
  unlock_for_callback(e);
  bool stops = gm_job_stops(job);
  pthread_mutex_lock(&e->lock);
  if (!stops || job->state != GM_JOB_WAITING) return;
  dequeue(e, job);
  job->state = GM_JOB_RUNNING;
  pthread_mutex_unlock(&e->lock);
  gm_job_finish(job, gm_fail(&job->error, GM_ERR_CANCELLED, "cancelled by the caller"));
  pthread_mutex_lock(&e->lock);
}

/* What a waiting thread does besides, after each change. With the lock, which is given back and
 * taken again. */
static void look_after(gm_engine *e, gm_job *job) {
  if (job->notes) {
    unlock_for_callback(e);
    gm_job_tell_notes(job);
    pthread_mutex_lock(&e->lock);
  }
  if (job->state == GM_JOB_WAITING && (e->busy || job != next_job(e, job))) {
    stop_waiting(e, job);
  } else if (job->state == GM_JOB_SPEAKING && e->busy) {
    pthread_mutex_unlock(&e->lock);
    (void)gm_job_stops(job); /* for the thread that computes */
    pthread_mutex_lock(&e->lock);
  }
}

static void attend(gm_engine *e, gm_job *job) {
  pthread_mutex_lock(&e->lock);
  while (job->state != GM_JOB_DONE) {
    work_or_wait(e, job);
    look_after(e, job);
  }
  pthread_mutex_unlock(&e->lock);
  gm_job_tell_notes(job);
}

static gm_status begin(gm_engine *e, gm_job *job, bool waited, gm_error *err) {
  job->engine = e;
  job->inner = gm_job_inner(job);
  job->waited = waited;
  job->waiter = pthread_self();
  pthread_mutex_lock(&e->lock);
  bool full = e->n_jobs >= e->queue_limit;
  if (!full) {
    e->n_jobs++;
    enqueue(e, job);
    pthread_cond_broadcast(&e->change);
  }
  pthread_mutex_unlock(&e->lock);
  if (!full) return GM_OK;
  return gm_fail(
      err, GM_ERR_BUSY,
      "found the engine's queue full with %zu requests; try again later, or open the "
      "engine with a longer queue",
      e->queue_limit);
}

gm_status gm_job_do(gm_engine *engine, gm_job *job, gm_error *err) {
  GM_TRY(gm_refuse_in_callback(err));
  GM_TRY(begin(engine, job, true, err));
  attend(engine, job);
  gm_job_free_notes(job);
  if (job->status != GM_OK && err) *err = job->error;
  return job->status;
}

/* ---- work of the calling thread ---- */

static void enter_now(gm_engine *e, gm_entry *entry, unsigned level) {
  gm_visit_frame frame = gm_visit_begin(e, entry->job.kernels, level);
  entry->c = &e->compute;
  entry->before = frame.before;
  entry->level = frame.level;
}

/* Within a job's run: its error and its callbacks. */
static void enter_within(gm_engine *e, gm_entry *entry, gm_error *err) {
  const gm_callbacks *c = entry->job.callbacks;
  entry->within = true;
  entry->job.engine = e;
  entry->callbacks = c;
  enter_now(e, entry, e->level);
  entry->c->err = err;
  entry->c->cancelled = c ? c->cancelled : NULL;
  entry->c->cancel_user = c ? c->user : NULL;
}

gm_status gm_engine_enter(gm_engine *engine, gm_entry *entry, const gm_kernels *kernels,
                          const gm_callbacks *callbacks, gm_error *err) {
  gm_engine *e = engine;
  gm_job *job = &entry->job;
  *entry = (gm_entry){.job = {.kernels = kernels, .callbacks = callbacks}};
  GM_TRY(gm_refuse_in_callback(err));
  if (computes_for == e) {
    enter_within(e, entry, err);
    return GM_OK;
  }
  GM_TRY(begin(e, job, true, err));
  pthread_mutex_lock(&e->lock);
  while (job->state != GM_JOB_DONE && (e->busy || next_job(e, job) != job)) {
    work_or_wait(e, job);
    look_after(e, job);
  }
  bool stopped = job->state == GM_JOB_DONE;
  if (!stopped) {
    dequeue(e, job);
    job->state = GM_JOB_RUNNING;
    e->busy = true;
  }
  pthread_mutex_unlock(&e->lock);
  if (stopped) {
    if (err) *err = job->error;
    return job->status;
  }
  enter_now(e, entry, GM_LEVEL_RUN);
  entry->outer = computes_for;
  computes_for = e;
  entry->callbacks = &job->inner;
  entry->c->err = err;
  entry->c->cancelled = job->inner.cancelled;
  entry->c->cancel_user = job;
  return GM_OK;
}

gm_status gm_engine_leave(gm_entry *entry, gm_status status) {
  gm_engine *e = entry->job.engine;
  const gm_visit_frame frame = {.before = entry->before, .level = entry->level};
  gm_visit_end(e, &frame);
  if (entry->within) return status;
  computes_for = entry->outer;
  gm_job_finish(&entry->job, status);
  pthread_mutex_lock(&e->lock);
  e->busy = false;
  pthread_cond_broadcast(&e->change);
  pthread_mutex_unlock(&e->lock);
  return status;
}

/* ---- jobs that nobody waits for ---- */

static void destroy(gm_engine *e);

static void *own_thread(void *user) {
  gm_engine *e = user;
  pthread_mutex_lock(&e->lock);
  while (!e->own_stops) work_or_wait(e, NULL);
  bool frees = e->own_frees;
  pthread_mutex_unlock(&e->lock);
  if (frees) destroy(e);
  return NULL;
}

static gm_status start_own(gm_engine *e, gm_error *err) {
  int failed = 0;
  pthread_mutex_lock(&e->lock);
  if (!e->own_started) {
    failed = gm_thread_start(&e->own, own_thread, e);
    e->own_started = failed == 0;
  }
  pthread_mutex_unlock(&e->lock);
  if (failed == 0) return GM_OK;
  return gm_fail(err, GM_ERR_MEMORY, "the engine's thread could not be started: %s",
                 strerror(failed));
}

gm_status gm_job_submit(gm_engine *engine, gm_job *job, gm_error *err) {
  GM_TRY(start_own(engine, err));
  return begin(engine, job, false, err);
}

void gm_job_cancel_for_memory(gm_job *job) {
  atomic_store(&job->short_of_memory, true);
  atomic_store(&job->cancel, true);
}

void gm_job_cancel(gm_job *job) {
  gm_engine *e = job->engine;
  atomic_store(&job->cancel, true);
  pthread_mutex_lock(&e->lock);
  pthread_cond_broadcast(&e->change);
  pthread_mutex_unlock(&e->lock);
}

/* ---- the engine ---- */

gm_status gm_engine_new(gm_engine **out, const gm_engine_settings *settings, gm_error *err) {
  *out = NULL;
  gm_engine *e = calloc(1, sizeof *e);
  if (!e) return gm_fail_memory(err, "the engine", sizeof *e);
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&e->change, &attr);
  pthread_condattr_destroy(&attr);
  pthread_mutex_init(&e->lock, NULL);
  e->users = 1;
  e->queue_limit = settings->queue ? settings->queue : GM_QUEUE;
  e->memory = settings->memory ? settings->memory : UINT64_MAX;
  e->kept_scenes = settings->kept_scenes;
  pthread_mutex_init(&e->scenes_lock, NULL);
  gm_status status = gm_pool_create(&e->pool, settings->threads, err);
  if (status != GM_OK) {
    gm_engine_release(e);
    return status;
  }
  e->compute.pool = e->pool;
  e->compute.visit = visit;
  e->compute.visit_user = e;
  *out = e;
  return GM_OK;
}

gm_engine *gm_engine_hold(gm_engine *engine) {
  pthread_mutex_lock(&engine->lock);
  engine->users++;
  pthread_mutex_unlock(&engine->lock);
  return engine;
}

gm_status gm_engine_choose(gm_engine **out, gm_engine *given, unsigned threads, gm_error *err) {
  const gm_engine_settings own = {.threads = threads};
  if (!given) return gm_engine_new(out, &own, err);
  if (threads != 0)
    return gm_fail(err, GM_ERR_ARGUMENT,
                   "found an engine and %u threads; wanted one of them: the engine has its own",
                   threads);
  *out = gm_engine_hold(given);
  return GM_OK;
}

static void destroy(gm_engine *e) {
  assert(e->n_jobs == 0 && !e->first_job && !e->scenes);
  gm_pool_free(e->pool);
  gm_arena_free(&e->compute.arena);
  pthread_cond_destroy(&e->change);
  pthread_mutex_destroy(&e->lock);
  pthread_mutex_destroy(&e->scenes_lock);
  free(e);
}

void gm_engine_release(gm_engine *engine) {
  gm_engine *e = engine;
  if (!e) return;
  pthread_mutex_lock(&e->lock);
  assert(e->users > 0);
  bool last = --e->users == 0, started = e->own_started;
  pthread_t own = e->own;
  e->own_stops = last;
  e->own_frees = last && started && pthread_equal(own, pthread_self());
  bool frees = e->own_frees;
  pthread_cond_broadcast(&e->change);
  pthread_mutex_unlock(&e->lock);
  if (!last) return;
  if (frees) {
    pthread_detach(own);
    return;
  }
  if (started) pthread_join(own, NULL);
  destroy(e);
}
