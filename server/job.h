/* job.h - a request that computes, from its body to its answer. It is made by the thread that
 * speaks HTTP, read by a reader thread (the route's `prepare`: cheap, before it waits for a
 * slot), and computed by a slot's thread (`run`). Its answer is bytes in the job, from which
 * the HTTP thread sends. A job outlives its connection until its slot notices. */
#ifndef SRV_JOB_H
#define SRV_JOB_H

#include "gromatic.h"
#include "keys.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct srv srv;
typedef struct srv_job srv_job;

/* What a kind of request does. Both report errors by srv_reply_error. */
typedef struct srv_work {
  const char *name;
  bool (*prepare)(srv_job *job); /* false: it is answered already */
  void (*run)(srv_job *job);
  void (*free_plan)(void *plan);
  const char *const *members; /* that a body may have, ending with NULL; NULL: any */
  bool by_clip;               /* "model" names the CLIP */
} srv_work;

/* An error that does not answer the request: one of several pictures failed. */
typedef struct srv_caught {
  int status; /* of HTTP; 0: none */
  char code[40], message[1200];
} srv_caught;

typedef enum srv_job_state { SRV_READING, SRV_WAITING, SRV_RUNNING, SRV_ENDED } srv_job_state;

struct srv_job {
  srv *server;
  const srv_work *work;
  atomic_int holders;
  atomic_bool cancelled;  /* its client went away, or the server stops at once */
  char client[SRV_ID];    /* whose it is: the key's SHA-256, or that of the address */
  char id[32];            /* "req-1f" */
  double began, deadline; /* srv_now */

  /* The reader's; freed when it has read them. */
  char *body, *content_type;
  size_t body_size, body_room;

  void *plan;         /* what prepare made of the body */
  bool stream;        /* set by prepare: the answer comes as events */
  int slot;           /* that it runs on, from 0 */
  int sequence;       /* the next event's number, where the protocol numbers them */
  srv_caught *caught; /* where srv_reply_error puts errors; NULL: they answer the request */

  pthread_mutex_t lock; /* guards what follows */
  srv_job_state state;
  gm_request *request; /* that is running, for srv_job_cancel */
  char *out;           /* [n_out] bytes that were not sent yet */
  size_t n_out, room;
  int status;             /* of HTTP; 0: not known yet */
  unsigned retry_after;   /* seconds; 0: none */
  const char *media_type; /* of the answer */
  bool events;            /* the answer is events, which have begun */
  double last_event;

  /* For the log and the metrics: of the job's threads until it has ended. */
  const char *model;
  char error[200];
  gm_usage usage;
  double waited, ran;
  char *question;

  /* With the server's lock. */
  bool told;                 /* it is in the list of news */
  srv_job *next, *next_news; /* in the queue; in the list of news */
  srv_job *before, *after;   /* in the list of all */
};

double srv_now(void); /* seconds, monotonic */

/* ---- for the HTTP thread ---- */

/* Puts a job into the readers' queue; it owns body, room bytes of srv.bodies, and content_type
 * then. NULL: no memory, or the readers have ended. */
srv_job *srv_job_begin(srv *server, const srv_work *work, const char *client, char *body,
                       size_t size, size_t room, char *content_type);
void srv_job_free(srv_job *job); /* gives up one holder */
/* Asks the job to end, and returns at once. */
void srv_job_cancel(srv_job *job);
/* Whether its threads are done with it: what they wrote may be read. */
bool srv_job_ended(srv_job *job);
/* Sends a comment if nothing was sent for a second, so that neither the client nor a proxy
 * gives up. Begins the events if need be. */
void srv_job_keep_alive(srv_job *job, double now);

/* ---- for prepare and run ---- */

/* Answers with an object (a reference that it takes) or an error, and the status of HTTP. */
void srv_reply_json(srv_job *job, int status, json_t *object);
void srv_reply_text(srv_job *job, int status, const char *media_type, const char *text);
void srv_reply_error(srv_job *job, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same for a call of the library. */
void srv_reply_failure(srv_job *job, const gm_error *err);

/* An event: its name (NULL: none) and its data. Takes the reference. */
void srv_send_event(srv_job *job, const char *name, json_t *data);
void srv_send_raw(srv_job *job, const char *text);
/* Whether the job is to end now. */
bool srv_job_over(srv_job *job);
/* Seconds that are left of its time, at least a thousandth. */
double srv_job_time(const srv_job *job);
/* Callbacks for calls of the library that have no request. */
gm_callbacks srv_job_callbacks(srv_job *job);
/* Waits for the request's end, and lets srv_job_cancel reach it meanwhile. event (may be NULL)
 * gets each event on this thread. */
void srv_job_wait(srv_job *job, gm_request *request,
                  void (*event)(void *user, const gm_event *event), void *user);

#endif
