/* chat_pool.c - see chat_pool.h. */
#include "chat_pool.h"

#include "terminal.h"

#include <stdlib.h>

typedef struct pool {
  const chat_work *work;
  pthread_mutex_t lock;
  bool over;
} pool;

typedef struct worker {
  pool *pool;
  chat_endpoint *endpoint;
  pthread_t thread;
} worker;

static bool next(pool *p, size_t *item, chat_question *question) {
  *question = (chat_question){0};
  pthread_mutex_lock(&p->lock);
  bool some = !p->over && !cli_interrupted() && p->work->next(p->work->user, item, question);
  p->over = !some;
  pthread_mutex_unlock(&p->lock);
  return some;
}

static void take(pool *p, size_t item, const chat_answer *answer) {
  pthread_mutex_lock(&p->lock);
  if (!p->work->take(p->work->user, item, answer)) p->over = true;
  pthread_mutex_unlock(&p->lock);
}

static void *run(void *user) {
  worker *w = user;
  size_t item;
  chat_question question;
  while (next(w->pool, &item, &question)) {
    chat_answer answer;
    bool got = chat_endpoint_ask(w->endpoint, &question, &answer);
    take(w->pool, item, got ? &answer : NULL);
    free(answer.text);
    free((char *)question.text);
    free((char *)question.picture);
  }
  return NULL;
}

bool chat_pool_run(const chat_endpoint_params *params, size_t at_once, const chat_work *work) {
  chat_rate rate = {PTHREAD_MUTEX_INITIALIZER, 0};
  chat_endpoint_params shared = *params;
  pool p = {.work = work, .lock = PTHREAD_MUTEX_INITIALIZER};
  worker workers[CHAT_MOST_AT_ONCE] = {{0}};
  size_t n = 0, started = 1;
  shared.rate = &rate;
  while (n < at_once && n < CHAT_MOST_AT_ONCE &&
         (workers[n].endpoint = chat_endpoint_open(&shared)))
    workers[n++].pool = &p;
  if (n > 0) {
    /* With fewer threads than wanted it takes longer. */
    while (started < n &&
           pthread_create(&workers[started].thread, NULL, run, &workers[started]) == 0)
      started++;
    run(&workers[0]);
    for (size_t i = 1; i < started; i++) pthread_join(workers[i].thread, NULL);
  }
  for (size_t i = 0; i < n; i++) chat_endpoint_close(workers[i].endpoint);
  return n > 0;
}
