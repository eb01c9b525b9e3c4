/* job.c - see job.h. A job's lock may be taken while the server's is held, never the other way
 * round. */
#include "state.h"

#include "errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double srv_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- queues ---- */

static void push(srv_queue *queue, srv_job *job) {
  job->next = NULL;
  *(queue->last ? &queue->last->next : &queue->first) = job;
  queue->last = job;
  queue->n++;
  pthread_cond_signal(&queue->change);
}

static srv_job *pop(srv_queue *queue) {
  srv_job *job = queue->first;
  queue->first = job->next;
  if (!queue->first) queue->last = NULL;
  queue->n--;
  return job;
}

/* Puts the job into the list of news, and wakes the HTTP thread. */
static void tell(srv_job *job) {
  srv *s = job->server;
  pthread_mutex_lock(&s->lock);
  bool first = !job->told;
  if (first) {
    job->told = true;
    atomic_fetch_add(&job->holders, 1);
    job->next_news = s->news;
    s->news = job;
  }
  pthread_mutex_unlock(&s->lock);
  uint64_t one = 1;
  if (first && write(s->wake, &one, sizeof one) < 0) return; /* the counter is full: it wakes */
}

static void too_late(srv_job *job);

static void set_state(srv_job *job, srv_job_state state) {
  pthread_mutex_lock(&job->lock);
  job->state = state;
  pthread_mutex_unlock(&job->lock);
}

srv_job *srv_job_begin(srv *s, const srv_work *work, const char *client, char *body,
                       size_t size, size_t room, char *content_type) {
  srv_job *job = calloc(1, sizeof *job);
  if (!job) return NULL;
  job->server = s;
  job->work = work;
  atomic_store(&job->holders, 2); /* the caller and the queue */
  snprintf(job->client, sizeof job->client, "%s", client);
  snprintf(job->id, sizeof job->id, "req-%lx", atomic_fetch_add(&s->next_id, 1) + 1);
  job->began = srv_now();
  job->deadline = job->began + s->settings->timeout;
  job->body = body;
  job->body_size = size;
  job->body_room = room;
  job->content_type = content_type;
  job->media_type = "application/json";
  pthread_mutex_init(&job->lock, NULL);
  pthread_mutex_lock(&s->lock);
  if (s->stopping) { /* nobody would read it */
    pthread_mutex_unlock(&s->lock);
    pthread_mutex_destroy(&job->lock);
    free(job);
    return NULL;
  }
  job->after = s->all;
  if (s->all) s->all->before = job;
  s->all = job;
  s->n_jobs++;
  push(&s->readers, job);
  pthread_mutex_unlock(&s->lock);
  return job;
}

void srv_job_free(srv_job *job) {
  if (!job || atomic_fetch_sub(&job->holders, 1) > 1) return;
  if (job->plan) job->work->free_plan(job->plan);
  pthread_mutex_destroy(&job->lock);
  free(job->body);
  free(job->content_type);
  free(job->out);
  free(job->question);
  free(job);
}

/* With the job's lock. */
static void give_up(srv_job *job) {
  atomic_store(&job->cancelled, true);
  if (job->request) gm_request_cancel(job->request);
}

void srv_job_cancel(srv_job *job) {
  pthread_mutex_lock(&job->lock);
  give_up(job);
  pthread_mutex_unlock(&job->lock);
}

bool srv_job_ended(srv_job *job) {
  if (!job) return false;
  pthread_mutex_lock(&job->lock);
  bool ended = job->state == SRV_ENDED;
  pthread_mutex_unlock(&job->lock);
  return ended;
}

static void end(srv_job *job) {
  srv *s = job->server;
  pthread_mutex_lock(&job->lock);
  job->state = SRV_ENDED;
  if (job->status == 0) job->status = 499;
  pthread_mutex_unlock(&job->lock);
  pthread_mutex_lock(&s->lock);
  *(job->before ? &job->before->after : &s->all) = job->after;
  if (job->after) job->after->before = job->before;
  s->n_jobs--;
  pthread_mutex_unlock(&s->lock);
  tell(job);
  srv_job_free(job);
}

