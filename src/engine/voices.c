/* voices.c - engine.h's voices: which of them go together, and what a pass of the language
 * model does for each. */
#include "engine_parts.h"

#include "pipeline.h"

#include <assert.h>
#include <string.h>

enum {
  READ_VOICES = 32, /* questions that are read together */
  READ_ROWS = 384,  /* of several; so that a layer of them is over soon */
};

/* ---- the thread that computes ---- */

gm_visit_frame gm_visit_begin(gm_engine *e, const gm_kernels *kernels, unsigned level) {
  gm_compute *c = &e->compute;
  gm_visit_frame frame = {.before = *c, .level = e->level};
  c->kernels = kernels;
  c->panels = NULL;
  c->way = GM_WAY_READ;
  c->err = NULL;
  c->cancelled = NULL;
  c->cancel_user = NULL;
  e->level = level;
  return frame;
}

void gm_visit_end(gm_engine *e, const gm_visit_frame *frame) {
  gm_arena arena = e->compute.arena;
  e->compute = frame->before;
  e->compute.arena = arena;
  e->level = frame->level;
}

/* ---- lists ---- */

void gm_voices_add(gm_voices *voices, gm_voice *voice) {
  voice->after = NULL;
  if (voices->last)
    voices->last->after = voice;
  else
    voices->first = voice;
  voices->last = voice;
}

static gm_voice *take_first(gm_voices *voices) {
  gm_voice *voice = voices->first;
  if (!voice) return NULL;
  voices->first = voice->after;
  if (!voices->first) voices->last = NULL;
  voice->after = NULL;
  return voice;
}

bool gm_voices_any(const gm_engine *e) {
  return e->unread.first || e->speaking.first;
}

static bool any_unwaited(const gm_voices *voices) {
  const gm_voice *voice = voices->first;
  while (voice && voice->job->waited) voice = voice->after;
  return voice;
}

bool gm_voices_unwaited(const gm_engine *e) {
  return any_unwaited(&e->unread) || any_unwaited(&e->speaking);
}

/* ---- the end of a voice ---- */

/* Of its own keys and values, as they are now. */
static void count_bytes(gm_engine *e, gm_voice *voice, size_t bytes) {
  atomic_fetch_add(&e->voice_bytes, (uint64_t)bytes - (uint64_t)voice->bytes);
  voice->bytes = bytes;
}

/* The first failure of a job's voices is the job's, with its error. A full context gives way to
 * any other failure: it only cuts an answer short. */
static void note_failure(gm_job *job, gm_status status, const gm_error *err) {
  if (job->voices_status != GM_OK && job->voices_status != GM_ERR_CONTEXT_FULL) return;
  job->voices_status = status;
  job->error = *err;
}

static void end_voice(gm_voice *voice, gm_status status, const gm_error *err) {
  gm_job *job = voice->job;
  assert(job->n_voices > 0);
  count_bytes(job->engine, voice, 0);
  voice->status = status;
  if (status != GM_OK) note_failure(job, status, err);
  if (--job->n_voices == 0) gm_job_finish(job, job->voices_status);
}

static void end_cancelled(gm_voice *voice) {
  gm_error err = {0};
  end_voice(voice, gm_fail(&err, GM_ERR_CANCELLED, "cancelled by the caller"), &err);
}

/* The job's collect says what is full. */
static void end_full(gm_voice *voice) {
  gm_error err = {0};
  end_voice(voice, gm_fail(&err, GM_ERR_CONTEXT_FULL, "the context is full"), &err);
}

/* ---- a pass ---- */

/* Voices of one model that go through the language model together. */
typedef struct pass {
  gm_engine *e;
  gm_voice *voices[READ_VOICES];
  gm_talk *talks[READ_VOICES];
  size_t n;
  const char *stage;
  double since;
  bool again;      /* after a pass that failed: its prompts are counted */
  uint64_t growth; /* bytes of keys and values that it adds */
} pass;

_Static_assert((int)READ_VOICES >= (int)GM_STEP_VOICES, "a pass has room for steps");

static bool same_model(const gm_voice *a, const gm_voice *b) {
  return a->talk->encoding->groma == b->talk->encoding->groma &&
         a->job->kernels == b->job->kernels;
}

/* Whether the keys and values that the voice adds fit into the engine's memory, together with
 * those of the voices that are in the pass. If not, the voice ends. */
static bool has_room(pass *p, gm_voice *voice, size_t positions) {
  gm_engine *e = p->e;
  uint64_t bytes = e->make_room ? gm_kv_growth(&voice->talk->seq, positions) : 0;
  if (bytes == 0) return true;
  gm_error err = {0};
  gm_status status = e->make_room(e, p->growth + bytes, &err);
  if (status == GM_OK)
    p->growth += bytes;
  else
    end_voice(voice, status, &err);
  return status == GM_OK;
}

/* Takes up to `most` voices of the first one's model out of the list, with `rows` to compute in
 * all unless one alone has more. Those that are to end, end. */
static void gather(pass *p, gm_voices *from, size_t most, size_t rows) {
  gm_voices others = {0};
  gm_job *asked = NULL;
  bool stops = false;
  for (gm_voice *voice; (voice = take_first(from)) != NULL;) {
    if (voice->job != asked) stops = gm_job_stops(voice->job);
    asked = voice->job;
    size_t left = gm_talk_unread(voice->talk);
    if (stops) {
      if (voice->job->n_voices == 1) asked = NULL; /* the job may be gone after this */
      end_cancelled(voice);
    } else if (left == 0) {
      if (voice->job->n_voices == 1) asked = NULL;
      end_full(voice);
    } else if (p->n > 0 && (p->n == most || left > rows || !same_model(voice, p->voices[0]))) {
      gm_voices_add(&others, voice);
    } else {
      bool last = voice->job->n_voices == 1;
      if (!has_room(p, voice, left)) {
        if (last) asked = NULL;
        continue;
      }
      rows -= left < rows ? left : rows;
      p->talks[p->n] = voice->talk;
      p->voices[p->n++] = voice;
    }
  }
  *from = others;
}

