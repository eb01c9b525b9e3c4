/* engine_parts.h - what the files of the engine share. */
#ifndef GM_ENGINE_PARTS_H
#define GM_ENGINE_PARTS_H

#include "engine.h"

enum { GM_LEVEL_RUN, GM_LEVEL_READ, GM_LEVEL_STEP };

/* What the thread that computes goes back to after a visit. */
typedef struct gm_visit_frame {
  gm_compute before; /* without the arena, which only grows */
  unsigned level;
} gm_visit_frame;

/* The engine's compute is another model's until the end of the visit. */
gm_visit_frame gm_visit_begin(gm_engine *e, const gm_kernels *kernels, unsigned level);
void gm_visit_end(gm_engine *e, const gm_visit_frame *frame);

/* Adds a voice at the end. On the thread that computes. */
void gm_voices_add(gm_voices *voices, gm_voice *voice);
/* Whether there are voices that could go on; of jobs that nobody waits for. With the lock,
 * while no thread computes. */
bool gm_voices_any(const gm_engine *e);
bool gm_voices_unwaited(const gm_engine *e);
/* Reads the rows of the first voices that have not been read, or takes a step with those that
 * have: of one model, as many as go together. On the thread that computes. False: there were
 * none. */
bool gm_voices_read(gm_engine *e);
bool gm_voices_step(gm_engine *e);

/* The callbacks that the stages of the job are given. */
gm_callbacks gm_job_inner(gm_job *job);
/* Tells the waiter what was noted for it. On its thread, without the lock. */
void gm_job_tell_notes(gm_job *job);
void gm_job_free_notes(gm_job *job);
/* Whether the job is to end: cancelled, late, or its waiter's callback says so, which is asked
 * on the waiter's thread only. */
bool gm_job_stops(gm_job *job);
/* The job's run or voices are over, with that status. Without the lock. */
void gm_job_finish(gm_job *job, gm_status status);

#endif