static void *reader(void *user) {
  srv *s = user;
  for (;;) {
    pthread_mutex_lock(&s->lock);
    while (!s->readers.first && !s->stopping) pthread_cond_wait(&s->readers.change, &s->lock);
    srv_job *job = s->readers.first ? pop(&s->readers) : NULL;
    pthread_mutex_unlock(&s->lock);
    if (!job) return NULL;
    bool over = srv_job_over(job), more = !over && job->work->prepare(job);
    if (over && !atomic_load(&job->cancelled)) too_late(job);
    free(job->body);
    job->body = NULL;
    atomic_fetch_sub(&s->bodies, job->body_room);
    if (!more) {
      end(job);
      continue;
    }
    pthread_mutex_lock(&s->lock);
    set_state(job, SRV_WAITING);
    push(&s->slots, job);
    pthread_mutex_unlock(&s->lock);
  }
}

static void run(srv *s, srv_job *job, unsigned slot) {
  double began = srv_now();
  job->waited = began - job->began;
  job->slot = (int)slot;
  if (!srv_job_over(job))
    job->work->run(job);
  else if (!atomic_load(&job->cancelled))
    too_late(job);
  job->ran = srv_now() - began;
  atomic_fetch_add(&s->prompt_tokens, job->usage.prompt);
  atomic_fetch_add(&s->cached_tokens, job->usage.cached);
  atomic_fetch_add(&s->generated_tokens, job->usage.generated);
}

static void *slot(void *user) {
  srv *s = user;
  pthread_mutex_lock(&s->lock);
  unsigned number = 0;
  while (s->taken[number]) number++;
  s->taken[number] = true;
  for (;;) {
    while (!s->slots.first && !s->stopping) pthread_cond_wait(&s->slots.change, &s->lock);
    srv_job *job = s->slots.first ? pop(&s->slots) : NULL;
    if (!job) break;
    set_state(job, SRV_RUNNING);
    s->running[number] = job;
    pthread_mutex_unlock(&s->lock);
    run(s, job, number);
    pthread_mutex_lock(&s->lock);
    s->running[number] = NULL;
    s->seconds_waited += job->waited;
    s->seconds_ran += job->ran;
    pthread_mutex_unlock(&s->lock);
    end(job);
    pthread_mutex_lock(&s->lock);
  }
  pthread_mutex_unlock(&s->lock);
  return NULL;
}

gm_status srv_jobs_start(srv *s, unsigned slots, gm_error *err) {
  pthread_mutex_init(&s->lock, NULL);
  pthread_cond_init(&s->readers.change, NULL);
  pthread_cond_init(&s->slots.change, NULL);
  pthread_cond_init(&s->fewer_large, NULL);
  s->n_slots = slots;
  for (size_t i = 0; i < SRV_READERS + slots; i++) {
    if (pthread_create(&s->threads[i], NULL, i < SRV_READERS ? reader : slot, s) != 0) {
      snprintf(err->message, sizeof err->message, "cannot start %u threads; give fewer --slots",
               slots);
      return err->status = GM_ERR_MEMORY;
    }
    s->n_threads++;
  }
  return GM_OK;
}

void srv_jobs_stop(srv *s) {
  pthread_mutex_lock(&s->lock);
  s->stopping = true;
  pthread_cond_broadcast(&s->readers.change);
  pthread_cond_broadcast(&s->slots.change);
  pthread_mutex_unlock(&s->lock);
  for (size_t i = 0; i < s->n_threads; i++) pthread_join(s->threads[i], NULL);
  s->n_threads = 0;
  for (srv_job *job; (job = srv_jobs_news(s));) srv_job_free(job);
}

srv_job *srv_jobs_news(srv *s) {
  pthread_mutex_lock(&s->lock);
  srv_job *job = s->news;
  if (job) {
    s->news = job->next_news;
    job->told = false; /* from here on it may be told, and linked, again */
  }
  pthread_mutex_unlock(&s->lock);
  return job;
}

