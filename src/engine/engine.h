/* engine.h - JOBS -> ANSWERS, side by side: who computes next.
 *
 *   job    what one call or request wants: `run` does the heavy work (vision, regions, prefix)
 *          and leaves voices; when all of them have ended, `collect` makes the results
 *   voice  one answer that is being spoken: its talk's unread rows are read once, then it goes
 *          on by a token a step, together with the voices of other jobs (continuous batching)
 *
 * There is no scheduling thread. A thread that waits for its job computes: the heavy work of
 * its own job, and the reading and the steps of everybody's voices. One thread computes at a
 * time (`busy`), with the engine's pool. Heavy work is not interrupted but visited: at each
 * poll (gm_poll, between layers) the thread that computes serves what is quicker. So a running
 * answer waits for one layer and not for one picture:
 *
 *   level 0   run of a job               first come, first served
 *   level 1   runs that are ready (no heavy work), reading of questions
 *   level 2   steps of up to GM_STEP_VOICES voices of one model
 *
 * Heavy work and steps have half of the time each: polls are many, and a visit takes no step
 * before the work has gone on for as long as the last step took, or for GM_STEP_WAIT.
 *
 * Scratch is one stack (the arena), on which a visit's blocks lie above those of the work that
 * it visits. Jobs that nobody waits for (gm_job_submit) are run by one thread of the engine. */
#ifndef GM_ENGINE_H
#define GM_ENGINE_H

#include "compute.h"
#include "talk.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct gm_job gm_job;

enum { GM_STEP_VOICES = 16, GM_QUEUE = 64 };
#define GM_STEP_WAIT 0.08 /* seconds */

typedef struct gm_voice {
  gm_job *job;
  gm_talk *talk; /* with the question in it */
  /* What is said next, as in talk.h; errors go to the job's. */
  gm_next_fn next;
  void *user;
  size_t index; /* handed to next */
  size_t ready; /* positions of the talk that the job did not have to compute */

  /* How it ended: GM_OK, GM_ERR_CONTEXT_FULL, or why the job is over. Valid in collect. */
  gm_status status;
  /* The engine's. */
  struct gm_voice *after;
  size_t bytes; /* of its own keys and values */
} gm_voice;

/* In order. On the thread that computes only. */
typedef struct gm_voices {
  gm_voice *first, *last;
} gm_voices;

typedef enum gm_job_state {
  GM_JOB_NEW,
  GM_JOB_WAITING, /* for its run */
  GM_JOB_RUNNING,
  GM_JOB_SPEAKING, /* its voices are at work */
  GM_JOB_DONE
} gm_job_state;

/* The caller fills in the first part; the rest is the engine's. */
struct gm_job {
  const gm_kernels *kernels; /* of the model */
  /* Computes with c (c->err is the job's) and hands over voices with gm_job_speak. */
  gm_status (*run)(gm_job *job, gm_compute *c);
  /* After all voices have ended: makes their results. status: the first failure among them, of
   * which GM_ERR_CONTEXT_FULL counts last, or GM_OK. *more: run is to be called again. Returns
   * the job's status. Also called after a run that failed, and where the job ends before its
   * run, so that it can free what was made. It computes nothing. */
  gm_status (*collect)(gm_job *job, gm_error *err, gm_status status, bool *more);
  /* Whether run would find all heavy work done; NULL: it never is. */
  bool (*ready)(const gm_job *job);
  const gm_callbacks *callbacks; /* the caller's; may be NULL */
  /* What a job without a waiting thread says, in place of callbacks; on the thread that
   * computes. May be NULL. */
  void (*progress)(gm_job *job, const char *stage, double done);
  void (*text)(gm_job *job, const char *text, size_t length);
  void (*done)(gm_job *job); /* the last thing that the engine does with the job */
  double deadline;           /* seconds of gm_now(); 0: none */
  void *user;                /* the owner's */

  struct gm_engine *engine;
  gm_callbacks inner; /* given to the stages: reaches callbacks on the right thread */
  gm_job_state state;
  gm_status status;
  gm_error error;
  bool waited;  /* a thread waits for it: `waiter` */
  bool can_run; /* that thread is ready to run it */
  pthread_t waiter;
  atomic_bool cancel, late, short_of_memory;
  /* Tokens: of the prompts that its voices have read, of these found ready, generated. */
  _Atomic uint64_t prompt, cached, generated;
  size_t n_voices; /* that have not ended */
  gm_status voices_status;
  struct gm_event_note *notes, *last_note; /* said on other threads, for the waiter */
  struct gm_job *after;
};

typedef struct gm_engine_settings {
  unsigned threads;
  size_t queue;         /* jobs at once; 0: GM_QUEUE */
  uint64_t memory;      /* bytes; 0: no limit */
  uint32_t kept_scenes; /* 0: none */
} gm_engine_settings;