/* Runs f for each job of the pass once; voices of a job are neighbours. */
static void tell_jobs(const pass *p, double done) {
  const gm_job *last = NULL;
  for (size_t i = 0; i < p->n; i++) {
    gm_job *job = p->voices[i]->job;
    if (job != last) job->inner.progress(job, p->stage, done);
    last = job;
  }
}

static void pass_progress(void *user, double done) {
  tell_jobs(user, done);
}

/* A pass goes on as long as somebody wants it. */
static bool nobody_wants(void *user) {
  const pass *p = user;
  for (size_t i = 0; i < p->n; i++)
    if (!gm_job_stops(p->voices[i]->job)) return false;
  return true;
}

static void count_prompts(const pass *p) {
  for (size_t i = 0; i < p->n; i++) {
    size_t all = gm_talk_positions(p->talks[i]), unread = gm_talk_unread(p->talks[i]);
    size_t ready = p->voices[i]->ready < all - unread ? p->voices[i]->ready : all - unread;
    atomic_fetch_add(&p->voices[i]->job->prompt, all);
    atomic_fetch_add(&p->voices[i]->job->cached, ready);
  }
}

/* Counts the pass's seconds for each scene of it. */
static void count_time(const pass *p) {
  double seconds = gm_now() - p->since;
  for (size_t i = 0; i < p->n; i++) {
    gm_encoding *encoding = p->talks[i]->encoding;
    size_t before = 0;
    while (before < i && p->talks[before]->encoding != encoding) before++;
    if (before == i) gm_watch_add(encoding->watch, p->stage, seconds);
  }
}

static void run_pass(pass *p, bool reading);

/* Memory that is short for all may do for one. */
static void run_one_by_one(const pass *p, bool reading) {
  for (size_t i = 0; i < p->n; i++) {
    pass one = {
        .e = p->e, .voices = {p->voices[i]}, .talks = {p->talks[i]}, .n = 1, .again = true};
    run_pass(&one, reading);
  }
}

static void fail_all(pass *p, gm_status status, const gm_error *err) {
  for (size_t i = 0; i < p->n; i++) end_voice(p->voices[i], status, err);
}

/* What the voice says next, given its logits; it ends or goes on among those that speak. */
static void speak(pass *p, gm_voice *voice, const float *logits) {
  gm_compute *c = &p->e->compute;
  size_t said = voice->talk->said.n;
  bool more = false;
  gm_error error = {0};
  c->err = &error;
  count_bytes(p->e, voice, gm_kv_own_memory(&voice->talk->seq));
  gm_status status = gm_pipeline_say(voice->talk, voice->next, voice->user, voice->index,
                                     logits, &more, c->err);
  atomic_fetch_add(&voice->job->generated, voice->talk->said.n - said);
  if (status == GM_OK && more)
    gm_voices_add(&p->e->speaking, voice);
  else
    end_voice(voice, status, &error);
}

/* The voices' rows through the language model. */
static void run_pass(pass *p, bool reading) {
  gm_compute *c = &p->e->compute;
  gm_error error = {0};
  const gm_job *job = p->voices[0]->job;
  size_t vocab = p->talks[0]->encoding->groma->llama->vocab;
  gm_visit_frame frame =
      gm_visit_begin(p->e, job->kernels, reading ? GM_LEVEL_READ : GM_LEVEL_STEP);
  gm_arena_mark mark = gm_arena_save(&c->arena);
  c->err = &error;
  c->cancelled = nobody_wants;
  c->cancel_user = p;
  if (reading && !p->again) count_prompts(p);
  p->stage = reading ? "prefill" : "generate";
  p->since = gm_now();
  if (reading) tell_jobs(p, 0);
  float *logits = gm_scratch_f32(c, p->n * vocab, "the answers");
  gm_status status = logits ? GM_OK : GM_ERR_MEMORY;
  if (status == GM_OK)
    status = reading ? gm_pipeline_read(c, p->talks, p->n, logits, pass_progress, p)
                     : gm_pipeline_step(c, p->talks, p->n, logits);
  count_time(p);
  if (status == GM_OK) {
    if (reading) tell_jobs(p, 1);
    for (size_t i = 0; i < p->n; i++) speak(p, p->voices[i], logits + i * vocab);
  }
  gm_arena_restore(&c->arena, mark);
  gm_visit_end(p->e, &frame);
  if (status == GM_ERR_MEMORY && p->n > 1)
    run_one_by_one(p, reading);
  else if (status != GM_OK)
    fail_all(p, status, &error);
}

bool gm_voices_read(gm_engine *e) {
  pass p = {.e = e};
  gather(&p, &e->unread, READ_VOICES, READ_ROWS);
  if (p.n == 0) return false;
  run_pass(&p, true);
  return true;
}

bool gm_voices_step(gm_engine *e) {
  pass p = {.e = e};
  gather(&p, &e->speaking, GM_STEP_VOICES, SIZE_MAX);
  if (p.n == 0) return false;
  run_pass(&p, false);
  return true;
}
