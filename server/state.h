/* state.h - the server: what its threads share. */
#ifndef SRV_STATE_H
#define SRV_STATE_H

#include "hosts.h"
#include "job.h"
#include "label_studio_hosts.h"
#include "limits.h"
#include "listening.h"
#include "lora.h"
#include "models.h"
#include "pictures.h"

typedef enum srv_phase { SRV_LOADING, SRV_READY, SRV_DRAINING, SRV_BROKEN } srv_phase;

/* Jobs that wait for one kind of thread. */
typedef struct srv_queue {
  pthread_cond_t change;
  srv_job *first, *last;
  size_t n;
} srv_queue;

struct srv {
  const srv_settings *settings;
  atomic_int phase;   /* srv_phase */
  atomic_bool loaded; /* models does not change any more */
  int wake;           /* an eventfd: there is news for the HTTP thread */
  gm_engine *engine;
  srv_models models;
  srv_variants variants; /* of models, with other adapters */
  srv_pictures pictures;
  srv_hosts hosts;        /* that pictures are fetched from */
  int media;              /* the folder of --media-path; -1: none */
  atomic_uint n_fetching; /* readers that fetch */
  atomic_size_t bodies;   /* bytes of those that come in or wait for a reader */
  atomic_ulong requests, refused, prompt_tokens, cached_tokens, generated_tokens;
  double seconds_waited, seconds_ran; /* with the lock */

  pthread_mutex_t lock; /* guards what follows */
  srv_queue readers, slots;
  srv_job *all, *news; /* lists; those with news for the HTTP thread */
  size_t n_jobs;
  srv_ls_hosts label_studio;
  unsigned n_large; /* large pictures that are decoded */
  pthread_cond_t fewer_large;
  bool stopping;         /* threads end when their queue is empty */
  srv_job *running[256]; /* [n_slots], or NULL */
  bool taken[256];       /* the slot has its thread */
  unsigned n_slots;
  pthread_t threads[SRV_READERS + 256];
  size_t n_threads;
  atomic_ulong next_id;
};

/* Start and end the readers and slots. The end waits for all jobs. */
gm_status srv_jobs_start(srv *server, unsigned slots, gm_error *err);
void srv_jobs_stop(srv *server);
/* How many jobs this client has, and how many wait for a slot. */
size_t srv_jobs_of(srv *server, const char *client);
size_t srv_jobs_waiting(srv *server);
size_t srv_jobs_running(srv *server);
void srv_jobs_cancel_all(srv *server);
/* Takes a job out of the list of news; the caller gives it up (srv_job_free). NULL: no news. */
srv_job *srv_jobs_news(srv *server);

#endif