size_t srv_jobs_of(srv *s, const char *client) {
  size_t n = 0;
  pthread_mutex_lock(&s->lock);
  for (srv_job *job = s->all; job; job = job->after) n += strcmp(job->client, client) == 0;
  pthread_mutex_unlock(&s->lock);
  return n;
}

size_t srv_jobs_running(srv *s) {
  size_t n = 0;
  pthread_mutex_lock(&s->lock);
  for (unsigned i = 0; i < s->n_slots; i++) n += s->running[i] != NULL;
  pthread_mutex_unlock(&s->lock);
  return n;
}

size_t srv_jobs_waiting(srv *s) {
  size_t running = srv_jobs_running(s);
  pthread_mutex_lock(&s->lock);
  size_t n = s->n_jobs;
  pthread_mutex_unlock(&s->lock);
  return n > running ? n - running : 0;
}

void srv_jobs_cancel_all(srv *s) {
  pthread_mutex_lock(&s->lock);
  for (srv_job *job = s->all; job; job = job->after) srv_job_cancel(job);
  pthread_mutex_unlock(&s->lock);
}

/* ---- the answer ---- */

/* With the job's lock. A client that does not read its answer loses it. */
static void add(srv_job *job, const char *bytes, size_t n) {
  if (n > SRV_MAX_OUTPUT - job->n_out) {
    give_up(job);
    return;
  }
  if (job->n_out + n > job->room) {
    size_t room = 2 * (job->n_out + n) + 256;
    char *grown = realloc(job->out, room);
    if (!grown) {
      give_up(job);
      return;
    }
    job->out = grown;
    job->room = room;
  }
  memcpy(job->out + job->n_out, bytes, n);
  job->n_out += n;
}

/* With the job's lock. */
static void begin_events(srv_job *job) {
  if (job->events) return;
  job->events = true;
  job->status = 200;
  job->media_type = "text/event-stream";
}

static void add_event(srv_job *job, const char *name, const char *data) {
  begin_events(job);
  if (name) {
    add(job, "event: ", 7);
    add(job, name, strlen(name));
    add(job, "\n", 1);
  }
  add(job, "data: ", 6);
  add(job, data, strlen(data));
  add(job, "\n\n", 2);
  job->last_event = srv_now();
}

void srv_reply_text(srv_job *job, int status, const char *media_type, const char *text) {
  pthread_mutex_lock(&job->lock);
  if (job->events) {
    add_event(job, srv_error_event_name(job->work), text); /* nothing else comes so late */
  } else if (job->status == 0) {
    job->status = status;
    job->media_type = media_type;
    add(job, text, strlen(text));
  }
  pthread_mutex_unlock(&job->lock);
  tell(job);
}

void srv_reply_json(srv_job *job, int status, json_t *object) {
  char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(10));
  json_decref(object);
  if (text && strlen(text) > SRV_MAX_OUTPUT)
    srv_reply_error(job, 400, "answer_too_large",
                    "found an answer of %zu bytes, wanted at most %d; ask for fewer phrases or "
                    "regions at once",
                    strlen(text), SRV_MAX_OUTPUT);
  else if (text)
    srv_reply_text(job, status, "application/json", text);
  else
    srv_reply_text(job, 500, "application/json",
                   "{\"error\":{\"message\":\"no memory for the answer\",\"type\":"
                   "\"server_error\",\"param\":null,\"code\":\"out_of_memory\"}}");
  free(text);
}

void srv_reply_error(srv_job *job, int status, const char *code, const char *format, ...) {
  char message[1200];
  va_list list;
  va_start(list, format);
  vsnprintf(message, sizeof message, format, list);
  va_end(list);
  if (job->caught) {
    job->caught->status = status;
    snprintf(job->caught->code, sizeof job->caught->code, "%s", code);
    memcpy(job->caught->message, message, sizeof message);
    return;
  }
  snprintf(job->error, sizeof job->error, "%s", code);
  pthread_mutex_lock(&job->lock);
  bool events = job->events;
  pthread_mutex_unlock(&job->lock);
  srv_reply_json(job, status,
                 events ? srv_error_event_json(job, status, code, message)
                        : srv_error_json(job->work, status, code, message));
}