struct gm_engine {
  gm_pool *pool;
  gm_compute compute; /* of the thread that computes */
  size_t users;       /* handles that hold the engine */
  pthread_mutex_t lock;
  pthread_cond_t change;
  size_t queue_limit, n_jobs;
  gm_job *first_job, *last_job; /* waiting for their run, in order */
  gm_voices unread, speaking;
  bool busy;
  unsigned level;               /* of the thread that computes */
  double stepped, step_seconds; /* when the last step of voices ended, and how long it took */
  pthread_t own;                /* runs jobs that nobody waits for */
  bool own_started, own_stops;
  bool own_frees; /* its last user was freed in a callback on that thread */

  uint64_t memory;      /* limit of scenes and answers; UINT64_MAX: none */
  uint32_t kept_scenes; /* that nobody holds; 0: none */
  pthread_mutex_t scenes_lock;
  struct gm_scene *scenes;      /* the most recently used first */
  _Atomic uint64_t voice_bytes; /* keys and values of voices, and of conversations at rest */
  /* Frees what is only kept until `bytes` more fit into the memory; GM_ERR_MEMORY where they do
   * not. NULL: there is no limit. */
  gm_status (*make_room)(struct gm_engine *e, uint64_t bytes, gm_error *err);
};
typedef struct gm_engine gm_engine;

double gm_now(void); /* seconds, monotonic */

/* One reference. Errors: GM_ERR_ARGUMENT (threads), GM_ERR_MEMORY. */
gm_status gm_engine_new(gm_engine **out, const gm_engine_settings *settings, gm_error *err);
gm_engine *gm_engine_hold(gm_engine *engine);
/* Holds the given engine, or makes one with so many threads where it is NULL. */
gm_status gm_engine_choose(gm_engine **out, gm_engine *given, unsigned threads, gm_error *err);
/* Gives a reference back; the last one frees the engine, which has no jobs then: at once, or on
 * the engine's own thread after the callback. NULL allowed. */
void gm_engine_release(gm_engine *engine);

/* Runs the job to its end on the calling thread and returns its status, with its error in *err.
 * GM_ERR_BUSY where the queue is full; GM_ERR_ARGUMENT from within a callback. collect is
 * called in every case in which run was. */
gm_status gm_job_do(gm_engine *engine, gm_job *job, gm_error *err);

/* A piece of heavy work that the calling thread does itself, between enter and leave, as if it
 * were a job's run: it waits until the engine runs it, and entry->c is its compute. Within a
 * job's run on the same engine it begins at once. On failure (as gm_job_do, GM_ERR_CANCELLED
 * while it waited) there is nothing to leave. */
typedef struct gm_entry {
  gm_job job;
  gm_compute *c;
  const gm_callbacks *callbacks; /* for the stages, in place of the caller's */
  gm_compute before;
  unsigned level;
  bool within;             /* another job's run */
  struct gm_engine *outer; /* whose work the thread does besides; NULL: none */
} gm_entry;
gm_status gm_engine_enter(gm_engine *engine, gm_entry *entry, const gm_kernels *kernels,
                          const gm_callbacks *callbacks, gm_error *err);
/* Returns status. */
gm_status gm_engine_leave(gm_entry *entry, gm_status status);

/* Begins a job that nobody waits for; job stays the caller's and must live until `done`.
 * Errors: GM_ERR_BUSY, GM_ERR_MEMORY (the engine's thread). */
gm_status gm_job_submit(gm_engine *engine, gm_job *job, gm_error *err);
/* From any thread; the job ends soon. */
void gm_job_cancel(gm_job *job);
/* The same, where memory was short for something that must not get lost. */
void gm_job_cancel_for_memory(gm_job *job);

/* In run: the voice goes to the end of those to be read. */
void gm_job_speak(gm_job *job, gm_voice *voice);

/* For long work that is not a matrix product, such as hashing: lets quicker work of the engine
 * run now, as gm_poll does, but does not ask whether to cancel. Does nothing on a thread that
 * is not computing for the engine. */
void gm_engine_let_pass(gm_engine *engine);

/* Whether the calling thread is in a callback of the user's, where nothing may be computed.
 * gm_callback_begin and gm_callback_end enclose each call of a callback; they may be nested. */
bool gm_in_callback(void);
void gm_callback_begin(void);
void gm_callback_end(void);
gm_status gm_refuse_in_callback(gm_error *err);
/* A copy of the callbacks that marks the thread as being in a callback while one runs, so that
 * calls that compute are refused there. For work that is not a job of the engine. Valid as long
 * as the given callbacks. */
gm_callbacks gm_callbacks_guarded(const gm_callbacks *callbacks);

/* How many wait and how many are running or speaking. */
void gm_engine_count(gm_engine *engine, size_t *waiting, size_t *running);

#endif
