/* request.h - the struct of gm_request: a job that nobody waits for, what it is about, its
 * events and its results. */
#ifndef GM_REQUEST_H
#define GM_REQUEST_H

#include "clip_handles.h"
#include "ground_job.h"

typedef struct request_event {
  gm_event event;
  struct request_event *after;
  gm_region regions[]; /* [n_regions], then the text */
} request_event;

typedef enum request_kind {
  REQUEST_SCENE,
  REQUEST_ANSWER,
  REQUEST_GROUND,
  REQUEST_CLASSIFICATIONS
} request_kind;

/* Work of one function, which runs as in a call and reports to `inner`. */
typedef struct call_job {
  gm_job job;
  gm_status (*f)(gm_request *r, const gm_callbacks *inner, gm_error *err);
} call_job;

struct gm_request {
  gm_request_params params;
  gm_job *job;
  pthread_mutex_t lock;
  pthread_cond_t arrival; /* of an event, or the end */
  pthread_cond_t end;     /* who waits for it alone is not woken for each event */
  bool ended;             /* the outcome is there, and GM_EVENT_DONE is being given */
  bool done;              /* nothing will touch the request any more */
  bool told;              /* GM_EVENT_DONE was taken from the queue */
  bool abandoned;         /* freed in a callback: no event follows, the end frees it */
  pthread_t ender;        /* gives GM_EVENT_DONE */
  bool *gone; /* ended and not done: becomes true where the ender frees the request */
  request_event *first, *last, *given;

  /* What it is about. */
  request_kind kind;
  gm_scene *scene; /* held */
  gm_asked asked;
  gm_ask_job *ask;
  gm_turn_job *turn;
  gm_ground_job *ground;
  call_job *call;
  gm_model *model; /* held */
  gm_image *image; /* shared */
  gm_clip *clip;
  gm_view *view;
  const gm_classes *classes;
  gm_scene_params scene_params;
  gm_view_params view_params;
  gm_classify_params classify_params;
  gm_box *boxes;
  float *limits; /* of classify_params */
  float *scores;

  /* Results that were not taken. */
  bool taken;
  gm_scene *made;
  gm_answer *answer;
  gm_ground_result **results; /* [n] */
  gm_classification **classifications;
  size_t n;
};

/* *out is set before the request is submitted, so that its first event finds it there. */
gm_status gm_request_new(gm_request **out, const gm_request_params *params, gm_error *err);
/* The request's events come from the job from now on. After success it may be gone already: a
 * callback has freed it. On failure it can be freed at once. */
gm_status gm_request_submit(gm_request *r, gm_engine *engine, gm_job *job, gm_error *err);
/* What gm_request_free does of the task and its results. */
void gm_request_free_task(gm_request *r);

/* Of an answering's listener; user is the job. */
void gm_request_on_phrase(void *user, const gm_grounded_text *g,
                          const gm_grounded_phrase *phrase);
/* The regions that the request's answer may name. */
const gm_region_list *gm_request_list(const gm_request *r);

#endif