static void too_late(srv_job *job) {
  srv_reply_error(job, 504, "timeout",
                  "not done within the %g seconds that a request may take; try again later, or "
                  "ask for less",
                  job->server->settings->timeout);
}

void srv_reply_failure(srv_job *job, const gm_error *err) {
  int status = 400;
  if (err->status == GM_ERR_CANCELLED) { /* by its client, or by srv_job_callbacks */
    if (!atomic_load(&job->cancelled)) too_late(job);
    return;
  }
  if (err->status == GM_ERR_TIMEOUT) status = 504;
  if (err->status == GM_ERR_BUSY || err->status == GM_ERR_MEMORY) status = 503;
  if (err->status == GM_ERR_IMAGE_TOO_LARGE) status = 413;
  if (err->status == GM_ERR_IO || err->status == GM_ERR_MODEL) status = 500;
  if (status == 503) job->retry_after = 5;
  srv_reply_error(job, status, gm_status_name(err->status), "%s", err->message);
}

void srv_send_event(srv_job *job, const char *name, json_t *data) {
  char *text = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(10));
  json_decref(data);
  pthread_mutex_lock(&job->lock);
  if (text) add_event(job, name, text);
  pthread_mutex_unlock(&job->lock);
  free(text);
  tell(job);
}

void srv_send_raw(srv_job *job, const char *text) {
  pthread_mutex_lock(&job->lock);
  begin_events(job);
  add(job, text, strlen(text));
  pthread_mutex_unlock(&job->lock);
  tell(job);
}

void srv_job_keep_alive(srv_job *job, double now) {
  static const char comment[] = ": wait\n\n";
  bool sent = false;
  pthread_mutex_lock(&job->lock);
  double since = job->events ? job->last_event : job->began;
  bool open = job->events || (job->status == 0 && job->state != SRV_READING);
  if (open && job->stream && job->state != SRV_ENDED && now - since >= 1 && job->n_out == 0) {
    begin_events(job);
    add(job, comment, sizeof comment - 1);
    job->last_event = now;
    sent = true;
  }
  pthread_mutex_unlock(&job->lock);
  if (sent) tell(job);
}

/* ---- requests of the library ---- */

bool srv_job_over(srv_job *job) {
  return atomic_load(&job->cancelled) || srv_now() > job->deadline;
}

double srv_job_time(const srv_job *job) {
  double left = job->deadline - srv_now();
  return left > 1e-3 ? left : 1e-3;
}

static bool is_over(void *user) {
  return srv_job_over(user);
}

gm_callbacks srv_job_callbacks(srv_job *job) {
  gm_callbacks callbacks = gm_callbacks_default();
  callbacks.user = job;
  callbacks.cancelled = is_over;
  return callbacks;
}

static void set_request(srv_job *job, gm_request *request) {
  pthread_mutex_lock(&job->lock);
  job->request = request;
  pthread_mutex_unlock(&job->lock);
  if (request && atomic_load(&job->cancelled)) gm_request_cancel(request);
}

void srv_job_wait(srv_job *job, gm_request *request,
                  void (*event)(void *user, const gm_event *event), void *user) {
  set_request(job, request);
  gm_event e = {.struct_size = sizeof e};
  while (gm_request_next_event(request, -1, &e) == GM_OK && e.type != GM_EVENT_DONE)
    if (event) event(user, &e);
  set_request(job, NULL);
  gm_usage usage = {.struct_size = sizeof usage};
  if (gm_request_usage(request, &usage) == GM_OK) {
    job->usage.prompt += usage.prompt;
    job->usage.cached += usage.cached;
    job->usage.generated += usage.generated;
  }
}
