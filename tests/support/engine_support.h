/* engine_support.h - an engine with two models and a CLIP, and tasks of every kind on it, as a
 * request or as the call of the same name. Outcomes are byte strings, compared for
 * bit-identity. */
#ifndef GM_ENGINE_SUPPORT_H
#define GM_ENGINE_SUPPORT_H

#include "interface.h"

enum { ENGINE_MODELS = 2, ENGINE_PICTURES = 3 };

typedef struct engine_world {
  gm_engine *engine;
  gm_model *models[ENGINE_MODELS]; /* groma-mini; the second keeps keys and values in q8_0 */
  gm_clip *clip;                   /* clip-mini */
  gm_classes *classes;             /* of wca: tree, rabbit */
  gm_image *images[ENGINE_PICTURES];
  gm_scene *scenes[ENGINE_MODELS][ENGINE_PICTURES]; /* NULL until engine_scene */
} engine_world;

void engine_world_open(engine_world *w, const gm_engine_params *params);
/* Frees everything that the test has not freed and set to NULL. */
void engine_world_close(engine_world *w);
gm_scene *engine_scene(engine_world *w, size_t model, size_t picture);
gm_engine_info engine_info(const engine_world *w);

typedef enum task_kind {
  TASK_CAPTION,
  TASK_ASK_BOXES,
  TASK_ASK_SAMPLED,
  TASK_DESCRIBE,
  TASK_GROUND,
  TASK_GROUND_ALL,
  TASK_GROUND_FREE,
  TASK_CHAT, /* the second turn; the first is asked before */
  TASK_CLASSIFY,
  TASK_LABEL,
  TASK_SCENE, /* its outcome: the regions */
  TASK_KINDS
} task_kind;

typedef struct task {
  task_kind kind;
  size_t model, picture;
  uint64_t seed;
  gm_request *request;
  gm_chat *chat;
  gm_view *view;
} task;

/* A task's results: status, texts, ids, spans, regions and scores, one after the other. */
typedef struct outcome {
  gm_status status;
  char *bytes;
  size_t n;
} outcome;

/* Makes what the task needs: its scene and its chat with a first turn, or its view. Call it on
 * the test's main thread. */
void task_prepare(engine_world *w, task *t);
/* Submits the request of a prepared task. May be called from any thread, and from callbacks. */
gm_status task_submit(const engine_world *w, task *t, const gm_request_params *params,
                      gm_error *err);
/* Waits, takes the results and frees the request and what task_prepare made. */
outcome task_end(task *t);
/* Prepares the task, makes the call and frees what task_prepare made. */
outcome task_call(engine_world *w, task *t);
/* Prepares and submits a task on the first picture; task_drop waits for it and frees all. */
task task_begin(engine_world *w, task_kind kind, const gm_request_params *params);
void task_drop(task *t);
/* Runs the task by its call, on an engine of its own with that many threads. */
outcome task_alone(const task *t, unsigned threads);

/* Fails the test if they differ. */
void assert_same_outcome(const outcome *found, const outcome *wanted, const char *what,
                         size_t number);
void outcome_free(outcome *o);
/* Adds the answer's text, ids, groundings and regions to the bytes. answer may be NULL. */
void outcome_add_answer(outcome *o, const gm_answer *answer);

/* Fails the test if requests wait or run. */
void assert_engine_idle(const engine_world *w);
/* Fails the test if a caption differs from the first one that this was called for. */
void assert_engine_answers(engine_world *w);

/* The process's number of threads now. */
size_t threads_now(void);

#endif
